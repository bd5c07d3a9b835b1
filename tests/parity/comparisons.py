"""The comparisons there are: two modules a network, found by name.

`tests.parity.<network>` has `cases() -> list[Case]` and knows no torch.
`tests.parity.torch_<network>` has `references() -> (arrays by case, meta)`, and writes them when
run; meta is JSON, with the public modules' tensor names and shapes under `shapes` ({} for none).
"""

import importlib
import importlib.util
from types import ModuleType

from tests.parity.case import Case

NETWORKS = ("dit", "umt5", "vae", "solvers", "pipeline")


def networks(prefix: str = "") -> list[str]:
    """Return the networks that have a module `tests.parity.<prefix><network>`."""
    return [n for n in NETWORKS if importlib.util.find_spec(f"tests.parity.{prefix}{n}")]


def module_of(network: str, prefix: str = "") -> ModuleType:
    """Import a network's module."""
    return importlib.import_module(f"tests.parity.{prefix}{network}")


def cases_of(network: str) -> list[Case]:
    """Run a network's comparisons."""
    return list(module_of(network).cases())
