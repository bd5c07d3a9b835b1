"""The three kinds of network: their tables of names, and the shapes that ours must have."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from animatrix_jax.checkpoint.folder import ModelCard, flatten_layers
from animatrix_jax.convert import dit, umt5, vae
from animatrix_jax.convert.rules import Rule
from animatrix_jax.models.animatrix import AniMatrixConfig
from animatrix_jax.models.experts import EXPERT_NAMES, ONLY_EXPERT
from animatrix_jax.models.shapes import text_encoder_shapes, transformer_shapes, vae_shapes
from animatrix_jax.models.umt5 import UMT5Config
from animatrix_jax.models.vae import VAEConfig

EXPERTS = (*EXPERT_NAMES, *ONLY_EXPERT)
PARTS = (*EXPERTS, "vae", "text_encoder")

Shape = tuple[int, ...]
ConfigOf = Callable[[str, Mapping[str, Shape], dict[str, Any]], Any]


@dataclass(frozen=True)
class Network:
    """A kind of network: its rules, how its sizes are read, and our tensors' shapes by name.

    `not_wans` tells what a config has that Wan's networks of the kind do not.
    """

    rules: Callable[[Any], tuple[Rule, ...]]
    config_of: ConfigOf
    shapes: Callable[[Any], dict[str, Shape]]
    not_wans: Callable[[Any], list[str]]


def network_of(part: str) -> Network:
    """Return the network of a model folder's part."""
    if part in EXPERTS:
        return Network(dit.rules, dit.config_of, _dit_shapes, dit.not_wans)
    if part == "vae":
        return Network(vae.rules, vae.config_of, _vae_shapes, vae.not_wans)
    return Network(umt5.rules, umt5.config_of, _text_encoder_shapes, lambda _: [])


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
    """Return the shapes of all tensors of an expert's part, by their names in a model folder."""
    return _flat(transformer_shapes(config))


def _dit_shapes(config: Any) -> dict[str, Shape]:
    return expert_shapes(AniMatrixConfig(config, None))


@cache
def _vae_shapes(config: VAEConfig) -> dict[str, Shape]:
    return _flat(vae_shapes(config))


@cache
def _text_encoder_shapes(config: UMT5Config) -> dict[str, Shape]:
    return _flat(text_encoder_shapes(config))


def _flat(shapes: Any) -> dict[str, Shape]:
    return {name: leaf.shape for name, leaf in flatten_layers(shapes)}


def moved_shape(rule: Rule, shape: Shape) -> Shape:
    """Return a foreign tensor's shape in our layout, moving no data; ValueError as `Rule`."""
    return rule.to_ours(_empty(shape)).shape


def foreign_shape(rule: Rule, shape: Shape) -> Shape:
    """Return our tensor's shape in the foreign layout, moving no data; ValueError as `Rule`."""
    return rule.to_foreign(_empty(shape)).shape


def _empty(shape: Shape) -> np.ndarray:
    return np.broadcast_to(np.zeros((), np.uint8), shape)
