"""A linear autoencoder beside the VAE's networks, started at the data's principal components.

A small VAE spends most of a short training on finding what a linear map already knows. With this
path it starts there, and the networks learn what is left. Wan's VAEs have none: it is off unless
a config asks for it. One map serves the first frame's blocks, one the later ones' (time_stride
frames each), as the causal VAE has them.
"""

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jaxtyping import Array, Float


def fold_blocks(frames: jax.Array, time: int, space: int) -> jax.Array:
    """Cut [B, T, H, W, C] into blocks: [B, T/time, H/space, W/space, time·space²·C]."""
    batch, count, height, width, channels = frames.shape
    x = frames.reshape(
        batch, count // time, time, height // space, space, width // space, space, channels
    )
    return x.transpose(0, 1, 3, 5, 2, 4, 6, 7).reshape(
        batch, count // time, height // space, width // space, time * space**2 * channels
    )


def unfold_blocks(blocks: jax.Array, time: int, space: int) -> jax.Array:
    """Undo `fold_blocks`."""
    batch, count, height, width, size = blocks.shape
    channels = size // (time * space**2)
    x = blocks.reshape(batch, count, height, width, time, space, space, channels)
    return x.transpose(0, 1, 4, 2, 5, 3, 6, 7).reshape(
        batch, count * time, height * space, width * space, channels
    )


class LinearPath(nn.Module):
    """The four maps of the path; `principal_maps` gives their start."""

    time: int
    space: int
    z_dim: int

    def setup(self) -> None:
        """Declare the maps and the mean colours."""
        init = nn.initializers.lecun_normal()
        first = self.space**2 * 3
        rest = self.time * first
        self.first_in = self.param("first_in", init, (first, self.z_dim))
        self.rest_in = self.param("rest_in", init, (rest, self.z_dim))
        self.first_out = self.param("first_out", init, (self.z_dim, first))
        self.rest_out = self.param("rest_out", init, (self.z_dim, rest))
        self.first_mean = self.param("first_mean", nn.initializers.zeros, (first,))
        self.rest_mean = self.param("rest_mean", nn.initializers.zeros, (rest,))

    def encode(
        self, frames: Float[Array, "B T H W 3"], first: bool = True
    ) -> Float[Array, "B t h w z"]:
        """Return every block's coordinates; frames start with a clip's `first` or are later."""
        alone = 1 if first else 0
        rest = fold_blocks(frames[:, alone:], self.time, self.space) - self.rest_mean
        rest = rest @ self.rest_in
        if not first:
            return rest
        start = fold_blocks(frames[:, :1], 1, self.space) - self.first_mean
        return jnp.concatenate([start @ self.first_in, rest], axis=1)

    def decode(
        self, latents: Float[Array, "B t h w z"], first: bool = True
    ) -> Float[Array, "B T H W 3"]:
        """Return the blocks of coordinates, `first` as in `encode`."""
        alone = 1 if first else 0
        rest = unfold_blocks(
            latents[:, alone:] @ self.rest_out + self.rest_mean, self.time, self.space
        )
        if not first:
            return rest
        start = latents[:, :1] @ self.first_out + self.first_mean
        return jnp.concatenate([unfold_blocks(start, 1, self.space), rest], axis=1)


def principal_maps(
    frames: Float[np.ndarray, "N T H W 3"], time: int, space: int, z_dim: int, seed: int
) -> dict[str, np.ndarray]:
    """Return `LinearPath` parameters at the principal components of clips in [−1, 1].

    The components are rotated at random, so that every channel has the same share of the variance
    (normalising channels then leaves the spectrum alone, and a diffusion model's error in latents
    is its error in pixels), and the first frame's basis is turned to agree as well as it can with
    the later blocks' of a still clip (orthogonal Procrustes).
    """
    first_mean, first_basis = _components(_blocks(frames[:, :1], 1, space), z_dim)
    rest_mean, rest_basis = _components(_blocks(frames[:, 1:], time, space), z_dim)
    random = np.random.default_rng(seed)
    turn, _ = np.linalg.qr(random.normal(size=(z_dim, z_dim)))
    rest_basis = rest_basis @ turn
    # The same pixels seen as one frame and as `time` equal frames.
    still = np.tile(first_basis, (time, 1)).T @ rest_basis
    left, _, right = np.linalg.svd(still)
    first_basis = first_basis @ (left @ right)
    coordinates = (_blocks(frames[:, 1:], time, space) - rest_mean) @ rest_basis
    scale = float(np.sqrt(np.mean(coordinates**2)))
    first_scale = scale / np.sqrt(time)
    return {
        "first_in": first_basis / first_scale,
        "rest_in": rest_basis / scale,
        "first_out": first_basis.T * first_scale,
        "rest_out": rest_basis.T * scale,
        "first_mean": first_mean,
        "rest_mean": rest_mean,
    }


def _blocks(frames: np.ndarray, time: int, space: int) -> np.ndarray:
    blocks = np.asarray(fold_blocks(jnp.asarray(frames), time, space))
    return blocks.reshape(-1, blocks.shape[-1]).astype(np.float64)


def _components(blocks: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    mean = blocks.mean(axis=0)
    _, vectors = np.linalg.eigh(np.cov(blocks - mean, rowvar=False))
    return mean, vectors[:, ::-1][:, :count]
