"""One attention function for every machine; backends by name."""

from typing import Literal, NamedTuple, overload

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from animatrix_kernels.flash_attention import dispatch
from animatrix_kernels.flash_attention.backend import (
    Backend,
    Request,
    Saved,
    attention_gradients,
    attention_of,
)
from animatrix_kernels.platforms import gpu_capability, platform_of

BACKENDS = tuple(dispatch.ENTRIES)
"""The names that `backend=` takes."""


@overload
def flash_attention(
    q: Float[Array, "B Lq H D"],
    k: Float[Array, "B Lk H D"],
    v: Float[Array, "B Lk H D"],
    *,
    kv_lengths: Int[Array, " B"] | None = None,
    scale: float | None = None,
    backend: str | None = None,
    deterministic: bool = False,
    return_lse: Literal[False] = False,
) -> Float[Array, "B Lq H D"]: ...


@overload
def flash_attention(
    q: Float[Array, "B Lq H D"],
    k: Float[Array, "B Lk H D"],
    v: Float[Array, "B Lk H D"],
    *,
    kv_lengths: Int[Array, " B"] | None = None,
    scale: float | None = None,
    backend: str | None = None,
    deterministic: bool = False,
    return_lse: Literal[True],
) -> tuple[Float[Array, "B Lq H D"], Float[Array, "B Lq H"]]: ...


def flash_attention(
    q: Float[Array, "B Lq H D"],
    k: Float[Array, "B Lk H D"],
    v: Float[Array, "B Lk H D"],
    *,
    kv_lengths: Int[Array, " B"] | None = None,
    scale: float | None = None,
    backend: str | None = None,
    deterministic: bool = False,
    return_lse: bool = False,
) -> Float[Array, "B Lq H D"] | tuple[Float[Array, "B Lq H D"], Float[Array, "B Lq H"]]:
    """Non-causal softmax attention, softmax(scale·q·kᵀ)·v, with float32 statistics.

    Args:
      q, k, v: queries, keys and values, batch × length × heads × head dim, of one float type.
      kv_lengths: how many keys of each batch element count (the rest may hold anything); all of
        them when None. Without a single key the output is zeros, the log-sum-exp minus infinity.
      scale: factor of the logits, a number and no traced value; 1/√D when None.
      backend: one of `BACKENDS`, or None for the best that the platform has for this call; the
        log says once which was taken, and why the better ones were not.
      deterministic: whether gradients must be the same bits at every call.
      return_lse: whether to return the float32 log-sum-exp of the logits as well, by which
        outputs over parts of the keys can be merged.

    Under `jit` over a mesh, batch and heads (and, with all keys gathered, queries) may be split;
    the keys' gradients of split queries are summed in the arrays' own type. Under `shard_map` every
    device attends with what it has. The platform is the array's; inside `jit` that of the mesh that
    is set, else JAX's default.

    Raises:
      ValueError: shapes or types that do not fit each other, a traced scale, a backend that is not
        there, or one that cannot serve the call; when differentiated, a backend without gradients.
    """
    call = _prepare(q, k, v, kv_lengths, scale, backend, deterministic, return_lse)
    out, lse = attention_of(call.backend, deterministic)(
        q, call.k, call.v, call.kv_lengths, call.scale
    )
    return (out, lse) if return_lse else out


