"""Sizes of the Hopper forward kernels by shape: a small table, and what may stand in it.

`hopper_tiles.json` is read at the first call and can be rewritten by the benchmark's `--tune`. Its
present rows are reasoned, not measured.
"""

import functools
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
from jax.experimental.pallas import mosaic_gpu as plgpu

from animatrix_kernels.flash_attention import hopper_common as common
from animatrix_kernels.flash_attention import tile_table
from animatrix_kernels.flash_attention.tile_table import Shape

TABLE = Path(__file__).with_name("hopper_tiles.json")

FP8 = jnp.dtype(jnp.float8_e4m3fn)

LOWERINGS = {
    "warpgroup": plgpu.LoweringSemantics.Warpgroup,
    "lane": plgpu.LoweringSemantics.Lane,
}

BLOCKS_KV = {
    (128, 2): (128, 144, 160, 176),
    (64, 2): (128, 144, 160, 176, 192),
    (128, 1): (128, 160),
    (64, 1): (128, 160, 192),
}
"""Keys a block by (head dim, bytes an element): logits, weights and sums of 64 rows must fit the
registers of one warpgroup. With 8 bits one block's product stands beside the sums."""

MOST_STAGES = 4


@dataclass(frozen=True)
class Tile:
    """Sizes of a launch: keys a block, buffers for keys and for values, and how it is lowered."""

    block_kv: int
    stages: int
    lowering: str = "warpgroup"

    def __post_init__(self) -> None:
        if self.lowering not in LOWERINGS:
            raise ValueError(f"there is no lowering {self.lowering!r}: {', '.join(LOWERINGS)}")
        if self.stages < 2:
            raise ValueError(f"the schedule needs two stages at least, not {self.stages}")

    @property
    def compiler_params(self) -> plgpu.CompilerParams:
        """The parameters that Pallas takes."""
        return plgpu.CompilerParams(
            approx_math=True,
            lowering_semantics=LOWERINGS[self.lowering],
            reduction_scratch_bytes=0,
        )


def shared_memory(head_dim: int, dtype: jnp.dtype, block_kv: int, stages: int) -> int:
    """Return the bytes that a block's matrices take; a few hundred of barriers come on top.

    With 8-bit operands the output, of 16 bits, has a buffer of its own.
    """
    size = jnp.dtype(dtype).itemsize
    queries = common.BLOCK_ROWS * head_dim * (size if size > 1 else 1 + 2)
    return queries + 2 * stages * block_kv * head_dim * size + 4 * common.BLOCK_ROWS


def candidates(head_dim: int, dtype: jnp.dtype) -> tuple[Tile, ...]:
    """Return every size that fits Hopper's registers and shared memory, for a sweep.

    Raises:
      ValueError: a head dim or type that the kernels do not have.
    """
    key = head_dim, jnp.dtype(dtype).itemsize
    if key not in BLOCKS_KV or jnp.dtype(dtype) not in (*common.DTYPES, FP8):
        raise ValueError(
            f"the Hopper kernels have head dims 64 and 128 in bfloat16, float16 and e4m3, "
            f"not {head_dim} in {jnp.dtype(dtype).name}"
        )
    room = common.SHARED_MEMORY - 1024
    return tuple(
        Tile(block_kv, stages, lowering)
        for block_kv in BLOCKS_KV[key]
        for stages in range(2, MOST_STAGES + 1)
        if shared_memory(head_dim, dtype, block_kv, stages) <= room
        for lowering in LOWERINGS
    )


def read_tiles(path: Path | None = None) -> dict[Shape, Tile]:
    """Return the table of a file, `TABLE` when None.

    Raises:
      ValueError: a row that lacks a field or has one too many.
    """
    return tile_table.read(path or TABLE, lambda row: Tile(**row["tile"]), "tile")


def write_tiles(table: Mapping[Shape, Tile], path: Path | None = None) -> None:
    """Write the table to a file, `TABLE` when None, which the next call then goes by.

    For that JAX forgets what it has traced and compiled: sizes are no part of its keys.
    """
    tile_table.write(
        path or TABLE, ((shape, {"tile": asdict(tile)}) for shape, tile in table.items())
    )
    if path is None:
        _shipped.cache_clear()
        jax.clear_caches()


@functools.cache
def _shipped() -> dict[Shape, Tile]:
    return read_tiles()


def tile_for(head_dim: int, dtype: jnp.dtype, q_length: int, kv_length: int) -> Tile:
    """Return the sizes of the nearest shape in the table, by the ratios of its lengths.

    bfloat16 and float16 take the same; where the table has neither head dim nor type, the first
    candidate is taken.
    """
    name = "bfloat16" if jnp.dtype(dtype).itemsize == 2 else jnp.dtype(dtype).name
    fitting = {s: t for s, t in _shipped().items() if (s.head_dim, s.dtype) == (head_dim, name)}
    if not fitting:
        return candidates(head_dim, dtype)[0]

    return tile_table.nearest(fitting, q_length, kv_length)
