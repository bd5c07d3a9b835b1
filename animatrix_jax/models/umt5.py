"""The umT5 text encoder: T5 1.1 with a relative position bias in every layer, none scaled."""

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Bool, Float, Int

LECUN = nn.initializers.lecun_normal()


@dataclass(frozen=True)
class UMT5Config:
    """Sizes of the encoder; umT5-XXL's are 256384, 4096, 10240, 64, 64, 24.

    `dtype` is the compute type of the linear layers; norms, softmax and sums are float32.
    """

    vocab: int
    dim: int
    ffn_dim: int
    heads: int
    head_dim: int
    layers: int
    buckets: int = 32
    max_distance: int = 128
    dtype: str = "float32"


class ScaleNorm(nn.Module):
    """T5's layer norm: RMS with a gain, no bias."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Normalise the last dim."""
        gain = self.param("gain", nn.initializers.ones, (x.shape[-1],))
        return x * jax.lax.rsqrt(jnp.mean(x * x, axis=-1, keepdims=True) + 1e-6) * gain


def relative_buckets(length: int, buckets: int, max_distance: int) -> Int[Array, "L L"]:
    """Return T5's bidirectional position bucket of every (query, key) pair."""
    distance = jnp.arange(length)[None, :] - jnp.arange(length)[:, None]
    half = buckets // 2
    exact = half // 2
    far = jnp.abs(distance)
    ratio = jnp.log(jnp.maximum(far, 1) / exact) / math.log(max_distance / exact)
    large = jnp.minimum(exact + (ratio * (half - exact)).astype(jnp.int32), half - 1)
    return jnp.where(distance > 0, half, 0) + jnp.where(far < exact, far, large)


class EncoderLayer(nn.Module):
    """Pre-norm self-attention with a learned position bias, and a gated GELU feed-forward."""

    config: UMT5Config

    @nn.compact
    def __call__(self, x: Float[Array, "B L d"], mask: Bool[Array, "B L"]) -> jax.Array:
        """Return the next states; padded keys are never attended to."""
        c = self.config
        batch, length, _ = x.shape
        h = ScaleNorm(name="norm1")(x)
        inner = c.heads * c.head_dim
        # Attention is unscaled, so the queries start small (T5's own initialisation).
        small = nn.initializers.normal((c.dim * c.head_dim) ** -0.5)

        def dense(name: str, features: int, init: nn.initializers.Initializer = LECUN) -> nn.Dense:
            return nn.Dense(features, use_bias=False, dtype=c.dtype, kernel_init=init, name=name)

        q, k, v = (
            dense(name, inner, init)(h).reshape(batch, length, c.heads, -1)
            for name, init in (("q", small), ("k", LECUN), ("v", LECUN))
        )
        bias = nn.Embed(c.buckets, c.heads, name="position_bias")(
            relative_buckets(length, c.buckets, c.max_distance)
        )
        scores = jnp.einsum("bqhd,bkhd->bhqk", q, k, preferred_element_type=jnp.float32)
        scores = scores + bias.transpose(2, 0, 1)
        scores = jnp.where(mask[:, None, None, :], scores, jnp.finfo(scores.dtype).min)
        weights = jax.nn.softmax(scores, axis=-1).astype(v.dtype)
        out = jnp.einsum("bhqk,bkhd->bqhd", weights, v)
        x = x + dense("o", c.dim)(out.reshape(batch, length, inner))
        h = ScaleNorm(name="norm2")(x)
        gate = nn.gelu(dense("gate", c.ffn_dim)(h), approximate=True)
        h = gate * dense("up", c.ffn_dim)(h)
        return x + dense("down", c.dim)(h)


class UMT5Encoder(nn.Module):
    """Token ids to states, zero where the input is padding, as Wan pads its text."""

    config: UMT5Config

    @nn.compact
    def __call__(self, text_ids: Int[Array, "B L"]) -> Float[Array, "B L d"]:
        """Return the last layer's normalised states; id 0 is padding."""
        c = self.config
        mask = text_ids > 0
        init = nn.initializers.normal(1.0)
        x = nn.Embed(c.vocab, c.dim, embedding_init=init, name="embedding")(text_ids)
        for layer in range(c.layers):
            x = EncoderLayer(c, name=f"layer{layer}")(x, mask)
        return ScaleNorm(name="norm")(x) * mask[..., None]


class ByteDenoiser(nn.Module):
    """The encoder under a linear head that names each masked token: its pre-training form."""

    config: UMT5Config

    @nn.compact
    def __call__(self, text_ids: Int[Array, "B L"]) -> Float[Array, "B L vocab"]:
        """Return logits over the vocabulary for every position."""
        states = UMT5Encoder(self.config, name="encoder")(text_ids)
        return nn.Dense(self.config.vocab, name="head")(states)
