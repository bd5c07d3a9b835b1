"""Preference gradients: they start at the reference, and turn the model to the winners."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from animatrix_data.taxonomy import MAX_TAGS
from animatrix_jax.diffusion.schedule import Schedule
from animatrix_jax.models.animatrix import AniMatrix
from animatrix_jax.models.experts import HIGH, LOW, pick_expert
from animatrix_jax.models.shapes import transformer_shapes
from animatrix_jax.objectives.preference import DPO
from animatrix_jax.parallel.mesh import MeshSettings, make_mesh
from animatrix_jax.runtime.attention import attend
from animatrix_jax.training.flow import HYBRID, UNCONDITIONAL, flow_step
from animatrix_jax.training.guards import Guards
from animatrix_jax.training.preference import (
    measure_errors,
    measure_preference,
    pair_errors,
    preference_gradients,
)
from animatrix_jax.training.state import TrainState, new_state
from tests.tiny import random_like, tiny_card

CARD = tiny_card()
assert CARD.transformer is not None
MODEL = AniMatrix(CARD.transformer, attend)
SCHEDULE = Schedule(shift=3.0, boundary=0.9)
ALONE = make_mesh(MeshSettings())
OBJECTIVE = DPO(beta=20.0)
OPTIMIZER = optax.sgd(0.02)
LATENTS = (2, 4, 4, 4)
ERRORS = jax.jit(measure_errors(MODEL, SCHEDULE, 0.0, 0, ALONE))


@pytest.fixture(scope="module")
def state() -> TrainState:
    """Return experts of different random weights."""
    shapes = transformer_shapes(MODEL.config)
    params = jax.tree.map(lambda *p: jnp.stack(p), *(random_like(shapes, s) for s in (1, 2)))
    params = {"params": params}
    return new_state(params, jax.vmap(OPTIMIZER.init)(params), 2)


@pytest.fixture(scope="module")
def batch(state: TrainState) -> dict[str, Any]:
    """Return two pairs an expert, the second of them with a reference, with known errors."""
    random, layout = np.random.default_rng(0), (2, 2)
    tags = {
        "values": random.integers(1, 3, (*layout, MAX_TAGS, 5)).astype(np.int32),
        "order": np.zeros((*layout, MAX_TAGS), np.int32),
        "mask": np.broadcast_to(np.arange(MAX_TAGS) < 5, (*layout, MAX_TAGS)),
    }
    found = {
        "latents": random.normal(size=(*layout, 2, *LATENTS)).astype(np.float32),
        "reference": random.normal(size=(*layout, *LATENTS)).astype(np.float32),
        "reference_mask": np.zeros((*layout, LATENTS[0], 4), np.float32),
        "text": random.normal(size=(*layout, 24, 16)).astype(np.float32),
        "tags": tags,
        "mode": np.array([[HYBRID, UNCONDITIONAL]] * 2, np.int32),
        "sample_index": np.stack([np.zeros(layout), np.arange(4).reshape(layout)], -1).astype("u4"),
        "pair": np.array([[3, 5], [3, 4]], np.uint32),
        "draw": np.array([[0, 1], [1, 7]], np.uint32),
    }
    found["reference_mask"][:, 1, 0] = 1
    return found | {"reference_errors": np.asarray(ERRORS(state.params, found)[0])}


def test_the_errors_of_a_place_depend_on_pair_and_draw_alone(
    state: TrainState, batch: dict[str, Any]
) -> None:
    numbers, pair, draw = ERRORS(state.params, batch)
    assert numbers.shape == (2, 2, 2)
    np.testing.assert_array_equal(pair, batch["pair"])
    np.testing.assert_array_equal(draw, batch["draw"])
    others = batch | {"sample_index": batch["sample_index"] + 9}
    np.testing.assert_array_equal(ERRORS(state.params, others)[0], numbers)
    for name in ("pair", "draw"):
        moved = batch | {name: batch[name] + 1}
        assert np.abs(np.asarray(ERRORS(state.params, moved)[0]) - numbers).min() > 1e-6


def test_winner_and_loser_share_conditions_sigma_and_noise(
    state: TrainState, batch: dict[str, Any]
) -> None:
    alike = batch | {"latents": np.repeat(batch["latents"][:, :, :1], 2, axis=2)}
    numbers = np.asarray(ERRORS(state.params, alike)[0])
    np.testing.assert_allclose(numbers[..., 0], numbers[..., 1], rtol=1e-5)
    # As the winners alone have it, one expert at a time.
    own = np.asarray(ERRORS(state.params, batch)[0])
    np.testing.assert_allclose(numbers[..., 0], own[..., 0], rtol=1e-5)
    windows, of_one = SCHEDULE.windows(), jax.jit(pair_errors(MODEL, SCHEDULE, 0.0, 0))
    for expert in (HIGH, LOW):
        one = jax.tree.map(lambda leaf, expert=expert: leaf[expert], batch)
        params = pick_expert(state.params, expert)
        errors, sigma = of_one(params, one, jnp.array(windows[expert]))
        np.testing.assert_allclose(errors, own[expert], rtol=1e-5)
        assert windows[expert][0] <= sigma.min() and sigma.max() <= windows[expert][1]


def test_a_model_at_its_reference_begins_with_log_two_and_turns_to_the_winners(
    state: TrainState, batch: dict[str, Any]
) -> None:
    gradients = preference_gradients(MODEL, SCHEDULE, 0.0, 0, OBJECTIVE, ALONE)
    step = jax.jit(flow_step(gradients, OPTIMIZER, 0.0, CARD.experts, ALONE, Guards()))
    losses = []
    now = state
    for _ in range(8):
        now, metrics = step(now, batch)
        losses.append([float(metrics[f"loss_{name}"]) for name in CARD.experts])
    np.testing.assert_allclose(losses[0], np.log(2), rtol=1e-4)
    assert (np.array(losses[-1]) < np.array(losses[0]) - 0.01).all()
    further = np.asarray(ERRORS(now.params, batch)[0]) - batch["reference_errors"]
    assert (further[..., 0] < further[..., 1]).all()
    measure = jax.jit(measure_preference(MODEL, SCHEDULE, 0.0, 0, OBJECTIVE, ALONE))
    loss, margin = np.moveaxis(np.asarray(measure(now.params, batch)[0]), -1, 0)
    np.testing.assert_allclose(margin, -10.0 * (further[..., 0] - further[..., 1]), rtol=1e-3)
    np.testing.assert_allclose(loss, np.log1p(np.exp(-margin)), rtol=1e-5)

    broken = batch | {"reference_errors": batch["reference_errors"].copy()}
    broken["reference_errors"][LOW, 0, 1] = np.nan
    after, metrics = step(state, broken)
    assert (metrics["skipped_low"], metrics["skipped_high"]) == (1, 0)
    old, new = (pick_expert(one.params, LOW) for one in (state, after))
    jax.tree.map(np.testing.assert_array_equal, old, new)
