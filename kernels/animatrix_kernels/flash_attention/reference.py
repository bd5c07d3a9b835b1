"""Attention in plain JAX: the definition every kernel is held against, and what a CPU runs.

Short inputs take one einsum. Long ones go over the keys in chunks with a running softmax, as in
FlashAttention (arXiv 2205.14135, algorithm 1; 2307.08691 for the backward), so that neither pass
ever holds a [length, length] matrix.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from animatrix_kernels.flash_attention.backend import Saved

MASKED = -1e30
"""Stands for minus infinity among float32 logits, where a difference of two must not be nan."""

LOGITS_AT_ONCE = 2**26
"""How many float32 logits may exist at one time (256 MiB) before the keys go in chunks."""

SMALLEST_CHUNK = 128

type Queries = Float[Array, "B Lq H D"]
type Keys = Float[Array, "B Lk H D"]
type Statistics = Float[Array, "B Lq H"]


def attention(
    q: Queries,
    k: Keys,
    v: Keys,
    kv_lengths: Int[Array, " B"] | None,
    scale: float,
    *,
    chunk: int | None = None,
) -> tuple[Queries, Statistics]:
    """Softmax attention with float32 statistics: softmax(scale·q·kᵀ)·v over the first keys.

    Args:
      q, k, v: any float type; the result has q's.
      kv_lengths: how many keys of each batch element count (the rest may hold anything); None for
        all.
      scale: factor of the logits.
      chunk: keys at a time; chosen by size when None, and all of them at once for short inputs.

    Returns:
      The output and the float32 log-sum-exp of the logits. A query without a single key gets
      zeros and minus infinity.
    """
    batch, q_length, heads, _ = q.shape
    kv_length = k.shape[1]
    counts = None
    if kv_lengths is not None:
        counts = jnp.arange(kv_length) < kv_lengths[:, None]
        k = jnp.where(counts[:, :, None, None], k, 0)
        v = jnp.where(counts[:, :, None, None], v, 0)
    chunk = chunk or _fitting_chunk(batch * heads * q_length, kv_length)
    if chunk >= kv_length:
        return _at_once(q, k, v, counts, scale)
    if kv_lengths is None:
        kv_lengths = jnp.full(batch, kv_length)
    return _chunked(q, k, v, jnp.minimum(kv_lengths, kv_length), scale, chunk)


def _fitting_chunk(rows: int, kv_length: int) -> int:
    """How many keys at a time keep `rows` rows of logits within bounds."""
    fitting = LOGITS_AT_ONCE // max(rows, 1)
    if fitting >= kv_length:
        return max(kv_length, 1)
    return max(SMALLEST_CHUNK, fitting // SMALLEST_CHUNK * SMALLEST_CHUNK)


def _logits(q: Queries, k: Keys, scale: float) -> Float[Array, "B H Lq Lk"]:
    return scale * jnp.einsum("bqhd,bkhd->bhqk", q, k, preferred_element_type=jnp.float32)


def _weighted(weights: Float[Array, "B H Lq Lk"], v: Keys) -> Float[Array, "B Lq H D"]:
    """Float32 sums of values under float32 weights, multiplied in the values' own type."""
    weights = weights.astype(v.dtype)
    return jnp.einsum("bhqk,bkhd->bqhd", weights, v, preferred_element_type=jnp.float32)


def _rows(per_head: Float[Array, "B H Lq"]) -> Statistics:
    return per_head.transpose(0, 2, 1)


def _columns(statistics: Statistics) -> Float[Array, "B H Lq"]:
    return statistics.transpose(0, 2, 1)


def _at_once(
    q: Queries, k: Keys, v: Keys, counts: Bool[Array, "B Lk"] | None, scale: float
) -> tuple[Queries, Statistics]:
    logits = _logits(q, k, scale)
    if counts is None:
        weights = jax.nn.softmax(logits)
        return _weighted(weights, v).astype(q.dtype), _rows(jax.nn.logsumexp(logits, -1))
    counts = counts[:, None, None, :]
    logits = jnp.where(counts, logits, MASKED)
    weights = jnp.where(counts, jax.nn.softmax(logits), 0.0)
    lse = jnp.where(counts.any(-1), jax.nn.logsumexp(logits, -1), -jnp.inf)
    return _weighted(weights, v).astype(q.dtype), _rows(lse)


class _Running(NamedTuple):
    """The softmax so far: the largest logit, the sum of exponentials below it, their values."""

    top: Statistics
    total: Statistics
    values: Queries


def _add_keys(
    so_far: _Running, q: Queries, k: Keys, v: Keys, counts: Bool[Array, "B Lk"], scale: float
) -> _Running:
    """Takes further keys into the running softmax."""
    counts = counts[:, None, None, :]
    logits = jnp.where(counts, _logits(q, k, scale), MASKED)
    top = jnp.maximum(so_far.top, _rows(logits.max(-1)))
    weights = jnp.where(counts, jnp.exp(logits - _columns(top)[..., None]), 0.0)
    shrink = jnp.exp(so_far.top - top)
    return _Running(
        top=top,
        total=so_far.total * shrink + _rows(weights.sum(-1)),
        values=so_far.values * shrink[..., None] + _weighted(weights, v),
    )


def _nothing_yet(q: Queries) -> _Running:
    rows = q.shape[:3]
    return _Running(
        top=jnp.full(rows, MASKED, jnp.float32),
        total=jnp.zeros(rows, jnp.float32),
        values=jnp.zeros(q.shape, jnp.float32),
    )


