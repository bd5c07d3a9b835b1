"""Model folders: shards, what is missing, names of experts."""

from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from animatrix_jax.checkpoint.folder import (
    WEIGHTS,
    ModelCard,
    copy_part,
    folder_digest,
    part_digest,
    part_files,
    read_card,
)
from animatrix_jax.checkpoint.shards import shard_names
from animatrix_jax.runtime.model import load_model
from tests.tiny import tiny_card, write_tiny_model


@pytest.fixture
def sharded(tmp_path: Path) -> Path:
    """A tiny model whose VAE lies in three shards."""
    write_tiny_model(tmp_path)
    whole = tmp_path / "vae" / WEIGHTS
    tensors = sorted(load_file(whole).items())
    whole.unlink()
    for number, name in enumerate(shard_names("model", 3)):
        save_file(dict(tensors[number::3]), tmp_path / "vae" / name)
    return tmp_path


def test_shards_are_one_network(sharded: Path, tiny_model: Path) -> None:
    found, whole = load_model(sharded), load_model(tiny_model)
    jax.tree.map(np.testing.assert_array_equal, found.vae_params, whole.vae_params)
    assert [path.name for path in part_files(sharded, "vae")] == shard_names("model", 3)
    copy_part(sharded, sharded / "copy", "vae")
    assert [path.name for path in part_files(sharded / "copy", "vae")] == shard_names("model", 3)
    before = part_digest(sharded, "vae"), folder_digest(sharded)
    (sharded / "vae" / shard_names("model", 3)[1]).write_bytes(b"x")
    assert part_digest(sharded, "vae") != before[0] and folder_digest(sharded) != before[1]


def test_a_missing_or_foreign_shard_is_named(sharded: Path) -> None:
    (sharded / "vae" / shard_names("model", 3)[1]).unlink()
    with pytest.raises(ValueError, match=r"model-00002-of-00003.safetensors is missing"):
        part_files(sharded, "vae")
    (sharded / "high" / "model-new.safetensors").write_bytes(b"")
    with pytest.raises(ValueError, match=r"model-new.safetensors does not belong"):
        part_files(sharded, "high")


def test_what_computes_in_16_bits_is_held_in_16_bits(tmp_path: Path) -> None:
    card = tiny_card()
    dit = replace(card.transformer.dit, dtype="bfloat16")
    write_tiny_model(tmp_path, replace(card, transformer=replace(card.transformer, dit=dit)))
    path = tmp_path / "low" / WEIGHTS
    save_file({name: a.astype(ml_dtypes.bfloat16) for name, a in load_file(path).items()}, path)
    model = load_model(tmp_path)
    high, low = ({leaf.dtype for leaf in jax.tree.leaves(params)} for params in model.experts)
    assert high == {jnp.dtype("float32")} and low == {jnp.dtype("bfloat16")}
    assert {leaf.dtype for leaf in jax.tree.leaves(model.stacked_experts())} == high
    assert {leaf.dtype for leaf in jax.tree.leaves(model.vae_params)} == high


def test_one_expert_without_a_boundary(tmp_path: Path) -> None:
    card = tiny_card()
    assert card.experts == ("high", "low") and ModelCard().experts == ("transformer",)
    alone = replace(card, schedule=replace(card.schedule, boundary=None), guidance_text=(4.0, 3.0))
    write_tiny_model(tmp_path, alone)
    assert read_card(tmp_path) == alone
    assert len(load_model(tmp_path).experts) == 1
    with pytest.raises(ValueError, match="reference cannot be 'chanels'"):
        replace(card, reference="chanels")
