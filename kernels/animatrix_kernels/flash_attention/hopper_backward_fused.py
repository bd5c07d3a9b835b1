"""Attention's backward pass on Hopper in one kernel of five matrix products.

A block owns 128 keys and streams tiles of 64 queries. dk and dv stay in its registers; its share
of dq, dS·K, goes to global memory by a float32 reduction of TMA, to which all blocks of a head add
in whatever order they come: the last bits of dq differ from call to call. The two warpgroups lay
their halves of dSᵀ beside each other in shared memory, and each makes half of dq's columns from
both; two buffers of dSᵀ let one barrier do.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
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
from animatrix_kernels.flash_attention.hopper_backward_tiles import FusedTile

DS_BUFFERS = 2


def gradients(
    inputs: Inputs, scale: float, tile: FusedTile, interpreted: bool = False
) -> tuple[Float[Array, "B Lq H D"], Float[Array, "B Lk H D"], Float[Array, "B Lk H D"]]:
    """Return dq, dk and dv, of the inputs' lengths."""
    machine = Machine(tile.lowering, interpreted)
    sizes, stream = Sizes.of(inputs), QueryTiles(tile.stages)

    def body(*refs: Ref, **scratch: Ref) -> None:
        *read, d_q, d_k, d_v = refs
        block = _Block(machine, Sources(*read), d_q, scratch, Place.here(), stream, tile, scale)
        block.run((d_k, d_v))

    grid = (sizes.batch, sizes.heads, parts.blocks(sizes.kv_length))
    like = sizes.like_keys()
    kernel = machine.kernel(body, grid, (like, like), _scratch(sizes, stream, machine))
    d_q = jax.new_ref(jnp.zeros(inputs.q.shape, jnp.float32))
    d_k, d_v = kernel(*inputs, d_q)
    return (d_q[...] * scale).astype(sizes.dtype), d_k, d_v


def _scratch(sizes: Sizes, stream: QueryTiles, machine: Machine) -> Scratch:
    half = sizes.dim // parts.GROUPS
    swizzle = common.widest_swizzle(half, sizes.dtype)
    d_q = parts.tiled((parts.GROUPS, LANES, half), jnp.float32)
    apart: dict[str, Any] = {"so_far": None, "so_far_ready": None}
    if machine.interpreted:
        apart = {"so_far": d_q, "so_far_ready": plgpu.Barrier(num_barriers=parts.GROUPS)}
    return (
        stream.scratch(sizes, swizzle)
        | parts.key_scratch(sizes, swizzle, machine)
        | {
            "d_s": parts.tiled((DS_BUFFERS, ROWS, LANES), sizes.dtype, swizzle),
            "d_s_ready": plgpu.Barrier(num_arrivals=parts.GROUPS, num_barriers=DS_BUFFERS),
            "d_q": d_q,
            "finished": plgpu.Barrier(num_arrivals=parts.GROUPS),
        }
        | apart
    )


