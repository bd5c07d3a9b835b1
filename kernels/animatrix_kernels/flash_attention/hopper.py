"""Flash attention on Hopper, forward, in bfloat16 and float16: Pallas Mosaic GPU.

The schedule is `hopper_schedule`'s; sizes per shape come from a table (`hopper_tiles`). The kernel
lowers for CUDA at every size of that table, ptxas 12.9 compiles it for sm_90a without a spill in
its loop, and its schedule has been run in Pallas' interpreter; it has not been run on a GPU yet.
"""

from typing import Any

from jax.experimental.pallas import mosaic_gpu as plgpu

from animatrix_kernels.flash_attention import hopper_common as common
from animatrix_kernels.flash_attention.backend import Keys, Lengths, Queries, Request, Statistics
from animatrix_kernels.flash_attention.hopper_launch import (
    Ref,
    Sizes,
    barriers,
    launch,
    matrices,
    rows_of,
)
from animatrix_kernels.flash_attention.hopper_products import InRegisters, ThroughSharedMemory
from animatrix_kernels.flash_attention.hopper_schedule import Operands, Products, Schedule
from animatrix_kernels.flash_attention.hopper_tiles import Tile, tile_for


def refusal(request: Request) -> str | None:
    """Say in a few words why a request cannot be served; None where it can."""
    return common.hopper_refusal(request)


def forward(
    q: Queries,
    k: Keys,
    v: Keys,
    kv_lengths: Lengths | None,
    scale: float,
    *,
    tile: Tile | None = None,
    multiprocessors: int | None = None,
    interpret: Any = None,
) -> tuple[Queries, Statistics]:
    """Softmax attention with float32 statistics, softmax(scale·q·kᵀ)·v.

    Args:
      q, k, v: [B, L, H, D] of bfloat16 or float16, D of 64 or 128, any lengths; finite.
      kv_lengths: how many keys of each batch element count; all when None.
      scale: factor of the logits.
      tile: sizes of the launch; those of the table for this shape when None.
      multiprocessors: how many persistent blocks to start; as the GPU has when None.
      interpret: parameters of Pallas' GPU interpreter, which then runs the same schedule with P
        through shared memory.

    Returns:
      The output in q's type and the float32 log-sum-exp [B, Lq, H] in natural-log units; zeros and
      minus infinity for a query without a key.

    Source: FlashAttention-3 (arXiv 2407.08608), algorithm 2.
    """
    tile = tile or tile_for(q.shape[-1], q.dtype, q.shape[1], k.shape[1])
    lengths = common.lengths_or_all(kv_lengths, k.shape[0], k.shape[1])
    q_length = q.shape[1]
    q, scale = common.positive(q, scale)
    q, k, v = (common.whole_rows(x) for x in (q, k, v))
    sizes = Sizes.of(
        q.shape, tile.block_kv, tile.stages, multiprocessors or common.multiprocessors()
    )
    products = ThroughSharedMemory(q.dtype) if interpret else InRegisters(q.dtype)
    out, lse = _kernel(sizes, products, tile, scale, interpret)(q, k, v, lengths)
    return out[:, :q_length], lse[:, :, :q_length].transpose(0, 2, 1)


def _kernel(sizes: Sizes, products: Products, tile: Tile, scale: float, interpret: Any) -> Any:
    """Return the kernel as a function of q, k, v and the lengths."""

    def attention(q: Ref, k: Ref, v: Ref, lengths: Ref, out: Ref, lse: Ref, **buffers: Ref) -> None:
        operands = Operands(
            q=q,
            out=out,
            lse=lse,
            load_k=rows_of(k, tile.block_kv),
            load_v=rows_of(v, tile.block_kv),
            count=lambda b: lengths[b],
            factor=lambda b, h: scale * common.LOG2_E,
        )
        Schedule(sizes, products, operands, {"out_smem": buffers["q_smem"], **buffers}).run()

    dtype = products.dtype
    swizzle_v = common.widest_swizzle(tile.block_kv, dtype)
    scratch = matrices(sizes, dtype, swizzle_v, v_transposed=False) | barriers(tile.stages)
    if interpret:
        scratch["p_smem"] = plgpu.SMEM((2, common.WARPGROUP_ROWS, tile.block_kv), dtype)
    return launch(attention, sizes, dtype, scratch, tile.compiler_params, interpret)
