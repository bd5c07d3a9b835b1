"""The causal 3D VAE of Wan 2.1 and 2.2: sizes by numbers only (Wan's are in `vae_presets.py`).

Frames come in counts of n·stride + 1: the first frame is a latent frame of its own, so that an
image is a one-frame video, and no latent frame sees a later pixel frame.

`encode` and `decode` take a clip whole, or in chunks: with the collection `conv.MEMORY` mutable
and handed on from chunk to chunk, the first chunk (`first`) being one frame, each later one
time_stride frames or any multiple (one latent frame or more in decoding). Both give the same.
"""

from dataclasses import dataclass
from math import prod
from typing import Literal

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from animatrix_jax.models.conv import MEMORY, CausalConv, halve_space, in_stream
from animatrix_jax.models.linear_path import LinearPath
from animatrix_jax.models.vae_residual import average_down, duplicate_up

QUIET = -7.0
"""Log-variance at which a linear path starts: noise far below its coordinates' unit spread."""


@dataclass(frozen=True)
class VAEConfig:
    """Sizes of a VAE.

    `strides` holds (time, space) between neighbouring levels, `temporal_kernels` the convolutions'
    extent in time per level (3 in Wan; 1 keeps a high-resolution level cheap), `patch` the edge of
    the pixel squares folded into channels first (1 in Wan 2.1, 2 in Wan 2.2), `linear_path` puts a
    linear autoencoder beside the networks (no Wan VAE has it; see `linear_path.py`).
    `decoder_dim` is the decoder's base width where it is not the encoder's, `base_dim`.
    `resampling` says how levels join: "next" upsamples to the next level's width, "half" to half
    of its own (Wan 2.1), "residual" keeps the width and lays shortcuts without weights around
    every level, down and up (Wan 2.2). `norm_eps` is added to the mean square in norms. `dtype` is
    the networks' compute type; norms, the softmax and what goes in and out are float32.
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
    decoder_dim: int | None = None
    resampling: Literal["next", "half", "residual"] = "next"
    norm_eps: float = 1e-12
    dtype: str = "float32"

    def __post_init__(self) -> None:
        """Check that the levels agree in number, and their widths with the shortcuts between."""
        levels = len(self.multipliers)
        if len(self.strides) != levels - 1 or len(self.temporal_kernels) != levels:
            raise ValueError(
                f"a VAE of {levels} levels needs {levels - 1} strides and {levels} temporal "
                f"kernels, not {len(self.strides)} and {len(self.temporal_kernels)}"
            )
        if self.resampling == "residual":
            self._check_shortcuts()

    def _check_shortcuts(self) -> None:
        widths = self.multipliers
        merged = [time * space**2 for time, space in self.strides]
        down = zip((1, *widths), (*merged, 1), widths, strict=False)
        up = zip(widths[1:], merged, (*widths[2:], widths[-1]), strict=True)
        for before, positions, after in (*down, *up):
            if before * positions % after:
                raise ValueError(
                    f"a residual VAE cannot share {before}·{positions} channels between {after}: "
                    f"its multipliers {widths} do not fit its strides"
                )

    @property
    def decoder_dims(self) -> tuple[int, ...]:
        """The decoder's width at each level."""
        return tuple((self.decoder_dim or self.base_dim) * times for times in self.multipliers)

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

    eps: float

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Normalise the last dim."""
        gain = self.param("gain", nn.initializers.ones, (x.shape[-1],))
        wide = x.astype(jnp.float32)
        scale = jax.lax.rsqrt(jnp.mean(wide * wide, axis=-1, keepdims=True) + self.eps)
        return (wide * scale * gain).astype(x.dtype)


class ResidualBlock(nn.Module):
    """Norm, SiLU and a causal convolution, twice, with a 1×1×1 shortcut where widths differ."""

    features: int
    taps: int
    eps: float

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Map [B, T, H, W, C] to [B, T, H, W, features]."""
        kernel = (self.taps, 3, 3)
        h = nn.silu(ChannelNorm(self.eps, name="norm1")(x))
        h = CausalConv(self.features, kernel, name="conv1")(h)
        h = nn.silu(ChannelNorm(self.eps, name="norm2")(h))
        h = CausalConv(self.features, kernel, name="conv2")(h)
        if x.shape[-1] != self.features:
            x = CausalConv(self.features, (1, 1, 1), name="shortcut")(x)
        return x + h


