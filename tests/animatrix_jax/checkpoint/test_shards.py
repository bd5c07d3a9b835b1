"""Shards of a stem: named, found, and refused where one is missing."""

from pathlib import Path

import pytest

from animatrix_jax.checkpoint.shards import find_shards, shard_names


@pytest.mark.parametrize("count", [1, 3, 12])
def test_what_is_named_is_found_in_order(tmp_path: Path, count: int) -> None:
    names = shard_names("model", count)
    for name in (*reversed(names), "model.fp16.safetensors", "other-00001-of-00002.safetensors"):
        (tmp_path / name).write_bytes(b"")
    assert find_shards(tmp_path, "model") == [tmp_path / name for name in names]
    assert find_shards(tmp_path, "absent") == []


def test_missing_mixed_and_double_shards_are_refused(tmp_path: Path) -> None:
    for name in shard_names("model", 3):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "model-00002-of-00003.safetensors").rename(tmp_path / "aside")
    with pytest.raises(ValueError, match=r"model-00002-of-00003.safetensors is missing \(1 of 3"):
        find_shards(tmp_path, "model")
    (tmp_path / "aside").rename(tmp_path / "model-00002-of-00004.safetensors")
    with pytest.raises(ValueError, match="mixes shards of 3 and 4"):
        find_shards(tmp_path, "model")
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(ValueError, match=r"both model\.safetensors and shards"):
        find_shards(tmp_path, "model")
