"""How the Hopper forward kernels are launched: sizes, shared memory, barriers, copies."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import mosaic_gpu as plgpu
from jaxtyping import Array, Int

from animatrix_kernels.flash_attention import hopper_common as common

type Index = Int[Array, ""]
type Ref = Any
"""A reference of Pallas, or a view of one: the library has no public type for them."""

type Load = Callable[[Index, Index, Index, Ref, Ref], None]
"""(b, h, first key, target, barrier): start one copy of a block from global to shared memory."""


@dataclass(frozen=True)
class Sizes:
    """The static sizes of one launch; `blocks` is how many blocks of threads are started."""

    batch: int
    q_length: int
    heads: int
    head_dim: int
    block_kv: int
    stages: int
    blocks: int

    @classmethod
    def of(
        cls, q_shape: tuple[int, ...], block_kv: int, stages: int, multiprocessors: int | None
    ) -> "Sizes":
        """Return the sizes for queries [B, L, H, D], with a block for each multiprocessor.

        As many as the GPU has where `multiprocessors` is None.
        """
        batch, q_length, heads, head_dim = q_shape
        multiprocessors = multiprocessors or common.multiprocessors()
        tiles = batch * heads * -(-q_length // common.BLOCK_ROWS)
        return cls(batch, q_length, heads, head_dim, block_kv, stages, min(multiprocessors, tiles))

    @property
    def grid(self) -> tuple[int, int, int]:
        """Tiles of queries as (batch, heads, tiles a head), the last one fastest.

        Neighbouring blocks then read the same keys, which stay in the second-level cache.
        """
        return self.batch, self.heads, -(-self.q_length // common.BLOCK_ROWS)


def barriers(stages: int) -> dict[str, plgpu.Barrier]:
    """Return the barriers of a launch: what is loaded, what is free again, and whose turn it is."""
    both = common.COMPUTE_WARPGROUPS
    return {
        "q_full": plgpu.Barrier(num_barriers=both),
        "k_full": plgpu.Barrier(num_barriers=stages),
        "v_full": plgpu.Barrier(num_barriers=stages),
        "k_free": plgpu.Barrier(num_arrivals=both, num_barriers=stages),
        "v_free": plgpu.Barrier(num_arrivals=both, num_barriers=stages),
        "turn": plgpu.Barrier(num_barriers=both),
    }


def matrices(sizes: Sizes, dtype: jnp.dtype, swizzle_v: int, v_transposed: bool) -> dict[str, Any]:
    """Return the shared memory of queries, keys, values and log-sum-exps.

    Keys lie as [block_kv, D] with the widest swizzle; values as the product takes them, with
    `swizzle_v` bytes.
    """
    keys = (sizes.stages, sizes.block_kv, sizes.head_dim)
    values = (sizes.stages, sizes.head_dim, sizes.block_kv) if v_transposed else keys
    rows = (common.COMPUTE_WARPGROUPS, common.WARPGROUP_ROWS)
    wide = common.tiled(common.widest_swizzle(sizes.head_dim, dtype), dtype)
    return {
        "q_smem": plgpu.SMEM((*rows, sizes.head_dim), dtype, transforms=wide),
        "k_smem": plgpu.SMEM(keys, dtype, transforms=wide),
        "v_smem": plgpu.SMEM(values, dtype, transforms=common.tiled(swizzle_v, dtype)),
        "lse_smem": plgpu.SMEM(rows, jnp.float32),
    }


def rows_of(source: Ref, block_kv: int) -> Load:
    """Return a copy of `block_kv` rows of a head of [B, Lk, H, D]."""

    def load(b: Index, h: Index, start: Index, target: Ref, barrier: Ref) -> None:
        plgpu.copy_gmem_to_smem(source.at[b, pl.ds(start, block_kv), h], target, barrier)

    return load


def columns_of(source: Ref, block_kv: int) -> Load:
    """Return a copy of `block_kv` columns of a head of [B, H, D, keys]."""

    def load(b: Index, h: Index, start: Index, target: Ref, barrier: Ref) -> None:
        plgpu.copy_gmem_to_smem(source.at[b, h, :, pl.ds(start, block_kv)], target, barrier)

    return load


def launch(
    body: Callable[..., None],
    sizes: Sizes,
    dtype: jnp.dtype,
    scratch: Mapping[str, Any],
    compiler_params: plgpu.CompilerParams,
    interpret: Any,
) -> Callable[..., tuple[Any, Any]]:
    """Return the kernel that runs `body` on its operands, an output and a log-sum-exp.

    Rows of the log-sum-exp are filled up to whole tiles, since TMA wants every row to begin at a
    multiple of 16 bytes.
    """
    batch, heads, tiles = sizes.grid
    options = {"interpret": interpret} if interpret else {}
    return plgpu.kernel(
        body,
        out_type=(
            jax.ShapeDtypeStruct((batch, sizes.q_length, heads, sizes.head_dim), dtype),
            jax.ShapeDtypeStruct((batch, heads, tiles * common.BLOCK_ROWS), jnp.float32),
        ),
        grid=(sizes.blocks,),
        grid_names=("block",),
        num_threads=common.COMPUTE_WARPGROUPS + 1,
        thread_name="warpgroup",
        scratch_types=dict(scratch),
        compiler_params=compiler_params,
        **options,
    )
