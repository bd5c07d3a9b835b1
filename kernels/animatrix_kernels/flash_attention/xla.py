"""The backend that every machine has: attention in plain JAX (`reference`)."""

from animatrix_kernels.flash_attention import reference
from animatrix_kernels.flash_attention.backend import Backend, Request


def refusal(request: Request) -> str | None:
    """Return None: plain JAX serves every request that `flash_attention` lets through."""
    del request
    return None


BACKEND = Backend(
    name="xla",
    platforms=("cpu", "gpu", "tpu"),
    forward=reference.attention,
    backward=reference.backward,
    refusal=refusal,
    differentiable=True,
    opaque=False,
)
