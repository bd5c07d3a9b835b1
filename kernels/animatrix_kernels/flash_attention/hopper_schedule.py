"""The schedule of the Hopper forward pass, one body for every form of its matrix products.

As in FlashAttention-3 (arXiv 2407.08608): two compute warpgroups and one that moves memory;
inside a compute warpgroup the product S(j+1) = QKᵀ is issued before P(j)V, and the softmax of
S(j+1) runs while P(j)V does; between the two warpgroups the right to issue products goes back and
forth, so that one multiplies while the other takes exponentials. The grid is persistent: a block
takes every n-th tile of 128 queries, and loads the next tile's keys while it ends the last.

The keys go from their end to their beginning: only the first block that is read holds keys that do
not count, and the loop over the others has no mask.

What a form decides is where P and the sums of values live (`hopper_products`). One form is the
kernel for the GPU; another is the same schedule in operations that Pallas' interpreter has, by
which numbers and races are tested without a GPU.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import jax.numpy as jnp
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import mosaic_gpu as plgpu
from jaxtyping import Array, Float

from animatrix_kernels.flash_attention import hopper_common as common
from animatrix_kernels.flash_attention.hopper_launch import Index, Load, Ref, Sizes

type Scores = Float[Array, "M N"]
type Rows = Float[Array, " M"]
type Scalar = Float[Array, ""]


class Products(Protocol):
    """The product of weights and values: `place` is memory it works in, `sums` a loop's state."""

    @property
    def dtype(self) -> jnp.dtype:
        """The type of the product's operands."""
        ...

    @property
    def headroom(self) -> float:
        """Binary exponent added to every weight, to use the range of a narrow type."""
        ...

    def within(
        self,
        shape: tuple[int, int],
        buffers: Mapping[str, Ref],
        body: Callable[[Any, Any], tuple[Scores, Rows, Rows]],
    ) -> tuple[Scores, Rows, Rows]:
        """Call the body with the place and the sums, at zero, of one tile of queries."""
        ...

    def reading(self, *refs: Ref) -> None:
        """Say that products read these buffers now: called when they start and when they end."""
        ...

    def weights(self, p: Scores) -> Scores:
        """Convert float32 weights to the product's operand."""
        ...

    def add(self, place: Any, sums: Any, p: Scores, v: Ref) -> Any:
        """Start sums += p·v, where v is a block of values as the form has them stored."""
        ...

    def shrink(self, place: Any, sums: Any, by: Rows) -> Any:
        """Wait for what was started, and multiply every row of the sums."""
        ...

    def result(self, place: Any, sums: Any) -> Scores:
        """Wait for what was started, and return the sums."""
        ...


@dataclass(frozen=True)
class Operands:
    """What a launch reads and writes.

    q and out are [B, Lq, H, D], lse is [B, H, Lq] filled up to whole tiles. `count` is the number
    of keys of a batch element; `factor`, by (b, h), turns products of q and k into logits in units
    of log 2, and must be positive; `out_factor` is a last factor of the output.
    """

    q: Ref
    out: Ref
    lse: Ref
    load_k: Load
    load_v: Load
    count: Callable[[Index], Index]
    factor: Callable[[Index, Index], Scalar | float]
    out_factor: Callable[[Index, Index], Scalar] | None = None


