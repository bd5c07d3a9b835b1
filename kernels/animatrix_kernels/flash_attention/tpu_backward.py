"""Gradients of attention on a TPU, as Pallas kernels (FlashAttention-2, arXiv 2307.08691).

Two ways, each the same bits at every call. Where a head's float32 dq fits the vector memory, one
kernel makes all three gradients with five matrix products: a block of keys stays while the queries
pass by, and dq waits in vector memory for every block of keys. Longer queries take two kernels
with seven products, one for dq and one for dk and dv.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu
from jaxtyping import Array

from animatrix_kernels.flash_attention.backend import Keys, Queries, Saved, Statistics
from animatrix_kernels.flash_attention.tpu_blocks import (
    LANES,
    LOG2_E,
    Blocks,
    Cut,
    by_head,
    counted,
    cut,
    default_blocks,
    dot,
    first_rows,
    from_head,
    head_shape,
    head_spec,
    last_counted,
    row_spec,
    softmax_weights,
)


def _dq_kernel(
    lengths: Any,
    q: Any,
    k: Any,
    v: Any,
    d_out: Any,
    lse: Any,
    delta: Any,
    d_q: Any,
    sums: Any,
    *,
    kv: Cut,
    scale: float,
) -> None:
    """Add one block of keys to dqᵀ [D, queries] of one block of queries."""
    j = pl.program_id(3)
    left = lengths[pl.program_id(0)] - j * kv.size

    @pl.when(j == 0)
    def _() -> None:
        sums[...] = jnp.zeros_like(sums)

    def add(n: Any, masked: bool) -> None:
        part = pl.ds(n * kv.part, kv.part)
        keys, values = k[part, :], v[part, :]
        if masked:
            keys, values = (first_rows(x, left - n * kv.part) for x in (keys, values))
        weights = softmax_weights(dot(keys, q[...], (1, 1)), scale, lse[...])
        if masked:
            weights = first_rows(weights, left - n * kv.part)
        d_logits = weights * (dot(values, d_out[...], (1, 1)) - delta[...])
        sums[...] += dot(keys, d_logits.astype(keys.dtype), (0, 0))

    @pl.when(left >= kv.size)
    def _() -> None:
        for n in range(kv.parts):
            add(n, masked=False)

    @pl.when((left > 0) & (left < kv.size))
    def _() -> None:
        jax.lax.fori_loop(0, pl.cdiv(left, kv.part), lambda n, _: add(n, masked=True), None)

    @pl.when(j == kv.number - 1)
    def _() -> None:
        d_q[...] = (scale * sums[...]).T.astype(d_q.dtype)


def _dkv_kernel(
    lengths: Any,
    q: Any,
    k: Any,
    v: Any,
    d_out: Any,
    lse: Any,
    delta: Any,
    *outputs: Any,
    queries: Cut,
    kv: Cut,
    scale: float,
) -> None:
    """Add one block of queries to dk and dv of one block of keys, and to dqᵀ where it is asked for.

    After the inputs come d_k, d_v (and d_q), then as many sums in float32.
    """
    d_k, d_v, *rest = outputs
    d_q, k_sums, v_sums, q_sums = rest if len(rest) == 4 else (None, *rest, None)
    j, i = pl.program_id(2), pl.program_id(3)
    left = lengths[pl.program_id(0)] - j * kv.size
    q_left = queries.length - i * queries.size

    @pl.when(i == 0)
    def _() -> None:
        k_sums[...] = jnp.zeros_like(k_sums)
        v_sums[...] = jnp.zeros_like(v_sums)

    if q_sums is not None:

        @pl.when(j == 0)
        def _() -> None:
            q_sums[i] = jnp.zeros(q_sums.shape[1:], q_sums.dtype)

    def add(n: Any, masked: bool) -> None:
        part = pl.ds(pl.multiple_of(n * queries.part, LANES), queries.part)
        keys, values, asked, d_outs = k[...], v[...], q[part, :], d_out[part, :]
        if masked:
            keys, values = first_rows(keys, left), first_rows(values, left)
            asked, d_outs = (first_rows(x, q_left - n * queries.part) for x in (asked, d_outs))
        weights = softmax_weights(dot(keys, asked, (1, 1)), scale, lse[:, part])
        if masked:
            weights = first_rows(weights, left)
        v_sums[...] += dot(weights.astype(values.dtype), d_outs, (1, 0))
        d_logits = weights * (dot(values, d_outs, (1, 1)) - delta[:, part])
        d_logits = d_logits.astype(keys.dtype)
        k_sums[...] += dot(d_logits, asked, (1, 0))
        if q_sums is not None:
            q_sums[i, :, part] += dot(keys, d_logits, (0, 0))

    whole = (left >= kv.size) & (q_left >= queries.size)

    @pl.when(whole)
    def _() -> None:
        for n in range(queries.parts):
            add(n, masked=False)

    @pl.when((left > 0) & ~whole)
    def _() -> None:
        parts = jnp.minimum(pl.cdiv(q_left, queries.part), queries.parts)
        jax.lax.fori_loop(0, parts, lambda n, _: add(n, masked=True), None)

    @pl.when(i == queries.number - 1)
    def _() -> None:
        d_k[...] = (scale * k_sums[...]).astype(d_k.dtype)
        d_v[...] = v_sums[...].astype(d_v.dtype)

    if d_q is not None and q_sums is not None:

        @pl.when(j == kv.number - 1)
        def _() -> None:
            d_q[...] = (scale * q_sums[i]).T.astype(d_q.dtype)


def backward(
    saved: Saved,
    d_out: Queries,
    d_lse: Statistics,
    scale: float,
    deterministic: bool,
    float32: bool = False,
    *,
    blocks: Blocks | None = None,
    interpret: Any = False,
) -> tuple[Queries, Keys, Keys]:
    """Return dq, dk, dv: a `Backward`, and deterministic whether that is asked for or not.

    Args:
      saved, d_out, d_lse, scale: as a `Backward` takes them.
      deterministic: without effect.
      float32: whether the results are float32, else of the types of q, k, v.
      blocks: block sizes; those for the chip that is traced for when None.
      interpret: what `pl.pallas_call` takes, to run on a CPU.
    """
    del deterministic
    blocks = blocks or default_blocks()
    delta = jnp.sum(d_out.astype(jnp.float32) * saved.out.astype(jnp.float32), -1) - d_lse
    operands = _Operands(saved, d_out, saved.lse * LOG2_E, delta, scale, float32, interpret)
    _, q_length, _, dim = saved.q.shape
    queries = cut(q_length, blocks.dkv.q, blocks.dkv.part)
    resident = blocks.resident * 2 // saved.q.dtype.itemsize
    if 4 * dim * queries.number * queries.size <= resident:
        d_k, d_v, d_q = _dkv(operands, blocks, with_dq=True)
    else:
        d_q = _dq(operands, blocks)
        d_k, d_v = _dkv(operands, blocks, with_dq=False)
    return d_q, d_k, d_v


class _Operands(NamedTuple):
    saved: Saved
    d_out: Queries
    lse: Statistics
    """In units of log 2."""
    delta: Statistics
    """ΣdO·O − dlse."""
    scale: float
    float32: bool
    interpret: Any

    def gradient_of(self, x: Array) -> jax.ShapeDtypeStruct:
        """Return the type of a gradient, in the kernels' layout."""
        return jax.ShapeDtypeStruct(head_shape(x.shape), jnp.float32 if self.float32 else x.dtype)

    def arrays(self, queries: Cut) -> tuple[Array, ...]:
        """Return what the kernels take; the statistics are filled up with zeros to whole blocks."""
        q, k, v, kv_lengths = self.saved[:4]
        fill = queries.number * queries.size - queries.length
        rows = (
            jnp.pad(x.swapaxes(1, 2)[:, :, None], ((0, 0),) * 3 + ((0, fill),))
            for x in (self.lse, self.delta)
        )
        lengths = counted(kv_lengths, k.shape[0], k.shape[1])
        return lengths, *(by_head(x) for x in (q, k, v, self.d_out)), *rows


