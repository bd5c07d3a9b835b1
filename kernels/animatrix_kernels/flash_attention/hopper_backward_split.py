"""Attention's backward pass on Hopper in two kernels, one for dq and one for dk and dv.

Seven matrix products where the fused form has five, but every sum has one owner and one order:
the same bits at every call.
"""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import mosaic_gpu as plgpu
from jaxtyping import Array, Float

from animatrix_kernels.flash_attention import hopper_backward_parts as parts
from animatrix_kernels.flash_attention import hopper_common as common
from animatrix_kernels.flash_attention.hopper_backward_parts import (
    LANES,
    ROWS,
    Inputs,
    Machine,
    Matrix,
    Place,
    QueryTiles,
    Ref,
    Scratch,
    Sizes,
    Sources,
    Traced,
)
from animatrix_kernels.flash_attention.hopper_backward_tiles import KeyTile, QueryTile


def query_gradient(
    inputs: Inputs, scale: float, tile: QueryTile, interpreted: bool = False
) -> Float[Array, "B Lq H D"]:
    """Return dq, of the inputs' lengths."""
    machine = Machine(tile.lowering, interpreted)
    sizes = Sizes.of(inputs)
    keys, stages = tile.keys, tile.stages
    swizzle = common.widest_swizzle(keys, sizes.dtype)
    own, streamed = (parts.GROUPS, LANES, sizes.dim), (stages, keys, sizes.dim)
    free = plgpu.Barrier(num_arrivals=parts.GROUPS, num_barriers=stages)
    ready = plgpu.Barrier(num_barriers=stages)
    scratch = {
        "q": parts.tiled(own, sizes.dtype, swizzle),
        "d_out": parts.tiled(own, sizes.dtype, swizzle),
        "statistics": plgpu.SMEM((parts.GROUPS, 2, LANES), jnp.float32),
        "k": parts.tiled(streamed, sizes.dtype, swizzle),
        "v": parts.tiled(streamed, sizes.dtype, swizzle),
        "own_ready": plgpu.Barrier(num_arrivals=3, num_barriers=parts.GROUPS),
        "k_ready": ready,
        "v_ready": ready,
        "k_free": free,
        "v_free": free,
        "staging": machine.staging(keys, sizes.dtype, swizzle),
    }

    def body(*refs: Ref, **scratch: Ref) -> None:
        *read, out = refs
        _DQ(machine, Sources(*read), out, scratch, Place.here(), tile, scale).run()

    grid = (sizes.batch, sizes.heads, parts.blocks(sizes.q_length))
    out_type = jax.ShapeDtypeStruct(inputs.q.shape, sizes.dtype)
    return machine.kernel(body, grid, out_type, scratch)(*inputs)


@dataclass(frozen=True)
class _DQ:
    """A block of dq: 128 queries of its own, and all keys in a stream."""

    machine: Machine
    inputs: Sources
    out: Ref
    refs: Scratch
    at: Place
    tile: QueryTile
    scale: float

    def run(self) -> None:
        length = self.inputs.lengths[self.at.batch]

        @pl.when(self.at.group < parts.GROUPS)
        def _() -> None:
            plgpu.set_max_registers(common.COMPUTE_REGISTERS, action="increase")
            self.compute(length)

        @pl.when(self.at.group == parts.GROUPS)
        def _() -> None:
            plgpu.set_max_registers(common.MEMORY_REGISTERS, action="decrease")
            self.load(lax.div(length + self.tile.keys - 1, jnp.int32(self.tile.keys)))

    def load(self, steps: Traced) -> None:
        keys, stages, at = self.tile.keys, self.tile.stages, self.at

        @pl.loop(0, steps)
        def _(step: jax.Array) -> None:
            slot = parts.slot_of(step, stages)
            rows = pl.ds(step * keys, keys)
            for name, source in (("k", self.inputs.k), ("v", self.inputs.v)):

                @pl.when(step >= stages)
                def _(name: str = name) -> None:
                    plgpu.barrier_wait(self.refs[f"{name}_free"].at[slot])

                plgpu.copy_gmem_to_smem(
                    source.at[at.batch, rows, at.head],
                    self.refs[name].at[slot],
                    self.refs[f"{name}_ready"].at[slot],
                )

        @pl.loop(jnp.maximum(steps - stages, 0), steps)
        def _(step: jax.Array) -> None:
            plgpu.barrier_wait(self.refs["k_free"].at[parts.slot_of(step, stages)])
            plgpu.barrier_wait(self.refs["v_free"].at[parts.slot_of(step, stages)])

    def compute(self, length: Traced) -> None:
        refs, at, dim = self.refs, self.at, self.inputs.q.shape[-1]
        rows, ready = at.own_rows(), refs["own_ready"].at[at.group]
        own = {name: refs[name].at[at.group] for name in ("q", "d_out", "statistics")}
        plgpu.copy_gmem_to_smem(self.inputs.q.at[at.batch, rows, at.head], own["q"], ready)
        plgpu.copy_gmem_to_smem(self.inputs.d_out.at[at.batch, rows, at.head], own["d_out"], ready)
        plgpu.copy_gmem_to_smem(
            self.inputs.statistics.at[at.batch, at.head, :, rows], own["statistics"], ready
        )
        plgpu.barrier_wait(ready)
        log_sum_exp, delta = (parts.statistic(own["statistics"], i, 0) for i in (0, 1))
        keys = jnp.int32(self.tile.keys)

        def gather(total: Ref) -> Matrix:
            whole = lax.div(length, keys)
            steps = lax.div(length + keys - 1, keys)
            for first, last, masked in ((0, whole, False), (whole, steps, True)):

                @pl.loop(first, last)
                def _(step: jax.Array, masked: bool = masked) -> None:
                    self.step(total, own, log_sum_exp, delta, step, length if masked else None)

            return common.read(total, wait_n=0)

        d_q = pl.run_scoped(gather, plgpu.ACC((LANES, dim), jnp.float32)) * self.scale
        own["q"][...] = d_q.astype(own["q"].dtype)
        plgpu.commit_smem()
        plgpu.copy_smem_to_gmem(own["q"], self.out.at[at.batch, rows, at.head])
        plgpu.wait_smem_to_gmem(0)

    def step(
        self,
        total: Ref,
        own: Scratch,
        log_sum_exp: Float[Array, " M"],
        delta: Float[Array, " M"],
        step: Traced,
        length: Traced | None,
    ) -> None:
        """Add a tile of keys; `length` is given where some of them may not count."""
        refs, slot = self.refs, parts.slot_of(step, self.tile.stages)
        shape = (LANES, self.tile.keys)

        def d_logits(s: Ref, d_p: Ref) -> Matrix:
            plgpu.barrier_wait(refs["k_ready"].at[slot])
            self.machine.multiply(s, own["q"], refs["k"].at[slot].T)
            plgpu.barrier_wait(refs["v_ready"].at[slot])
            self.machine.multiply(d_p, own["d_out"], refs["v"].at[slot].T)
            logits = common.read(s, wait_n=1)
            p = jnp.exp2(logits * (self.scale * common.LOG2_E) - parts.along(log_sum_exp, shape, 0))
            if length is not None:
                p = parts.counted(p, step * self.tile.keys, length, 1)
            d_weights = common.read(d_p, wait_n=0)
            plgpu.barrier_arrive(refs["v_free"].at[slot])
            return (p * (d_weights - parts.along(delta, shape, 0))).astype(own["q"].dtype)

        accumulator = plgpu.ACC((LANES, self.tile.keys), jnp.float32)
        d_s = pl.run_scoped(d_logits, accumulator, accumulator)
        staging = parts.part_of(refs["staging"], self.at.group)
        self.machine.multiply(total, d_s, refs["k"].at[slot], staging)
        plgpu.wgmma_wait(0)
        plgpu.barrier_arrive(refs["k_free"].at[slot])


