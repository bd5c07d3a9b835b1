"""The shapes that are timed, what they cost, and the arrays of one."""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


@dataclass(frozen=True)
class Shape:
    """Sizes of one call of attention."""

    batch: int
    q_length: int
    kv_length: int
    heads: int
    head_dim: int

    def __str__(self) -> str:
        lengths = f"{self.q_length}"
        if self.kv_length != self.q_length:
            lengths += f"→{self.kv_length}"
        return f"{self.batch}×{lengths}×{self.heads}×{self.head_dim}"

    def work(self, backward: bool = False) -> float:
        """Operations that the definition asks for: two matrix products forward, five backward."""
        products = 5 if backward else 2
        logits = self.batch * self.heads * self.q_length * self.kv_length
        return products * 2.0 * logits * self.head_dim


CPU = (Shape(32, 80, 80, 4, 48), Shape(2, 1024, 1024, 4, 64), Shape(1, 4096, 4096, 4, 64))
"""Those of the pocket model, and two longer ones."""

WAN = Shape(1, 75600, 75600, 40, 128)
"""Wan 2.2 at 720×1280 and 81 frames."""

ACCELERATOR = (
    WAN,
    Shape(1, 16384, 16384, 40, 128),
    Shape(1, 75600, 512, 40, 128),
    Shape(2, 8192, 8192, 40, 128),
    Shape(4, 4096, 4096, 40, 128),
    Shape(1, 32768, 32768, 40, 128),
    Shape(1, 75600, 520, 40, 128),
    Shape(8, 2048, 2048, 40, 128),
    Shape(16, 1024, 1024, 40, 128),
    Shape(1, 16384, 16384, 40, 64),
)
"""What matters most first, should the time run out; 512 and 520 are keys of text."""


class Arrays(NamedTuple):
    """Queries, keys, values, and a gradient of the output."""

    q: Float[Array, "B Lq H D"]
    k: Float[Array, "B Lk H D"]
    v: Float[Array, "B Lk H D"]
    d_out: Float[Array, "B Lq H D"]


def draw(shape: Shape, dtype: jnp.dtype, seed: int = 0) -> Arrays:
    """Normal random arrays of a shape."""
    keys = jax.random.split(jax.random.key(seed), 4)
    lengths = (shape.q_length, shape.kv_length, shape.kv_length, shape.q_length)
    return Arrays(
        *(
            jax.random.normal(key, (shape.batch, length, shape.heads, shape.head_dim), dtype)
            for key, length in zip(keys, lengths, strict=True)
        )
    )
