"""The norm of queries and keys with the rotation by position, in one pass over them.

Wan normalises q and k over the channels of all heads together (RMSNorm, arXiv 1910.07467) and
rotates adjacent channel pairs of every head by the token's 3D angles (RoFormer, arXiv 2104.09864).
Neither Pallas form has run on a GPU or a TPU: they are compiled for both, and run by Pallas'
interpreters.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from animatrix_kernels.fused.forms import form_for
from animatrix_kernels.partition import Rule, per_shard

type Tokens = Float[Array, "B L d"]
type Heads = Float[Array, "B L H D"]
type Angles = tuple[Float[Array, "L D/2"], Float[Array, "L D/2"]]


def qk_norm_rope(
    x: Tokens,
    gain: Float[Array, " d"],
    heads: int,
    rotary: Angles | None = None,
    *,
    eps: float = 1e-6,
    backend: str | None = None,
) -> Heads:
    """Return rotate(x / √(mean x² + eps) · gain), split into heads, in x's type.

    Args:
      x: projected queries or keys, all heads side by side.
      gain: one factor a channel.
      heads: number of heads; they divide d into even parts.
      rotary: cosines and sines of each token's angles; None for keys without positions (text).
      eps: added to the mean of squares.
      backend: "xla", "tpu" or "hopper"; None for the platform's own.

    Statistics and products are float32. Under `jit` over a mesh, batch, tokens and heads may be
    split: split heads bring their sums of squares together (one float a token) in plain JAX.

    Raises:
      ValueError: heads or angles that do not fit x, a form that is not there or cannot serve.
    """
    _check(x, gain, heads, rotary)
    refusals = {
        "hopper": lambda: _hopper_refusal(x, heads),
        "tpu": lambda: _tpu_refusal(x, heads),
    }
    form = form_for("qk_norm_rope", x, refusals, backend)
    if form == "xla":
        return reference(x, gain, heads, rotary, eps)
    return apply(form, x, gain, heads, rotary, eps)


def reference(
    x: Tokens, gain: Float[Array, " d"], heads: int, rotary: Angles | None, eps: float
) -> Heads:
    """Plain JAX, as `qk_norm_rope`: what the kernels are held against, and what a CPU runs."""
    wide = x.astype(jnp.float32)
    out = wide * jax.lax.rsqrt(jnp.mean(wide * wide, axis=-1, keepdims=True) + eps)
    out = (out * gain).astype(x.dtype).reshape(*x.shape[:2], heads, -1)
    return out if rotary is None else rotate(out, *rotary)


def rotate(x: Heads, cos: Float[Array, "L D/2"], sin: Float[Array, "L D/2"]) -> Heads:
    """Rotate adjacent channel pairs of every head by the tokens' angles, in float32."""
    even, odd = x[..., 0::2].astype(jnp.float32), x[..., 1::2].astype(jnp.float32)
    c, s = cos[:, None, :], sin[:, None, :]
    out = jnp.stack([even * c - odd * s, even * s + odd * c], axis=-1)
    return out.reshape(x.shape).astype(x.dtype)


def apply(
    form: str,
    x: Tokens,
    gain: Float[Array, " d"],
    heads: int,
    rotary: Angles | None,
    eps: float,
    interpret: bool | object = False,
) -> Heads:
    """Return `qk_norm_rope` by a Pallas form, "tpu" or "hopper", whatever the platform is.

    `interpret` (True, or parameters of Pallas' interpreter) runs it on a CPU.
    """
    split = x.reshape(*x.shape[:2], heads, -1)
    angles = () if rotary is None else tuple(a.astype(jnp.float32) for a in rotary)
    gains = gain.astype(jnp.float32).reshape(heads, -1)
    return _kernel(form, eps, interpret)(split, gains, *angles)


