"""What `animatrix verify` says of good, damaged and missing checkpoints, and its exit status."""

import shutil
from pathlib import Path

import jax.numpy as jnp
import pytest

from animatrix_jax import cli
from animatrix_jax.checkpoint.manifest import MANIFEST, read_manifest
from animatrix_jax.checkpoint.training import Checkpoints
from animatrix_jax.jobs import verify


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    workdir = tmp_path_factory.mktemp("run")
    with Checkpoints(workdir / "checkpoints") as checkpoints:
        for step in (5, 10):
            checkpoints.save(step, {"w": jnp.arange(6.0) + step})
    return workdir


@pytest.fixture
def workdir(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "run"))


@pytest.mark.parametrize("place", ["", "checkpoints", "checkpoints/10"])
def test_good_checkpoints_have_a_line_each(
    workdir: Path, place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["verify", str(workdir / place)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[:2] for line in lines] == [
        [f"step {step}", " good"] for step in ([10] if place.endswith("10") else [5, 10])
    ]
    digest = read_manifest(workdir / "checkpoints" / "10").digest
    assert lines[-1].endswith(f"digest {digest}")


def test_damages_are_named_and_the_status_is_not_zero(
    workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = workdir / "checkpoints"
    (steps / "10" / "_METADATA").write_text("{}")
    assert cli.main(["verify", str(workdir)]) == 2
    out, err = capsys.readouterr()
    assert out.splitlines()[0].startswith("step 5: good")
    assert out.splitlines()[1].startswith("step 10: damaged: _METADATA has 2 bytes in place of ")
    assert err == f"animatrix verify: 1 of 2 checkpoints in {workdir} is damaged\n"

    (steps / "5" / MANIFEST).unlink()
    with pytest.raises(ValueError, match=r"2 of 2 checkpoints in .* are damaged"):
        verify.run(steps)
    assert f"step 5: damaged: {MANIFEST} is missing" in capsys.readouterr().out
    with pytest.raises(ValueError, match=r"1 of 1 checkpoints in .* is damaged"):
        verify.run(steps / "5")


def test_what_cannot_be_verified_is_said(tmp_path: Path, tiny_model: Path) -> None:
    with pytest.raises(ValueError, match=f"there is no folder {tmp_path / 'none'}"):
        verify.run(tmp_path / "none")
    with pytest.raises(ValueError, match=f"there is no checkpoint in {tmp_path}"):
        verify.run(tmp_path)
    with pytest.raises(ValueError, match="is a model folder, which keeps no digests: what can be"):
        verify.run(tiny_model)
