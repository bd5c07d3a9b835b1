"""What a run carries from step to step, and what a step looks like to the loop."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool

from animatrix_jax.training.guards import GuardState, guarded, new_guard
from animatrix_jax.training.moments import Moments, new_moments

Metrics = dict[str, jax.Array]
Batch = dict[str, Any]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Critic:
    """A network that follows what another one makes (`training.distillation`), and its optimiser.

    `norm` and `loss` hold the running moments of the other's gradient norm and of its own loss;
    `behind` [E] says of which expert it has lost track.
    """

    params: Any
    optimizer: Any
    norm: Moments
    loss: Moments
    behind: Bool[Array, " E"]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class TrainState:
    """Parameters, their moving average and the optimiser's statistics after `step` steps.

    `guard` is what its step's guard knows, `critic` a second network that is trained beside: None
    (no leaves) where there is none.
    """

    step: jax.Array
    params: Any
    average: Any
    optimizer: Any
    guard: GuardState | None = None
    critic: Critic | None = None


Step = Callable[[TrainState, Batch], tuple[TrainState, Metrics]]


def new_state(params: Any, optimizer: Any, experts: int | None = None) -> TrainState:
    """Return a state at step 0 whose average is a copy of the parameters.

    `experts` is how many of them the step guards; without it the state has no guard.
    """
    average = jax.tree.map(jnp.copy, params)
    guard = None if experts is None else new_guard(experts)
    return TrainState(jnp.zeros((), jnp.int32), params, average, optimizer, guard)


def new_critic(params: Any, optimizer: Any, experts: int) -> Critic:
    """Return a critic of so many experts that has seen nothing."""
    moments = new_moments(experts), new_moments(experts)
    return Critic(params, optimizer, *moments, behind=jnp.zeros(experts, bool))


def rolled_back(state: TrainState, saved: TrainState, after: int) -> TrainState:
    """Return the state with every expert that was skipped `after` times in a row as it was saved.

    The step stays, so that the samples that were met are not met again; the guard counts it. Pure.
    """
    assert state.guard is not None and saved.guard is not None
    back = state.guard.skipped >= after
    parts = ("params", "average", "optimizer", "guard", "critic")
    chosen = {name: guarded(getattr(saved, name), getattr(state, name), back) for name in parts}
    guard = chosen["guard"]
    chosen["guard"] = replace(
        guard,
        skipped=jnp.where(back, 0, state.guard.skipped),
        rolled_back=state.guard.rolled_back + back,
    )
    return replace(state, **chosen)