class FrameAttention(nn.Module):
    """Single-head self-attention within each frame (Wan's AttentionBlock)."""

    eps: float

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Map [B, T, H, W, C] to the same shape."""
        batch, frames, height, width, dim = x.shape
        flat = ChannelNorm(self.eps, name="norm")(x)
        flat = flat.reshape(batch * frames, height * width, dim)
        qkv = nn.Dense(3 * dim, dtype=x.dtype, name="qkv")(flat)
        q, k, v = jnp.split(qkv, 3, axis=-1)
        logits = jnp.einsum("nqc,nkc->nqk", q, k, preferred_element_type=jnp.float32)
        weights = jax.nn.softmax(logits * dim**-0.5, axis=-1).astype(x.dtype)
        out = nn.Dense(dim, dtype=x.dtype, kernel_init=nn.initializers.zeros, name="out")
        return x + out(weights @ v).reshape(x.shape)


class Downsample(nn.Module):
    """Halve space by a strided convolution, then time by one that leaves the first frame alone."""

    time: int
    space: int

    @nn.compact
    def __call__(self, x: jax.Array, first: bool) -> jax.Array:
        """Map [B, T, H, W, C] to [B, (T−1)/time + 1, H/space, W/space, C].

        Where x does not start with a clip's `first` frame, T/time frames come out.
        """
        batch, frames, height, width, dim = x.shape
        init = nn.initializers.lecun_normal()
        if self.space == 2:
            kernel = self.param("space_kernel", init, (3, 3, dim, dim)).astype(x.dtype)
            bias = self.param("space_bias", nn.initializers.zeros, (dim,)).astype(x.dtype)
            x = halve_space(x.reshape(-1, height, width, dim), kernel) + bias
            x = x.reshape(batch, frames, height // 2, width // 2, dim)
        if self.time == 2:
            kernel = self.param("time_kernel", init, (3 * dim, dim)).astype(x.dtype)
            bias = self.param("time_bias", nn.initializers.zeros, (dim,)).astype(x.dtype)
            if not first:
                x = jnp.concatenate([self.get_variable(MEMORY, "last"), x], axis=1)
            if in_stream(self):
                self.put_variable(MEMORY, "last", x[:, -1:])
            windows = jnp.concatenate([x[:, :-2:2], x[:, 1:-1:2], x[:, 2::2]], axis=-1)
            later = windows @ kernel + bias
            x = jnp.concatenate([x[:, :1], later], axis=1) if first else later
        return x


class Upsample(nn.Module):
    """Double time after the first frame by a causal convolution, then space by copying and 3×3."""

    features: int
    time: int
    space: int

    @nn.compact
    def __call__(self, x: jax.Array, first: bool) -> jax.Array:
        """Map [B, T, H, W, C] to [B, time·(T−1) + 1, H·space, W·space, features].

        Where x does not start with a clip's `first` frame, time·T frames come out.
        """
        batch, frames, height, width, dim = x.shape
        if self.time == 2:
            alone = 1 if first else 0
            later = CausalConv(2 * dim, (3, 1, 1), name="time")(x[:, alone:])
            later = later.reshape(batch, frames - alone, height, width, 2, dim)
            later = later.transpose(0, 1, 4, 2, 3, 5)
            later = later.reshape(batch, 2 * (frames - alone), height, width, dim)
            x = jnp.concatenate([x[:, :1], later], axis=1) if first else later
        if self.space == 2:
            x = x.repeat(2, axis=2).repeat(2, axis=3)
        return CausalConv(self.features, (1, 3, 3), name="space")(x)


class Encoder(nn.Module):
    """Frames to posterior moments."""

    config: VAEConfig

    @nn.compact
    def __call__(self, frames: Float[Array, "B T H W 3"], first: bool) -> jax.Array:
        """Map frames in [−1, 1] to mean and log-variance, joined along channels."""
        c = self.config
        x = CausalConv(c.base_dim, (c.temporal_kernels[0], 3, 3), name="conv_in")(
            fold_pixels(frames, c.patch)
        )
        for level, multiplier in enumerate(c.multipliers):
            entered, taps = x, c.temporal_kernels[level]
            features = c.base_dim * multiplier
            for block in range(c.res_blocks):
                x = ResidualBlock(features, taps, c.norm_eps, name=f"level{level}_{block}")(x)
            strides = c.strides[level] if level < len(c.strides) else (1, 1)
            if level < len(c.strides):
                x = Downsample(*strides, name=f"down{level}")(x, first)
            if c.resampling == "residual":
                x = x + average_down(entered, features, *strides)
        taps = c.temporal_kernels[-1]
        x = _middle(x, taps, c.norm_eps)
        return _head(x, 2 * c.z_dim, taps, c.norm_eps, zero=c.linear_path)


class Decoder(nn.Module):
    """Latents to frames."""

    config: VAEConfig

    @nn.compact
    def __call__(self, latents: Float[Array, "B t h w z"], first: bool) -> jax.Array:
        """Map unnormalised latents to frames, about [−1, 1]."""
        c = self.config
        dims = c.decoder_dims
        x = CausalConv(dims[-1], (c.temporal_kernels[-1], 3, 3), name="conv_in")(latents)
        x = _middle(x, c.temporal_kernels[-1], c.norm_eps)
        for level in reversed(range(len(dims))):
            entered, taps = x, c.temporal_kernels[level]
            for block in range(c.res_blocks + 1):
                x = ResidualBlock(dims[level], taps, c.norm_eps, name=f"level{level}_{block}")(x)
            if level:
                strides, half = c.strides[level - 1], dims[level] // 2
                width = {"next": dims[level - 1], "half": half, "residual": dims[level]}
                x = Upsample(width[c.resampling], *strides, name=f"up{level}")(x, first)
                if c.resampling == "residual":
                    x = x + duplicate_up(entered, dims[level], *strides, first)
        x = _head(x, 3 * c.patch**2, c.temporal_kernels[0], c.norm_eps, zero=c.linear_path)
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
        self, frames: Float[Array, "B T H W 3"], first: bool = True
    ) -> tuple[Float[Array, "B t h w z"], Float[Array, "B t h w z"]]:
        """Return the posterior's mean and log-variance, before normalisation."""
        assert first or in_stream(self), "a later chunk needs the memory of those before"
        moments = self.moments(self.encoder(frames.astype(self.config.dtype), first))
        mean, log_variance = jnp.split(moments.astype(jnp.float32), 2, axis=-1)
        if self.config.linear_path:
            mean = mean + self.linear.encode(frames, first)
            log_variance = log_variance + QUIET
        return mean, jnp.clip(log_variance, -30.0, 20.0)

    def encode(
        self, frames: Float[Array, "B T H W 3"], first: bool = True
    ) -> Float[Array, "B t h w z"]:
        """Return normalised latents, (mean − latents_mean)/latents_std; frames in [−1, 1]."""
        mean, _ = self.encode_moments(frames, first)
        shift, scale = self._statistics()
        return (mean - shift) / scale

    def decode(
        self, latents: Float[Array, "B t h w z"], first: bool = True
    ) -> Float[Array, "B T H W 3"]:
        """Return frames, about [−1, 1], of normalised latents."""
        shift, scale = self._statistics()
        return self.decode_raw(latents * scale + shift, first)

    def decode_raw(
        self, latents: Float[Array, "B t h w z"], first: bool = True
    ) -> Float[Array, "B T H W 3"]:
        """Return frames of latents before normalisation."""
        assert first or in_stream(self), "a later chunk needs the memory of those before"
        frames = self.decoder(self.unmoments(latents.astype(self.config.dtype)), first)
        frames = frames.astype(jnp.float32)
        return frames + self.linear.decode(latents, first) if self.config.linear_path else frames

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


def _middle(x: jax.Array, taps: int, eps: float) -> jax.Array:
    x = ResidualBlock(x.shape[-1], taps, eps, name="middle0")(x)
    x = FrameAttention(eps, name="middle_attention")(x)
    return ResidualBlock(x.shape[-1], taps, eps, name="middle1")(x)


def _head(x: jax.Array, features: int, taps: int, eps: float, zero: bool) -> jax.Array:
    x = nn.silu(ChannelNorm(eps, name="head_norm")(x))
    return CausalConv(features, (taps, 3, 3), zero, name="head")(x)
