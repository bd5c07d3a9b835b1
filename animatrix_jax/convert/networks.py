"""The three kinds of network: their tables of names, and the shapes that ours must have."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from animatrix_jax.checkpoint.folder import ModelCard, flatten_layers
from animatrix_jax.convert import dit, umt5, vae
from animatrix_jax.convert.rules import Rule
from animatrix_jax.models.animatrix import AniMatrix, AniMatrixConfig, Conditions
from animatrix_jax.models.conditioning import ORDERS, Tags
from animatrix_jax.models.experts import EXPERT_NAMES, ONLY_EXPERT
from animatrix_jax.models.umt5 import UMT5Config, UMT5Encoder
from animatrix_jax.models.vae import VAE, VAEConfig

EXPERTS = (*EXPERT_NAMES, *ONLY_EXPERT)
PARTS = (*EXPERTS, "vae", "text_encoder")

Shape = tuple[int, ...]
ConfigOf = Callable[[str, Mapping[str, Shape], dict[str, Any]], Any]


@dataclass(frozen=True)
class Network:
    """A kind of network: its rules, how its sizes are read, and our tensors' shapes by name."""

    rules: Callable[[Any], tuple[Rule, ...]]
    config_of: ConfigOf
    shapes: Callable[[Any], dict[str, Shape]]


def network_of(part: str) -> Network:
    """Return the network of a model folder's part."""
    if part in EXPERTS:
        return Network(dit.rules, dit.config_of, _dit_shapes)
    if part == "vae":
        return Network(vae.rules, vae.config_of, _vae_shapes)
    return Network(umt5.rules, umt5.config_of, _text_encoder_shapes)


def config_on(card: ModelCard, part: str) -> Any:
    """Return a part's config on a card, the transformer's without our modules; None if none."""
    if part in EXPERTS:
        return None if card.transformer is None else card.transformer.dit
    return {"vae": card.vae, "text_encoder": card.text_encoder}[part]


def own_shapes(config: AniMatrixConfig) -> dict[str, Shape]:
    """Return the shapes of the modules that an expert has beside Wan's."""
    wans = _dit_shapes(config.dit)
    return {name: shape for name, shape in expert_shapes(config).items() if name not in wans}


@cache
def expert_shapes(config: AniMatrixConfig) -> dict[str, Shape]:
    """Return the shapes of all tensors of an expert's part."""
    c = config.dit
    frames, rows, columns = c.patch
    shape = (1, frames, rows, columns)
    given = jnp.ones(1, bool)
    tags = None
    if config.conditioning is not None:
        values = jnp.zeros((1, ORDERS, 5), jnp.int32)
        tags = Tags(values, values[..., 0], values[..., 0] > 0)
    text = jnp.zeros((1, c.text_length, c.text_dim))
    conditions = Conditions(text, given, tags, None if tags is None else given)
    latents = jnp.zeros((*shape, c.in_channels))
    # What the output means changes no shape, and a reference is among the channels already.
    module = AniMatrix(replace(config, prediction="velocity"), lambda q, k, v, lengths: q)
    return _shapes(module.init, latents, jnp.zeros(1), conditions)


def _dit_shapes(config: Any) -> dict[str, Shape]:
    return expert_shapes(AniMatrixConfig(config, None))


@cache
def _vae_shapes(config: VAEConfig) -> dict[str, Shape]:
    stride = config.space_stride
    frames = jnp.zeros((1, config.time_stride + 1, stride, stride, 3))
    noise = jnp.zeros((1, *config.latent_shape(*frames.shape[1:4])))
    module = VAE(config)
    return _shapes(
        lambda key, *inputs: module.init(key, *inputs, method=VAE.reconstruct), frames, noise
    )


@cache
def _text_encoder_shapes(config: UMT5Config) -> dict[str, Shape]:
    return _shapes(UMT5Encoder(config).init, jnp.ones((1, 1), jnp.int32))


def _shapes(init: Callable[..., Any], *inputs: Any) -> dict[str, Shape]:
    """Return the shapes of a network's parameters by their names in a model folder."""
    variables = jax.eval_shape(init, jax.random.key(0), *jax.eval_shape(lambda: inputs))
    return {name: leaf.shape for name, leaf in flatten_layers(variables["params"])}


def moved_shape(rule: Rule, shape: Shape) -> Shape:
    """Return a foreign tensor's shape in our layout, moving no data; ValueError as `Rule`."""
    return rule.to_ours(_empty(shape)).shape


def foreign_shape(rule: Rule, shape: Shape) -> Shape:
    """Return our tensor's shape in the foreign layout, moving no data; ValueError as `Rule`."""
    return rule.to_foreign(_empty(shape)).shape


def _empty(shape: Shape) -> np.ndarray:
    return np.broadcast_to(np.zeros((), np.uint8), shape)
