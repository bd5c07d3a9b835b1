"""The TPU compiler takes the fused kernels at Wan's sizes, on one chip and on a mesh of four."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from animatrix_kernels import tpu_compiler
from animatrix_kernels.fused.adaln import gated_sum, modulated_norm
from animatrix_kernels.fused.qk_norm_rope import qk_norm_rope
from animatrix_kernels.partition import Split, split_over

pytestmark = pytest.mark.skipif(not tpu_compiler.available(), reason="no libtpu here")

LENGTH, DIM = 75600, 128
BF16, F32 = jnp.dtype(jnp.bfloat16), jnp.dtype(jnp.float32)


def block(heads: int, x: Any, q: Any, gain: Any, cos: Any, sin: Any, scale: Any) -> jax.Array:
    """One call of each kernel."""
    h = modulated_norm(x, scale, scale, dtype=BF16)
    q = qk_norm_rope(q, gain, heads, (cos, sin))
    return gated_sum(x, scale, h + q.reshape(x.shape)).sum()


def compiled(mesh: Mesh, batch: int, heads: int, split: Split | None) -> str:
    """The program of gradients for all arguments."""

    def array(shape: tuple[int, ...], dtype: jnp.dtype, *spec: str | None) -> Any:
        spec = spec if split else ()
        return jax.ShapeDtypeStruct(shape, dtype, sharding=NamedSharding(mesh, P(*spec)))

    width = heads * DIM
    arguments = (
        array((batch, LENGTH, width), F32, "data"),
        array((batch, LENGTH, width), BF16, "data", None, "model"),
        array((width,), F32, "model"),
        *[array((LENGTH, DIM // 2), F32)] * 2,
        array((batch, 1, width), F32, "data"),
    )
    traced = jax.jit(jax.grad(functools.partial(block, heads), (0, 1, 2, 5)))
    with jax.set_mesh(mesh):
        if split is None:
            return traced.lower(*arguments).compile().as_text()
        with split_over(split):
            return traced.lower(*arguments).compile().as_text()


def mesh_of(slice_name: str, *shape: int) -> Mesh:
    devices = np.array(tpu_compiler.topology(slice_name))[: np.prod(shape)].reshape(shape)
    return Mesh(devices, ("data", "model"), axis_types=(AxisType.Auto,) * 2)


# A block holds as many numbers for few heads as for many; the program is shorter.
@pytest.mark.parametrize(
    ("slice_name", "heads"), [("v5e:2x2", 40), ("v5p:2x2x1", 2), ("v6e:2x2", 2)]
)
def test_every_kernel_compiles_forward_and_backward(slice_name: str, heads: int) -> None:
    text = compiled(mesh_of(slice_name, 1, 1), 1, heads, None)
    # Three kernels forward and three backward; the gate's forward result is not asked for.
    assert text.count('custom_call_target="tpu_custom_call"') >= 5


def test_a_mesh_of_four_is_split_by_hand() -> None:
    mesh = mesh_of("v5e:2x2", 2, 2)
    text = compiled(mesh, 2, 2, Split(mesh, batch=("data",)))
    assert text.count('custom_call_target="tpu_custom_call"') >= 5
    assert f"[1,{LENGTH}," in text and f"[2,{LENGTH}," not in text


def test_an_unsplit_mesh_is_told_how() -> None:
    mesh = mesh_of("v5e:2x2", 2, 2)
    with jax.set_mesh(mesh), pytest.raises(ValueError, match=r"partition\.split_over"):
        jax.jit(functools.partial(qk_norm_rope, heads=1)).trace(
            jax.ShapeDtypeStruct((1, 16, 128), BF16), jax.ShapeDtypeStruct((128,), F32)
        )
