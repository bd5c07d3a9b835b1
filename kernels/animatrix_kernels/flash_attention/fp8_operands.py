"""How the 8-bit attention writes its operands, and the same attention in plain JAX.

Keys lose their mean over the sequence, which shifts all logits of a query alike and so leaves the
softmax as it is (SageAttention, arXiv 2410.02367). Queries and keys are then turned by one
Hadamard matrix, which keeps their products and spreads outlier channels over all
(FlashAttention-3, arXiv 2407.08608, section 3.3). What is left is divided by one scale per head.

Hopper's 8-bit matrix instructions read both operands along the summed dimension, so values are
written transposed; and Mosaic has no way to move a float32 accumulator to the registers of an
8-bit operand, so the kernel calls the weights where they lie by other names, and the values' keys
are exchanged inside every group of 16 to answer to those names (`KEY_ORDER`).
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from animatrix_kernels.flash_attention.backend import Keys, Lengths, Queries, Statistics

E4M3 = jnp.dtype(jnp.float8_e4m3fn)

LARGEST = float(jnp.finfo(jnp.float8_e4m3fn).max)

LEAST = 1e-12
"""The largest magnitude of a head is taken for this at least: products of scales stay normal."""

HEADROOM = 8.0
"""Binary exponent of the largest weight: 2^8 is within e4m3, whose least value is 2^-9."""

KEY_ORDER = np.array([[2 * t, 2 * t + 1, 2 * t + 8, 2 * t + 9] for t in range(4)]).ravel()
"""Which key of a group of 16 stands at each place: a thread of a quad holds columns 2t, 2t+1, 2t+8
and 2t+9 of float32 logits, and is asked for 4t to 4t+3 of an 8-bit operand."""

KEYS_TO_A_MULTIPLE_OF = 128
"""Transposed values are stored with whole tiles of this many keys."""


class Quantised(NamedTuple):
    """8-bit operands and what makes their products logits and outputs again.

    q, k: [B, L, H, D]; v: [B, H, D, keys], keys exchanged by `KEY_ORDER` and filled up with zeros;
    logit_factor: [B, H], of q·k, `scale` included; value_factor: [B, H], of p·v; lse_shift:
    [B, Lq, H], what the keys' mean takes off the log-sum-exp.
    """

    q: Queries
    k: Keys
    v: Float[Array, "B H D M"]
    logit_factor: Float[Array, "B H"]
    value_factor: Float[Array, "B H"]
    lse_shift: Statistics


def rotation(dim: int) -> Float[Array, "D D"]:
    """Return a [dim, dim] matrix of ±1 whose rows are orthogonal: Sylvester's, signs flipped.

    Element (i, j) of Sylvester's is the parity of the bits that i and j share. The flips are the
    sequence of Rudin and Shapiro, the parity of neighbouring ones in i, which is as far as can be
    from every row of it: no constant vector, and none of Sylvester's, lands in few channels.
    A partitioned kernel takes no arrays but its operands, so that it is computed where it is used.

    Raises:
      ValueError: a dimension that is no power of two.
    """
    if dim < 1 or dim & (dim - 1):
        raise ValueError(f"a Hadamard rotation needs a power of two, not {dim}")
    rows, columns = (jax.lax.broadcasted_iota(jnp.int32, (dim, dim), n) for n in (0, 1))
    shared, neighbours = rows & columns, rows & (rows >> 1)
    odd = (jax.lax.population_count(shared) + jax.lax.population_count(neighbours)) & 1
    return 1.0 - 2.0 * odd.astype(jnp.float32)


def quantise(
    q: Queries,
    k: Keys,
    v: Keys,
    kv_lengths: Lengths | None,
    scale: float,
    *,
    smooth: bool = True,
    rotate: bool = True,
) -> Quantised:
    """Write queries, keys and values as e4m3 with a scale per batch element and head.

    Args:
      q, k, v: [B, L, H, D] of any float type; D a power of two.
      kv_lengths: how many keys count; what lies past them decides nothing.
      scale: factor of the logits.
      smooth: whether keys lose their mean.
      rotate: whether queries and keys are turned.
    """
    counts = None
    if kv_lengths is not None:
        counts = (jnp.arange(k.shape[1]) < kv_lengths[:, None])[:, :, None, None]
        k, v = (jnp.where(counts, x, 0) for x in (k, v))
    lse_shift = jnp.zeros(q.shape[:3], jnp.float32)
    if smooth:
        number = k.shape[1] if kv_lengths is None else jnp.maximum(kv_lengths, 1)[:, None, None]
        mean = k.sum(1, dtype=jnp.float32) / number
        k = k.astype(jnp.float32) - mean[:, None]
        k = k if counts is None else jnp.where(counts, k, 0)
        lse_shift = scale * jnp.einsum("bqhd,bhd->bqh", q.astype(jnp.float32), mean)
    if rotate:
        q, k = _turned(q), _turned(k)
    q, q_scale = _scaled(q)
    k, k_scale = _scaled(k)
    v, v_scale = _scaled(v)
    turned = q.shape[-1] if rotate else 1
    return Quantised(q, k, _transposed(v), scale * q_scale * k_scale / turned, v_scale, lse_shift)


def _turned(x: Queries) -> Queries:
    """Multiply by the rotation's ±1, √D too large: exact in every type it is done in."""
    matrix = rotation(x.shape[-1]).astype(x.dtype)
    return jnp.einsum("blhd,de->blhe", x, matrix, preferred_element_type=jnp.float32)


