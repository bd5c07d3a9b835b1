"""PyTorch's attention as a rival: the one file of the project that knows that framework."""

import functools
import importlib.util
from collections.abc import Iterator
from typing import Any

import jax.numpy as jnp

from side_by_side.rivals import Ready, Rival
from side_by_side.shapes import Arrays
from side_by_side.timing import Call

FUSED = ("FLASH_ATTENTION", "CUDNN_ATTENTION", "EFFICIENT_ATTENTION")
"""Names of PyTorch's backends that hold no matrix of logits."""


def torch_sdpa() -> Iterator[Rival]:
    """PyTorch's attention by each of its fused backends, if PyTorch is there and sees a GPU."""
    if importlib.util.find_spec("torch") is None:
        return
    import torch
    from torch.nn.attention import SDPBackend

    if not torch.cuda.is_available():
        return
    for name in FUSED:
        if hasattr(SDPBackend, name):
            yield Rival(f"torch {name.lower()}", functools.partial(_prepare, name))


def _prepare(name: str, arrays: Arrays) -> Ready:
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
