"""What a backend of attention is: a pass forward, one backward, and what they can serve."""

import functools
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from animatrix_kernels.flash_attention.partition import split_backward, split_forward

type Queries = Float[Array, "B Lq H D"]
type Keys = Float[Array, "B Lk H D"]
type Statistics = Float[Array, "B Lq H"]
type Lengths = Int[Array, " B"]


class Saved(NamedTuple):
    """What the forward pass leaves to the backward pass."""

    q: Queries
    k: Keys
    v: Keys
    kv_lengths: Lengths | None
    out: Queries
    lse: Statistics


class Forward(Hashable, Protocol):
    """The pass forward of a backend."""

    def __call__(
        self, q: Queries, k: Keys, v: Keys, kv_lengths: Lengths | None, scale: float
    ) -> tuple[Queries, Statistics]:
        """Return the output in q's type, and the float32 log-sum-exp.

        Keys and values past `kv_lengths` are finite. A query without a single key gets zeros and
        minus infinity.
        """
        ...


class Backward(Protocol):
    """The pass backward of a backend."""

    def __call__(
        self,
        saved: Saved,
        d_out: Queries,
        d_lse: Statistics,
        scale: float,
        deterministic: bool,
        float32: bool = False,
    ) -> tuple[Queries, Keys, Keys]:
        """Return dq, dk, dv in the types of q, k, v.

        dS = P·(dO·vᵀ − ΣdO·O + dlse) (FlashAttention-2, arXiv 2307.08691); `deterministic` asks
        for the same bits at every call, `float32` for results that are not rounded, where a
        backend can give them. d_lse is finite.
        """
        ...


@dataclass(frozen=True)
class Request:
    """A call's static facts: [B, Lq, H, D], the number of keys, the type, and what is wanted.

    `masked` says that key counts are given, `statistics` that the caller wants the log-sum-exp,
    `deterministic` that gradients must be the same bits at every call. `capability` is that of the
    GPU it is for (`platforms.gpu_capability`), None where there is none or nothing is known of it.
    """

    q_shape: tuple[int, int, int, int]
    kv_length: int
    dtype: jnp.dtype
    masked: bool
    statistics: bool = False
    deterministic: bool = False
    capability: str | None = None


@dataclass(frozen=True)
class Backend:
    """One way to attend.

    `platforms` are those of JAX that it runs on; `refusal` says in a few words why a request
    cannot be served, None where it can. `backward` is None for a backend without gradients. JAX
    differentiates a `differentiable` one's forward pass itself; such a one needs no `backward`,
    other than for `attention_gradients`. A backend that does not hand out the log-sum-exp refuses
    requests for it, and returns nan there. `opaque` is one that XLA cannot split over a mesh by
    itself.
    """

    name: str
    platforms: tuple[str, ...]
    forward: Forward
    backward: Backward | None
    refusal: Callable[[Request], str | None]
    differentiable: bool = False
    opaque: bool = True

    @property
    def propagated(self) -> bool:
        """Whether XLA takes a rule for how to split it, which libtpu does not."""
        return "tpu" not in self.platforms


@functools.cache
def attention_of(backend: Backend, deterministic: bool = False) -> Forward:
    """Return a backend's attention as a function that JAX can differentiate and split over a mesh.

    Raises (when differentiated):
      ValueError: a backend without gradients.
    """
    if backend.differentiable:
        return backend.forward

    @functools.partial(jax.custom_vjp, nondiff_argnums=(4,))
    def attend(
        q: Queries, k: Keys, v: Keys, kv_lengths: Lengths | None, scale: float
    ) -> tuple[Queries, Statistics]:
        return _forward(backend, q, k, v, kv_lengths, scale)

    def ahead(
        q: Queries, k: Keys, v: Keys, kv_lengths: Lengths | None, scale: float
    ) -> tuple[tuple[Queries, Statistics], Saved]:
        _check_gradients(backend)
        out, lse = _forward(backend, q, k, v, kv_lengths, scale)
        return (out, lse), Saved(q, k, v, kv_lengths, out, lse)

    def back(
        scale: float, saved: Saved, gradients: tuple[Queries, Statistics]
    ) -> tuple[Queries, Keys, Keys, None]:
        return *attention_gradients(backend, saved, *gradients, scale, deterministic), None

    attend.defvjp(ahead, back)
    return attend


def _forward(
    backend: Backend, q: Queries, k: Keys, v: Keys, kv_lengths: Lengths | None, scale: float
) -> tuple[Queries, Statistics]:
    if not backend.opaque:
        return backend.forward(q, k, v, kv_lengths, scale)
    lengths = () if kv_lengths is None else (kv_lengths,)
    run = split_forward(backend.forward, scale, bool(lengths), backend.propagated)
    out, lse = run(q, k, v, *lengths)
    return out, lse


@functools.cache
def _flat_backward(
    backend: Backend, scale: float, deterministic: bool, float32: bool
) -> Callable[..., tuple]:
    """Return a backward pass as a function of arrays alone, in the order of `split_backward`."""
    backward = backend.backward
    assert backward is not None

    def flat(
        q: Queries,
        k: Keys,
        v: Keys,
        out: Queries,
        lse: Statistics,
        d_out: Queries,
        d_lse: Statistics,
        kv_lengths: Lengths | None,
    ) -> tuple[Queries, Keys, Keys]:
        saved = Saved(q, k, v, kv_lengths, out, lse)
        return backward(saved, d_out, d_lse, scale, deterministic, float32)

    return flat


def _check_gradients(backend: Backend) -> None:
    if backend.backward is None:
        raise ValueError(
            f"the attention backend {backend.name!r} is for inference and has no gradients: "
            "leave `backend` out to train with one that has"
        )


def attention_gradients(
    backend: Backend,
    saved: Saved,
    d_out: Queries,
    d_lse: Statistics,
    scale: float,
    deterministic: bool,
    float32: bool = False,
) -> tuple[Queries, Keys, Keys]:
    """Run a backend's backward pass (see `Backward`), as `attention_of` is split over a mesh.

    Raises:
      ValueError: a backend without gradients.
    """
    _check_gradients(backend)
    flat = _flat_backward(backend, scale, deterministic, float32)
    arrays = (saved.q, saved.k, saved.v, saved.out, saved.lse, d_out, d_lse)
    if not backend.opaque:
        return flat(*arrays, saved.kv_lengths)
    lengths = () if saved.kv_lengths is None else (saved.kv_lengths,)
    run = split_backward(flat, bool(lengths), backend.propagated)
    d_q, d_k, d_v = run(*arrays, *lengths)
    return d_q, d_k, d_v
