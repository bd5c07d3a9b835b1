"""Flash attention on Hopper in 8 bits (e4m3), forward only: for inference.

Operands come from `fp8_operands`; the schedule is that of the 16-bit kernel. The kernel lowers for
CUDA, ptxas 12.9 compiles it for sm_90a, and its schedule has been run in Pallas' interpreter; it
has not been run on a GPU yet.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import pallas as pl
from jax.experimental.mosaic.gpu import fragmented_array as fragments
from jax.experimental.pallas import mosaic_gpu as plgpu
from jaxlib.mlir.dialects import vector

from animatrix_kernels.flash_attention import fp8_operands
from animatrix_kernels.flash_attention import hopper_common as common
from animatrix_kernels.flash_attention.backend import (
    Backend,
    Keys,
    Lengths,
    Queries,
    Request,
    Statistics,
)
from animatrix_kernels.flash_attention.hopper_launch import (
    Ref,
    Sizes,
    barriers,
    columns_of,
    launch,
    matrices,
    rows_of,
)
from animatrix_kernels.flash_attention.hopper_products import InRegisters, ThroughSharedMemory
from animatrix_kernels.flash_attention.hopper_schedule import (
    Operands,
    Products,
    Rows,
    Schedule,
    Scores,
)
from animatrix_kernels.flash_attention.hopper_tiles import Tile, tile_for


@dataclass(frozen=True)
class EightBitsInRegisters(InRegisters):
    """P as 8 bits in registers, called by other names; values lie as [D, block_kv]."""

    dtype: jnp.dtype = fp8_operands.E4M3
    headroom: float = fp8_operands.HEADROOM

    def weights(self, p: Scores) -> Scores:
        """Round the weights, two neighbouring accumulator tiles as one operand tile."""
        return _renamed(p).astype(self.dtype)

    def add(self, place: Any, sums: Any, p: Scores, v: Ref) -> Any:
        """Issue the product."""
        return super().add(place, sums, p, v.transpose((1, 0)))


@dataclass(frozen=True)
class EightBitsSummedTwice(EightBitsInRegisters):
    """The same, with sums over all keys in float32.

    Hopper adds products of 8-bit operands with about 14 bits, few for the sums over thousands of
    keys (SageAttention2, arXiv 2411.10958, on the accumulator of Ada and Hopper). So the
    accumulator holds one block's product, and the loop carries the sums, with the shrinkage that
    they are due once that product is added.
    """

    def within(
        self,
        shape: tuple[int, int],
        buffers: Mapping[str, Ref],
        body: Callable[[Any, Any], tuple[Scores, Rows, Rows]],
    ) -> tuple[Scores, Rows, Rows]:
        """Allocate the accumulator, and start from zeros."""
        del buffers
        sums = self._zeros(shape), common.row_values(1.0, shape[0])
        return pl.run_scoped(lambda place: body(place, sums), plgpu.ACC(shape, jnp.float32))

    def shrink(self, place: Any, sums: Any, by: Rows) -> Any:
        """Wait for the product, take it into the sums, and keep the shrinkage for the next time."""
        added = self.result(place, sums)
        place[...] = self._zeros(added.shape)
        return added, by

    def _zeros(self, shape: tuple[int, ...]) -> Scores:
        return plgpu.layout_cast(jnp.zeros(shape, jnp.float32), plgpu.Layout.WGMMA)

    def result(self, place: Any, sums: Any) -> Scores:
        """Wait for the product, and return the sums with it."""
        values, due = sums
        return values * common.across(due, values.shape) + common.read(place, wait_n=0)


@dataclass(frozen=True)
class EightBitsThroughSharedMemory(ThroughSharedMemory):
    """The same for the interpreter: the weights' columns are exchanged as the values' keys are."""

    dtype: jnp.dtype = fp8_operands.E4M3
    headroom: float = fp8_operands.HEADROOM

    def weights(self, p: Scores) -> Scores:
        """Round the weights and exchange columns inside every group of 16."""
        groups = p.reshape(p.shape[0], -1, len(fp8_operands.KEY_ORDER))
        exchanged = jnp.stack([groups[..., i] for i in fp8_operands.KEY_ORDER], -1)
        return exchanged.reshape(p.shape).astype(self.dtype)

    def add(self, place: Any, sums: Any, p: Scores, v: Ref) -> jax.Array:
        """Store the weights and add their product to the sums."""
        return super().add(place, sums, p, v.transpose((1, 0)))


def _renamed(p: Scores) -> Scores:
    """Take float32 registers of the accumulator's layout for those of an 8-bit operand.

    A thread holds pairs of columns of two 8-column tiles; joined they are the four that it is asked
    for, of columns in another order: `fp8_operands.KEY_ORDER`. No data moves.
    """
    eight_bits = plgpu.Layout.WGMMA_8BIT

    @plgpu.inline_mgpu(
        arg_types=(plgpu.Layout.WGMMA,),
        return_type=plgpu.ShapeDtypeStruct(p.shape, jnp.float32, layout=eight_bits),
    )
    def rename(_: Any, source: fragments.FragmentedArray) -> fragments.FragmentedArray:
        layout = fragments.WGMMA_LAYOUT_8BIT
        joined = np.empty(layout.registers_shape(source.shape), object)
        for index in np.ndindex(joined.shape):
            row, column, *rest = index
            left, right = (source.registers[(row, 2 * column + side, *rest)] for side in (0, 1))
            joined[index] = vector.shuffle(left, right, [0, 1, 2, 3])
        return fragments.FragmentedArray(_registers=joined, _layout=layout, _is_signed=None)

    return rename(p)


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
    sums_in_float32: bool = True,
    multiprocessors: int | None = None,
    interpret: Any = None,
) -> tuple[Queries, Statistics]:
    """Softmax attention by 8-bit products, smoothed, turned, and scaled per head.

    Args:
      q, k, v: [B, L, H, D] of bfloat16 or float16, D of 64 or 128, any lengths; finite.
      kv_lengths: how many keys of each batch element count; all when None.
      scale: factor of the logits.
      tile: sizes of the launch; those of the table for this shape when None.
      sums_in_float32: whether sums over all keys are float32, or as precise as the hardware's for
        8 bits, which takes fewer instructions.
      multiprocessors: how many persistent blocks to start; as the GPU has when None.
      interpret: parameters of Pallas' GPU interpreter, which then runs the same schedule with P
        through shared memory.

    Returns:
      The output in q's type and the float32 log-sum-exp [B, Lq, H] in natural-log units; zeros and
      minus infinity for a query without a key.

    Source: FlashAttention-3 (arXiv 2407.08608), section 3.3.
    """
    tile = tile or tile_for(q.shape[-1], fp8_operands.E4M3, q.shape[1], k.shape[1])
    lengths = common.lengths_or_all(kv_lengths, k.shape[0], k.shape[1])
    q, scale = common.positive(q, scale)
    operands = fp8_operands.quantise(q, k, v, kv_lengths, scale)
    q8, k8 = common.whole_rows(operands.q), common.whole_rows(operands.k)
    sizes = Sizes.of(
        q8.shape, tile.block_kv, tile.stages, multiprocessors or common.multiprocessors()
    )
    on_gpu = EightBitsSummedTwice() if sums_in_float32 else EightBitsInRegisters()
    products = EightBitsThroughSharedMemory() if interpret else on_gpu
    kernel = _kernel(sizes, products, tile, q.dtype, interpret)
    out, lse = kernel(
        q8, k8, operands.v, lengths, common.LOG2_E * operands.logit_factor, operands.value_factor
    )
    lse = lse[:, :, : q.shape[1]].transpose(0, 2, 1)
    return out[:, : q.shape[1]], lse + operands.lse_shift


def _kernel(sizes: Sizes, products: Products, tile: Tile, dtype: jnp.dtype, interpret: Any) -> Any:
    """Return the kernel as a function of q, k, transposed v, lengths and the two factors."""

    def attention(
        q: Ref, k: Ref, v: Ref, lengths: Ref, logit_factor: Ref, value_factor: Ref,
        out: Ref, lse: Ref, **buffers: Ref,
    ) -> None:  # fmt: skip
        operands = Operands(
            q=q,
            out=out,
            lse=lse,
            load_k=rows_of(k, tile.block_kv),
            load_v=columns_of(v, tile.block_kv),
            count=lambda b: lengths[b],
            factor=lambda b, h: logit_factor[b, h],
            out_factor=lambda b, h: value_factor[b, h],
        )
        Schedule(sizes, products, operands, buffers).run()

    swizzle_v = common.widest_swizzle(tile.block_kv, products.dtype)
    scratch = matrices(sizes, products.dtype, swizzle_v, v_transposed=True) | barriers(tile.stages)
    rows = (common.COMPUTE_WARPGROUPS, common.WARPGROUP_ROWS)
    out_tiles = common.tiled(common.widest_swizzle(sizes.head_dim, dtype), dtype)
    scratch["out_smem"] = plgpu.SMEM((*rows, sizes.head_dim), dtype, transforms=out_tiles)
    if interpret:
        scratch["p_smem"] = plgpu.SMEM((*rows, tile.block_kv), products.dtype)
    return launch(attention, sizes, dtype, scratch, tile.compiler_params, interpret)


BACKEND = Backend(
    name="hopper_fp8", platforms=("gpu",), forward=forward, backward=None, refusal=refusal
)
