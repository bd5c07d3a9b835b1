"""Attention on a TPU: the pass forward as a Pallas kernel, and the backend with both passes.

FlashAttention (arXiv 2205.14135, algorithm 1) with large query blocks: a block of queries stays in
vector memory while all keys pass by, a running softmax in float32 beside it. bfloat16 and float32;
the number of keys that count is read at run time, and blocks past it are neither fetched nor
computed. Tests run the kernels in Pallas' interpreter and compile them for v5e, v5p and v6e; they
have never run on a TPU.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu
from jaxtyping import Array

from animatrix_kernels.flash_attention.backend import (
    Backend,
    Keys,
    Lengths,
    Queries,
    Request,
    Statistics,
)
from animatrix_kernels.flash_attention.tpu_backward import backward
from animatrix_kernels.flash_attention.tpu_blocks import (
    LOG2_E,
    MASKED,
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
)

HEAD_DIMS = (64, 128)


def refusal(request: Request) -> str | None:
    """Say in a few words why the TPU kernels cannot serve a request; None where they can."""
    if request.q_shape[-1] not in HEAD_DIMS:
        return f"the TPU kernels serve head dims 64 and 128, not {request.q_shape[-1]}"
    if request.dtype not in (jnp.bfloat16, jnp.float32):
        return f"a TPU multiplies bfloat16 and float32, not {request.dtype}"
    if 0 in request.q_shape or request.kv_length == 0:
        return "there is nothing to attend to"
    return None


def _forward_kernel(
    lengths: Any,
    q: Any,
    k: Any,
    v: Any,
    out: Any,
    lse: Any,
    top: Any,
    total: Any,
    values: Any,
    *,
    kv: Cut,
    scale: float,
) -> None:
    """Take one block of keys into the running softmax of one block of queries.

    The largest logit and the sum of exponentials below it are rows [1, queries], the weighted
    values [D, queries]; logits are kept unscaled, as the products come, and to the base 2.
    """
    j = pl.program_id(3)
    left = lengths[pl.program_id(0)] - j * kv.size
    factor = abs(scale) * LOG2_E

    @pl.when(j == 0)
    def _() -> None:
        top[...] = jnp.full_like(top, MASKED)
        total[...] = jnp.zeros_like(total)
        values[...] = jnp.zeros_like(values)

    def products(n: Any) -> Array:
        asked = -q[...] if scale < 0 else q[...]
        return dot(k[pl.ds(n * kv.part, kv.part), :], asked, (1, 1))

    def add(n: Any, logits: Array, masked: bool) -> None:
        part_values = v[pl.ds(n * kv.part, kv.part), :]
        if masked:
            rows = jax.lax.broadcasted_iota(jnp.int32, logits.shape, 0)
            logits = jnp.where(rows < left - n * kv.part, logits, MASKED)
            part_values = first_rows(part_values, left - n * kv.part)
        higher = jnp.maximum(top[...], logits.max(0, keepdims=True))
        shrink = jnp.exp2(factor * (top[...] - higher))
        weights = jnp.exp2(factor * logits - factor * higher)
        if masked:
            weights = first_rows(weights, left - n * kv.part)
        top[...] = higher
        total[...] = total[...] * shrink + weights.sum(0, keepdims=True)
        values[...] = values[...] * shrink + dot(
            part_values, weights.astype(part_values.dtype), (0, 0)
        )

    @pl.when(left >= kv.size)
    def _() -> None:
        ahead = products(0)
        for n in range(kv.parts):
            logits = ahead
            if n + 1 < kv.parts:
                ahead = products(n + 1)
            add(n, logits, masked=False)

    @pl.when((left > 0) & (left < kv.size))
    def _() -> None:
        def step(n: Any, _: None) -> None:
            add(n, products(n), masked=True)

        jax.lax.fori_loop(0, pl.cdiv(left, kv.part), step, None)

    @pl.when(j == kv.number - 1)
    def _() -> None:
        some = total[...] > 0
        sums = jnp.where(some, total[...], 1.0)
        out[...] = (values[...] / sums).T.astype(out.dtype)
        lse[...] = jnp.where(some, factor / LOG2_E * top[...] + jnp.log(sums), -jnp.inf)


def forward(
    q: Queries,
    k: Keys,
    v: Keys,
    kv_lengths: Lengths | None,
    scale: float,
    *,
    blocks: Blocks | None = None,
    interpret: Any = False,
) -> tuple[Queries, Statistics]:
    """Return the output and the log-sum-exp: a `Forward`.

    Args:
      q, k, v, kv_lengths, scale: as a `Forward` takes them, bfloat16 or float32.
      blocks: block sizes; those for the chip that is traced for when None.
      interpret: what `pl.pallas_call` takes, to run on a CPU.
    """
    batch, q_length, heads, dim = q.shape
    blocks = blocks or default_blocks()
    tile = blocks.forward
    queries, kv = cut(q_length, tile.q), cut(k.shape[1], tile.kv, tile.part)

    def at_q(b: Array, i: Array, j: Array, lengths: Any) -> Array:
        return i

    def at_kv(b: Array, i: Array, j: Array, lengths: Any) -> Array:
        return last_counted(j, lengths[b], kv)

    q_spec, kv_spec = head_spec(dim, queries.size, at_q), head_spec(dim, kv.size, at_kv)
    row = pltpu.VMEM((1, queries.size), jnp.float32)
    out, lse = pl.pallas_call(
        functools.partial(_forward_kernel, kv=kv, scale=scale),
        grid_spec=pltpu.PrefetchScalarGridSpec(
            num_scalar_prefetch=1,
            grid=(batch, heads, queries.number, kv.number),
            in_specs=[q_spec, kv_spec, kv_spec],
            out_specs=[q_spec, row_spec(queries.size, at_q)],
            scratch_shapes=[row, row, pltpu.VMEM((dim, queries.size), jnp.float32)],
        ),
        out_shape=[
            jax.ShapeDtypeStruct(head_shape(q.shape), q.dtype),
            jax.ShapeDtypeStruct((batch, heads, 1, q_length), jnp.float32),
        ],
        compiler_params=pltpu.CompilerParams(
            dimension_semantics=("parallel", "parallel", "parallel", "arbitrary"),
            vmem_limit_bytes=blocks.vmem,
        ),
        interpret=interpret,
        name="attention_forward",
    )(counted(kv_lengths, batch, k.shape[1]), by_head(q), by_head(k), by_head(v))
    return from_head(out, q.shape), lse[:, :, 0].swapaxes(1, 2)


BACKEND = Backend(
    name="tpu", platforms=("tpu",), forward=forward, backward=backward, refusal=refusal
)
