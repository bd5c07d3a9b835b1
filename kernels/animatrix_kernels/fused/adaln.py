"""Adaptive layer norm: a norm with its modulation, and a gate with its sum (DiT, arXiv 2212.09748).

Neither Pallas form has run on a GPU or a TPU: they are compiled for both, and run by Pallas'
interpreters.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from animatrix_kernels.fused.forms import Refusals, form_for
from animatrix_kernels.partition import Rule, per_shard

type Tokens = Float[Array, "B L d"]
type Channels = Float[Array, "#B #L d"]
"""Factors of channels: for all tokens alike, or for every token."""

type Outer = tuple[Channels | Float[Array, ""], Channels | Float[Array, ""]]


def modulated_norm(
    x: Tokens,
    scale: Channels,
    shift: Channels,
    *,
    outer: Outer | None = None,
    eps: float = 1e-6,
    dtype: jnp.dtype | str = jnp.float32,
    backend: str | None = None,
) -> Tokens:
    """Return LayerNorm(x)·(1 + scale) + shift, and of that `outer[0]`· + `outer[1]`, in `dtype`.

    Args:
      x: the residual stream; statistics and products are float32 whatever its type.
      scale, shift: [B, 1, d] or [B, L, d].
      outer: a second modulation of the result (scale, shift), of shapes like these or scalars.
      eps: added to the variance.
      dtype: type of the result.
      backend: "xla", "tpu" or "hopper"; None for the platform's own.

    Raises:
      ValueError: factors that do not fit x, a form that is not there or cannot serve.
    """
    _check(x, scale, shift)
    form = form_for("adaln", x, _refusals(x), backend)
    if form == "xla":
        normal, inverse = _normal(x, eps)
        return _outer(normal * inverse * (1 + scale) + shift, outer).astype(dtype)
    return apply_norm(form, x, 1 + scale, shift, outer, eps, dtype)


def affine_norm(
    x: Tokens,
    gain: Float[Array, " d"],
    bias: Float[Array, " d"],
    *,
    outer: Outer | None = None,
    eps: float = 1e-6,
    dtype: jnp.dtype | str = jnp.float32,
    backend: str | None = None,
) -> Tokens:
    """Return LayerNorm(x)·gain + bias for learned gain and bias; else as `modulated_norm`."""
    _check(x, gain[None, None], bias[None, None])
    form = form_for("adaln", x, _refusals(x), backend)
    if form == "xla":
        normal, inverse = _normal(x, eps)
        return _outer(normal * (inverse * gain) + bias, outer).astype(dtype)
    return apply_norm(form, x, gain[None, None], bias[None, None], outer, eps, dtype)


def gated_sum(x: Tokens, gate: Channels, update: Tokens, *, backend: str | None = None) -> Tokens:
    """Return x + gate·update in x's type, added in float32.

    Args:
      x: the residual stream.
      gate: [B, 1, d] or [B, L, d].
      update: what a sub-layer gave, of any float type.
      backend: "xla", "tpu" or "hopper"; None for the platform's own.

    Raises:
      ValueError: arrays that do not fit x, a form that is not there or cannot serve.
    """
    _check(x, gate, update)
    form = form_for("adaln", x, _refusals(x), backend)
    if form == "xla":
        return (x.astype(jnp.float32) + gate * update).astype(x.dtype)
    return apply_gate(form, x, gate, update)


def apply_norm(
    form: str,
    x: Tokens,
    scale: Channels,
    shift: Channels,
    outer: Outer | None,
    eps: float,
    dtype: jnp.dtype | str,
    interpret: bool | object = False,
) -> Tokens:
    """Return outer(LayerNorm(x)·scale + shift) by a Pallas form, whatever the platform is.

    `interpret` (True, or parameters of Pallas' interpreter) runs it on a CPU.
    """
    if outer is not None:
        scale, shift = outer[0] * scale, outer[0] * shift + outer[1]
    scale, shift = _fitting(scale, x), _fitting(shift, x)
    kernel = _norm_kernel(form, eps, jnp.dtype(dtype), interpret)
    return kernel(x, scale, shift)


def apply_gate(
    form: str, x: Tokens, gate: Channels, update: Tokens, interpret: bool | object = False
) -> Tokens:
    """Return x + gate·update by a Pallas form, whatever the platform is."""
    return _gate_kernel(form, interpret)(x, _fitting(gate, x), update)


def _normal(x: Tokens, eps: float) -> tuple[Tokens, Float[Array, "B L 1"]]:
    """Return x less its mean, and the factor that makes its variance one."""
    wide = x.astype(jnp.float32)
    mean = wide.mean(-1, keepdims=True)
    variance = jnp.maximum(0.0, jnp.square(wide).mean(-1, keepdims=True) - jnp.square(mean))
    return wide - mean, jax.lax.rsqrt(variance + eps)


def _outer(h: Tokens, outer: Outer | None) -> Tokens:
    return h if outer is None else outer[0] * h + outer[1]


@functools.lru_cache(maxsize=32)
def _norm_kernel(
    form: str, eps: float, dtype: jnp.dtype, interpret: bool | object
) -> Callable[..., Tokens]:
    """Return the differentiable kernel of (x, scale, shift)."""

    def forward_rows(x: Array, scale: Array, shift: Array) -> tuple[Array, ...]:
        return (_standard(x, eps)[0] * scale + shift,)

    def backward_rows(x: Array, d_out: Array, scale: Array) -> tuple[Array, ...]:
        normal, inverse = _standard(x, eps)
        d_wide = d_out.astype(jnp.float32)
        d_normal = d_wide * scale
        d_x = inverse * (d_normal - _mean(d_normal) - normal * _mean(d_normal * normal))
        return d_x, d_wide * normal, d_wide

    def forward(x: Tokens, scale: Channels, shift: Channels) -> tuple[Tokens]:
        return _over_rows(form)(forward_rows, (x,), (scale, shift), (dtype,), 0, interpret)

    def backward(x: Tokens, scale: Channels, d_out: Tokens) -> tuple[Tokens, Channels, Channels]:
        over_rows, tokens = _over_rows(form), (x, d_out)
        if scale.shape[1] == 1:
            return over_rows(backward_rows, tokens, (scale,), (x.dtype,), 2, interpret)
        types = (x.dtype, jnp.dtype("float32"), jnp.dtype("float32"))
        return over_rows(backward_rows, tokens, (scale,), types, 0, interpret)

    split = functools.partial(per_shard, propagated=bool(interpret) or form != "tpu")

    @jax.custom_vjp
    def attached(x: Tokens, scale: Channels, shift: Channels) -> Tokens:
        of = _dims(scale, x)
        rule = Rule(("bld", of, of), ("bld",), whole="do")
        return split(forward, rule)(x, scale, shift)[0]

    def ahead(x: Tokens, scale: Channels, shift: Channels) -> tuple[Tokens, tuple[Array, Array]]:
        return attached(x, scale, shift), (x, scale)

    def back(saved: tuple[Array, Array], d_out: Tokens) -> tuple[Array, ...]:
        of = _dims(saved[1], saved[0])
        rule = Rule(("bld", of, "bld"), ("bld", of, of), whole="do")
        return split(backward, rule)(*saved, d_out)

    attached.defvjp(ahead, back)
    return attached


@functools.lru_cache(maxsize=32)
def _gate_kernel(form: str, interpret: bool | object) -> Callable[..., Tokens]:
    """Return the differentiable kernel of (x, gate, update)."""

    def forward_rows(x: Array, update: Array, gate: Array) -> tuple[Array, ...]:
        return (x.astype(jnp.float32) + gate * update.astype(jnp.float32),)

    def backward_rows(update: Array, d_out: Array, gate: Array) -> tuple[Array, ...]:
        d_wide = d_out.astype(jnp.float32)
        return d_wide * gate, d_wide * update.astype(jnp.float32)

    def forward(x: Tokens, gate: Channels, update: Tokens) -> tuple[Tokens]:
        return _over_rows(form)(forward_rows, (x, update), (gate,), (x.dtype,), 0, interpret)

    def backward(gate: Channels, update: Tokens, d_out: Tokens) -> tuple[Tokens, Channels]:
        over_rows, tokens = _over_rows(form), (update, d_out)
        if gate.shape[1] == 1:
            return over_rows(backward_rows, tokens, (gate,), (update.dtype,), 1, interpret)
        types = (update.dtype, jnp.dtype("float32"))
        return over_rows(backward_rows, tokens, (gate,), types, 0, interpret)

    split = functools.partial(per_shard, propagated=bool(interpret) or form != "tpu")

    @jax.custom_vjp
    def attached(x: Tokens, gate: Channels, update: Tokens) -> Tokens:
        rule = Rule(("bld", _dims(gate, x), "bld"), ("bld",), whole="o")
        return split(forward, rule)(x, gate, update)[0]

    def ahead(x: Tokens, gate: Channels, update: Tokens) -> tuple[Tokens, tuple[Array, Array]]:
        return attached(x, gate, update), (gate, update)

    def back(saved: tuple[Array, Array], d_out: Tokens) -> tuple[Tokens, Channels, Tokens]:
        of = _dims(saved[0], d_out)
        rule = Rule((of, "bld", "bld"), ("bld", of), whole="o")
        d_update, d_gate = split(backward, rule)(*saved, d_out)
        return d_out, d_gate, d_update

    attached.defvjp(ahead, back)
    return attached


def _standard(x: Array, eps: float) -> tuple[Array, Array]:
    """Return rows with mean 0 and variance 1 in float32, and what they were multiplied by."""
    wide = x.astype(jnp.float32)
    central = wide - _mean(wide)
    inverse = jax.lax.rsqrt(_mean(central * central) + eps)
    return central * inverse, inverse


def _mean(rows: Array) -> Array:
    """Return the mean over channels: of one token [d] a scalar, of [R, d] a column."""
    return jnp.sum(rows, -1, keepdims=rows.ndim > 1) * (1.0 / rows.shape[-1])


def _over_rows(form: str) -> Callable[..., Any]:
    """Import a Pallas form when it is first wanted: Pallas takes a second to load."""
    if form == "tpu":
        from animatrix_kernels.fused import tpu_rows

        return tpu_rows.over_rows
    from animatrix_kernels.fused import hopper_rows

    return hopper_rows.over_rows


def _fitting(channels: Channels, x: Tokens) -> Channels:
    """Return float32 factors [B, 1, d] or [B, L, d]: what the batch shares is written out."""
    length = 1 if channels.ndim < 3 else channels.shape[1]
    return jnp.broadcast_to(channels, (x.shape[0], length, x.shape[2])).astype(jnp.float32)


def _dims(channels: Channels, x: Tokens) -> str:
    """Return the letters of factors' dims."""
    return "bld" if channels.shape[-2] == x.shape[-2] else "bod"


def _refusals(x: Tokens) -> Refusals:
    def hopper() -> str | None:
        if x.dtype not in (jnp.bfloat16, jnp.float16, jnp.float32) or x.shape[-1] % 128:
            return f"it takes floats in widths by 128, not {x.dtype} and {x.shape[-1]}"
        return None

    def tpu() -> str | None:
        return None if x.shape[-1] % 128 == 0 else f"{x.shape[-1]} channels do not fill lanes"

    return {"hopper": hopper, "tpu": tpu}


def _check(x: Tokens, *others: Array) -> None:
    for other in others:
        fits = x.ndim == other.ndim == 3 and all(
            mine in (1, whole) for mine, whole in zip(other.shape, x.shape, strict=True)
        )
        if not fits:
            raise ValueError(
                f"what goes with x {x.shape} is [B, 1, d] or [B, L, d], not {other.shape}"
            )
