"""The shape of a recipe: everything the train job needs to know of an objective."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import numpy as np

from animatrix_jax.training.state import Batch, Metrics, Step, TrainState


@dataclass(frozen=True)
class Core:
    """What is compiled: the state's initialisation, the step, and its batches as shapes.

    `examples` holds one batch of `jax.ShapeDtypeStruct` for every shape that the run will see,
    `places` the sharding of every leaf of the state, None where the run has one device. `frozen`
    are the shapes of what the step takes after state and batch and never changes, each with the
    shardings in `frozen_places`.
    """

    init: Callable[[jax.Array], TrainState]
    step: Callable[..., tuple[TrainState, Metrics]]
    examples: tuple[Batch, ...]
    places: Any = None
    frozen: tuple[Any, ...] = ()
    frozen_places: tuple[Any, ...] = ()

    def check(self) -> TrainState:
        """Trace initialisation and step on every shape; return the state as shapes."""
        state = jax.eval_shape(self.init, jax.random.key(0))
        for example in self.examples:
            jax.eval_shape(self.step, state, example, *self.frozen)
        return state


def batch_random(seed: int, step: int) -> np.random.Generator:
    """Return the random numbers of a step's batch; those of two steps never overlap."""
    return np.random.Generator(np.random.Philox(key=seed, counter=[0, step, 1, 0]))


@dataclass(frozen=True)
class Recipe:
    """An objective ready to run.

    `batches(start)` yields the batches from a step on, `evaluate(state)` the held-out numbers,
    `export(state, folder)` writes a model folder of the averaged parameters. `parents` names what
    the run was made from (corpus, model parts) by digest.
    """

    state: TrainState
    step: Step
    batches: Callable[[int], Iterator[Batch]]
    evaluate: Callable[[TrainState], dict[str, float]]
    export: Callable[[TrainState, Path], None]
    total_steps: int
    parents: dict[str, str] = field(default_factory=dict)
