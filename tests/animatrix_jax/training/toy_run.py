"""The toy as a program of its own, in one process or several: WORKDIR STEPS PAUSE [HANG].

Every batch takes PAUSE seconds; that of step HANG takes a minute, where a step may take one second.
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
from jax.sharding import NamedSharding, PartitionSpec

from animatrix_jax.checkpoint.training import Checkpoints
from animatrix_jax.jobs.saves import Saves
from animatrix_jax.parallel.processes import gathered, start_processes
from animatrix_jax.training.guards import Guards
from animatrix_jax.training.ledger import Ledger
from animatrix_jax.training.loop import Hooks, LoopSettings, run_loop
from animatrix_jax.training.stopping import Stopping
from animatrix_jax.training.telemetry import Telemetry, read_metrics
from tests.animatrix_jax.training.toy import toy_batches, toy_state, toy_step


def main(workdir: Path, steps: int, pause: float, hang: int | None = None) -> None:
    guards = Guards(hung_seconds=1.0 if hang is not None else 60.0, heartbeat_seconds=10)
    ledger = Ledger()
    start_processes(guards.heartbeat_seconds)
    mesh = jax.make_mesh((jax.device_count(),), ("data",))
    whole, split = (NamedSharding(mesh, PartitionSpec(*spec)) for spec in ((), (None, "data")))
    telemetry = Telemetry(workdir, silent=jax.process_index() > 0)
    saves = Saves(Checkpoints(workdir / "checkpoints"), telemetry)
    state = saves.resume(jax.device_put(toy_state(), whole))
    if jax.process_index() == 0:
        ledger.go_on(read_metrics(workdir), int(state.step))
    made = toy_batches(steps)

    def batches(start: int) -> Iterator[dict[str, Any]]:
        for step, batch in enumerate(made(start), start):
            time.sleep(60 if step == hang else pause)
            yield jax.device_put(batch, split)

    with saves, Stopping() as stopping:
        state = run_loop(
            state,
            toy_step(guards, lambda step: jax.jit(step, out_shardings=whole)),
            batches,
            LoopSettings(steps, log_every=1, evaluate_every=steps, save_every=20),
            telemetry,
            Hooks(
                evaluate=lambda state: {},
                save=saves.save,
                restore=saves.restore,
                stop=stopping.reached,
            ),
            label="Testing",
            guards=guards,
            ledger=ledger,
        )
        saves.finish(int(state.step))
        assert gathered(state.average)["w"].shape == (2, 3)
        print(f"stopped at step {int(state.step)}", flush=True)
        stopping.end()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), *map(int, sys.argv[4:]))
