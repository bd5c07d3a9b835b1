"""The parameter trees of the networks as shapes, without a number computed."""

from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from animatrix_jax.models.animatrix import AniMatrix, AniMatrixConfig, Conditions
from animatrix_jax.models.conditioning import ORDERS, Tags
from animatrix_jax.models.umt5 import UMT5Config, UMT5Encoder
from animatrix_jax.models.vae import VAE, VAEConfig


def transformer_shapes(config: AniMatrixConfig) -> Any:
    """Return one expert's parameter tree as shapes."""
    c = config.dit
    given = jnp.ones(1, bool)
    text = jnp.zeros((1, c.text_length, c.text_dim))
    latents = jnp.zeros((1, *c.patch, c.in_channels))
    # What the output means changes no shape, and a reference is among the channels already.
    network = AniMatrix(replace(config, prediction="velocity"), _attend)
    conditions = Conditions(text, given, empty_tags(1), given)
    init = partial(network.init, jax.random.key(0))
    return jax.eval_shape(init, latents, jnp.zeros(1), conditions)["params"]


def vae_shapes(config: VAEConfig) -> Any:
    """Return a VAE's parameter tree as shapes."""
    frames, edge = config.time_stride + 1, config.space_stride
    clip = jnp.zeros((1, frames, edge, edge, 3))
    latents = jnp.zeros((1, *config.latent_shape(frames, edge, edge)))
    init = partial(VAE(config).init, method="reconstruct")
    return jax.eval_shape(init, jax.random.key(0), clip, latents)["params"]


def text_encoder_shapes(config: UMT5Config) -> Any:
    """Return a text encoder's parameter tree as shapes."""
    init = UMT5Encoder(config).init
    return jax.eval_shape(init, jax.random.key(0), jnp.zeros((1, 2), jnp.int32))["params"]


def empty_tags(batch: int) -> Tags:
    """Return tag arrays of `batch` samples with no tag given."""
    return Tags(
        jnp.zeros((batch, ORDERS, 5), jnp.int32),
        jnp.zeros((batch, ORDERS), jnp.int32),
        jnp.zeros((batch, ORDERS), bool),
    )


def _attend(q: jax.Array, k: jax.Array, v: jax.Array, lengths: jax.Array | None) -> jax.Array:
    return q
