"""Sizes of the Hopper backward kernels by shape: a small table, and what may stand in it.

`hopper_backward_tiles.json` is read at the first call and can be rewritten by the benchmark's
`--tune`. Its present rows are reasoned, not measured.
"""

import functools
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import jax

from animatrix_kernels.flash_attention import hopper_common as common
from animatrix_kernels.flash_attention import tile_table
from animatrix_kernels.flash_attention.hopper_tiles import LOWERINGS
from animatrix_kernels.flash_attention.tile_table import Shape

TABLE = Path(__file__).with_name("hopper_backward_tiles.json")

BARRIERS = 1024
"""Bytes that barriers and alignment may take beside the matrices."""

MOST_STAGES = 4


def _check(stages: int, lowering: str) -> None:
    if lowering not in LOWERINGS:
        raise ValueError(f"there is no lowering {lowering!r}: {', '.join(LOWERINGS)}")
    if stages < 2:
        raise ValueError(f"a stream needs two stages at least, not {stages}")


@dataclass(frozen=True)
class QueryTile:
    """Of the kernel for dq alone: keys at a time, and buffers for them."""

    keys: int
    stages: int
    lowering: str = "warpgroup"

    def __post_init__(self) -> None:
        _check(self.stages, self.lowering)

    def shared_memory(self, head_dim: int) -> int:
        """Return the bytes of the matrices: q and dO of the block, k and v of the stages."""
        row = 2 * head_dim
        return 2 * common.BLOCK_ROWS * row + 2 * self.stages * self.keys * row + 1024


@dataclass(frozen=True)
class KeyTile:
    """Of the kernel for dk and dv alone: buffers for tiles of 64 queries."""

    stages: int
    lowering: str = "warpgroup"

    def __post_init__(self) -> None:
        _check(self.stages, self.lowering)

    def shared_memory(self, head_dim: int) -> int:
        """Return the bytes of the matrices: k and v of the block, q and dO of the stages."""
        row = 2 * head_dim
        rows = 2 * common.BLOCK_ROWS + 2 * self.stages * common.WARPGROUP_ROWS
        return rows * row + 512 * self.stages


@dataclass(frozen=True)
class FusedTile:
    """Of the kernel for all three: buffers for tiles of 64 queries, and where a block begins.

    Staggered blocks begin one tile after their neighbour: those that run at one time would else
    add to the same rows of dq at the same time.
    """

    stages: int
    staggered: bool = True
    lowering: str = "warpgroup"

    def __post_init__(self) -> None:
        _check(self.stages, self.lowering)

    def shared_memory(self, head_dim: int) -> int:
        """Return the bytes of `KeyTile`'s matrices, two of dS and a float32 tile of dq."""
        d_s = 2 * common.BLOCK_ROWS * common.WARPGROUP_ROWS * 2
        d_q = common.WARPGROUP_ROWS * head_dim * 4
        return KeyTile(self.stages).shared_memory(head_dim) + d_s + d_q


class Tiles(NamedTuple):
    """Sizes of the three kernels."""

    query: QueryTile
    key: KeyTile
    fused: FusedTile


class Candidates(NamedTuple):
    """What each of the three kernels may take."""

    query: tuple[QueryTile, ...]
    key: tuple[KeyTile, ...]
    fused: tuple[FusedTile, ...]


def candidates(head_dim: int) -> Candidates:
    """Return every size that fits Hopper's registers and shared memory, for a sweep.

    Sums of dq, logits, their gradients and the operand made of them take 224 registers at 128
    keys and a head dim of 128; dk and dv with tiles of 64 queries take 208.

    Raises:
      ValueError: a head dim that the kernels do not have.
    """
    if head_dim not in common.HEAD_DIMS:
        raise ValueError(f"the Hopper kernels have head dims 64 and 128, not {head_dim}")
    room = common.SHARED_MEMORY - BARRIERS
    stages = range(2, MOST_STAGES + 1)
    query = [QueryTile(keys, n, low) for keys in (64, 96, 128) for n in stages for low in LOWERINGS]
    key = [KeyTile(n, low) for n in stages for low in LOWERINGS]
    fused = [FusedTile(n, way, low) for n in stages for way in (True, False) for low in LOWERINGS]
    return Candidates(
        tuple(tile for tile in query if tile.shared_memory(head_dim) <= room),
        tuple(tile for tile in key if tile.shared_memory(head_dim) <= room),
        tuple(tile for tile in fused if tile.shared_memory(head_dim) <= room),
    )


def read_tiles(path: Path | None = None) -> dict[Shape, Tiles]:
    """Return the table of a file, `TABLE` when None.

    Raises:
      ValueError: a row that lacks a field or has one too many.
    """

    def parse(row: dict[str, Any]) -> Tiles:
        return Tiles(QueryTile(**row["query"]), KeyTile(**row["key"]), FusedTile(**row["fused"]))

    return tile_table.read(path or TABLE, parse, "tiles")


def write_tiles(table: Mapping[Shape, Tiles], path: Path | None = None) -> None:
    """Write the table to a file, `TABLE` when None, as `hopper_tiles.write_tiles` does."""
    rows = (
        (shape, {name: asdict(tile) for name, tile in tiles._asdict().items()})
        for shape, tiles in table.items()
    )
    tile_table.write(path or TABLE, rows)
    if path is None:
        _shipped.cache_clear()
        jax.clear_caches()


@functools.cache
def _shipped() -> dict[Shape, Tiles]:
    return read_tiles()


def tiles_for(head_dim: int, q_length: int, kv_length: int) -> Tiles:
    """Return the sizes of the nearest shape in the table, by the ratios of its lengths."""
    fitting = {shape: tiles for shape, tiles in _shipped().items() if shape.head_dim == head_dim}
    if not fitting:
        all_of_them = candidates(head_dim)
        return Tiles(all_of_them.query[0], all_of_them.key[0], all_of_them.fused[0])

    return tile_table.nearest(fitting, q_length, kv_length)
