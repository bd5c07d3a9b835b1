"""Distillation: who learns when, that nothing else moves, that the student nears its teacher."""

import functools
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from animatrix_jax.diffusion.schedule import Schedule, grid_sigmas
from animatrix_jax.models.experts import HIGH, LOW, expert_of
from animatrix_jax.models.shapes import transformer_shapes
from animatrix_jax.training.distillation import (
    denoiser_alone,
    distillation_gradients,
    distillation_step,
)
from animatrix_jax.training.distiller import (
    Distillation,
    Distiller,
    make_windows,
    measure_distillation,
)
from animatrix_jax.training.flow import expert_update
from animatrix_jax.training.guards import IN_A_ROW, Guards
from animatrix_jax.training.state import TrainState, new_critic, new_state
from tests.animatrix_jax.training.test_flow import ALONE, CARD, MODEL, SCHEDULE, batch_of
from tests.tiny import random_like

OPTIMIZERS = {
    "paper": (optax.sgd(0.05), optax.sgd(0.05)),
    "dmd2": (optax.adam(1e-3, b1=0.0), optax.adam(2e-3, b1=0.0)),
}
"""The student's and the critic's."""
GUIDANCE = (1.5, 1.5), (1.5, 1.5)


def settings_of(mode: str) -> Distillation:
    return Distillation(anchors=2, mode=mode, shift=3.0, warmup=2)


@functools.cache
def windows() -> Any:
    return make_windows(SCHEDULE, 2, *GUIDANCE)


@functools.cache
def step_of(mode: str = "paper") -> Any:
    """Return the compiled step."""
    settings, (optimizer, keen) = settings_of(mode), OPTIMIZERS[mode]
    update = expert_update(optimizer, 0.9, CARD.experts, ALONE, Guards())
    distiller = Distiller(MODEL, settings, 0)
    gradients = distillation_gradients(distiller, windows(), ALONE)
    return jax.jit(distillation_step(gradients, settings, update, keen, CARD.experts, ALONE))


def experts(*seeds: int) -> Any:
    """Return two experts of random weights."""
    shapes = transformer_shapes(MODEL.config)
    return {
        "params": jax.tree.map(lambda *p: jnp.stack(p), *(random_like(shapes, s) for s in seeds))
    }


@pytest.fixture(scope="module")
def teacher() -> Any:
    return experts(1, 2)


def start(params: Any, mode: str = "paper") -> TrainState:
    """Return a state whose student and critic have these parameters."""
    optimizer, keen = OPTIMIZERS[mode]
    critic = new_critic(params, jax.vmap(keen.init)(params), 2)
    return replace(new_state(params, jax.vmap(optimizer.init)(params), 2), critic=critic)


@pytest.fixture
def state(teacher: Any) -> TrainState:
    """Return student and critic as the teacher is."""
    return start(teacher)


def moved(before: Any, after: Any, expert: int) -> bool:
    """Return whether any number of an expert's tree is another."""
    pairs = zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True)
    return any((np.asarray(a)[expert] != np.asarray(b)[expert]).any() for a, b in pairs)


def test_the_anchors_are_those_of_the_checkpoint() -> None:
    found = Schedule(shift=5.0, boundary=0.9).anchors(4)
    np.testing.assert_allclose(found, [[1, 0.975, 0.95, 0.925], [0.9, 0.675, 0.45, 0.225]])
    sigmas = grid_sigmas(8, Schedule(shift=5.0, boundary=0.9), "anchors")
    assert [expert_of(s, 0.9) for s in sigmas[:-1]] == [HIGH] * 4 + [LOW] * 4
    assert sigmas[-1] == 0 and (np.diff(sigmas) < 0).all()
    np.testing.assert_array_equal(grid_sigmas(2, Schedule(boundary=None), "anchors"), [1, 0.5, 0])
    with pytest.raises(ValueError, match="2 experts cannot share 5 steps"):
        grid_sigmas(5, Schedule(), "anchors")


def test_in_papers_mode_the_critic_learns_at_every_second_step(
    state: TrainState, teacher: Any
) -> None:
    told = []
    for number in range(4):
        after, metrics = step_of()(state, batch_of(number), teacher)
        told.append(float(metrics["critic_loss_high"]))
        for expert in (HIGH, LOW):
            assert moved(state.params, after.params, expert)
            assert moved(state.critic.params, after.critic.params, expert) == (number % 2 == 0)
        state = after
    assert np.isfinite(told[::2]).all() and np.isnan(told[1::2]).all()
    np.testing.assert_array_equal(state.critic.norm.count, [4, 4])
    np.testing.assert_array_equal(state.critic.loss.count, [2, 2])


def test_in_dmd2_the_student_learns_at_every_fifth_step(teacher: Any) -> None:
    state = start(teacher, "dmd2")
    for number in range(6):
        after, metrics = step_of("dmd2")(state, batch_of(number), teacher)
        learns = number % 5 == 0
        for expert in (HIGH, LOW):
            assert moved(state.params, after.params, expert) == learns
            assert moved(state.average, after.average, expert) == learns
            assert moved(state.critic.params, after.critic.params, expert)
        assert (int(metrics[IN_A_ROW + "high"]) < 0) != learns
        assert np.isfinite(metrics["loss"]) == learns
        assert int(after.step) == number + 1
        state = after
    np.testing.assert_array_equal(state.guard.accepted, [2, 2])