@functools.lru_cache(maxsize=16)
def _kernel(form: str, eps: float, interpret: bool | object) -> Callable[..., Heads]:
    """Return the differentiable kernel of (x, gain, *angles)."""

    def forward(x: Heads, gain: Array, *angles: Array, axis_name: object) -> tuple[Heads]:
        if axis_name is not None:
            return (_apart(x, gain, angles, eps, axis_name),)
        return (_module(form).forward(x, gain, angles, eps, interpret),)

    def backward(
        x: Heads, gain: Array, d_out: Heads, *angles: Array, axis_name: object
    ) -> tuple[Heads, Array]:
        if axis_name is not None:
            return _apart_backward(x, gain, d_out, angles, eps, axis_name)
        return _module(form).backward(x, gain, d_out, angles, eps, interpret)

    split = functools.partial(per_shard, propagated=bool(interpret) or form != "tpu")

    @jax.custom_vjp
    def attached(x: Heads, gain: Array, *angles: Array) -> Heads:
        operands = ("blhp", "hp", *("lr",) * len(angles))
        rule = Rule(operands, ("blhp",), whole="pr", shared="h")
        return split(forward, rule)(x, gain, *angles)[0]

    def ahead(x: Heads, gain: Array, *angles: Array) -> tuple[Heads, tuple[Array, ...]]:
        return attached(x, gain, *angles), (x, gain, *angles)

    def back(saved: tuple[Array, ...], d_out: Heads) -> tuple[Array | None, ...]:
        x, gain, *angles = saved
        operands = ("blhp", "hp", "blhp", *("lr",) * len(angles))
        rule = Rule(operands, ("blhp", "hp"), whole="pr", shared="h")
        d_x, d_gain = split(backward, rule)(x, gain, d_out, *angles)
        return d_x, d_gain, *(None for _ in angles)

    attached.defvjp(ahead, back)
    return attached


def _module(form: str) -> Any:
    """Import a Pallas form when it is first wanted: Pallas takes a second to load."""
    if form == "tpu":
        from animatrix_kernels.fused import tpu_norm_rope

        return tpu_norm_rope
    from animatrix_kernels.fused import hopper_norm_rope

    return hopper_norm_rope


def _apart(
    x: Heads, gain: Array, angles: tuple[Array, ...], eps: float, axis_name: object
) -> Heads:
    """Return the kernel's result where devices hold some of the heads each."""
    wide = x.astype(jnp.float32)
    out = wide * _inverse_rms(wide, eps, axis_name) * gain
    return (rotate(out, *angles) if angles else out).astype(x.dtype)


def _apart_backward(
    x: Heads, gain: Array, d_out: Heads, angles: tuple[Array, ...], eps: float, axis_name: object
) -> tuple[Heads, Array]:
    """Return dx and this device's part of dgain, where devices hold some of the heads each."""
    wide, d_wide = x.astype(jnp.float32), d_out.astype(jnp.float32)
    if angles:
        d_wide = rotate(d_wide, angles[0], -angles[1])
    inverse = _inverse_rms(wide, eps, axis_name)
    normal = wide * inverse
    scaled = d_wide * gain
    d_x = inverse * (scaled - normal * _mean(normal * scaled, axis_name))
    return d_x.astype(x.dtype), jnp.sum(d_wide * normal, (0, 1))


def _inverse_rms(wide: Heads, eps: float, axis_name: object) -> Float[Array, "B L 1 1"]:
    return jax.lax.rsqrt(_mean(wide * wide, axis_name) + eps)


def _mean(values: Heads, axis_name: object) -> Float[Array, "B L 1 1"]:
    mean = jnp.mean(values, (2, 3), keepdims=True)
    return mean if axis_name is None else jax.lax.pmean(mean, axis_name)


def _hopper_refusal(x: Tokens, heads: int) -> str | None:
    head_dim = x.shape[-1] // heads
    if x.dtype != jnp.bfloat16:
        return f"it takes bfloat16, not {x.dtype}"
    if head_dim not in (64, 128, 256) or x.shape[-1] % 256:
        return f"it has head dims 64, 128, 256 and widths by 256, not {head_dim} and {x.shape[-1]}"
    return None


def _tpu_refusal(x: Tokens, heads: int) -> str | None:
    head_dim = x.shape[-1] // heads
    if (head_dim % 128 and 128 % head_dim) or x.shape[-1] % 128:
        return f"heads of {head_dim} channels do not fill lanes of 128"
    return None


def _check(x: Tokens, gain: Array, heads: int, rotary: Angles | None) -> None:
    if x.ndim != 3 or gain.shape != x.shape[-1:] or x.shape[-1] % (2 * heads):
        raise ValueError(
            "the norm of queries and keys takes x [B, L, d] and a gain [d], and heads that divide "
            f"d into even parts, not {x.shape}, {gain.shape} and {heads}"
        )
    table = (x.shape[1], x.shape[2] // heads // 2)
    if rotary is not None and any(angles.shape != table for angles in rotary):
        raise ValueError(f"cosines and sines are {table} here, not {rotary[0].shape}")
