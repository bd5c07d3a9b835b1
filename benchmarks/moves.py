"""One run moved from mesh to mesh, beside the same run on one device: `make chaos`.

    python benchmarks/moves.py [--steps 100] [--folder DIR]

A tiny flow run of two experts goes through the `animatrix train` command on eight CPU devices, is
stopped by SIGTERM, goes on with four, two, one, and ends as two processes of four devices each.
Told are how far its losses and its last state are from those of the run on one device.
"""

import argparse
import signal
import socket
import subprocess
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
from animatrix_jax.training.telemetry import read_metrics

TERMINATED = 143
LOSSES_APART, STATES_APART = 1e-6, 1e-4
"""How far, relatively, losses and the last state may be from those of the run on one device."""


@dataclass(frozen=True)
class Stage:
    """Where a part of the run is: processes, the devices of each, the mesh over all."""

    processes: int
    devices: int
    mesh: str

    def start(self, folder: Path, name: str) -> list[subprocess.Popen[bytes]]:
        """Start the run's processes."""
        with socket.socket() as found:
            found.bind(("localhost", 0))
            address = f"localhost:{found.getsockname()[1]}"
        lives = []
        for process in range(self.processes):
            flag = f"--xla_force_host_platform_device_count={self.devices}"
            environment = {"XLA_FLAGS": flag, "PJRT_NPROC": str(4 * self.devices)}
            if self.processes > 1:
                environment |= {
                    "ANIMATRIX_PROCESSES": str(self.processes),
                    "ANIMATRIX_PROCESS": str(process),
                    "ANIMATRIX_COORDINATOR": address,
                }
            lives.append(start(folder, name, self.mesh, environment))
        return lives


STAGES = (
    Stage(1, 8, "fsdp=2,context=2,tensor=2"),
    Stage(1, 4, "expert=2,fsdp=2"),
    Stage(1, 2, "context=2"),
    Stage(1, 1, ""),
    Stage(2, 4, "expert=2,data=2,context=2"),
)


def main() -> None:
    """Run alone, run from mesh to mesh, compare, print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--folder", type=Path, help="where to work, kept (default: a passing one)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as passing:
        folder = args.folder or Path(passing)
        config = prepare(folder, args.steps)
        end(Stage(1, 1, "").start(folder, "alone"), (0,))
        begun = []
        for number, stage in enumerate(STAGES, start=1):
            begun.append(steps_told(folder / "moved"))
            lives = stage.start(folder, "moved")
            if number < len(STAGES):
                wait_for_steps(folder / "moved", args.steps * number // len(STAGES), lives)
                lives[-1].send_signal(signal.SIGTERM)
            end(lives, (0,) if number == len(STAGES) else (0, TERMINATED))
        _show(folder, config, begun)


def end(lives: list[subprocess.Popen[bytes]], wanted: tuple[int, ...]) -> None:
    """Wait for the processes of a run; SystemExit where one ends with a status not wanted."""
    for life in lives:
        if life.wait() not in wanted:
            raise SystemExit(f"a run ended with status {life.returncode}: --folder keeps its log")


def wait_for_steps(workdir: Path, steps: int, lives: list[subprocess.Popen[bytes]]) -> None:
    """Return when so many steps were told of, or a process has ended."""
    while steps_told(workdir) < steps and all(life.poll() is None for life in lives):
        time.sleep(0.05)


def _losses(workdir: Path) -> dict[int, float]:
    found = read_metrics(workdir) if (workdir / "metrics.jsonl").exists() else []
    return {int(record["step"]): record["loss"] for record in found if "loss" in record}


def steps_told(workdir: Path) -> int:
    """Return how many steps a run has told of."""
    return len(_losses(workdir))


def _show(folder: Path, config: dict[str, Any], begun: list[int]) -> None:
    alone, moved = _losses(folder / "alone"), _losses(folder / "moved")
    assert alone.keys() == moved.keys(), "every step is told of once in each run"
    far = {step: abs(moved[step] - loss) / abs(loss) for step, loss in alone.items()}
    table = Table(title="one run, moved from mesh to mesh")
    for name in ("processes × devices", "mesh", "steps", "losses apart, relative"):
        table.add_column(name)
    for stage, first, last in zip(STAGES, begun, [*begun[1:], len(alone)], strict=True):
        worst = max(far[step] for step in range(first, last))
        place = f"{stage.processes} × {stage.devices}"
        table.add_row(place, stage.mesh or "one device", f"{first}–{last - 1}", f"{worst:.1e}")
    Console().print(table)
    settings = build(flow.FlowSettings, config["settings"])
    like = jax.jit(flow.core(settings, SEED).init)(jax.random.key(SEED))
    worst = max(far.values()) / LOSSES_APART
    for part in ("params", "average", "optimizer"):
        ends = [
            jax.tree.leaves(
                getattr(Checkpoints(folder / name / "checkpoints").restore(like)[1], part)
            )
            for name in ("alone", "moved")
        ]
        total = sum(float(np.sum(np.square(a, dtype=np.float64))) for a in ends[0])
        apart = sum(
            float(np.sum(np.square(b - a, dtype=np.float64))) for a, b in zip(*ends, strict=True)
        )
        distance = float(np.sqrt(apart / total))
        worst = max(worst, distance / STATES_APART)
        print(f"{part}: {distance:.1e} apart in relative L2 after {len(alone)} steps")
    if worst > 1:
        raise SystemExit("the run that was moved is not the one that stayed")


if __name__ == "__main__":
    main()
