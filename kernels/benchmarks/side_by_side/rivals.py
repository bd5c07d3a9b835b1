"""What is timed beside what: our backends, JAX's own, tokamax, and plain products."""

import functools
import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from animatrix_kernels.flash_attention import dispatch, flash_attention
from side_by_side.shapes import Arrays, Shape
from side_by_side.timing import Call

CUDNN = "jax.nn cudnn"
"""The rival that ratios are taken to."""

WITHOUT_GRADIENTS = ("hopper_fp8",)
DETERMINISTIC = ("hopper",)
"""Of ours: those with a second backward pass, of the same bits at every call."""

MOST_LOGITS = 2**34
"""Bytes of float32 logits that a form which holds all of them may take."""

SLOW_WORK = 2e13
"""Operations above which plain JAX is left out on an accelerator."""

CEILING = 8192
"""Rows and columns of the matrix product whose speed nothing here can pass."""


@dataclass(frozen=True)
class Ready:
    """A rival on one shape, compiled: what to time, and its results (None where it has none)."""

    forward: Call
    backward: Call | None
    out: Callable[[], Any]
    d_q: Callable[[], Any] | None


@dataclass(frozen=True)
class Rival:
    """One way to attend; `prepare` compiles it for arrays, or raises what it raises."""

    name: str
    prepare: Callable[[Arrays], Ready]
    fits: Callable[[Shape], bool] = lambda shape: True


def prepare_jax(
    attend: Callable[..., Float[Array, "B Lq H D"]], backward: bool, arrays: Arrays
) -> Ready:
    """Compile a function of q, k, v; its backward pass is timed apart from the forward one."""
    qkv = arrays[:3]
    forward = jax.jit(attend).lower(*qkv).compile()
    out = Call(lambda: forward(*qkv), jax.block_until_ready)
    if not backward:
        return Ready(out, None, lambda: forward(*qkv), None)
    _, pull = jax.jit(lambda *qkv: jax.vjp(attend, *qkv))(*qkv)
    back = jax.jit(lambda pull, d_out: pull(d_out)).lower(pull, arrays.d_out).compile()
    return Ready(
        out,
        Call(lambda: back(pull, arrays.d_out), jax.block_until_ready),
        lambda: forward(*qkv),
        lambda: back(pull, arrays.d_out)[0],
    )


def ours(platform: str) -> Iterator[Rival]:
    """Our backends of a platform, each under its name."""
    for name, entry in dispatch.ENTRIES.items():
        if name == "cudnn" or platform not in entry.platforms:
            continue  # cuDNN is the same function of jax.nn as below
        attend = functools.partial(flash_attention, backend=name)
        fits: Callable[[Shape], bool] = lambda shape: True  # noqa: E731
        if name == "xla" and platform != "cpu":
            fits = lambda shape: shape.work() < SLOW_WORK  # noqa: E731
        backward = name not in WITHOUT_GRADIENTS
        yield Rival(name, functools.partial(prepare_jax, attend, backward), fits)
        if name in DETERMINISTIC:
            same_bits = functools.partial(attend, deterministic=True)
            prepare = functools.partial(prepare_jax, same_bits, True)
            yield Rival(f"{name} deterministic", prepare)


def _holds_all_logits(shape: Shape) -> bool:
    logits = shape.batch * shape.heads * shape.q_length * shape.kv_length
    return 4 * logits <= MOST_LOGITS


def theirs(platform: str) -> Iterator[Rival]:
    """Of JAX and tokamax what the platform has."""
    attention = jax.nn.dot_product_attention
    if platform != "gpu":
        prepare = functools.partial(prepare_jax, attention, True)
        yield Rival("jax.nn", prepare, _holds_all_logits)
        return
    cudnn = functools.partial(attention, implementation="cudnn")
    yield Rival(CUDNN, functools.partial(prepare_jax, cudnn, True))
    if importlib.util.find_spec("tokamax") is not None:
        import tokamax

        mosaic = functools.partial(tokamax.dot_product_attention, implementation="mosaic")
        yield Rival("tokamax mosaic", functools.partial(prepare_jax, mosaic, True))


def ceiling(dtype: jnp.dtype, size: int) -> tuple[Call, float]:
    """A square matrix product, and its operations."""
    square = jnp.ones((size, size), dtype)
    product = jax.jit(jnp.dot).lower(square, square).compile()
    return Call(lambda: product(square, square), jax.block_until_ready), 2.0 * size**3
