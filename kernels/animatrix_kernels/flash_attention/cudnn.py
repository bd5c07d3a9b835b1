"""cuDNN's fused attention, as JAX offers it, behind the contract of `backend`.

JAX differentiates, batches and splits it over a mesh itself. It returns the log-sum-exp only
rounded to the type of the output, so that none is handed out here. The tests lower it for CUDA;
it has not been run through this file on a GPU.
"""

import jax
import jax.numpy as jnp

from animatrix_kernels.flash_attention.backend import (
    Backend,
    Keys,
    Lengths,
    Queries,
    Request,
    Statistics,
)

DTYPES = (jnp.dtype(jnp.bfloat16), jnp.dtype(jnp.float16))
LARGEST_HEAD_DIM = 128
"""What cuDNN takes on every GPU that it serves; Hopper would take 256."""

PADDED_TO = 128
"""Keys under a mask are padded to a multiple of this: a masked backward pass over a length of 64
modulo 128 has given nan."""


def refusal(request: Request) -> str | None:
    """Say in a few words why cuDNN cannot serve a request; None where it can."""
    if request.dtype not in DTYPES:
        return f"it takes bfloat16 and float16, not {jnp.dtype(request.dtype).name}"
    head_dim = request.q_shape[-1]
    if head_dim % 8 or head_dim > LARGEST_HEAD_DIM:
        return f"it takes head dims of 8 to {LARGEST_HEAD_DIM} in steps of 8, not {head_dim}"
    if min(*request.q_shape, request.kv_length) < 1:
        return "it needs at least one query and one key"
    if request.statistics:
        return "it does not hand out a float32 log-sum-exp"
    if request.deterministic:
        return "its gradients may differ in their last bits from call to call"
    found = request.capability
    if found is None or found[:1].isdigit() or "NVIDIA" in found:
        return None
    return f"it needs an NVIDIA GPU, not {found}"


def forward(
    q: Queries, k: Keys, v: Keys, kv_lengths: Lengths | None, scale: float
) -> tuple[Queries, Statistics]:
    """Return the output, and nan in place of the log-sum-exp (see `backend.Forward`)."""
    unknown = jnp.full(q.shape[:3], jnp.nan, jnp.float32)
    if kv_lengths is None:
        out = jax.nn.dot_product_attention(q, k, v, scale=scale, implementation="cudnn")
        return out, unknown
    widths = ((0, 0), (0, -k.shape[1] % PADDED_TO), (0, 0), (0, 0))
    out = jax.nn.dot_product_attention(
        q,
        jnp.pad(k, widths),
        jnp.pad(v, widths),
        scale=scale,
        # A softmax over no key is nan: such a row attends to a zero, and its result is dropped.
        key_value_seq_lengths=jnp.maximum(kv_lengths.astype(jnp.int32), 1),
        implementation="cudnn",
    )
    return jnp.where(kv_lengths[:, None, None, None] > 0, out, 0), unknown


BACKEND = Backend(
    name="cudnn",
    platforms=("gpu",),
    forward=forward,
    backward=None,
    refusal=refusal,
    differentiable=True,
    opaque=False,
)
