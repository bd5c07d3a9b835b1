"""The attention function a model gets on the machine at hand."""

import jax

from animatrix_kernels.flash_attention.api import flash_attention


def attend(q: jax.Array, k: jax.Array, v: jax.Array, kv_lengths: jax.Array | None) -> jax.Array:
    """Attend over [B, L, H, D]; keys past `kv_lengths` [B] are left out."""
    return flash_attention(q, k, v, kv_lengths=kv_lengths)