def _scaled(x: Queries) -> tuple[Queries, Float[Array, "B H"]]:
    """Return e4m3 and the scale per head that it was divided by."""
    largest = jnp.abs(x).max((1, 3)).astype(jnp.float32)
    scale = jnp.maximum(largest, LEAST) / LARGEST
    return (x.astype(jnp.float32) / scale[:, None, :, None]).astype(E4M3), scale


def _transposed(v: Keys) -> Float[Array, "B H D M"]:
    """Write values [B, L, H, D] as [B, H, D, keys], whole tiles, exchanged by `KEY_ORDER`."""
    batch, length, heads, dim = v.shape
    filled = jnp.pad(v, ((0, 0), (0, -length % KEYS_TO_A_MULTIPLE_OF), (0, 0), (0, 0)))
    # Key 8·half + 2t + side of a group goes to 4t + 2·half + side.
    groups = filled.reshape(batch, -1, 2, 4, 2, heads, dim)
    return groups.transpose(0, 5, 6, 1, 3, 2, 4).reshape(batch, heads, dim, -1)


def attention(
    q: Queries,
    k: Keys,
    v: Keys,
    kv_lengths: Lengths | None,
    scale: float,
    *,
    smooth: bool = True,
    rotate: bool = True,
) -> tuple[Queries, Statistics]:
    """The attention of the 8-bit kernel in plain JAX, all logits at once.

    It rounds what the kernel rounds: q, k, v and the weights, the latter below the largest logit of
    all keys, where the kernel has that of the keys so far. For measuring the error of 8 bits.

    Returns:
      The output in q's type and the float32 log-sum-exp [B, Lq, H].
    """
    operands = quantise(q, k, v, kv_lengths, scale, smooth=smooth, rotate=rotate)
    as_float = functools.partial(jnp.asarray, dtype=jnp.float32)
    logits = jnp.einsum("bqhd,bkhd->bhqk", as_float(operands.q), as_float(operands.k))
    logits = logits * operands.logit_factor[:, :, None, None]
    if kv_lengths is not None:
        counts = jnp.arange(k.shape[1]) < kv_lengths[:, None]
        logits = jnp.where(counts[:, None, None], logits, -jnp.inf)
    top = jnp.maximum(logits.max(-1, keepdims=True), -1e30)
    weights = jnp.exp(logits - top) * 2**HEADROOM
    total = weights.sum(-1, keepdims=True)
    places = np.argsort(KEY_ORDER)
    values = as_float(operands.v).reshape(*operands.v.shape[:3], -1, len(places))[..., places]
    values = values.reshape(operands.v.shape)[..., : k.shape[1]]
    out = jnp.einsum("bhqk,bhdk->bhqd", as_float(weights.astype(E4M3)), values)
    out = jnp.where(total > 0, out / jnp.where(total > 0, total, 1), 0)
    out = (out * operands.value_factor[:, :, None, None]).transpose(0, 2, 1, 3)
    lse = (top + jnp.log(total) - HEADROOM * np.log(2))[..., 0].transpose(0, 2, 1)
    return out.astype(q.dtype), lse + operands.lse_shift
