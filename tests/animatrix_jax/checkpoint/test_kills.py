"""kill -9 while a run does nothing but save: what it saved before is never lost."""

import multiprocessing
import signal
import time
from pathlib import Path

import numpy as np

from animatrix_jax.checkpoint.manifest import find_damage, step_folders
from animatrix_jax.checkpoint.training import UNFINISHED, Checkpoints
from tests.animatrix_jax.checkpoint.states import on_device, same_bits, save_for_ever, state_of

KILLS = 10


def wait(folder: Path, seconds: float | None) -> None:
    """Return after some seconds; without any, in the moment that one more step is visible."""
    until = time.monotonic() + (60 if seconds is None else seconds)
    newest = max(step_folders(folder))
    while time.monotonic() < until and (seconds or max(step_folders(folder)) == newest):
        time.sleep(0)


def test_a_good_newest_checkpoint_outlives_every_kill(tmp_path: Path) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([save_for_ever.__module__])
    rng = np.random.default_rng(0)
    newest = unfinished = 0
    for kill in range(KILLS):
        saving = context.Event()
        process = context.Process(target=save_for_ever, args=(tmp_path, saving))
        process.start()
        try:
            assert saving.wait(120)
            wait(tmp_path, rng.uniform(0, 0.3) if kill % 2 else None)
        finally:
            process.kill()
            process.join()
        assert process.exitcode == -signal.SIGKILL
        steps = step_folders(tmp_path)
        assert all(find_damage(path, step) == [] for step, path in steps.items())
        assert max(steps) > newest
        newest = max(steps)
        unfinished += any(UNFINISHED.fullmatch(path.name) for path in tmp_path.iterdir())
    assert unfinished > 0
    step, state = Checkpoints(tmp_path).restore(on_device(0, 512))
    assert step == newest and same_bits(state, state_of(newest, 512))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(map(str, steps))
