"""What the Hopper kernels share: constants, shared-memory layouts, small register helpers.

The kernels are written in Pallas Mosaic GPU. A block is two compute warpgroups of 64 rows and one
warpgroup that moves memory by TMA; TMA fills with zeros what it reads past an array's end and
drops what it would write there, which makes every tail exact.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jax.experimental.pallas import mosaic_gpu as plgpu
from jaxtyping import Array, Float, Int

from animatrix_kernels.flash_attention.backend import Lengths, Queries, Request
from animatrix_kernels.platforms import local_gpu

LOG2_E = math.log2(math.e)
LN_2 = math.log(2.0)

LOWEST = -1e30
"""The running maximum before the first key: finite, so that no difference of two is nan."""

WARPGROUP_ROWS = 64
"""Rows of one Hopper matrix instruction, and of one compute warpgroup."""

COMPUTE_WARPGROUPS = 2
BLOCK_ROWS = COMPUTE_WARPGROUPS * WARPGROUP_ROWS

COMPUTE_REGISTERS = 240
MEMORY_REGISTERS = 24
"""Registers a thread after the trade: 2 × 240 + 24 = 504 of the 512 that three warpgroups have."""

SHARED_MEMORY = 232_448
"""Bytes of shared memory that one block may have on Hopper."""

MULTIPROCESSORS = 132
"""Of an H100 or H200 SXM."""

HEAD_DIMS = (64, 128)
DTYPES = (jnp.dtype(jnp.bfloat16), jnp.dtype(jnp.float16))


def tiled(swizzle: int, dtype: jnp.dtype) -> tuple[Any, Any]:
    """Return the transforms of a shared-memory matrix of 8-row tiles, `swizzle` bytes wide."""
    width = swizzle // jnp.dtype(dtype).itemsize
    tiling: Any = plgpu.TilingTransform
    swizzling: Any = plgpu.SwizzleTransform
    return tiling((8, width)), swizzling(swizzle)


def widest_swizzle(length: int, dtype: jnp.dtype) -> int:
    """Return the widest swizzle, in bytes, whose elements divide a matrix product's inner length.

    Mosaic issues the instructions of a product in groups as wide as the swizzle of its second
    operand, even where that one is stored along the other dimension.

    Raises:
      ValueError: a length that not even the narrowest divides.
    """
    itemsize = jnp.dtype(dtype).itemsize
    for swizzle in (128, 64, 32):
        if length % (swizzle // itemsize) == 0:
            return swizzle
    raise ValueError(
        f"a matrix product over {length} elements needs a multiple of {32 // itemsize}"
    )


def across(rows: Float[Array, " M"], shape: tuple[int, ...]) -> Float[Array, "M N"]:
    """Repeat one value a row over the columns."""
    return jax.lax.broadcast_in_dim(rows, shape, (0,))


def read(accumulator: Any, wait_n: int) -> Float[Array, "M N"]:
    """Wait until `wait_n` products are left running, and read the sums.

    To the compiler an accumulator's registers are known as soon as its products are issued, and
    arithmetic on them might be moved before the wait: the barrier holds it behind.
    """
    return jax.lax.optimization_barrier(plgpu.wgmma_accumulator_load(accumulator, wait_n=wait_n))


def row_values(value: float, rows: int) -> Float[Array, " M"]:
    """Return a float32 constant for each row, in the layout of a reduced matrix product."""
    constant = jnp.full((rows,), value, jnp.float32)
    return plgpu.layout_cast(constant, plgpu.Layout.WGMMA.reduce(1))


def lengths_or_all(kv_lengths: Lengths | None, batch: int, kv_length: int) -> Int[Array, " B"]:
    """Return int32 key counts for every batch element, within 0 and `kv_length`."""
    if kv_lengths is None:
        return jnp.full((batch,), kv_length, jnp.int32)
    return jnp.clip(kv_lengths.astype(jnp.int32), 0, kv_length)


def whole_rows(x: Float[Array, "B L H D"]) -> Float[Array, "B M H D"]:
    """Fill the length up with zeros to a multiple of 8, the height of the tiles that TMA writes.

    Lengths that are multiples of 8 (75,600; 512; 520) cost nothing; others one copy.
    """
    missing = -x.shape[1] % 8
    return jnp.pad(x, ((0, 0), (0, missing), (0, 0), (0, 0))) if missing else x


def positive(q: Queries, scale: float) -> tuple[Queries, float]:
    """Move the sign of a scale, or its being zero, into the queries: maxima need it positive."""
    if scale > 0:
        return q, scale
    return q * jnp.sign(scale).astype(q.dtype), abs(scale) or 1.0


def multiprocessors() -> int:
    """Return how many blocks a persistent kernel starts: one for each of the first GPU's."""
    return int(getattr(local_gpu(), "core_count", None) or MULTIPROCESSORS)


def hopper_refusal(request: Request) -> str | None:
    """Say in a few words why the Hopper kernels cannot serve a request; None where they can."""
    if request.dtype not in DTYPES:
        return f"it takes bfloat16 and float16, not {jnp.dtype(request.dtype).name}"
    if request.q_shape[-1] not in HEAD_DIMS:
        return f"it has head dims 64 and 128, not {request.q_shape[-1]}"
    if min(*request.q_shape, request.kv_length) < 1:
        return "it needs at least one query and one key"
    if request.capability not in ("9.0", None):
        return f"it needs a Hopper GPU (compute capability 9.0), not {request.capability}"
    return None
