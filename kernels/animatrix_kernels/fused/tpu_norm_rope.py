"""`qk_norm_rope` in Pallas for TPU: blocks of whole tokens, forward and backward.

The rotation works on lanes: a channel meets its pair's other half by a roll of one lane, to the
left for the first of a pair and to the right for the second.
"""

import math

import jax
import jax.numpy as jnp
from jax.experimental.pallas import tpu as pltpu
from jaxtyping import Array, Float

from animatrix_kernels.fused.tpu_rows import LANES, over_rows

type Heads = Float[Array, "B L H D"]
type Table = Float[Array, "1 L W"]


def forward(
    x: Heads, gain: Float[Array, "H D"], angles: tuple[Array, ...], eps: float, interpret: bool
) -> Heads:
    """Return the normed and rotated heads (see `qk_norm_rope.qk_norm_rope`)."""
    flat, gains, tables = _flat(x, gain, angles)

    def rows(x: Array, *rest: Array) -> tuple[Array, ...]:
        *tables, gain = rest
        wide = x.astype(jnp.float32)
        normal = wide * jax.lax.rsqrt(jnp.mean(wide * wide, -1, keepdims=True) + eps) * gain
        return (_rotated(normal, tables),)

    (out,) = over_rows(rows, (flat, *tables), (gains,), (x.dtype,), 0, interpret)
    return out.reshape(x.shape)


def backward(
    x: Heads,
    gain: Float[Array, "H D"],
    d_out: Heads,
    angles: tuple[Array, ...],
    eps: float,
    interpret: bool,
) -> tuple[Heads, Float[Array, "H D"]]:
    """Return dx and the gradient of the gain."""
    back = (angles[0], -angles[1]) if angles else ()
    flat, gains, tables = _flat(x, gain, back)

    def rows(x: Array, d_out: Array, *rest: Array) -> tuple[Array, ...]:
        *tables, gain = rest
        wide = x.astype(jnp.float32)
        inverse = jax.lax.rsqrt(jnp.mean(wide * wide, -1, keepdims=True) + eps)
        d_wide = _rotated(d_out.astype(jnp.float32), tables)
        normal, scaled = wide * inverse, d_wide * gain
        d_x = inverse * (scaled - normal * jnp.mean(normal * scaled, -1, keepdims=True))
        return d_x, d_wide * normal

    tokens = (flat, d_out.reshape(flat.shape), *tables)
    d_x, d_gain = over_rows(rows, tokens, (gains,), (x.dtype,), 1, interpret)
    return d_x.reshape(x.shape), d_gain.sum(0).reshape(gain.shape)


def _flat(
    x: Heads, gain: Array, angles: tuple[Array, ...]
) -> tuple[Float[Array, "B L d"], Float[Array, "1 1 d"], tuple[Table, ...]]:
    """Return tokens and gain with the heads side by side, and the tables of the rotation."""
    tables = _tables(*angles) if angles else ()
    return x.reshape(*x.shape[:2], -1), gain.reshape(1, 1, -1), tables


def _tables(*angles: Float[Array, "L D/2"]) -> tuple[Table, ...]:
    """Return cosines and sines for every channel, whole heads and whole vectors of lanes wide."""
    head_dim = 2 * angles[0].shape[1]
    repeats = math.lcm(head_dim, LANES) // head_dim
    return tuple(jnp.tile(jnp.repeat(table, 2, -1), (1, repeats))[None] for table in angles)


def _rotated(x: Float[Array, "R d"], tables: list[Array]) -> Float[Array, "R d"]:
    """Rotate float32 rows by tables that repeat along them; nothing without tables."""
    if not tables:
        return x
    cos, sin = tables
    width = cos.shape[-1]
    first = jax.lax.broadcasted_iota(jnp.int32, cos.shape, 1) % 2 == 0
    parts = []
    for start in range(0, x.shape[-1], width):
        part = x[:, start : start + width]
        # A roll wraps around only into the lane that does not look that way.
        other = jnp.where(first, -pltpu.roll(part, width - 1, 1), pltpu.roll(part, 1, 1))
        parts.append(part * cos + other * sin)
    return jnp.concatenate(parts, -1)