def _dq(operands: _Operands, blocks: Blocks) -> Queries:
    q, k = operands.saved.q, operands.saved.k
    batch, q_length, heads, dim = q.shape
    queries, kv = cut(q_length, blocks.dq.q), cut(k.shape[1], blocks.dq.kv, blocks.dq.part)

    def at_q(b: Array, i: Array, j: Array, lengths: Any) -> Array:
        return i

    def at_kv(b: Array, i: Array, j: Array, lengths: Any) -> Array:
        return last_counted(j, lengths[b], kv)

    q_spec, kv_spec = head_spec(dim, queries.size, at_q), head_spec(dim, kv.size, at_kv)
    rows = row_spec(queries.size, at_q)
    d_q = pl.pallas_call(
        functools.partial(_dq_kernel, kv=kv, scale=operands.scale),
        grid_spec=pltpu.PrefetchScalarGridSpec(
            num_scalar_prefetch=1,
            grid=(batch, heads, queries.number, kv.number),
            in_specs=[q_spec, kv_spec, kv_spec, q_spec, rows, rows],
            out_specs=q_spec,
            scratch_shapes=[pltpu.VMEM((dim, queries.size), jnp.float32)],
        ),
        out_shape=operands.gradient_of(q),
        compiler_params=pltpu.CompilerParams(
            dimension_semantics=("parallel", "parallel", "parallel", "arbitrary"),
            vmem_limit_bytes=blocks.vmem,
        ),
        interpret=operands.interpret,
        name="attention_dq",
    )(*operands.arrays(queries))
    return from_head(d_q, q.shape)