@dataclass(frozen=True)
class Schedule:
    """One launch: sizes, the form of the products, what is read and written, shared memory.

    `buffers` holds q_smem and out_smem [2, 64, D] (they may be the same), lse_smem [2, 64], k_smem
    and v_smem [stages, …], the barriers of `barriers`, and what the form of the products wants.
    """

    sizes: Sizes
    products: Products
    operands: Operands
    buffers: Mapping[str, Ref]

    def run(self) -> None:
        """Attend: the whole body of the kernel."""
        warpgroup = lax.axis_index("warpgroup")

        @pl.when(warpgroup < common.COMPUTE_WARPGROUPS)
        def _compute() -> None:
            plgpu.set_max_registers(common.COMPUTE_REGISTERS, action="increase")
            self._compute(warpgroup)

        @pl.when(warpgroup == common.COMPUTE_WARPGROUPS)
        def _memory() -> None:
            plgpu.set_max_registers(common.MEMORY_REGISTERS, action="decrease")
            self._memory()

    def steps(self, keys: Index) -> Index:
        """How many blocks of keys a tile reads: one at least, so that an empty row is written."""
        block = jnp.int32(self.sizes.block_kv)
        return jnp.maximum(lax.div(keys + block - 1, block), 1)

    def slot(self, block: Index) -> Index:
        """Where a block of keys lies, counted over all tiles of this block of threads."""
        return lax.rem(block, jnp.int32(self.sizes.stages))

    def _memory(self) -> None:
        """Keep the stages full: wait until both warpgroups have left a buffer, and load it."""
        buffers, operands = self.buffers, self.operands

        @plgpu.nd_loop(self.sizes.grid, collective_axes="block", init_carry=jnp.int32(0))
        def _tile(info: plgpu.NDLoopInfo, carry: Index) -> Index:
            b, h, _ = info.index
            steps = self.steps(operands.count(b))

            def load(j: Index, _: None) -> None:
                slot, start = self.slot(carry + j), (steps - 1 - j) * self.sizes.block_kv
                for name, copy in (("k", operands.load_k), ("v", operands.load_v)):
                    target, full, free = (
                        buffers[f"{name}_{part}"].at[slot] for part in ("smem", "full", "free")
                    )
                    plgpu.barrier_wait(free)
                    copy(b, h, start, target, full)

            lax.fori_loop(0, steps, load, None)
            return carry + steps

        for slot in range(self.sizes.stages):
            plgpu.barrier_wait(buffers["k_free"].at[slot])
            plgpu.barrier_wait(buffers["v_free"].at[slot])

    def _compute(self, warpgroup: Index) -> None:
        """Attend for every n-th tile; all buffers are free at first, and warpgroup 0 has the turn.

        Whoever waits on a barrier sees every completion of it: hence the last waits.
        """
        for slot in range(self.sizes.stages):
            plgpu.barrier_arrive(self.buffers["k_free"].at[slot])
            plgpu.barrier_arrive(self.buffers["v_free"].at[slot])

        @pl.when(warpgroup == 1)
        def _first_turn() -> None:
            plgpu.barrier_arrive(self.buffers["turn"].at[0])

        @plgpu.nd_loop(self.sizes.grid, collective_axes="block", init_carry=jnp.int32(0))
        def _tile(info: plgpu.NDLoopInfo, carry: Index) -> Index:
            b, h, tile = info.index
            return self._attend(warpgroup, b, h, tile, carry)

        plgpu.wait_smem_to_gmem(0)

        @pl.when(warpgroup == 0)
        def _last_turn() -> None:
            plgpu.barrier_wait(self.buffers["turn"].at[0])

    def _attend(self, warpgroup: Index, b: Index, h: Index, tile: Index, done: Index) -> Index:
        """One warpgroup's 64 queries, loaded, attended and written; `done` blocks came before."""
        operands, rows = self.operands, common.WARPGROUP_ROWS
        mine = {
            name: self.buffers[name].at[warpgroup]
            for name in ("q_smem", "q_full", "out_smem", "lse_smem", "p_smem")
            if name in self.buffers
        }
        start = tile * common.BLOCK_ROWS + warpgroup * rows
        plgpu.wait_smem_to_gmem(0, wait_read_only=True)
        plgpu.copy_gmem_to_smem(
            operands.q.at[b, pl.ds(start, rows), h], mine["q_smem"], mine["q_full"]
        )
        keys = operands.count(b)
        work = _Tile(
            self, warpgroup, mine["q_smem"], done, self.steps(keys), keys, operands.factor(b, h)
        )
        plgpu.barrier_wait(mine["q_full"])
        values, top, total = self.products.within((rows, self.sizes.head_dim), mine, work.run)
        some = total > 0
        inverse = jnp.where(some, 1 / jnp.where(some, total, 1.0), 0.0)
        if operands.out_factor is not None:
            inverse = inverse * operands.out_factor(b, h)
        out = values * common.across(inverse, values.shape)
        mine["out_smem"][...] = out.astype(operands.out.dtype)
        mine["lse_smem"][...] = jnp.where(some, top * common.LN_2 + jnp.log(total), -jnp.inf)
        plgpu.commit_smem()
        plgpu.copy_smem_to_gmem(mine["out_smem"], operands.out.at[b, pl.ds(start, rows), h])
        plgpu.copy_smem_to_gmem(mine["lse_smem"], operands.lse.at[b, h, pl.ds(start, rows)])
        return done + work.steps


