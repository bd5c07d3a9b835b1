"""Fifty random `kill -9`s over one run, beside the same run left alone: `make chaos`.

    python benchmarks/chaos.py [--kills 50] [--seed 0] [--folder DIR]

A tiny flow run of two experts goes through the `animatrix train` command. It is killed at random
moments (while it starts, steps, saves) and started again, until it ends. Counted are divergences
(losses that differ from those of the run left alone at the same step, and arrays of the last
checkpoint that are not equal bit for bit) and lost checkpoints (a restart from an older step than
was on disk when the run was killed).
"""

import argparse
import atexit
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
from _tiny_run import SEED, prepare, start
from rich.console import Console
from rich.table import Table

from animatrix_data.settings import build
from animatrix_jax.checkpoint.training import Checkpoints
from animatrix_jax.jobs.recipes import flow
from animatrix_jax.training.ledger import KINDS
from animatrix_jax.training.telemetry import read_metrics

A_LIFE = 8
"""Steps that a life takes on average before it is killed."""


@dataclass
class Tally:
    """What is counted over all lives: kills before a life's first step among all, restarts from an
    older step than was on disk, steps done twice, seconds."""

    kills: int = 0
    early: int = 0
    lost: int = 0
    twice: int = 0
    seconds: float = 0.0


def main() -> None:
    """Run alone, run under fire, compare, print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0, help="of the moments of the kills")
    parser.add_argument("--folder", type=Path, help="where to work, kept (default: a passing one)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as passing:
        folder = args.folder or Path(passing)
        config = prepare(folder, steps=args.kills * (A_LIFE + 1) + 4 * A_LIFE)
        began = time.monotonic()
        _finish(start(folder, "alone"))
        alone = time.monotonic() - began
        tally = _under_fire(folder, args.kills, args.seed)
        _show(folder, config, tally, alone)


def _finish(process: subprocess.Popen[bytes]) -> None:
    if process.wait() != 0:
        raise SystemExit(f"a run ended with status {process.returncode}: --folder keeps its log")


def _under_fire(folder: Path, kills: int, seed: int) -> Tally:
    """Kill and start again, so many times; the last life runs to the end."""
    chance, tally, workdir = random.Random(seed), Tally(), folder / "killed"
    began, start_up = time.monotonic(), 1.0
    while True:
        seen, on_disk, born = len(_records(workdir)), _newest(workdir), time.monotonic()
        life = start(folder, workdir.name)
        atexit.register(life.kill)
        if tally.kills == kills:
            _finish(life)
        elif (steps := chance.randint(0, 2 * A_LIFE)) == 0:
            time.sleep(start_up * chance.random())
        else:
            while life.poll() is None and _steps(workdir, seen) < steps:
                time.sleep(0.03)
            start_up = time.monotonic() - born
            time.sleep(chance.uniform(0.0, 0.1))
        ended = life.poll() is not None
        life.kill()
        life.wait()
        told = _records(workdir)[seen:]
        if told:
            tally.lost += told[0]["step"] < on_disk
        if ended:
            break
        tally.kills += 1
        tally.early += _steps(workdir, seen) == 0
        print(f"kill {tally.kills}: {_newest(workdir)} is on disk", file=sys.stderr)
    tally.seconds = time.monotonic() - began
    steps_told = [r["step"] for r in _records(workdir) if "loss" in r]
    tally.twice = len(steps_told) - len(set(steps_told))
    return tally


def _records(workdir: Path) -> list[dict[str, Any]]:
    return read_metrics(workdir) if (workdir / "metrics.jsonl").exists() else []


def _steps(workdir: Path, seen: int) -> int:
    """Return how many steps were told of after the first `seen` records."""
    return sum("loss" in record for record in _records(workdir)[seen:])


def _newest(workdir: Path) -> int:
    """Return the newest step whose checkpoint is on disk whole, 0 where there is none."""
    names = [path.name for path in (workdir / "checkpoints").glob("*")]
    return max((int(name) for name in names if name.isdigit()), default=0)


def _divergences(folder: Path, config: dict[str, Any]) -> tuple[int, int, int, int]:
    """Return losses told, those that differ from the run left alone, arrays, those that differ."""
    alone = {r["step"]: r["loss"] for r in _records(folder / "alone") if "loss" in r}
    told = [(r["step"], r["loss"]) for r in _records(folder / "killed") if "loss" in r]
    settings = build(flow.FlowSettings, config["settings"])
    like = jax.jit(flow.core(settings, SEED).init)(jax.random.key(SEED))
    states = [
        jax.tree.leaves(Checkpoints(folder / name / "checkpoints").restore(like)[1])
        for name in ("alone", "killed")
    ]
    differ = [
        np.asarray(a).tobytes() != np.asarray(b).tobytes() for a, b in zip(*states, strict=True)
    ]
    return len(told), sum(alone[step] != loss for step, loss in told), len(differ), sum(differ)


def _show(folder: Path, config: dict[str, Any], tally: Tally, alone: float) -> None:
    losses, other_losses, arrays, other_arrays = _divergences(folder, config)
    last = _records(folder / "killed")[-1]
    kinds = {name: last[f"goodput_{name}_seconds"] for name in KINDS}
    table = Table(title="one run, killed and started again", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for row in (
        ("kill -9; before a first step", f"{tally.kills}; {tally.early}"),
        ("steps; done again", f"{config['settings']['steps']}; {tally.twice}"),
        ("losses told; that diverge", f"{losses}; {other_losses}"),
        ("arrays of the last state; that diverge", f"{arrays}; {other_arrays}"),
        ("lost checkpoints", f"{tally.lost}"),
        ("seconds left alone; under fire", f"{alone:.0f}; {tally.seconds:.0f}"),
        (
            "of them lost, says the ledger",
            f"{kinds['lost']:.0f} of {sum(kinds.values()):.0f}",
        ),
    ):
        table.add_row(*row)
    Console().print(table)


if __name__ == "__main__":
    main()