def _dkv(operands: _Operands, blocks: Blocks, with_dq: bool) -> tuple[Array, ...]:
    q, k, v = operands.saved[:3]
    batch, q_length, heads, dim = q.shape
    queries, kv = cut(q_length, blocks.dkv.q, blocks.dkv.part), cut(k.shape[1], blocks.dkv.kv)

    def at_q(b: Array, j: Array, i: Array, lengths: Any) -> Array:
        return jnp.where(j * kv.size < lengths[b], i, 0)

    def at_kv(b: Array, j: Array, i: Array, lengths: Any) -> Array:
        return j

    def at_last(b: Array, j: Array, i: Array, lengths: Any) -> Array:
        return jnp.where(j == kv.number - 1, i, 0)

    q_spec, kv_spec = head_spec(dim, queries.size, at_q), head_spec(dim, kv.size, at_kv)
    rows = row_spec(queries.size, at_q)
    shapes = [operands.gradient_of(x) for x in (k, v, q)]
    specs = [kv_spec, kv_spec, head_spec(dim, queries.size, at_last)]
    sums = [(kv.size, dim), (kv.size, dim), (queries.number, dim, queries.size)]
    kept = slice(3 if with_dq else 2)
    gradients = pl.pallas_call(
        functools.partial(_dkv_kernel, queries=queries, kv=kv, scale=operands.scale),
        grid_spec=pltpu.PrefetchScalarGridSpec(
            num_scalar_prefetch=1,
            grid=(batch, heads, kv.number, queries.number),
            in_specs=[q_spec, kv_spec, kv_spec, q_spec, rows, rows],
            out_specs=specs[kept],
            scratch_shapes=[pltpu.VMEM(shape, jnp.float32) for shape in sums[kept]],
        ),
        out_shape=shapes[kept],
        compiler_params=pltpu.CompilerParams(
            dimension_semantics=("parallel", "parallel", "arbitrary", "arbitrary"),
            vmem_limit_bytes=blocks.vmem,
        ),
        interpret=operands.interpret,
        name="attention_gradients" if with_dq else "attention_dkv",
    )(*operands.arrays(queries))
    return tuple(from_head(x, like.shape) for x, like in zip(gradients, (k, v, q), strict=False))
