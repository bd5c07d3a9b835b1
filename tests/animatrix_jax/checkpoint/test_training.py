"""Saving in the background, what stays, what fails, and what does not count."""

import errno
import os
import resource
import shutil
import threading
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
import pytest

from animatrix_jax.checkpoint import training
from animatrix_jax.checkpoint.manifest import MANIFEST, read_manifest, step_folders
from animatrix_jax.checkpoint.training import BestBy, Checkpoints
from tests.animatrix_jax.checkpoint.states import on_device, same_bits, state_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "run" / "checkpoints"


def saved(folder: Path, *steps: int, **options: Any) -> Checkpoints:
    """Checkpoints with these steps saved."""
    checkpoints = Checkpoints(folder, **options)
    for step in steps:
        checkpoints.save(step, on_device(step))
    checkpoints.wait()
    return checkpoints


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_state_comes_back_bit_for_bit(folder: Path) -> None:
    checkpoints = saved(folder, 3, 7)
    assert checkpoints.newest == 7 and checkpoints.failures == []
    shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), on_device(0))
    for like in (on_device(0), shapes):
        step, state = Checkpoints(folder).restore(like)
        assert step == 7 and same_bits(state, state_of(7))
        assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(state))


def test_orbax_alone_opens_a_step(folder: Path) -> None:
    saved(folder, 3)
    found = ocp.StandardCheckpointer().restore(folder / "3")
    np.testing.assert_array_equal(found["params"]["dense"], state_of(3).params["dense"])


def test_a_state_may_be_donated_at_once(folder: Path) -> None:
    advance = jax.jit(lambda x: jax.tree.map(lambda leaf: leaf + 1, x), donate_argnums=0)
    state = on_device(1, 4096)
    checkpoints = Checkpoints(folder)
    checkpoints.save(1, state)
    for _ in range(3):
        before, state = state, advance(state)
        assert before.params["dense"].is_deleted()
    _, found = checkpoints.restore(on_device(0, 4096))
    assert same_bits(found, state_of(1, 4096))


def test_only_the_copy_is_waited_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashing, write = threading.Event(), training.write_manifest
    seen = []

    def slow(*arguments: Any) -> Any:
        hashing.wait()
        seen.append(names(folder))
        return write(*arguments)

    monkeypatch.setattr(training, "write_manifest", slow)
    checkpoints = Checkpoints(folder)
    checkpoints.save(1, on_device(1))
    assert checkpoints.newest is None
    blocked = checkpoints.blocked_seconds
    hashing.set()
    checkpoints.close()
    assert checkpoints.newest == 1 and checkpoints.blocked_seconds == blocked > 0
    assert [name.endswith(".tmp") for name in seen[0]] == [True]


def test_a_step_already_saved_is_left_alone(folder: Path) -> None:
    checkpoints = saved(folder, 3)
    before = read_manifest(folder / "3")
    checkpoints.save(3, on_device(4))
    checkpoints.wait()
    assert read_manifest(folder / "3") == before


def test_the_newest_and_the_best_stay(folder: Path) -> None:
    losses = {1: 0.5, 2: 0.1, 3: 0.4, 4: 0.3, 5: float("nan"), 6: 0.2}
    checkpoints = Checkpoints(folder, keep=2, keep_best=BestBy("loss"))
    for step, loss in losses.items():
        checkpoints.save(step, on_device(step), {"loss": loss, "other": 1.0})
    checkpoints.close()
    assert names(folder) == ["2", "5", "6"] and checkpoints.best == 2

    again = Checkpoints(folder, keep=2, keep_best=BestBy("loss"))
    assert again.best == 2
    again.save(7, on_device(7), {"loss": 0.1})
    again.wait()
    assert names(folder) == ["6", "7"] and again.best == 7

    highest = Checkpoints(folder, keep=1, keep_best=BestBy("loss", lower=False))
    highest.save(8, on_device(8), {"loss": 0.05})
    highest.wait()
    assert names(folder) == ["6", "8"]

    plain = Checkpoints(folder, keep=1)
    plain.save(9, on_device(9))
    plain.wait()
    assert names(folder) == ["9"] and plain.best is None


def test_a_step_saved_without_numbers_gets_them_later(folder: Path) -> None:
    best = BestBy("loss")
    with Checkpoints(folder, keep=1, keep_best=best) as checkpoints:
        checkpoints.save(1, on_device(1), {"loss": 0.5})
        checkpoints.save(2, on_device(2))
    before = read_manifest(folder / "2")
    again = Checkpoints(folder, keep=1, keep_best=best)
    assert (again.metrics(1), again.metrics(2), again.metrics(3)) == ({"loss": 0.5}, {}, {})
    for loss in (0.25, 0.75):
        again.save(2, on_device(7), {"loss": loss})
    assert names(folder) == ["1", "2"] and again.best == 2
    found = read_manifest(folder / "2")
    assert (found.metrics, found.files) == ({"loss": 0.25}, before.files)
    again.save(3, on_device(3))
    step, state = again.restore(on_device(0), 2)
    assert step == again.best == 2 and same_bits(state, state_of(2))
    assert names(folder) == ["2", "3"] and again.failures == []


