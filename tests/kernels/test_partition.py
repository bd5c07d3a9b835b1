"""How a split is said, and that what is said is what is traced."""

import contextlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from animatrix_kernels.flash_attention import reference
from animatrix_kernels.flash_attention.backend import Backend, attention_of
from animatrix_kernels.partition import Split, split_over

ALONE = Backend("alone", ("cpu",), reference.attention, None, lambda _: None)
MESH = jax.sharding.Mesh(np.array(jax.devices()[:1]).reshape(1, 1), ("data", "model"))
SPLITS = {
    "none": None,
    "batch": Split(MESH, batch=("data",)),
    "heads": Split(MESH, heads=("model",)),
}


def traced(split: Split | None) -> str:
    """What a fresh `jit` makes of attention inside a split."""
    x = jax.ShapeDtypeStruct((2, 4, 2, 8), jnp.float32)

    def attend(q: Any, k: Any, v: Any) -> jax.Array:
        return attention_of(ALONE)(q, k, v, None, 0.5)[0]

    with contextlib.nullcontext() if split is None else split_over(split):
        return str(jax.jit(attend).trace(x, x, x).jaxpr)


@pytest.mark.parametrize("order", [tuple(SPLITS), tuple(reversed(SPLITS))], ids=["to", "fro"])
def test_the_split_that_is_said_last_is_the_one_that_is_traced(order: tuple[str, ...]) -> None:
    jax.clear_caches()
    found = {name: traced(SPLITS[name]) for name in order}
    assert "shard_map" not in found["none"] and "custom_partitioning" in found["none"]
    for name, spec in (("batch", "P('data',"), ("heads", "P(None, None, 'model',")):
        assert "shard_map" in found[name] and spec in found[name], name


def test_a_function_that_was_traced_is_traced_again_inside_a_split() -> None:
    seen = []

    @jax.jit
    def attend(x: jax.Array) -> jax.Array:
        seen.append(None)
        return attention_of(ALONE)(x, x, x, None, 0.5)[0]

    x = jnp.ones((2, 4, 2, 8))
    wanted = attend(x)
    with split_over(Split(MESH, batch=("data",))):
        np.testing.assert_allclose(attend(x), wanted, rtol=1e-6)
    assert len(seen) == 2


def test_a_split_names_axes_of_its_mesh_once() -> None:
    with pytest.raises(ValueError, match="axes of the mesh, each once: data, model, not data, dat"):
        Split(MESH, batch=("data",), heads=("data",))


def test_inside_a_shard_map_a_kernel_is_called_as_it_is_whatever_split_is_said() -> None:
    spec = jax.sharding.PartitionSpec("data", None, "model")
    attend = jax.shard_map(
        lambda x: attention_of(ALONE)(x, x, x, None, 0.5)[0],
        mesh=MESH,
        in_specs=spec,
        out_specs=spec,
        check_vma=False,
    )
    x = jax.ShapeDtypeStruct((2, 4, 2, 8), jnp.float32)
    with split_over(SPLITS["batch"]):
        found = str(jax.jit(attend).trace(x).jaxpr)
    assert found.count("shard_map[") == 1 and "custom_partitioning" not in found
