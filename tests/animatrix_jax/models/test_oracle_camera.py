"""The camera oracle's network: turning clips, and what it learns of a movement in a few steps."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from animatrix_data.procedural.oracles import sampler_labels
from animatrix_jax.models.oracle_camera import (
    FIELD,
    TOLD,
    CameraConfig,
    CameraNet,
    read_movement,
    turned,
    turned_answers,
    turned_told,
)
from animatrix_jax.training.camera import camera_step, movement_groups
from animatrix_jax.training.optimizer import OptimizerSettings, make_optimizer
from animatrix_jax.training.state import new_state

CONFIG = CameraConfig(
    {FIELD: ("Static", "Pan left", "Pan right", "Rack Focus near", "Rack Focus far")},
    9, 32, 32, cells=(8, 8, 8), course=8, hidden=16,
)  # fmt: skip
ANSWERS = CONFIG.answers


def some(count: int, seed: int = 0) -> tuple[np.ndarray, ...]:
    random = np.random.default_rng(seed)
    return tuple(random.normal(size=of.shape).astype(np.float32) for of in CONFIG.inputs(count))


@pytest.fixture(scope="module")
def params() -> Any:
    return jax.jit(CameraNet(CONFIG).init)(jax.random.key(0), *some(1))


def test_every_answer_of_the_samplers_has_its_mirror_and_its_reverse() -> None:
    labels = sampler_labels("moves", (FIELD,))
    assert labels == sampler_labels("distinct", (FIELD,)) and len(labels[FIELD]) == 26
    assert CameraConfig(labels, 33, 128, 128, 2).shown == 17
    assert len(movement_groups(labels[FIELD])[0]) == 12


def test_answers_without_their_reverse_are_refused_with_a_sentence() -> None:
    with pytest.raises(ValueError, match="needs the answer 'Tilt down'"):
        CameraConfig({FIELD: ("Static", "Tilt up")}, 9, 32, 32)
    with pytest.raises(ValueError, match="answers CameraMotion alone"):
        CameraConfig({"VFX": ("none", "Rain")}, 9, 32, 32)


def test_turning_clips_twice_gives_them_back() -> None:
    clips, told = some(4), np.random.default_rng(1).normal(size=(4, TOLD)).astype("f4")
    ways = jnp.array([False, True, False, True]), jnp.array([False, False, True, True])
    once = turned(clips, *ways)
    for before, between, after in zip(clips, once, turned(once, *ways), strict=True):
        np.testing.assert_array_equal(after, before)
        np.testing.assert_array_equal(between[0], before[0])
        assert all(np.abs(between[k] - before[k]).max() > 0.1 for k in (1, 2, 3))
    np.testing.assert_array_equal(turned_told(turned_told(told, *ways), *ways), told)


def test_labels_follow_the_clip() -> None:
    rows = jnp.eye(5)
    for mirrored, reversed_, wanted in (
        (True, False, ("Static", "Pan right", "Pan left", "Rack Focus near", "Rack Focus far")),
        (False, True, ("Static", "Pan right", "Pan left", "Rack Focus far", "Rack Focus near")),
        (True, True, ("Static", "Pan left", "Pan right", "Rack Focus far", "Rack Focus near")),
    ):
        ways = jnp.full(5, mirrored), jnp.full(5, reversed_)
        named = [ANSWERS[k] for k in turned_answers(rows, ANSWERS, *ways).argmax(axis=1)]
        assert tuple(named) == wanted


def test_a_reading_turns_with_the_clip(params: Any) -> None:
    net, clips = CameraNet(CONFIG), some(3)
    ways = jnp.full(3, True), jnp.full(3, True)
    read = read_movement(net, params, clips)
    other = read_movement(net, params, turned(clips, *ways))
    np.testing.assert_allclose(read.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(other, turned_answers(read, ANSWERS, *ways), atol=1e-5)


def test_a_few_steps_teach_it_what_slides(params: Any) -> None:
    net = CameraNet(CONFIG)
    settings = OptimizerSettings(peak_lr=1e-2, warmup_steps=2, ema_decay=0.0)
    optimizer, _ = make_optimizer(settings, 40)
    step = camera_step(net, optimizer, 0.0, 0)
    image, course, totals = (0.1 * of for of in some(8))
    way = np.array([1, -1] * 4, np.float32)
    image[..., 0] += 2 * way[:, None, None]
    rows = np.eye(5, dtype=np.float32)[np.where(way > 0, 1, 2)]
    batch = {
        "image": image, "course": course, "totals": totals, "answers": rows,
        "told": np.zeros((8, TOLD), np.float32),
        "sample_index": np.stack([np.zeros(8), np.arange(8)], axis=1).astype("u4"),
    }  # fmt: skip
    own = jax.tree.map(jnp.copy, params)
    state, first = step(new_state(own, optimizer.init(own)), batch)
    assert set(first) == {"loss", "loss_answers", "loss_movement", "loss_told"}
    for _ in range(39):
        state, last = step(state, batch)
    assert last["loss"] < 0.6 * first["loss"]
    read = read_movement(net, state.params, (image, course, totals))
    np.testing.assert_array_equal(read.argmax(axis=1), rows.argmax(axis=1))
