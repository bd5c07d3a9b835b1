"""One attention function for every machine; backends by name."""

from collections.abc import Callable, Mapping
from typing import Literal, overload

from jaxtyping import Array, Float, Int

from animatrix_kernels.flash_attention import reference

type Backend = Callable[..., tuple[Float[Array, "B Lq H D"], Float[Array, "B Lq H"]]]

BACKENDS: Mapping[str, Backend] = {"xla": reference.attention}
"""What can be had, best first: (q, k, v, kv_lengths, scale) to the output and log-sum-exp."""


@overload
def flash_attention(
    q: Float[Array, "B Lq H D"],
    k: Float[Array, "B Lk H D"],
    v: Float[Array, "B Lk H D"],
    *,
    kv_lengths: Int[Array, " B"] | None = None,
    scale: float | None = None,
    backend: str | None = None,
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
    return_lse: bool = False,
) -> Float[Array, "B Lq H D"] | tuple[Float[Array, "B Lq H D"], Float[Array, "B Lq H"]]:
    """Non-causal softmax attention, softmax(scale·q·kᵀ)·v, with float32 statistics.

    Args:
      q, k, v: queries, keys and values, batch × length × heads × head dim, of one float type.
      kv_lengths: how many keys of each batch element count (the rest may hold anything); all of
        them when None. Without a single key the output is zeros, the log-sum-exp minus infinity.
      scale: factor of the logits; 1/√D when None.
      backend: 'xla', or None for the best that this machine has.
      return_lse: whether to return the float32 log-sum-exp of the logits as well, by which
        outputs over parts of the keys can be merged.

    Raises:
      ValueError: shapes that do not fit each other, or a backend that is not there.
    """
    _check_shapes(q, k, v, kv_lengths)
    name = next(iter(BACKENDS)) if backend is None else backend
    if name not in BACKENDS:
        raise ValueError(f"there is no attention backend {name!r}: there are {', '.join(BACKENDS)}")
    out, lse = BACKENDS[name](q, k, v, kv_lengths, q.shape[-1] ** -0.5 if scale is None else scale)
    return (out, lse) if return_lse else out


def _check_shapes(
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
