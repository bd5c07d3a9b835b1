"""The shape of a recipe: everything the train job needs to know of an objective."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from animatrix_jax.training.state import Batch, Step, TrainState


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
