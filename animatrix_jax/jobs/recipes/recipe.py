"""The shape of a recipe: everything the train job needs to know of an objective."""

import math
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
    shardings in `frozen_places`. `measure` is the held-out loss of (parameters, batch): the step
    without its backward pass and its update.
    """

    init: Callable[[jax.Array], TrainState]
    step: Callable[..., tuple[TrainState, Metrics]]
    examples: tuple[Batch, ...]
    places: Any = None
    frozen: tuple[Any, ...] = ()
    frozen_places: tuple[Any, ...] = ()
    measure: Callable[[Any, Batch], jax.Array] | None = None

    def check(self) -> TrainState:
        """Trace initialisation and step on every shape; return the state as shapes.

        Where there is a `measure`, it is what every shape is traced by, and the step is traced on
        the largest alone: a backward pass takes what its forward pass took, and the update is the
        same for all.
        """
        state = jax.eval_shape(self.init, jax.random.key(0))
        stepped = self.examples
        if self.measure is not None:
            for example in self.examples:
                jax.eval_shape(self.measure, state.average, example)
            stepped = (max(self.examples, key=_size),)
        for example in stepped:
            jax.eval_shape(self.step, state, example, *self.frozen)
        return state


def _size(batch: Batch) -> int:
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(batch))


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
