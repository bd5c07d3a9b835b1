"""Our networks' parameters, made from the weights that the torch scripts gave to theirs."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from animatrix_jax.convert.rules import Rule, to_ours
from tests.parity.weights import random_tensors


def random_parameters(
    rules: tuple[Rule, ...], shapes: Mapping[str, list[int]], seed: int
) -> dict[str, Any]:
    """Return the tree of random tensors of diffusers' names and shapes, moved by the rules."""
    foreign = random_tensors({name: tuple(shape) for name, shape in shapes.items()}, seed)
    return tree_of(to_ours(rules, "diffusers", foreign))


def tree_of(tensors: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Return a parameter tree of tensors by dotted name, numbered layers stacked."""
    tree: dict[str, Any] = {}
    for name, tensor in tensors.items():
        *path, last = name.split(".")
        place = tree
        for key in path:
            place = place.setdefault(key, {})
        place[last] = jnp.asarray(tensor)
    return _stacked(tree)


def _stacked(tree: Any) -> Any:
    if not isinstance(tree, dict):
        return tree
    if tree.keys() == {str(number) for number in range(len(tree))}:
        layers = [_stacked(tree[str(number)]) for number in range(len(tree))]
        return jax.tree.map(lambda *leaves: jnp.stack(leaves), *layers)
    return {key: _stacked(branch) for key, branch in tree.items()}
