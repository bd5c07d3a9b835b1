"""The attention function a model gets on the machine at hand."""

import jax
from jax.sharding import Mesh

from animatrix_jax.models.dit import Attend
from animatrix_jax.parallel.context import context_attention
from animatrix_kernels.flash_attention.api import flash_attention


def attend(q: jax.Array, k: jax.Array, v: jax.Array, kv_lengths: jax.Array | None) -> jax.Array:
    """Attend over [B, L, H, D]; keys past `kv_lengths` [B] are left out."""
    return flash_attention(q, k, v, kv_lengths=kv_lengths)


def attend_on(mesh: Mesh, ulysses: int | None = None) -> Attend:
    """Return the attention of a mesh: of one device's own arrays, or over split sequences."""
    if mesh.size == 1:
        return attend
    return context_attention(mesh, ulysses=ulysses)
