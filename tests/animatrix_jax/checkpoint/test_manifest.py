"""Two hundred random damages of a checkpoint: all are found, and an older one is restored."""

import errno
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from animatrix_data.files import digest_file
from animatrix_jax.checkpoint import manifest
from animatrix_jax.checkpoint.manifest import (
    MANIFEST,
    file_sizes,
    find_damage,
    list_files,
    read_manifest,
    record_files,
    share_of,
    step_folders,
)
from animatrix_jax.checkpoint.training import Checkpoints
from tests.animatrix_jax.checkpoint.states import on_device, same_bits, state_of

DAMAGES = 200


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two good steps."""
    folder = tmp_path_factory.mktemp("whole")
    with Checkpoints(folder) as checkpoints:
        for step in (10, 20):
            checkpoints.save(step, on_device(step), {"loss": 1 / step})
    return folder


def damage(folder: Path, rng: np.random.Generator) -> str:
    """Damage one file of a step at random; return its name."""
    files = list_files(folder)
    name = str(rng.choice(list(files)))
    content = bytearray(files[name].read_bytes())
    kind = rng.choice(["flip", "flip", "flip", "truncate", "delete", "add", "append"])
    if kind == "flip":
        content[rng.integers(len(content))] ^= 1 << rng.integers(8)
    elif kind == "truncate":
        del content[rng.integers(len(content)) :]
    elif kind == "append":
        content += rng.bytes(1)
    elif kind == "add":
        name = f"{rng.choice(['', 'd/'])}{rng.bytes(4).hex()}"
        content = bytearray(rng.bytes(8))
    (folder / name).write_bytes(content)
    if kind == "delete":
        (folder / name).unlink()
    return name


def test_every_damage_is_found_and_the_step_before_is_restored(
    whole: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    wanted, like = state_of(10), on_device(0)
    assert Checkpoints(whole).restore(like)[0] == 20
    for number in range(DAMAGES):
        folder = tmp_path / str(number)
        shutil.copytree(whole, folder)
        name = damage(folder / "20", rng)
        step, state = Checkpoints(folder).restore(like)
        said = capfd.readouterr().err
        assert step == 10 and same_bits(state, wanted), (number, name)
        assert said.count("\n") == 1 and f"step 20 in {folder} " in said, (number, said)
        assert name in said, (number, said)
        shutil.rmtree(folder)


def test_a_manifest_says_what_was_saved(whole: Path) -> None:
    found = read_manifest(whole / "20")
    files = list_files(whole / "20")
    assert found.step == 20 and found.metrics == {"loss": 1 / 20}
    assert found.files.keys() | {MANIFEST} == files.keys()
    assert all(digest_file(files[n]) == file.sha256 for n, file in found.files.items())
    assert found.bytes == sum(files[n].stat().st_size for n in found.files)
    assert found.digest != read_manifest(whole / "10").digest


def test_shares_of_the_files_cover_all_of_them(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole / "20", tmp_path / "20")
    for path in list_files(tmp_path / "20").values():
        if path.name != MANIFEST:
            path.write_bytes(bytes(byte ^ 1 for byte in path.read_bytes()))
    shares = [find_damage(tmp_path / "20", 20, share, 3) for share in range(3)]
    assert all(shares) and len({*shares[0]} & {*shares[1]}) == 0
    together = sorted(problem for share in shares for problem in share)
    assert together == find_damage(tmp_path / "20", 20)
    assert len(together) == len(read_manifest(whole / "20").files)


def test_a_manifest_of_shares_is_that_of_the_whole(whole: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(whole / "20", tmp_path / "20"))
    before, sizes = read_manifest(folder), file_sizes(folder)
    shares = [record_files(folder, share_of(sizes, share, 3)) for share in range(3)]
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    records = {name: record for share in shares for name, record in share.items()}
    (folder / MANIFEST).unlink()
    assert manifest.write_manifest(folder, 20, before.metrics, records) == before
    assert read_manifest(folder) == before and find_damage(folder, 20) == []
    for other in (shares[0], records | {"more": records["_METADATA"]}):
        with pytest.raises(OSError, match="are not those that were hashed"):
            manifest.write_manifest(folder, 20, {}, other)


def test_a_step_under_another_number_and_a_link_are_damages(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole / "20", tmp_path / "21")
    assert find_damage(tmp_path / "21", 21) == [f"{MANIFEST} is of step 20"]
    (tmp_path / "21" / "more").symlink_to(whole)
    (tmp_path / "21" / "_METADATA").unlink()
    (tmp_path / "21" / "_METADATA").symlink_to(tmp_path / "nowhere")
    problems = find_damage(tmp_path / "21", 20)
    assert len(problems) == 2 and "more does not belong to it" in problems


def test_a_file_that_cannot_be_read_is_no_whole_one(
    whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(path: Path) -> str:
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))

    monkeypatch.setattr(manifest, "digest_file", broken)
    problems = find_damage(whole / "20", 20)
    assert len(problems) == len(read_manifest(whole / "20").files)
    assert "_METADATA cannot be read: Input/output error" in problems
    with pytest.raises(OSError, match="Input/output error"):
        manifest.write_manifest(whole / "20", 20, {})


def test_only_plain_numbers_are_steps(tmp_path: Path) -> None:
    for name in ("10", "9", "010", "-1", ".11.ab-1.tmp", "12.orbax-checkpoint-tmp", "²"):
        (tmp_path / name).mkdir()
    (tmp_path / "13").touch()
    assert list(step_folders(tmp_path)) == [9, 10]
    assert step_folders(tmp_path / "none") == {}
