"""What a run carries from step to step, and what a step looks like to the loop."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

Metrics = dict[str, jax.Array]
Batch = dict[str, Any]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class TrainState:
    """Parameters, their moving average and the optimiser's statistics after `step` steps."""

    step: jax.Array
    params: Any
    average: Any
    optimizer: Any


Step = Callable[[TrainState, Batch], tuple[TrainState, Metrics]]


def new_state(params: Any, optimizer: Any) -> TrainState:
    """Return a state at step 0 whose average is a copy of the parameters."""
    average = jax.tree.map(jnp.copy, params)
    return TrainState(jnp.zeros((), jnp.int32), params, average, optimizer)