def test_numbers_that_cannot_be_written_leave_the_step_as_it_was(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    checkpoints = saved(folder, 1)
    before = read_manifest(folder / "1")
    with monkeypatch.context() as broken:
        fail_renaming(folder, broken)
        checkpoints.save(1, on_device(1), {"loss": 0.5})
    said = f"the checkpoint of step 1 did not get its numbers: {FAILURES[fail_renaming]}"
    assert capfd.readouterr().err.startswith(said) and len(checkpoints.failures) == 1
    assert names(folder) == ["1"] and read_manifest(folder / "1") == before


def fail_hashing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(training, "record_files", broken)


def fail_writing_the_manifest(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(training, "write_manifest", full)


def fail_renaming(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: Path, target: Path) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(target))

    monkeypatch.setattr(os, "replace", refuse)


def fail_making(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, *_: Any, **__: Any) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr(Path, "mkdir", refuse)


def fail_copying(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(_: Any) -> None:
        raise MemoryError("out of memory")

    monkeypatch.setattr(training, "_own", exhausted)


FAILURES = {
    fail_hashing: "input/output error",
    fail_writing_the_manifest: "no space left on device",
    fail_renaming: "permission denied",
    fail_making: "read-only file system",
    fail_copying: "out of memory",
}


@pytest.mark.parametrize("break_it", FAILURES, ids=lambda function: function.__name__)
def test_training_goes_on_where_saving_fails(
    folder: Path, break_it: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    checkpoints = saved(folder, 1, 2)
    with monkeypatch.context() as broken:
        break_it(folder, broken)
        checkpoints.save(3, on_device(3))
        checkpoints.wait()
    sentence = f"the checkpoint of step 3 was not saved: {FAILURES[break_it]}"
    assert len(checkpoints.failures) == 1 and checkpoints.failures[0].startswith(sentence)
    assert capfd.readouterr().err == checkpoints.failures[0] + "\n"
    assert names(folder) == ["1", "2"] and checkpoints.newest == 2
    checkpoints.save(4, on_device(4))
    step, state = checkpoints.restore(on_device(0))
    assert step == 4 and same_bits(state, state_of(4)) and len(checkpoints.failures) == 1


def test_a_write_that_the_system_refuses_is_told_in_one_sentence(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    checkpoints = saved(folder, 1)
    state = {f"leaf{i}": jnp.ones(1 << 19) for i in range(4)}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, limits[1]))
    try:
        checkpoints.save(2, state)
        checkpoints.wait()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert checkpoints.failures == ["the checkpoint of step 2 was not saved: file too large"]
    assert capfd.readouterr().err == checkpoints.failures[0] + "\n"
    assert names(folder) == ["1"]


def test_what_a_killed_run_left_is_cleared_and_does_not_count(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    saved(folder, 1, 2)
    shutil.copytree(folder / "2", folder / ".3.0123abcd-4.tmp")
    shutil.copytree(folder / "2", folder / "3")
    (folder / "3" / MANIFEST).unlink()
    (folder / "notes").mkdir()
    checkpoints = Checkpoints(folder)
    assert names(folder) == ["1", "2", "3", "notes"] and checkpoints.newest == 2
    assert f"step 3 in {folder} has no {MANIFEST}: it does not count" in capfd.readouterr().err
    assert checkpoints.restore(on_device(0))[0] == 2
    checkpoints.save(3, on_device(3))
    step, state = checkpoints.restore(on_device(0))
    assert step == 3 and same_bits(state, state_of(3)) and names(folder) == ["2", "3", "notes"]


def test_a_damaged_step_gives_way_when_it_is_saved_again(folder: Path) -> None:
    saved(folder, 1, 2, 3, keep=3)
    for step in (2, 3):
        (folder / str(step) / "_METADATA").unlink()
    checkpoints = Checkpoints(folder, keep=3)
    assert checkpoints.newest == 3
    assert checkpoints.restore(on_device(0))[0] == checkpoints.newest == 1
    checkpoints.save(2, on_device(2))
    assert checkpoints.restore(on_device(0))[0] == 2 and sorted(step_folders(folder)) == [1, 2, 3]
    checkpoints.save(4, on_device(4))
    checkpoints.wait()
    assert names(folder) == ["1", "2", "4"]


def test_what_cannot_be_gone_on_from_is_said(folder: Path) -> None:
    checkpoints = saved(folder, 1)
    other = jax.tree.map(lambda leaf: jnp.zeros((*leaf.shape, 2), leaf.dtype), on_device(0))
    for like in (other, {"params": on_device(0).params}):
        with pytest.raises(ValueError, match=r"step 1 in .* does not fit this config"):
            checkpoints.restore(like)
    (folder / "1" / MANIFEST).write_text("{}")
    with pytest.raises(ValueError, match=f"there is no good checkpoint in {folder}"):
        checkpoints.restore(on_device(0))
    with pytest.raises(ValueError, match="at least one checkpoint must be kept, not 0"):
        Checkpoints(folder, keep=0)