@dataclass(frozen=True)
class _Block:
    """128 keys against all queries of their batch element and head."""

    machine: Machine
    inputs: Sources
    d_q: Ref
    refs: Scratch
    at: Place
    stream: QueryTiles
    tile: FusedTile
    scale: float

    @property
    def steps(self) -> int:
        return -(-self.inputs.q.shape[1] // LANES)

    def tile_of(self, step: Traced) -> jax.Array:
        """Return which tile of queries a step takes."""
        start = self.at.block if self.tile.staggered else jnp.int32(0)
        return jax.lax.rem(step + start, jnp.int32(self.steps))

    def run(self, outs: tuple[Ref, Ref]) -> None:
        length = self.inputs.lengths[self.at.batch]

        @pl.when(self.at.group < parts.GROUPS)
        def _() -> None:
            plgpu.set_max_registers(common.COMPUTE_REGISTERS, action="increase")
            plgpu.barrier_wait(self.refs["own_ready"])
            accumulator = plgpu.ACC((LANES, self.inputs.k.shape[-1]), jnp.float32)
            gather = self.gathering(length)
            d_k, d_v = pl.run_scoped(gather, accumulator, accumulator)
            plgpu.wait_smem_to_gmem(0)
            plgpu.barrier_arrive(self.refs["finished"])
            plgpu.barrier_wait(self.refs["finished"])
            parts.store_keys(self.at, self.refs, length, d_k, d_v, outs)

        @pl.when(self.at.group == parts.GROUPS)
        def _() -> None:
            plgpu.set_max_registers(common.MEMORY_REGISTERS, action="decrease")
            parts.load_keys(self.inputs, self.at, self.refs)
            some = jnp.where(self.at.block * ROWS < length, self.steps, 0)
            self.stream.load(self.inputs, self.at, self.refs, self.tile_of, some)

    def gathering(self, length: Traced) -> Callable[[Ref, Ref], tuple[Matrix, Matrix]]:
        rows = pl.ds(self.at.group * LANES, LANES)

        def gather(d_k: Ref, d_v: Ref) -> tuple[Matrix, Matrix]:
            own = parts.Own(self.refs["k"].at[rows], self.refs["v"].at[rows], d_k, d_v)

            def step(number: Traced, keep: Callable[[Matrix], Matrix]) -> None:
                self.step(own, number, keep)

            parts.key_loops(self.at, length, self.steps, step)
            return common.read(d_k, wait_n=0) * self.scale, common.read(d_v, wait_n=0)

        return gather

    def step(self, own: parts.Own, number: Traced, keep: Callable[[Matrix], Matrix]) -> None:
        """Take in a tile of queries; dv's product runs through the exchange of dS, dk's after."""
        refs, group, machine = self.refs, self.at.group, self.machine
        slot = parts.slot_of(number, self.stream.stages)
        staging = parts.part_of(refs["staging"], group)
        d_s = parts.transposed_step(machine, refs, slot, own, staging, self.scale, keep)
        buffer = parts.slot_of(number, DS_BUFFERS)
        shared = refs["d_s"].at[buffer]
        shared.at[pl.ds(group * LANES, LANES)][...] = d_s
        plgpu.commit_smem()
        plgpu.barrier_arrive(refs["d_s_ready"].at[buffer])
        plgpu.barrier_wait(refs["d_s_ready"].at[buffer])
        half = self.inputs.q.shape[-1] // parts.GROUPS
        columns = pl.ds(group * half, half)

        def share(d_q: Ref) -> Matrix:
            machine.multiply(d_q, shared.T, refs["k"].at[:, columns])
            machine.multiply(own.d_k, d_s, refs["q"].at[slot], staging)
            return common.read(d_q, wait_n=1)

        d_q = pl.run_scoped(share, plgpu.ACC((LANES, half), jnp.float32))
        rows = pl.ds(self.tile_of(number) * LANES, LANES)
        self.add(d_q, self.d_q.at[self.at.batch, rows, self.at.head, columns])
        plgpu.wgmma_wait(0)
        plgpu.barrier_arrive(refs["free"].at[slot])

    def add(self, values: Matrix, target: Ref) -> None:
        """Start target += values.

        The interpreter has no reduction, but runs one block after the other: it reads what is
        there, adds, and writes.
        """
        buffer = self.refs["d_q"].at[self.at.group]
        plgpu.wait_smem_to_gmem(0, wait_read_only=True)
        if not self.machine.interpreted:
            buffer[...] = values
            plgpu.commit_smem()
            plgpu.copy_smem_to_gmem(buffer, target, reduction_op="add")
            return
        so_far, ready = (self.refs[n].at[self.at.group] for n in ("so_far", "so_far_ready"))
        plgpu.copy_gmem_to_smem(target, so_far, ready)
        plgpu.barrier_wait(ready)
        buffer[...] = so_far[...] + values
        plgpu.commit_smem()
        plgpu.copy_smem_to_gmem(buffer, target)
        plgpu.wait_smem_to_gmem(0)