def key_gradients(
    inputs: Inputs, scale: float, tile: KeyTile, interpreted: bool = False
) -> tuple[Float[Array, "B Lk H D"], Float[Array, "B Lk H D"]]:
    """Return dk and dv, of the inputs' lengths."""
    machine = Machine(tile.lowering, interpreted)
    sizes, stream = Sizes.of(inputs), QueryTiles(tile.stages)
    scratch = stream.scratch(sizes, 128) | parts.key_scratch(sizes, 128, machine)
    steps = -(-sizes.q_length // LANES)

    def body(*refs: Ref, **scratch: Ref) -> None:
        *read, d_k, d_v = refs
        _dk_dv(machine, Sources(*read), (d_k, d_v), scratch, stream, steps, scale)

    grid = (sizes.batch, sizes.heads, parts.blocks(sizes.kv_length))
    like = sizes.like_keys()
    return machine.kernel(body, grid, (like, like), scratch)(*inputs)


def _dk_dv(
    machine: Machine,
    inputs: Sources,
    outs: tuple[Ref, Ref],
    refs: Scratch,
    stream: QueryTiles,
    steps: int,
    scale: float,
) -> None:
    """Make a block of dk and dv: 128 keys of its own, and all queries in a stream."""
    at = Place.here()
    length = inputs.lengths[at.batch]

    @pl.when(at.group < parts.GROUPS)
    def _() -> None:
        plgpu.set_max_registers(common.COMPUTE_REGISTERS, action="increase")
        plgpu.barrier_wait(refs["own_ready"])
        rows = pl.ds(at.group * LANES, LANES)
        staging = parts.part_of(refs["staging"], at.group)

        def gather(d_k: Ref, d_v: Ref) -> tuple[Matrix, Matrix]:
            own = parts.Own(refs["k"].at[rows], refs["v"].at[rows], d_k, d_v)

            def step(number: Traced, keep: Callable[[Matrix], Matrix]) -> None:
                slot = parts.slot_of(number, stream.stages)
                d_s = parts.transposed_step(machine, refs, slot, own, staging, scale, keep)
                machine.multiply(own.d_k, d_s, refs["q"].at[slot], staging)
                plgpu.wgmma_wait(0)
                plgpu.barrier_arrive(refs["free"].at[slot])

            parts.key_loops(at, length, steps, step)
            return common.read(d_k, wait_n=0) * scale, common.read(d_v, wait_n=0)

        accumulator = plgpu.ACC((LANES, inputs.k.shape[-1]), jnp.float32)
        d_k, d_v = pl.run_scoped(gather, accumulator, accumulator)
        parts.store_keys(at, refs, length, d_k, d_v, outs)

    @pl.when(at.group == parts.GROUPS)
    def _() -> None:
        plgpu.set_max_registers(common.MEMORY_REGISTERS, action="decrease")
        parts.load_keys(inputs, at, refs)
        some = jnp.where(at.block * ROWS < length, steps, 0)
        stream.load(inputs, at, refs, lambda step: step, some)