@dataclass(frozen=True)
class _Tile:
    """One warpgroup's 64 queries against all keys of their batch element."""

    schedule: Schedule
    warpgroup: Index
    q_smem: Ref
    done: Index
    steps: Index
    keys: Index
    factor: Scalar | float

    def run(self, place: Any, sums: Any) -> tuple[Scores, Rows, Rows]:
        """Return the sums of values, the largest logits (log 2 units) and the sums of weights."""
        buffers, products = self.schedule.buffers, self.schedule.products
        slot = self.schedule.slot(self.done)
        plgpu.barrier_wait(buffers["k_full"].at[slot])
        scores = self._masked(self._scores(slot))
        products.reading(self.q_smem, buffers["k_smem"].at[slot])
        plgpu.barrier_arrive(buffers["k_free"].at[slot])
        rows = common.WARPGROUP_ROWS
        p, top, total, _ = self._softmax(
            scores, common.row_values(common.LOWEST, rows), common.row_values(0.0, rows)
        )

        plgpu.barrier_wait(buffers["v_full"].at[slot])

        def step(j: Index, carry: tuple[Any, Scores, Rows, Rows]) -> tuple[Any, Scores, Rows, Rows]:
            return self._step(place, j, *carry)

        sums, p, top, total = lax.fori_loop(
            0, self.steps - 1, step, (sums, products.weights(p), top, total)
        )
        slot = self.schedule.slot(self.done + self.steps - 1)
        sums = products.add(place, sums, p, buffers["v_smem"].at[slot])
        values = products.result(place, sums)
        products.reading(buffers["v_smem"].at[slot])
        plgpu.barrier_arrive(buffers["v_free"].at[slot])
        return values, top, total

    def _accumulator(self) -> Any:
        shape = (common.WARPGROUP_ROWS, self.schedule.sizes.block_kv)
        return plgpu.ACC(shape, jnp.float32)

    def _start_scores(self, accumulator: Ref, slot: Index) -> None:
        k_smem = self.schedule.buffers["k_smem"].at[slot]
        self.schedule.products.reading(self.q_smem, k_smem)
        plgpu.wgmma(accumulator, self.q_smem, k_smem.transpose((1, 0)))

    def _scores(self, slot: Index) -> Scores:
        def multiply(accumulator: Ref) -> Scores:
            self._start_scores(accumulator, slot)
            return common.read(accumulator, wait_n=0)

        return pl.run_scoped(multiply, self._accumulator())

    def _step(
        self, place: Any, j: Index, sums: Any, p: Scores, top: Rows, total: Rows
    ) -> tuple[Any, Scores, Rows, Rows]:
        """Start S(j+1) and P(j)·V, take the softmax of S(j+1) meanwhile, then rescale the sums.

        The next values are awaited before the running product is, not where they are used: that
        wait is a loop, across which ptxas does not move the other one, and without it ptxas has
        been seen to put the wait for the product ahead of the softmax.
        """
        buffers, products = self.schedule.buffers, self.schedule.products
        ahead, slot = (self.schedule.slot(self.done + j + i) for i in (1, 0))

        def overlap(accumulator: Ref) -> tuple[Any, Scores, Rows, Rows]:
            plgpu.barrier_wait(buffers["k_full"].at[ahead])
            plgpu.barrier_wait(buffers["turn"].at[self.warpgroup])
            self._start_scores(accumulator, ahead)
            products.reading(buffers["v_smem"].at[slot])
            added = products.add(place, sums, p, buffers["v_smem"].at[slot])
            plgpu.barrier_arrive(buffers["turn"].at[1 - self.warpgroup])
            scores = common.read(accumulator, wait_n=1)
            products.reading(self.q_smem, buffers["k_smem"].at[ahead])
            plgpu.barrier_arrive(buffers["k_free"].at[ahead])
            following, new_top, new_total, shrink = self._softmax(scores, top, total)
            plgpu.barrier_wait(buffers["v_full"].at[ahead])
            kept = products.shrink(place, added, shrink)
            products.reading(buffers["v_smem"].at[slot])
            plgpu.barrier_arrive(buffers["v_free"].at[slot])
            return kept, products.weights(following), new_top, new_total

        return pl.run_scoped(overlap, self._accumulator())

    def _masked(self, scores: Scores) -> Scores:
        """Hide what lies past the last key, in the block that is read first and lies last."""
        columns = plgpu.broadcasted_iota(jnp.int32, scores.shape, 1, layout=plgpu.Layout.WGMMA)
        start = (self.steps - 1) * self.schedule.sizes.block_kv
        return jnp.where(columns < self.keys - start, scores, -jnp.inf)

    def _softmax(self, scores: Scores, top: Rows, total: Rows) -> tuple[Scores, Rows, Rows, Rows]:
        """Return weights below the new maximum, that maximum, their sums, and the shrinkage.

        The headroom is taken off the maximum, so that every weight is larger by it, and their sums
        too: output and log-sum-exp are what they were.
        """
        largest = scores.max(axis=1) * self.factor - self.schedule.products.headroom
        new_top = jnp.maximum(top, largest)
        p = jnp.exp2(scores * self.factor - common.across(new_top, scores.shape))
        shrink = jnp.exp2(top - new_top)
        return p, new_top, total * shrink + p.sum(axis=1), shrink
