"""Position and time embeddings: Wan's 3D rotary angles and its timestep sinusoid."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


def timestep_sinusoid(timestep: Float[Array, "*B"], dim: int) -> Float[Array, "*B {dim}"]:
    """Return [cos, sin] of timestep·10000^(−i/half), as Wan orders them; timestep in [0, 1000]."""
    half = dim // 2
    rates = jnp.asarray(np.power(10000.0, -np.arange(half) / half), jnp.float32)
    angles = timestep.astype(jnp.float32)[..., None] * rates
    return jnp.concatenate([jnp.cos(angles), jnp.sin(angles)], axis=-1)


@functools.lru_cache(maxsize=32)
def rotary_table(
    frames: int, rows: int, columns: int, head_dim: int, base: float = 10000.0
) -> tuple[np.ndarray, np.ndarray]:
    """Return cos and sin [tokens, head_dim/2] of the 3D rotary angles, computed in float64.

    The complex half of a head is split over (frame, row, column) as c − 2⌊c/3⌋, ⌊c/3⌋, ⌊c/3⌋ with
    c = head_dim/2: (22, 21, 21) at 128. `base` is 10⁴ in Wan. Token order is frame-major.
    """
    side = 2 * (head_dim // 6)
    parts = (head_dim - 2 * side, side, side)
    angles = _grid_angles((frames, rows, columns), parts, base)
    return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)


@functools.lru_cache(maxsize=32)
def position_table(frames: int, rows: int, columns: int, base: float) -> np.ndarray:
    """Return sines and cosines [tokens, 48] of where each token stands, eight rates a dim."""
    angles = _grid_angles((frames, rows, columns), (16, 16, 16), base)
    return np.concatenate([np.cos(angles), np.sin(angles)], axis=-1).astype(np.float32)


def _grid_angles(
    shape: tuple[int, int, int], parts: tuple[int, int, int], base: float
) -> np.ndarray:
    """Return position × base^(−i/part) for even i below each dim's part, joined: float64."""
    grid = np.meshgrid(*(np.arange(edge) for edge in shape), indexing="ij")
    return np.concatenate(
        [
            position.reshape(-1, 1) / np.power(base, np.arange(0.0, part, 2.0) / part)
            for position, part in zip(grid, parts, strict=True)
        ],
        axis=-1,
    )


def fold_tokens(
    latents: Float[Array, "B T H W C"], patch: tuple[int, int, int]
) -> Float[Array, "B L P"]:
    """Cut latents into patches, one token each, flattened as (time, row, column, channel)."""
    batch, frames, height, width, channels = latents.shape
    pt, ph, pw = patch
    x = latents.reshape(batch, frames // pt, pt, height // ph, ph, width // pw, pw, channels)
    return x.transpose(0, 1, 3, 5, 2, 4, 6, 7).reshape(
        batch, (frames // pt) * (height // ph) * (width // pw), -1
    )


def unfold_tokens(
    tokens: jax.Array, patch: tuple[int, int, int], shape: tuple[int, int, int]
) -> jax.Array:
    """Undo `fold_tokens` for latents of (frames, height, width) `shape`."""
    (frames, height, width), (pt, ph, pw) = shape, patch
    grid = (frames // pt, height // ph, width // pw)
    x = tokens.reshape(tokens.shape[0], *grid, pt, ph, pw, -1)
    return x.transpose(0, 1, 4, 2, 5, 3, 6, 7).reshape(tokens.shape[0], *shape, -1)
