"""How the TPU kernels cut their arrays into blocks, and what the two passes share.

Both passes hold logits transposed, [keys, queries]: a query's statistics are then a row along the
lanes, its sum and maximum run over sublanes (plain vector additions, where the other way round
needs the cross-lane unit), and the log-sum-exp leaves as a dense row.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu
from jaxtyping import Array, Float, Int

LANES = 128
LOG2_E = math.log2(math.e)
MIB = 2**20

MASKED = -1e30
"""Stands for minus infinity among logits, where a difference of two must not be nan."""

V5P_VMEM = 64 * MIB
"""Bytes of vector memory of a v5p core; v5e and v6e have twice as much, a v4 a quarter."""


@dataclass(frozen=True)
class Tile:
    """Block sizes of one kernel, each the largest allowed.

    `q` queries and `kv` keys are fetched at a time; the logits of `part` of the side that a kernel
    runs over (keys in the forward pass and for dq, queries for dk and dv) exist at a time.
    """

    q: int
    kv: int
    part: int


@dataclass(frozen=True)
class Blocks:
    """Tiles of the kernels, and what they may fill of the vector memory, in bytes.

    `vmem` is for a kernel as a whole; a head's float32 dq of up to `resident` may wait there while
    its keys pass by (half as much beside float32 inputs).
    """

    vmem: int
    resident: int
    forward: Tile = Tile(q=2048, kv=2048, part=512)
    dq: Tile = Tile(q=2048, kv=2048, part=512)
    dkv: Tile = Tile(q=2048, kv=2048, part=512)


def blocks_for(vmem: int) -> Blocks:
    """Return block sizes for a core with so many bytes of vector memory.

    Sizes were weighed by the instructions that the compiler schedules for a block, not by time:
    they have never run on a TPU.
    """
    usable = vmem * 15 // 16
    if vmem < V5P_VMEM:
        small = Tile(q=1024, kv=1024, part=256)
        return Blocks(usable, 0, forward=small, dq=small, dkv=small)
    if vmem == V5P_VMEM:
        return Blocks(usable, vmem - 16 * MIB, dkv=Tile(q=2048, kv=1024, part=512))
    return Blocks(usable, vmem - 26 * MIB)


def default_blocks() -> Blocks:
    """Return the blocks for the chip that is traced for; v5p's where that is no TPU."""
    try:
        return blocks_for(pltpu.get_tpu_info().vmem_capacity_bytes)
    except ValueError:
        return blocks_for(V5P_VMEM)


def even(length: int, largest: int, multiple: int = LANES) -> int:
    """Return the size of the fewest even blocks of at most `largest`, rounded up to `multiple`."""
    number = pl.cdiv(length, largest)
    return pl.cdiv(pl.cdiv(length, number), multiple) * multiple


@dataclass(frozen=True)
class Cut:
    """A length in `number` blocks of `size`, each computed in parts of `part`."""

    length: int
    size: int
    part: int

    @property
    def number(self) -> int:
        """How many blocks there are, the last one perhaps not full."""
        return pl.cdiv(self.length, self.size)

    @property
    def parts(self) -> int:
        """How many parts a block has."""
        return self.size // self.part


def cut(length: int, largest: int, part: int | None = None) -> Cut:
    """Cut a length into even blocks of at most `largest`, of parts of at most `part`."""
    if part is None:
        size = even(length, largest)
        return Cut(length, size, size)
    parts = max(largest // part, 1)
    small = even(length, part)
    return Cut(length, small * min(parts, pl.cdiv(length, small)), small)


type HeadArray = Float[Array, "B L H D"]


def by_head(x: HeadArray) -> Array:
    """Bring an array into the kernels' layout.

    [B, L, H·D] where a head fills whole lanes (what a projection writes and the next one reads:
    no copy), else [B, H, L, D], which is transposed in memory.
    """
    batch, length, heads, dim = x.shape
    if dim % LANES == 0:
        return x.reshape(batch, length, heads * dim)
    return x.swapaxes(1, 2)


def from_head(x: Array, shape: tuple[int, ...]) -> HeadArray:
    """Undo `by_head`."""
    return x.reshape(shape) if x.ndim == 3 else x.swapaxes(1, 2)


def head_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of `by_head` of an array."""
    batch, length, heads, dim = shape
    return (batch, length, heads * dim) if dim % LANES == 0 else (batch, heads, length, dim)


def head_spec(dim: int, size: int, place: Callable[..., Array]) -> pl.BlockSpec:
    """Return the blocks [size, D] of one head; `place` is the block's index along the length."""
    if dim % LANES == 0:
        return pl.BlockSpec((None, size, dim), lambda b, h, *at: (b, place(b, *at), h))
    return pl.BlockSpec((None, None, size, dim), lambda b, h, *at: (b, h, place(b, *at), 0))


def row_spec(size: int, place: Callable[..., Array]) -> pl.BlockSpec:
    """Return the blocks [1, size] of a statistic laid out [B, H, 1, L]."""
    return pl.BlockSpec((None, None, 1, size), lambda b, h, *at: (b, h, 0, place(b, *at)))


def counted(kv_lengths: Int[Array, " B"] | None, batch: int, kv_length: int) -> Int[Array, " B"]:
    """Return how many keys of each batch element count, none past the array's end."""
    if kv_lengths is None:
        return jnp.full(batch, kv_length, jnp.int32)
    return jnp.clip(kv_lengths, 0, kv_length).astype(jnp.int32)


def dot(a: Array, b: Array, contract: tuple[int, int]) -> Array:
    """Multiply two matrices over the given dimensions into float32."""
    precision = jax.lax.Precision.HIGHEST if a.dtype == jnp.float32 else None
    dims = (((contract[0],), (contract[1],)), ((), ()))
    return jax.lax.dot_general(a, b, dims, precision, preferred_element_type=jnp.float32)


def first_rows(x: Array, number: Array) -> Array:
    """Return x [L, D] with zeros from row `number` on, whatever was there."""
    rows = jax.lax.broadcasted_iota(jnp.int32, x.shape, 0)
    return jnp.where(rows < number, x.astype(jnp.float32), 0.0).astype(x.dtype)


def last_counted(j: Array, length: Array, kv: Cut) -> Array:
    """Return the block of keys to fetch at step j: past the last that counts, that one stays."""
    return jnp.minimum(j, jnp.maximum(pl.cdiv(length, kv.size) - 1, 0))


def softmax_weights(products: Array, scale: float, lse: Array) -> Array:
    """Return exp(scale·products − lse) for lse in units of log 2."""
    return jnp.exp2(products * (scale * LOG2_E) - lse)