def _finish(running: _Running, dtype: jnp.dtype) -> tuple[Queries, Statistics]:
    some = running.total > 0
    total = jnp.where(some, running.total, 1.0)
    lse = jnp.where(some, running.top + jnp.log(total), -jnp.inf)
    return (running.values / total[..., None]).astype(dtype), lse


class _Chunk(NamedTuple):
    k: Keys
    v: Keys
    counts: Bool[Array, "B Lk"]


def _chunks(k: Keys, v: Keys, kv_lengths: Int[Array, " B"], chunk: int) -> _Chunk:
    """Keys and values as [chunks, B, chunk, H, D], the last one filled up with zeros."""
    batch, kv_length, heads, dim = k.shape
    number = -(-kv_length // chunk)
    widths = ((0, 0), (0, number * chunk - kv_length), (0, 0), (0, 0))

    def split(x: Keys) -> Float[Array, "N B C H D"]:
        padded = jnp.pad(x, widths).reshape(batch, number, chunk, heads, dim)
        return padded.transpose(1, 0, 2, 3, 4)

    places = jnp.arange(number * chunk).reshape(number, 1, chunk)
    return _Chunk(split(k), split(v), places < kv_lengths[None, :, None])


@functools.partial(jax.custom_vjp, nondiff_argnums=(4, 5))
def _chunked(
    q: Queries, k: Keys, v: Keys, kv_lengths: Int[Array, " B"], scale: float, chunk: int
) -> tuple[Queries, Statistics]:
    def step(running: _Running, part: _Chunk) -> tuple[_Running, None]:
        return _add_keys(running, q, part.k, part.v, part.counts, scale), None

    running, _ = jax.lax.scan(step, _nothing_yet(q), _chunks(k, v, kv_lengths, chunk))
    return _finish(running, q.dtype)


type _Saved = tuple[Queries, Keys, Keys, Int[Array, " B"], Queries, Statistics]


def _chunked_forward(
    q: Queries, k: Keys, v: Keys, kv_lengths: Int[Array, " B"], scale: float, chunk: int
) -> tuple[tuple[Queries, Statistics], _Saved]:
    out, lse = _chunked(q, k, v, kv_lengths, scale, chunk)
    return (out, lse), (q, k, v, kv_lengths, out, lse)


def _chunked_backward(
    scale: float, chunk: int, saved: _Saved, gradients: tuple[Queries, Statistics]
) -> tuple[Queries, Keys, Keys, None]:
    q, k, v = saved[:3]
    d_q, d_k, d_v = _gradients(scale, chunk, saved, gradients)
    return d_q.astype(q.dtype), d_k.astype(k.dtype), d_v.astype(v.dtype), None


def _gradients(
    scale: float, chunk: int, saved: _Saved, gradients: tuple[Queries, Statistics]
) -> tuple[Queries, Keys, Keys]:
    """With P from the log-sum-exp: dS = P·(dO·vᵀ − ΣdO·O + dlse), and dq, dk, dv by chunks.

    They are float32.
    """
    q, k, v, kv_lengths, out, lse = saved
    d_out, d_lse = gradients
    some = jnp.isfinite(lse)
    lse = jnp.where(some, lse, 0.0)
    delta = jnp.sum(d_out.astype(jnp.float32) * out.astype(jnp.float32), -1)
    shift = _columns(jnp.where(some, d_lse - delta, 0.0))[..., None]
    lse = _columns(lse)[..., None]
    product = functools.partial(jnp.einsum, preferred_element_type=jnp.float32)

    def step(d_q: Queries, part: _Chunk) -> tuple[Queries, tuple[Keys, Keys]]:
        counts = part.counts[:, None, None, :]
        weights = jnp.where(counts, jnp.exp(_logits(q, part.k, scale) - lse), 0.0)
        d_v = product("bhqk,bqhd->bkhd", weights.astype(v.dtype), d_out)
        d_weights = product("bqhd,bkhd->bhqk", d_out, part.v)
        d_logits = (scale * weights * (d_weights + shift)).astype(q.dtype)
        d_k = product("bhqk,bqhd->bkhd", d_logits, q)
        return d_q + product("bhqk,bkhd->bqhd", d_logits, part.k), (d_k, d_v)

    start = jnp.zeros(q.shape, jnp.float32)
    d_q, (d_k, d_v) = jax.lax.scan(step, start, _chunks(k, v, kv_lengths, chunk))

    def join(parts: Float[Array, "N B C H D"], like: Keys) -> Keys:
        whole = parts.transpose(1, 0, 2, 3, 4).reshape(like.shape[0], -1, *like.shape[2:])
        return whole[:, : like.shape[1]]

    return d_q, join(d_k, k), join(d_v, v)


_chunked.defvjp(_chunked_forward, _chunked_backward)


def backward(
    saved: Saved,
    d_out: Queries,
    d_lse: Statistics,
    scale: float,
    deterministic: bool,
    float32: bool = False,
) -> tuple[Queries, Keys, Keys]:
    """Return dq, dk, dv: a `Backward`, and deterministic whether that is asked for or not."""
    del deterministic
    q, k, v, kv_lengths, out, lse = saved
    batch, q_length, heads, _ = q.shape
    kv_length = k.shape[1]
    if kv_lengths is None:
        kv_lengths = jnp.full(batch, kv_length)
    chunk = _fitting_chunk(batch * heads * q_length, kv_length)
    whole = (q, k, v, jnp.minimum(kv_lengths, kv_length), out, lse)
    d_q, d_k, d_v = _gradients(scale, chunk, whole, (d_out, d_lse))
    if float32:
        return d_q, d_k, d_v
    return d_q.astype(q.dtype), d_k.astype(k.dtype), d_v.astype(v.dtype)
