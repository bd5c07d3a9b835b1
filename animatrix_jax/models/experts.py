"""The two noise experts as one parameter tree with a leading expert dimension.

Index 0 is high, 1 is low, everywhere. Every parameter has the dimension, the tag encoder and the
nulls included, so that a batch laid out [expert, batch, …] trains both in one step.
"""

from collections.abc import Callable
from typing import Any

import jax

HIGH, LOW = 0, 1
EXPERT_NAMES = ("high", "low")

Params = Any


def init_experts(init: Callable[[jax.Array], Params], key: jax.Array, experts: int = 2) -> Params:
    """Initialise `experts` independent trees by `init(key)` and stack them on a leading dim."""
    return jax.vmap(init)(jax.random.split(key, experts))


def pick_expert(params: Params, index: int) -> Params:
    """Return one expert's tree."""
    return jax.tree.map(lambda leaf: leaf[index], params)


def expert_of(sigma: float, boundary: float) -> int:
    """Return which expert serves a shifted noise level: high at or above the boundary."""
    return HIGH if sigma >= boundary else LOW
