"""The flow step: each half of a batch trains its own expert, and tied experts are one network."""

import functools
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
from animatrix_jax.parallel.mesh import MeshSettings, make_mesh
from animatrix_jax.runtime.attention import attend
from animatrix_jax.training.flow import (
    HYBRID,
    UNCONDITIONAL,
    expert_update,
    flow_gradients,
    flow_step,
    measure_flow,
)
from animatrix_jax.training.guards import Guards
from animatrix_jax.training.state import TrainState, new_state
from tests.tiny import random_like, tiny_card

CARD = tiny_card()
assert CARD.transformer is not None
MODEL = AniMatrix(CARD.transformer, attend)
SCHEDULE = Schedule(shift=3.0, boundary=0.9)
ALONE = make_mesh(MeshSettings())
GRADIENTS = flow_gradients(MODEL, SCHEDULE, 0.0, 0, ALONE)
OPTIMIZER = optax.sgd(0.05, momentum=0.9)
LATENTS = (2, 4, 4, 4)


def batch_of(seed: int) -> dict[str, Any]:
    """Return two samples an expert, one hybrid and one unconditional."""
    random = np.random.default_rng(seed)
    layout = (2, 2)
    tags = {
        "values": random.integers(1, 3, (*layout, MAX_TAGS, 5)).astype(np.int32),
        "order": np.zeros((*layout, MAX_TAGS), np.int32),
        "mask": np.broadcast_to(np.arange(MAX_TAGS) < 5, (*layout, MAX_TAGS)),
    }
    return {
        "latents": random.normal(size=(*layout, *LATENTS)).astype(np.float32),
        "reference": np.zeros((*layout, *LATENTS), np.float32),
        "reference_mask": np.zeros((*layout, LATENTS[0], 4), np.float32),
        "text": random.normal(size=(*layout, 24, 16)).astype(np.float32),
        "tags": tags,
        "mode": np.array([[HYBRID, UNCONDITIONAL]] * 2, np.int32),
        "sample_index": np.stack([np.zeros(layout), np.arange(4).reshape(layout)], -1).astype("u4"),
    }


@pytest.fixture
def state() -> TrainState:
    """Return experts of different random weights."""
    shapes = transformer_shapes(MODEL.config)
    params = jax.tree.map(lambda *p: jnp.stack(p), *(random_like(shapes, s) for s in (1, 2)))
    params = {"params": params}
    return new_state(params, jax.vmap(OPTIMIZER.init)(params), 2)


@functools.cache
def step_of(tied: bool = False) -> Any:
    """Return the compiled step."""
    update = expert_update(OPTIMIZER, 0.0, CARD.experts, ALONE, Guards(), tied)
    return jax.jit(flow_step(GRADIENTS, update))


def one_step(state: TrainState, batch: dict[str, Any], tied: bool = False) -> Any:
    return step_of(tied)(state, batch)[0].params


def test_an_experts_update_depends_on_its_own_half(state: TrainState) -> None:
    batch, other = batch_of(0), batch_of(1)
    mixed = jax.tree.map(lambda a, b: np.stack([a[HIGH], b[LOW]]), batch, other)
    first, second = one_step(state, batch), one_step(state, mixed)
    jax.tree.map(np.testing.assert_array_equal, pick_expert(first, HIGH), pick_expert(second, HIGH))
    low = [
        pick_expert(params, LOW)["params"]["dit"]["head"]["kernel"] for params in (first, second)
    ]
    assert np.abs(low[0] - low[1]).max() > 1e-6


def test_tied_experts_take_the_mean_of_both_updates(state: TrainState) -> None:
    params = jax.tree.map(lambda p: jnp.stack([p[HIGH]] * 2), state.params)
    state = new_state(params, state.optimizer, 2)
    apart, tied = one_step(state, batch_of(0)), one_step(state, batch_of(0), tied=True)
    for own, shared in zip(jax.tree.leaves(apart), jax.tree.leaves(tied), strict=True):
        np.testing.assert_array_equal(shared[HIGH], shared[LOW])
        np.testing.assert_allclose(shared[HIGH], own.mean(0), rtol=1e-5, atol=1e-6)


def test_a_batch_is_learnt(state: TrainState) -> None:
    measure = jax.jit(measure_flow(MODEL, SCHEDULE, 0.0, 0, ALONE))
    batch = batch_of(0)
    before = measure(state.params, batch)
    for _ in range(150):
        state, metrics = step_of()(state, batch)
    np.testing.assert_allclose(
        metrics["loss"], np.mean([metrics["loss_high"], metrics["loss_low"]])
    )
    after = measure(state.average, batch)
    assert (np.asarray(after) < 0.8 * np.asarray(before)).all()


def test_a_sample_that_is_not_finite_leaves_its_expert_as_it_was(state: TrainState) -> None:
    batch = batch_of(0)
    batch["latents"][LOW, 1, 0, 0, 0] = np.nan
    after, metrics = step_of()(state, batch)
    assert int(after.step) == int(state.step) + 1
    for part in ("params", "average", "optimizer"):
        old, new = getattr(state, part), getattr(after, part)
        jax.tree.map(np.testing.assert_array_equal, pick_expert(new, LOW), pick_expert(old, LOW))
    changed = [
        (a[HIGH] != b[HIGH]).any()
        for a, b in zip(jax.tree.leaves(after.params), jax.tree.leaves(state.params), strict=True)
    ]
    assert sum(changed) > len(changed) / 2
    assert (metrics["skipped_low"], metrics["skipped_high"]) == (1, 0)
    assert np.isnan(metrics["sample_losses_low"]).tolist() == [False, True]
    np.testing.assert_array_equal(metrics["sample_index_low"], batch["sample_index"][LOW])


def test_parts_of_a_batch_give_the_gradients_of_the_whole(state: TrainState) -> None:
    in_parts = flow_gradients(MODEL, SCHEDULE, 0.0, 0, ALONE, microbatches=2)
    whole, parts = (jax.jit(f)(state.params, batch_of(0)) for f in (GRADIENTS, in_parts))
    np.testing.assert_allclose(parts[1], whole[1], rtol=1e-5)
    for a, b in zip(jax.tree.leaves(parts[0]), jax.tree.leaves(whole[0]), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
