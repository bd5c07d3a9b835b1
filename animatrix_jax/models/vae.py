"""The causal 3D VAE of Wan 2.1, with Wan 2.2's pixel patches: sizes by numbers only.

Frames come in counts of n·stride + 1: the first frame is a latent frame of its own, so that an
image is a one-frame video, and no latent frame sees a later pixel frame.
"""

from dataclasses import dataclass
from math import prod

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from animatrix_jax.models.conv import CausalConv, halve_space
from animatrix_jax.models.linear_path import LinearPath

QUIET = -7.0
"""Log-variance at which a linear path starts: noise far below its coordinates' unit spread."""


@dataclass(frozen=True)
class VAEConfig:
    """Sizes of a VAE; the defaults are Wan 2.1's.

    `strides` holds (time, space) between neighbouring levels, `temporal_kernels` the convolutions'
    extent in time per level (3 in Wan; 1 keeps a high-resolution level cheap), `patch` the edge of
    the pixel squares folded into channels first (1 in Wan 2.1, 2 in Wan 2.2), `linear_path` puts a
    linear autoencoder beside the networks (no Wan VAE has it; see `linear_path.py`).
    """

    base_dim: int = 96
    z_dim: int = 16
    multipliers: tuple[int, ...] = (1, 2, 4, 4)
    res_blocks: int = 2
    strides: tuple[tuple[int, int], ...] = ((1, 2), (2, 2), (2, 2))
    temporal_kernels: tuple[int, ...] = (3, 3, 3, 3)
    patch: int = 1
    linear_path: bool = False
    latents_mean: tuple[float, ...] = ()
    latents_std: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Check that the levels agree in number."""
        levels = len(self.multipliers)
        if len(self.strides) != levels - 1 or len(self.temporal_kernels) != levels:
            raise ValueError(
                f"a VAE of {levels} levels needs {levels - 1} strides and {levels} temporal "
                f"kernels, not {len(self.strides)} and {len(self.temporal_kernels)}"
            )

    @property
    def time_stride(self) -> int:
        """Pixel frames per latent frame after the first."""
        return prod(time for time, _ in self.strides)

    @property
    def space_stride(self) -> int:
        """Pixels per latent position along height and width."""
        return self.patch * prod(space for _, space in self.strides)

    def latent_shape(self, frames: int, height: int, width: int) -> tuple[int, int, int, int]:
        """Return (t, h, w, z) of a clip's latents.

        Raises ValueError where the frame count is not n·time_stride + 1 or an edge does not divide.
        """
        if frames < 1 or (frames - 1) % self.time_stride:
            below = max(0, frames - 1) // self.time_stride * self.time_stride + 1
            raise ValueError(
                f"a clip needs {self.time_stride}n+1 frames, not {frames}: "
                f"{below} and {below + self.time_stride} are nearest"
            )
        for name, edge in (("height", height), ("width", width)):
            if edge < 1 or edge % self.space_stride:
                raise ValueError(f"{name} {edge} is not a positive multiple of {self.space_stride}")
        stride = self.space_stride
        return (frames - 1) // self.time_stride + 1, height // stride, width // stride, self.z_dim


class ChannelNorm(nn.Module):
    """RMS norm over channels with a learned gain (Wan's RMS_norm)."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Normalise the last dim."""
        gain = self.param("gain", nn.initializers.ones, (x.shape[-1],))
        return x * jax.lax.rsqrt(jnp.mean(x * x, axis=-1, keepdims=True) + 1e-12) * gain


class ResidualBlock(nn.Module):
    """Norm, SiLU and a causal convolution, twice, with a 1×1×1 shortcut where widths differ."""

    features: int
    taps: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Map [B, T, H, W, C] to [B, T, H, W, features]."""
        kernel = (self.taps, 3, 3)
        h = CausalConv(self.features, kernel, name="conv1")(nn.silu(ChannelNorm(name="norm1")(x)))
        h = CausalConv(self.features, kernel, name="conv2")(nn.silu(ChannelNorm(name="norm2")(h)))
        if x.shape[-1] != self.features:
            x = CausalConv(self.features, (1, 1, 1), name="shortcut")(x)
        return x + h


class FrameAttention(nn.Module):
    """Single-head self-attention within each frame (Wan's AttentionBlock)."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Map [B, T, H, W, C] to the same shape."""
        batch, frames, height, width, dim = x.shape
        flat = ChannelNorm(name="norm")(x).reshape(batch * frames, height * width, dim)
        q, k, v = jnp.split(nn.Dense(3 * dim, name="qkv")(flat), 3, axis=-1)
        weights = jax.nn.softmax(jnp.einsum("nqc,nkc->nqk", q, k) * dim**-0.5, axis=-1)
        out = nn.Dense(dim, kernel_init=nn.initializers.zeros, name="out")(weights @ v)
        return x + out.reshape(x.shape)


class Downsample(nn.Module):
    """Halve space by a strided convolution, then time by one that leaves the first frame alone."""

    time: int
    space: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Map [B, T, H, W, C] to [B, (T−1)/time + 1, H/space, W/space, C]."""
        batch, frames, height, width, dim = x.shape
        init = nn.initializers.lecun_normal()
        if self.space == 2:
            kernel = self.param("space_kernel", init, (3, 3, dim, dim))
            bias = self.param("space_bias", nn.initializers.zeros, (dim,))
            x = halve_space(x.reshape(-1, height, width, dim), kernel) + bias
            x = x.reshape(batch, frames, height // 2, width // 2, dim)
        if self.time == 2:
            kernel = self.param("time_kernel", init, (3 * dim, dim))
            bias = self.param("time_bias", nn.initializers.zeros, (dim,))
            windows = jnp.concatenate([x[:, :-2:2], x[:, 1:-1:2], x[:, 2::2]], axis=-1)
            x = jnp.concatenate([x[:, :1], windows @ kernel + bias], axis=1)
        return x


class Upsample(nn.Module):
    """Double time after the first frame by a causal convolution, then space by copying and 3×3."""

    features: int
    time: int
    space: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Map [B, T, H, W, C] to [B, time·(T−1) + 1, H·space, W·space, features]."""
        batch, frames, height, width, dim = x.shape
        if self.time == 2:
            later = CausalConv(2 * dim, (3, 1, 1), name="time")(x[:, 1:])
            later = later.reshape(batch, frames - 1, height, width, 2, dim)
            later = later.transpose(0, 1, 4, 2, 3, 5)
            later = later.reshape(batch, 2 * (frames - 1), height, width, dim)
            x = jnp.concatenate([x[:, :1], later], axis=1)
        if self.space == 2:
            x = x.repeat(2, axis=2).repeat(2, axis=3)
        return CausalConv(self.features, (1, 3, 3), name="space")(x)


class Encoder(nn.Module):
    """Frames to posterior moments."""

    config: VAEConfig

    @nn.compact
    def __call__(self, frames: Float[Array, "B T H W 3"]) -> Float[Array, "B t h w 2*z"]:
        """Map frames in [−1, 1] to mean and log-variance, joined along channels."""
        c = self.config
        x = CausalConv(c.base_dim, (c.temporal_kernels[0], 3, 3), name="conv_in")(
            fold_pixels(frames, c.patch)
        )
        for level, multiplier in enumerate(c.multipliers):
            taps = c.temporal_kernels[level]
            for block in range(c.res_blocks):
                x = ResidualBlock(c.base_dim * multiplier, taps, name=f"level{level}_{block}")(x)
            if level < len(c.strides):
                x = Downsample(*c.strides[level], name=f"down{level}")(x)
        taps = c.temporal_kernels[-1]
        return _head(_middle(x, taps), 2 * c.z_dim, taps, zero=c.linear_path)


class Decoder(nn.Module):
    """Latents to frames."""

    config: VAEConfig

    @nn.compact
    def __call__(self, latents: Float[Array, "B t h w z"]) -> Float[Array, "B T H W 3"]:
        """Map unnormalised latents to frames, about [−1, 1]."""
        c = self.config
        dims = [c.base_dim * multiplier for multiplier in c.multipliers]
        x = CausalConv(dims[-1], (c.temporal_kernels[-1], 3, 3), name="conv_in")(latents)
        x = _middle(x, c.temporal_kernels[-1])
        for level in reversed(range(len(dims))):
            for block in range(c.res_blocks + 1):
                x = ResidualBlock(
                    dims[level], c.temporal_kernels[level], name=f"level{level}_{block}"
                )(x)
            if level:
                x = Upsample(dims[level - 1], *c.strides[level - 1], name=f"up{level}")(x)
        x = _head(x, 3 * c.patch**2, c.temporal_kernels[0], zero=c.linear_path)
        return unfold_pixels(x, c.patch)


class VAE(nn.Module):
    """Encoder, decoder and the two 1×1×1 convolutions beside the latents."""

    config: VAEConfig

    def setup(self) -> None:
        """Build the two halves."""
        self.encoder = Encoder(self.config)
        self.decoder = Decoder(self.config)
        self.moments = CausalConv(2 * self.config.z_dim, (1, 1, 1), self.config.linear_path)
        self.unmoments = CausalConv(self.config.z_dim, (1, 1, 1))
        if self.config.linear_path:
            c = self.config
            self.linear = LinearPath(c.time_stride, c.space_stride, c.z_dim)

    def encode_moments(
        self, frames: Float[Array, "B T H W 3"]
    ) -> tuple[Float[Array, "B t h w z"], Float[Array, "B t h w z"]]:
        """Return the posterior's mean and log-variance, before normalisation."""
        mean, log_variance = jnp.split(self.moments(self.encoder(frames)), 2, axis=-1)
        if self.config.linear_path:
            mean, log_variance = mean + self.linear.encode(frames), log_variance + QUIET
        return mean, jnp.clip(log_variance, -30.0, 20.0)

    def encode(self, frames: Float[Array, "B T H W 3"]) -> Float[Array, "B t h w z"]:
        """Return normalised latents, (mean − latents_mean)/latents_std; frames in [−1, 1]."""
        mean, _ = self.encode_moments(frames)
        shift, scale = self._statistics()
        return (mean - shift) / scale

    def decode(self, latents: Float[Array, "B t h w z"]) -> Float[Array, "B T H W 3"]:
        """Return frames, about [−1, 1], of normalised latents."""
        shift, scale = self._statistics()
        return self.decode_raw(latents * scale + shift)

    def decode_raw(self, latents: Float[Array, "B t h w z"]) -> Float[Array, "B T H W 3"]:
        """Return frames of latents before normalisation."""
        frames = self.decoder(self.unmoments(latents))
        return frames + self.linear.decode(latents) if self.config.linear_path else frames

    def reconstruct(
        self, frames: Float[Array, "B T H W 3"], noise: Float[Array, "B t h w z"]
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Return (frames through a sampled posterior, mean, log-variance): the training pass."""
        mean, log_variance = self.encode_moments(frames)
        return self.decode_raw(mean + jnp.exp(0.5 * log_variance) * noise), mean, log_variance

    def _statistics(self) -> tuple[jax.Array, jax.Array]:
        c = self.config
        return (
            jnp.asarray(c.latents_mean or (0.0,) * c.z_dim),
            jnp.asarray(c.latents_std or (1.0,) * c.z_dim),
        )


def fold_pixels(frames: jax.Array, patch: int) -> jax.Array:
    """Fold patch×patch squares into channels: [B, T, H, W, C] to [B, T, H/p, W/p, p²·C]."""
    batch, time, height, width, channels = frames.shape
    x = frames.reshape(batch, time, height // patch, patch, width // patch, patch, channels)
    return x.transpose(0, 1, 2, 4, 3, 5, 6).reshape(
        batch, time, height // patch, width // patch, -1
    )


def unfold_pixels(x: jax.Array, patch: int) -> jax.Array:
    """Undo `fold_pixels`."""
    batch, time, height, width, channels = x.shape
    x = x.reshape(batch, time, height, width, patch, patch, channels // patch**2)
    return x.transpose(0, 1, 2, 4, 3, 5, 6).reshape(batch, time, height * patch, width * patch, -1)


def _middle(x: jax.Array, taps: int) -> jax.Array:
    x = ResidualBlock(x.shape[-1], taps, name="middle0")(x)
    x = FrameAttention(name="middle_attention")(x)
    return ResidualBlock(x.shape[-1], taps, name="middle1")(x)


def _head(x: jax.Array, features: int, taps: int, zero: bool) -> jax.Array:
    x = nn.silu(ChannelNorm(name="head_norm")(x))
    return CausalConv(features, (taps, 3, 3), zero, name="head")(x)
