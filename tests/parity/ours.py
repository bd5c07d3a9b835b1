"""Our networks with the weights that the torch scripts gave to theirs."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from animatrix_jax.checkpoint.folder import stack_layers
from animatrix_jax.convert.rules import Rule, to_ours
from tests.parity.weights import random_tensors


def parameters(
    rules: tuple[Rule, ...],
    shapes: Mapping[str, list[int]],
    seed: int,
    init: Callable[..., Any],
    *inputs: Any,
    prefix: str = "",
) -> Any:
    """Return the parameters of a module, made from random tensors of diffusers' names and shapes.

    `init(key, *inputs)` tells the tree that they go to; our names stand under `prefix`.
    """
    foreign = random_tensors({name: tuple(shape) for name, shape in shapes.items()}, seed)
    tensors = {
        name.removeprefix(prefix): tensor
        for name, tensor in to_ours(rules, "diffusers", foreign).items()
    }
    like = jax.eval_shape(init, jax.random.key(0), *inputs)["params"]
    return stack_layers(like, tensors)


def channels_last(x: np.ndarray) -> np.ndarray:
    """Return [B, C, T, H, W] as [B, T, H, W, C]."""
    return np.moveaxis(x, 1, -1)
