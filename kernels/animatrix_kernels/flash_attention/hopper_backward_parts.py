"""What the two forms of attention's backward pass on Hopper share.

A block has two warpgroups that compute and one that loads. P comes back from the log-sum-exp, and
dS = P·(dO·Vᵀ − (ΣdO·O − dlse)) (FlashAttention-2, arXiv 2307.08691, algorithm 2). Where keys are
rows, products are taken transposed, Sᵀ = K·Qᵀ: Pᵀ and dSᵀ then stay in registers as the left
operands of dV = Pᵀ·dO and dK = dSᵀ·Q.

Every kernel is written once. Pallas' interpreter knows no product whose left operand is in
registers, so there that operand takes the way through shared memory (`Machine.interpreted`).
No kernel of the backward pass has run on a GPU yet: they are lowered for CUDA and interpreted.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import mosaic_gpu as plgpu
from jaxtyping import Array, Float, Int

from animatrix_kernels.flash_attention import hopper_common as common
from animatrix_kernels.flash_attention.backend import Queries, Saved, Statistics
from animatrix_kernels.flash_attention.hopper_tiles import LOWERINGS

LANES, GROUPS, ROWS = common.WARPGROUP_ROWS, common.COMPUTE_WARPGROUPS, common.BLOCK_ROWS

NOTHING = 1e30
"""The log-sum-exp of a row without a key: exp2 of anything less it is nought."""

WGMMA = plgpu.Layout.WGMMA

type Ref = Any
type Traced = Any
type Scratch = dict[str, Any]
type Matrix = Float[Array, "M N"]


@dataclass(frozen=True)
class Machine:
    """How kernels are built: by one of Mosaic's lowerings, or of what the interpreter knows."""

    lowering: str
    interpreted: bool

    def kernel(self, body: Any, grid: tuple[int, int, int], out_type: Any, scratch: Scratch) -> Any:
        """Return a kernel over (batch, head, block), the blocks fastest.

        Neighbours in time then stream the same rows, which stay in the second-level cache.
        """
        settings: dict[str, Any] = {}
        if self.interpreted:
            settings["interpret"] = plgpu.InterpretGPUParams(detect_races=True)
        return plgpu.kernel(
            body,
            out_type=out_type,
            grid=grid,
            grid_names=("batch", "head", "block"),
            num_threads=GROUPS + 1,
            thread_name="group",
            scratch_types=scratch,
            compiler_params=plgpu.CompilerParams(
                approx_math=True,
                lowering_semantics=LOWERINGS[self.lowering],
                reduction_scratch_bytes=0,
            ),
            **settings,
        )

    def multiply(self, total: Ref, left: Any, right: Ref, staging: Ref | None = None) -> None:
        """Start total += left·right; where interpreted, an array `left` goes through `staging`."""
        if not self.interpreted:
            plgpu.wgmma(total, left, right)
            return
        if staging is not None:
            staging[...] = left
            plgpu.commit_smem()
            left = staging
        for operand in (left, right):
            operand[...]  # the interpreter looks for races among reads, not among products
        plgpu.commit_smem()  # a product reads as TMA writes, such a read does not
        plgpu.wgmma(total, left, right)

    def staging(self, columns: int, dtype: jnp.dtype, swizzle: int) -> Any:
        """Return where the interpreter's left operands lie, a matrix for each warpgroup."""
        return tiled((GROUPS, LANES, columns), dtype, swizzle) if self.interpreted else None


def tiled(shape: tuple[int, ...], dtype: jnp.dtype, swizzle: int = 128) -> Any:
    """Return shared memory in the order in which Hopper's products and copies read it."""
    return plgpu.SMEM(shape, dtype, transforms=common.tiled(swizzle, dtype))


def part_of(ref: Ref | None, group: Traced) -> Ref | None:
    """Return a warpgroup's part of a buffer that may not be there."""
    return None if ref is None else ref.at[group]


class Sizes(NamedTuple):
    """The static sizes of a call."""

    batch: int
    q_length: int
    kv_length: int
    heads: int
    dim: int
    dtype: jnp.dtype

    @classmethod
    def of(cls, inputs: "Inputs") -> "Sizes":
        """Return those of a call's inputs."""
        batch, q_length, heads, dim = inputs.q.shape
        return cls(batch, q_length, inputs.k.shape[1], heads, dim, inputs.q.dtype)

    def like_keys(self) -> jax.ShapeDtypeStruct:
        """Return the type of dk and dv."""
        return jax.ShapeDtypeStruct((self.batch, self.kv_length, self.heads, self.dim), self.dtype)