def test_a_sample_that_is_not_finite_leaves_student_and_critic_of_its_expert(
    state: TrainState, teacher: Any
) -> None:
    batch = batch_of(0)
    batch["latents"][LOW, 1, 0, 0, 0] = np.nan
    after, metrics = step_of()(state, batch, teacher)
    old, new = (
        (s.params, s.average, s.critic.params, s.critic.norm, s.critic.loss) for s in (state, after)
    )
    assert not moved(old, new, LOW) and moved(old, new, HIGH)
    assert int(metrics[IN_A_ROW + "low"]) == 1 and int(metrics[IN_A_ROW + "high"]) == 0


def test_a_gradient_out_of_the_ordinary_is_clipped(state: TrainState, teacher: Any) -> None:
    for number in range(3):
        state, metrics = step_of()(state, batch_of(number), teacher)
    mean, spread = state.critic.norm.mean, np.sqrt(state.critic.norm.variance)
    _, metrics = step_of()(state, batch_of(9), teacher)
    np.testing.assert_allclose(metrics["clip_norm_high"], mean[0] + 3 * spread[0], rtol=1e-4)
    small = replace(state.critic.norm, mean=mean * 1e-3, variance=spread * 0)
    tight = replace(state, critic=replace(state.critic, norm=small))
    after, metrics = step_of()(tight, batch_of(9), teacher)
    change = jax.tree.map(jnp.subtract, after.params, tight.params)
    lengths = jax.vmap(optax.tree.norm)(change)
    for expert, name in enumerate(CARD.experts):
        bound = float(small.mean[expert])
        assert float(metrics[f"gradient_norm_{name}"]) > 100 * bound
        # Plain gradient descent at a rate of 0.05.
        assert float(lengths[expert]) == pytest.approx(0.05 * bound, rel=0.05)


def test_a_student_waits_for_a_critic_that_has_lost_track(state: TrainState, teacher: Any) -> None:
    for number in range(3):
        state, _ = step_of()(state, batch_of(number), teacher)
    tracked = state.critic.loss
    low = replace(tracked, mean=tracked.mean.at[LOW].set(1e-3), variance=tracked.variance * 0)
    low = replace(low, mean=low.mean.at[HIGH].set(1e3))
    lost = replace(state, step=state.step + 1, critic=replace(state.critic, loss=low))
    behind, metrics = step_of()(lost, batch_of(3), teacher)
    assert int(metrics["critic_behind_low"]) == 1 and int(metrics["critic_behind_high"]) == 0
    # The step after is not the critic's turn.
    after, metrics = step_of()(behind, batch_of(4), teacher)
    assert not moved(behind.params, after.params, LOW) and moved(behind.params, after.params, HIGH)
    followed = behind.critic.params, after.critic.params
    assert moved(*followed, LOW) and not moved(*followed, HIGH)
    assert int(metrics[IN_A_ROW + "low"]) == -1 and np.isnan(metrics["loss_low"])
    assert int(after.guard.accepted[HIGH]) == int(after.guard.accepted[LOW]) + 1


def test_a_student_nears_the_teacher_that_it_does_not_start_as(teacher: Any) -> None:
    measure = jax.jit(
        measure_distillation(Distiller(MODEL, settings_of("dmd2"), 0), windows(), 8, ALONE)
    )
    state = start(jax.tree.map(lambda a, b: (a + b) / 2, teacher, experts(3, 4)), "dmd2")
    batch = batch_of(0)
    before = np.asarray(measure(state.params, batch, teacher))
    assert np.isfinite(before).all()
    for number in range(100):
        drawn = batch_of(number % 6)
        drawn["sample_index"] = drawn["sample_index"] + np.array([0, 4 * number], np.uint32)
        state, _ = step_of("dmd2")(state, drawn, teacher)
    after = np.asarray(measure(state.average, batch, teacher))
    assert (after[:, 0] < [0.97, 0.9] * before[:, 0]).all(), (before, after)


def test_the_transformer_alone_learns(state: TrainState, teacher: Any) -> None:
    after, _ = step_of()(state, batch_of(0), teacher)
    for old, new in ((state.params, after.params), (state.critic.params, after.critic.params)):
        for part, own in old["params"].items():
            assert moved(own, new["params"][part], LOW) == (part == "dit"), part
    decayed = denoiser_alone(optax.adamw(0.1, weight_decay=1.0))
    params = jax.tree.map(lambda leaf: leaf[0], teacher)
    updates, _ = decayed.update(jax.tree.map(jnp.zeros_like, params), decayed.init(params), params)
    sizes = {name: float(optax.tree.norm(own)) for name, own in updates["params"].items()}
    assert sizes.pop("dit") > 0 and not any(sizes.values())


def test_settings_that_cannot_be_are_sentences() -> None:
    with pytest.raises(ValueError, match=r"there is no mode 'dmd3'.*dmd2"):
        Distillation(mode="dmd3")
    with pytest.raises(ValueError, match="a student takes 1 step or more, not 0"):
        Distillation(anchors=0)
    for wrong in ({"shift": 0.0}, {"shift": float("nan")}, {"decay": 0.0}):
        with pytest.raises(ValueError, match="shift must be above 0, and decay above 0"):
            Distillation(**wrong)
    with pytest.raises(ValueError, match="a warmup of 2 steps or more, not 1"):
        Distillation(warmup=1)
