"""What a dry run traces of a recipe."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from animatrix_jax.jobs.recipes.recipe import Core
from animatrix_jax.training.state import TrainState, new_state


class Traced:
    """A recipe's core on three shapes, which writes down what of it is traced."""

    def __init__(self) -> None:
        self.steps: list[tuple[int, ...]] = []
        self.measures: list[tuple[int, ...]] = []
        shapes = ((2, 3), (2, 7), (2, 5))
        examples = tuple({"x": jax.ShapeDtypeStruct(shape, jnp.float32)} for shape in shapes)
        self.core = Core(self.init, self.step, examples)

    def init(self, key: jax.Array) -> TrainState:
        """Return a state of one weight."""
        return new_state(jax.random.normal(key, (2,)), ())

    def step(self, state: TrainState, batch: dict[str, Any]) -> tuple[TrainState, dict[str, Any]]:
        """Take a step that does nothing."""
        self.steps.append(batch["x"].shape)
        return state, {"loss": jnp.sum(state.params @ batch["x"])}

    def measure(self, params: jax.Array, batch: dict[str, Any]) -> jax.Array:
        """Return a loss."""
        self.measures.append(batch["x"].shape)
        return jnp.sum(params @ batch["x"])


def test_every_shape_is_stepped_on_where_nothing_else_is_known() -> None:
    traced = Traced()
    assert traced.core.check().params.shape == (2,)
    assert traced.steps == [(2, 3), (2, 7), (2, 5)]


def test_every_shape_is_measured_and_the_largest_stepped_on() -> None:
    traced = Traced()
    replace(traced.core, measure=traced.measure).check()
    assert (traced.measures, traced.steps) == ([(2, 3), (2, 7), (2, 5)], [(2, 7)])


def test_a_shape_that_does_not_fit_is_found_by_its_measure() -> None:
    traced = Traced()
    wrong = {"x": jax.ShapeDtypeStruct((1, 2), jnp.float32)}
    core = replace(traced.core, measure=traced.measure, examples=(*traced.core.examples, wrong))
    with pytest.raises(TypeError, match="contract"):
        core.check()