class Inputs(NamedTuple):
    """What the kernels read, in the order of their first references.

    `statistics` [B, H, 2, padded Lq] are the log2-sum-exp and ΣdO·O − dlse.
    """

    lengths: Int[Array, " B"]
    q: Float[Array, "B Lq H D"]
    k: Float[Array, "B Lk H D"]
    v: Float[Array, "B Lk H D"]
    d_out: Float[Array, "B Lq H D"]
    statistics: Float[Array, "B H 2 Lp"]


class Sources(NamedTuple):
    """References to `Inputs` in global memory."""

    lengths: Ref
    q: Ref
    k: Ref
    v: Ref
    d_out: Ref
    statistics: Ref


def prepare(saved: Saved, d_out: Queries, d_lse: Statistics) -> Inputs:
    """Return the inputs of the kernels, their lengths filled up to what TMA takes.

    A row without a key, and one past the end, gets such a log-sum-exp that its weights are nought.
    """
    batch, q_length = saved.q.shape[:2]
    some = jnp.isfinite(saved.lse)
    products = d_out.astype(jnp.float32) * saved.out.astype(jnp.float32)
    delta = jnp.where(some, products.sum(-1) - d_lse, 0.0)
    lse = jnp.where(some, saved.lse * common.LOG2_E, NOTHING)
    more = ((0, 0), (0, blocks(q_length) * ROWS - q_length), (0, 0))
    statistics = jnp.stack(
        [jnp.pad(lse, more, constant_values=NOTHING), jnp.pad(delta, more)], axis=-1
    )
    return Inputs(
        common.lengths_or_all(saved.kv_lengths, batch, saved.k.shape[1]),
        common.whole_rows(saved.q),
        common.whole_rows(saved.k),
        common.whole_rows(saved.v),
        common.whole_rows(d_out.astype(saved.q.dtype)),
        statistics.transpose(0, 2, 3, 1),
    )