def flash_attention_gradients(
    q: Float[Array, "B Lq H D"],
    k: Float[Array, "B Lk H D"],
    v: Float[Array, "B Lk H D"],
    out: Float[Array, "B Lq H D"],
    lse: Float[Array, "B Lq H"],
    d_out: Float[Array, "B Lq H D"],
    *,
    kv_lengths: Int[Array, " B"] | None = None,
    scale: float | None = None,
    backend: str | None = None,
    deterministic: bool = False,
) -> tuple[Float[Array, "B Lq H D"], Float[Array, "B Lk H D"], Float[Array, "B Lk H D"]]:
    """Gradients of attention over many blocks of keys, by one of them: what a ring goes by.

    With P = exp(scale·q·kᵀ − lse) over this block, dv = Pᵀ·dO, dS = P·(dO·vᵀ − ΣdO·O),
    dk = scale·dSᵀ·q, and this block's share of dq is scale·dS·k (FlashAttention-2, arXiv
    2307.08691): dq is the sum of the shares of all blocks.

    Args:
      q, k, v, kv_lengths, scale, backend, deterministic: as `flash_attention` takes them; k, v and
        kv_lengths of this block alone.
      out, lse: the output over all blocks, and its log-sum-exp.
      d_out: the gradient of a loss by `out`.

    Returns:
      This block's share of dq, and dk and dv, to be summed: in float32 where the backend can give
      them so, else in the types of q, k and v.

    Raises:
      ValueError: as `flash_attention`, and a backend without a pass backward.
    """
    call = _prepare(q, k, v, kv_lengths, scale, backend, deterministic, True)
    saved = Saved(q, call.k, call.v, call.kv_lengths, out, lse)
    return attention_gradients(
        call.backend, saved, d_out, jnp.zeros_like(lse), call.scale, deterministic, True
    )


class _Call(NamedTuple):
    """A call that is checked: its backend, and keys of which what does not count is zero."""

    backend: Backend
    k: Float[Array, "B Lk H D"]
    v: Float[Array, "B Lk H D"]
    kv_lengths: Int[Array, " B"] | None
    scale: float


def _prepare(
    q: Float[Array, "B Lq H D"],
    k: Float[Array, "B Lk H D"],
    v: Float[Array, "B Lk H D"],
    kv_lengths: Int[Array, " B"] | None,
    scale: float | None,
    name: str | None,
    deterministic: bool,
    statistics: bool,
) -> _Call:
    """Check a call's arguments, choose its backend, and clear the keys that do not count."""
    _check(q, k, v, kv_lengths)
    if isinstance(scale, jax.core.Tracer):
        raise ValueError(
            "the scale of attention is a number that is known while tracing, not a traced one: "
            "multiply the queries by that and give scale=1.0"
        )
    batch, length, heads, head_dim = q.shape
    platform = platform_of(q)
    request = Request(
        q_shape=(batch, length, heads, head_dim),
        kv_length=k.shape[1],
        dtype=jnp.dtype(q.dtype),
        masked=kv_lengths is not None,
        statistics=statistics,
        deterministic=deterministic,
        capability=gpu_capability(q) if platform == "gpu" else None,
    )
    chosen = dispatch.choose(request, platform, name)
    if kv_lengths is not None:
        kv_lengths = jnp.clip(kv_lengths, 0, k.shape[1]).astype(jnp.int32)
        counts = (jnp.arange(k.shape[1]) < kv_lengths[:, None])[..., None, None]
        # What does not count may be nan, and nan times zero is nan.
        k, v = jnp.where(counts, k, 0), jnp.where(counts, v, 0)
    scale = head_dim**-0.5 if scale is None else float(scale)
    return _Call(chosen, k, v, kv_lengths, scale)


def _check(
    q: Float[Array, "..."],
    k: Float[Array, "..."],
    v: Float[Array, "..."],
    kv_lengths: Int[Array, "..."] | None,
) -> None:
    fits = q.ndim == k.ndim == 4 and k.shape == v.shape and q.shape[2:] == k.shape[2:]
    if not fits or q.shape[0] != k.shape[0]:
        raise ValueError(
            "attention takes q [B, Lq, H, D] and k, v [B, Lk, H, D], "
            f"not {q.shape}, {k.shape} and {v.shape}"
        )
    if kv_lengths is not None and kv_lengths.shape != q.shape[:1]:
        raise ValueError(
            f"kv_lengths holds one length a batch element, ({q.shape[0]},), not {kv_lengths.shape}"
        )
    if not jnp.issubdtype(q.dtype, jnp.floating) or not q.dtype == k.dtype == v.dtype:
        raise ValueError(
            f"attention takes q, k and v of one float type, not {q.dtype}, {k.dtype} and {v.dtype}"
        )
