"""The two noise experts as one parameter tree with a leading expert dimension.

Index 0 is high, 1 is low, everywhere. Every parameter has the dimension, the tag encoder and the
nulls included, so that a batch laid out [expert, batch, …] trains both in one step. A model with
one expert for all noise levels (Wan 2.1, TI2V-5B) has the dimension too, of extent 1.
"""

from collections.abc import Callable
from typing import Any

import jax

HIGH, LOW = 0, 1
EXPERT_NAMES = ("high", "low")
ONLY_EXPERT = ("transformer",)

Params = Any


def init_experts(init: Callable[[jax.Array], Params], key: jax.Array, experts: int = 2) -> Params:
    """Initialise `experts` independent trees by `init(key)` and stack them on a leading dim."""
    return jax.vmap(init)(jax.random.split(key, experts))


def pick_expert(params: Params, index: int) -> Params:
    """Return one expert's tree."""
    return jax.tree.map(lambda leaf: leaf[index], params)


def expert_names(boundary: float | None) -> tuple[str, ...]:
    """Return what a model's experts are called: high and low, or one name without a boundary."""
    return ONLY_EXPERT if boundary is None else EXPERT_NAMES


def expert_of(sigma: float, boundary: float | None) -> int:
    """Return which expert serves a shifted noise level: high at or above the boundary.

    Without a boundary there is one expert, of index 0.
    """
    return HIGH if boundary is None or sigma >= boundary else LOW