def blocks(length: int) -> int:
    """Return how many blocks of rows cover a length."""
    return -(-length // ROWS)


class Place(NamedTuple):
    """Where a thread stands: batch element, head, block of rows, warpgroup of the block."""

    batch: jax.Array
    head: jax.Array
    block: jax.Array
    group: jax.Array

    @classmethod
    def here(cls) -> "Place":
        """Return the thread's own."""
        return cls(*(lax.axis_index(name) for name in ("batch", "head", "block", "group")))

    def own_rows(self) -> Any:
        """Return the slice of the 64 rows of this warpgroup."""
        return pl.ds(self.block * ROWS + self.group * LANES, LANES)


def slot_of(step: Traced, stages: int) -> jax.Array:
    """Return the place of a step's tile among the stages."""
    return lax.rem(step, jnp.int32(stages))


def along(vector: Float[Array, " N"], shape: tuple[int, int], axis: int) -> Matrix:
    """Repeat a vector that lies along `axis` over the other one."""
    return lax.broadcast_in_dim(vector, shape, (axis,))


def statistic(ref: Ref, which: int, axis: int) -> Float[Array, " N"]:
    """Read the log-sum-exp (0) or delta (1) of a tile's queries, which lie along `axis`."""
    return plgpu.load(ref.at[which], layout=WGMMA.reduce(1 - axis))


def counted(values: Matrix, first: Traced, length: Traced, axis: int) -> Matrix:
    """Keep the values of keys before `length`; `first` is the place of the tile's first key."""
    places = plgpu.broadcasted_iota(jnp.int32, values.shape, axis, layout=WGMMA)
    return jnp.where(places + first < length, values, 0.0)


@dataclass(frozen=True)
class QueryTiles:
    """A stream of tiles of 64 queries, dO and their statistics through `stages` places."""

    stages: int

    def scratch(self, sizes: Sizes, swizzle: int) -> Scratch:
        """Return the shared memory and barriers it needs."""
        shape = (self.stages, LANES, sizes.dim)
        free = plgpu.Barrier(num_arrivals=GROUPS, num_barriers=self.stages)
        return {
            "q": tiled(shape, sizes.dtype, swizzle),
            "d_out": tiled(shape, sizes.dtype, swizzle),
            "statistics": plgpu.SMEM((self.stages, 2, LANES), jnp.float32),
            "q_ready": plgpu.Barrier(num_arrivals=2, num_barriers=self.stages),
            "d_out_ready": plgpu.Barrier(num_barriers=self.stages),
            "free": free,
        }

    def load(self, inputs: Sources, at: Place, refs: Scratch, tiles: Traced, steps: Traced) -> None:
        """Fetch tile after tile, `tiles(step)` in place, each as soon as its place is free."""
        stages = self.stages

        @pl.loop(0, steps)
        def _(step: jax.Array) -> None:
            slot = slot_of(step, stages)
            rows = pl.ds(tiles(step) * LANES, LANES)

            @pl.when(step >= stages)
            def _() -> None:
                plgpu.barrier_wait(refs["free"].at[slot])

            q_ready = refs["q_ready"].at[slot]
            plgpu.copy_gmem_to_smem(
                inputs.q.at[at.batch, rows, at.head], refs["q"].at[slot], q_ready
            )
            plgpu.copy_gmem_to_smem(
                inputs.statistics.at[at.batch, at.head, :, rows],
                refs["statistics"].at[slot],
                q_ready,
            )
            plgpu.copy_gmem_to_smem(
                inputs.d_out.at[at.batch, rows, at.head],
                refs["d_out"].at[slot],
                refs["d_out_ready"].at[slot],
            )

        @pl.loop(jnp.maximum(steps - stages, 0), steps)
        def _(step: jax.Array) -> None:
            plgpu.barrier_wait(refs["free"].at[slot_of(step, stages)])


class Own(NamedTuple):
    """A warpgroup's 64 keys: K and V in shared memory, and the sums for dk and dv."""

    k: Ref
    v: Ref
    d_k: Ref
    d_v: Ref


def key_scratch(sizes: Sizes, swizzle: int, machine: Machine) -> Scratch:
    """Return the shared memory of a block that owns 128 keys."""
    shape = (ROWS, sizes.dim)
    return {
        "k": tiled(shape, sizes.dtype, swizzle),
        "v": tiled(shape, sizes.dtype, swizzle),
        "own_ready": plgpu.Barrier(num_arrivals=2),
        "staging": machine.staging(LANES, sizes.dtype, swizzle),
    }


def load_keys(inputs: Sources, at: Place, refs: Scratch) -> None:
    """Fetch the block's keys and values."""
    rows = pl.ds(at.block * ROWS, ROWS)
    for name, source in (("k", inputs.k), ("v", inputs.v)):
        plgpu.copy_gmem_to_smem(source.at[at.batch, rows, at.head], refs[name], refs["own_ready"])


def transposed_step(
    machine: Machine,
    refs: Scratch,
    slot: Traced,
    own: Own,
    staging: Ref | None,
    scale: float,
    keep: Callable[[Matrix], Matrix],
) -> Matrix:
    """Take in a tile of queries: start dV += Pᵀ·dO, and return dSᵀ in the inputs' type.

    `keep` sets the weights of keys that do not count to nought.
    """
    q, d_out, statistics = (refs[name].at[slot] for name in ("q", "d_out", "statistics"))

    def d_logits(s: Ref, d_p: Ref) -> Matrix:
        plgpu.barrier_wait(refs["q_ready"].at[slot])
        machine.multiply(s, own.k, q.T)
        plgpu.barrier_wait(refs["d_out_ready"].at[slot])
        machine.multiply(d_p, own.v, d_out.T)
        shape = (LANES, LANES)
        log_sum_exp = along(statistic(statistics, 0, 1), shape, 1)
        logits = common.read(s, wait_n=1)
        p = keep(jnp.exp2(logits * (scale * common.LOG2_E) - log_sum_exp))
        machine.multiply(own.d_v, p.astype(q.dtype), d_out, staging)
        d_weights = common.read(d_p, wait_n=1)
        delta = along(statistic(statistics, 1, 1), shape, 1)
        return (p * (d_weights - delta)).astype(q.dtype)

    accumulator = plgpu.ACC((LANES, LANES), jnp.float32)
    return pl.run_scoped(d_logits, accumulator, accumulator)


def key_loops(
    at: Place,
    length: Traced,
    steps: int,
    step: Callable[[Traced, Callable[[Matrix], Matrix]], None],
) -> None:
    """Call `step(number, keep)` for each tile of queries, if any of the block's keys counts.

    Only a block that holds keys on both sides of the length pays for hiding the latter.
    """
    first = at.block * ROWS
    whole = jnp.where(first + ROWS <= length, steps, 0)
    part = jnp.where((first < length) & (first + ROWS > length), steps, 0)

    @pl.loop(0, whole)
    def _(number: jax.Array) -> None:
        step(number, lambda p: p)

    @pl.loop(0, part)
    def _(number: jax.Array) -> None:
        step(number, lambda p: counted(p, first + at.group * LANES, length, 0))


def store_keys(
    at: Place, refs: Scratch, length: Traced, d_k: Matrix, d_v: Matrix, outs: tuple[Ref, Ref]
) -> None:
    """Write a warpgroup's rows of dk and dv by way of the memory of its own K and V."""
    first = at.block * ROWS + at.group * LANES
    for name, values, out in (("k", d_k, outs[0]), ("v", d_v, outs[1])):
        buffer = refs[name].at[pl.ds(at.group * LANES, LANES)]
        buffer[...] = counted(values, first, length, 0).astype(out.dtype)
        plgpu.commit_smem()
        plgpu.copy_smem_to_gmem(buffer, out.at[at.batch, at.own_rows(), at.head])
    plgpu.wait_smem_to_gmem(0)
