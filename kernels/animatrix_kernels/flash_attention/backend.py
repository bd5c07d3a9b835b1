"""What a backend of attention is: a pass forward, one backward, and what they can serve."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import jax
from jaxtyping import Array, Float, Int

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


class Forward(Protocol):
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
    ) -> tuple[Queries, Keys, Keys]:
        """Return dq, dk, dv in the types of q, k, v.

        dS = P·(dO·vᵀ − ΣdO·O + dlse) (FlashAttention-2, arXiv 2307.08691); `deterministic` asks
        for the same bits at every call. d_lse is finite.
        """
        ...


@dataclass(frozen=True)
class Request:
    """A call's static facts: [B, Lq, H, D], the number of keys, the type, and what is wanted."""

    q_shape: tuple[int, int, int, int]
    kv_length: int
    dtype: jax.numpy.dtype
    masked: bool


@dataclass(frozen=True)
class Backend:
    """One way to attend.

    `platforms` are those of JAX that it runs on; `refusal` says in a few words why a request
    cannot be served, None where it can. `backward` is None for a backend without gradients, and
    for one whose forward pass JAX can differentiate itself (`differentiable`).
    """

    name: str
    platforms: tuple[str, ...]
    forward: Forward
    backward: Backward | None
    refusal: Callable[[Request], str | None]
    differentiable: bool = False


@functools.cache
def attention_of(backend: Backend, deterministic: bool = False) -> Forward:
    """Return a backend's attention as a function that JAX can differentiate."""
    if backend.backward is None:
        return backend.forward
    backward = backend.backward

    @functools.partial(jax.custom_vjp, nondiff_argnums=(4,))
    def attend(
        q: Queries, k: Keys, v: Keys, kv_lengths: Lengths | None, scale: float
    ) -> tuple[Queries, Statistics]:
        return backend.forward(q, k, v, kv_lengths, scale)

    def ahead(
        q: Queries, k: Keys, v: Keys, kv_lengths: Lengths | None, scale: float
    ) -> tuple[tuple[Queries, Statistics], Saved]:
        out, lse = backend.forward(q, k, v, kv_lengths, scale)
        return (out, lse), Saved(q, k, v, kv_lengths, out, lse)

    def back(
        scale: float, saved: Saved, gradients: tuple[Queries, Statistics]
    ) -> tuple[Queries, Keys, Keys, None]:
        return *backward(saved, *gradients, scale, deterministic), None

    attend.defvjp(ahead, back)
    return attend
