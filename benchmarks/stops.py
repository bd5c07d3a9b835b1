"""SIGTERM to one of two processes, again and again over one run: `make chaos`.

    python benchmarks/stops.py [--stops 3] [--folder DIR]

A tiny flow run of two experts goes through the `animatrix train` command as two processes of one
CPU device each, an expert each. After some steps one of them gets SIGTERM; both are to stop at one
step with a committed checkpoint, at most five seconds after that step's end, and the run goes on
from it.
"""

import argparse
import os
import signal
import tempfile
from pathlib import Path

from _tiny_run import prepare
from moves import TERMINATED, Stage, end, steps_told, wait_for_steps
from rich.console import Console
from rich.table import Table

from animatrix_jax.training.telemetry import read_metrics

STAGE = Stage(2, 1, "expert=2")
STEPS, LIMIT_SECONDS = 6, 5.0
"""Steps that a life takes before it is stopped; seconds from a step's end to its checkpoint."""


def main() -> None:
    """Stop and go on, print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stops", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where to work, kept (default: a passing one)")
    args = parser.parse_args()
    table = Table(title="SIGTERM to one of two processes")
    for name in ("to process", "both stopped before step", "committed after its end"):
        table.add_column(name, justify="right")
    # Programs are kept by the first process: the other would be late where they are found again.
    os.environ["JAX_ENABLE_COMPILATION_CACHE"] = "false"
    worst = 0.0
    with tempfile.TemporaryDirectory() as passing:
        folder = args.folder or Path(passing)
        prepare(folder, steps=10**4)
        for number in range(args.stops):
            process = number % STAGE.processes
            step, seconds = stop_once(folder, process)
            table.add_row(str(process), str(step), f"{seconds:.2f} s")
            worst = max(worst, seconds)
    Console().print(table)
    if worst > LIMIT_SECONDS:
        raise SystemExit(f"a checkpoint took {worst:.2f} s of {LIMIT_SECONDS:.0f} s")


def stop_once(folder: Path, process: int) -> tuple[int, float]:
    """Run for some steps, stop one process; return where both stopped, and after what seconds."""
    lives = STAGE.start(folder, "stopped")
    wait_for_steps(folder / "stopped", steps_told(folder / "stopped") + STEPS, lives)
    lives[process].send_signal(signal.SIGTERM)
    end(lives, (TERMINATED,))
    last = read_metrics(folder / "stopped")[-1]
    step = int(last["step"])
    # Of two that stopped at two steps neither would have committed: they wait for one another.
    assert (folder / "stopped" / "checkpoints" / str(step) / "manifest.json").exists()
    return step, last["stop_commit_seconds"]


if __name__ == "__main__":
    main()
