"""Print the table of errors: `python -m tests.parity [network ...]`; status 1 where one is over."""

import os
import sys

# The bounds are those of one device's float32; a script that wants another says so.
os.environ.setdefault("JAX_PLATFORMS", "cpu")

from rich import box
from rich.console import Console
from rich.table import Table

from tests.parity.comparisons import cases_of, networks


def main(chosen: list[str]) -> int:
    """Compare the chosen networks, or all, and print one row a case."""
    unknown = set(chosen) - set(networks())
    if unknown:
        print(f"there is no comparison {min(unknown)!r}: there are {', '.join(networks())}")
        return 2
    table = Table("network", "case", "error", "bound", box=box.MARKDOWN)
    cases = [case for network in chosen or networks() for case in cases_of(network)]
    for case in cases:
        error = f"{case.error:.1e}{'' if case.holds else ' OVER'}"
        table.add_row(case.network, case.case, error, f"{case.bound:.1e}")
    Console(width=100).print(table)
    return int(not all(case.holds for case in cases))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
