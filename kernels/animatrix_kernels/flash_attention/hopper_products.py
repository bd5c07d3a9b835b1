"""The forms that the Hopper schedule's product of weights and values can take."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import mosaic_gpu as plgpu

from animatrix_kernels.flash_attention import hopper_common as common
from animatrix_kernels.flash_attention.hopper_launch import Ref
from animatrix_kernels.flash_attention.hopper_schedule import Rows, Scores


@dataclass(frozen=True)
class InRegisters:
    """P stays in registers as the product's first operand; the sums are its accumulator.

    The values lie in shared memory as [block_kv, D].
    """

    dtype: jnp.dtype
    headroom: float = 0.0

    def within(
        self,
        shape: tuple[int, int],
        buffers: Mapping[str, Ref],
        body: Callable[[Any, Any], tuple[Scores, Rows, Rows]],
    ) -> tuple[Scores, Rows, Rows]:
        """Allocate the accumulator; the loop carries nothing."""
        del buffers
        return pl.run_scoped(lambda sums: body(sums, ()), plgpu.ACC(shape, jnp.float32))

    def reading(self, *refs: Ref) -> None:
        """Do nothing: on a GPU products read by themselves."""

    def weights(self, p: Scores) -> Scores:
        """Round the weights; the layout of an accumulator is that of an operand at 16 bits."""
        return p.astype(self.dtype)

    def add(self, place: Any, sums: Any, p: Scores, v: Ref) -> Any:
        """Issue the product."""
        plgpu.wgmma(place, p, v)
        return sums

    def shrink(self, place: Any, sums: Any, by: Rows) -> Any:
        """Wait for all products, and rescale the accumulator."""
        kept = common.read(place, wait_n=0)
        place[...] = kept * common.across(by, kept.shape)
        return sums

    def result(self, place: Any, sums: Any) -> Scores:
        """Read the accumulator when all products are done."""
        del sums
        return common.read(place, wait_n=0)


@dataclass(frozen=True)
class ThroughSharedMemory:
    """P goes through a buffer `p_smem`, and the sums are values that the loop carries.

    For Pallas' interpreter, which knows neither register operands nor stores to an accumulator; it
    is correct but slow on a GPU, and not made to be lowered.
    """

    dtype: jnp.dtype
    headroom: float = 0.0

    def within(
        self,
        shape: tuple[int, int],
        buffers: Mapping[str, Ref],
        body: Callable[[Any, Any], tuple[Scores, Rows, Rows]],
    ) -> tuple[Scores, Rows, Rows]:
        """Start from zeros."""
        return body(buffers["p_smem"], jnp.zeros(shape, jnp.float32))

    def reading(self, *refs: Ref) -> None:
        """Read, since the interpreter looks for races of loads but not of products.

        A product reads as the copies that follow write, past the caches of loads; a load must be
        fenced off from them.
        """
        for ref in refs:
            ref[...]
        plgpu.commit_smem()

    def weights(self, p: Scores) -> Scores:
        """Round the weights."""
        return p.astype(self.dtype)

    def add(self, place: Any, sums: Any, p: Scores, v: Ref) -> jax.Array:
        """Store the weights and add their product to the sums."""
        place[...] = p
        plgpu.commit_smem()

        def multiply(product: Ref) -> jax.Array:
            plgpu.wgmma(product, place, v)
            return common.read(product, wait_n=0)

        return sums + pl.run_scoped(multiply, plgpu.ACC(sums.shape, jnp.float32))

    def shrink(self, place: Any, sums: Any, by: Rows) -> jax.Array:
        """Rescale the sums."""
        del place
        return sums * common.across(by, sums.shape)

    def result(self, place: Any, sums: Any) -> Scores:
        """Return the sums."""
        del place
        return sums
