"""What is timed beside what: our backends, JAX's own, tokamax, PyTorch, and plain products."""

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


def torch_sdpa() -> Iterator[Rival]:
    """PyTorch's attention by each of its fused backends, if PyTorch sees a GPU."""
    if importlib.util.find_spec("torch") is None:
        return
    import torch

    if not torch.cuda.is_available():
        return
    for name in ("FLASH_ATTENTION", "CUDNN_ATTENTION", "EFFICIENT_ATTENTION"):
        if hasattr(torch.nn.attention.SDPBackend, name):
            yield Rival(f"torch {name.lower()}", functools.partial(_prepare_torch, name))


def _prepare_torch(name: str, arrays: Arrays) -> Ready:
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel

    q, k, v, d_out = (torch.from_dlpack(x).transpose(1, 2) for x in arrays)
    for x in (q, k, v):
        x.requires_grad_()

    def forward() -> Any:
        with sdpa_kernel(getattr(SDPBackend, name)):
            return torch.nn.functional.scaled_dot_product_attention(q, k, v)

    def alone() -> Any:
        with torch.no_grad():
            return forward()

    out = forward()

    def backward() -> Any:
        return torch.autograd.grad(out, (q, k, v), d_out, retain_graph=True)

    def wait(_: Any) -> None:
        torch.cuda.synchronize()

    def as_jax(x: Any) -> Any:
        return jnp.from_dlpack(x.detach().transpose(1, 2).contiguous())

    return Ready(
        Call(alone, wait),
        Call(backward, wait),
        lambda: as_jax(alone()),
        lambda: as_jax(backward()[0]),
    )


def all_rivals(platform: str) -> list[Rival]:
    """Everything that this process can time on a platform."""
    found = [*ours(platform), *theirs(platform)]
    return found + (list(torch_sdpa()) if platform == "gpu" else [])


def ceiling(dtype: jnp.dtype, size: int) -> tuple[Call, float]:
    """A square matrix product, and its operations."""
    square = jnp.ones((size, size), dtype)
    product = jax.jit(jnp.dot).lower(square, square).compile()
    return Call(lambda: product(square, square), jax.block_until_ready), 2.0 * size**3
