"""The fault oracle's network: a map that does not depend on the frame's edges, and what it learns
of a broken frame in a few steps."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from animatrix_jax.models.oracle_faults import FaultConfig, FaultNet, clip_odds
from animatrix_jax.training.faults import LEAST, fault_step
from animatrix_jax.training.optimizer import OptimizerSettings, make_optimizer
from animatrix_jax.training.state import new_state

CONFIG = FaultConfig(("limb", "tear"), 7, 32, 48, skip=2, dims=(8, 8, 8), hidden=16, dropout=0.0)


@pytest.fixture(scope="module")
def params() -> Any:
    frames = jnp.zeros((1, 32, 32, 3))
    return jax.jit(FaultNet(CONFIG).init)(jax.random.key(0), frames, frames)


def test_every_skipth_frame_is_looked_at_beside_the_one_before_it() -> None:
    assert CONFIG.looked == (1, 3, 5)
    assert CONFIG.inputs(2)[0].shape == (2, 32, 48, 3)


def test_sizes_that_cannot_be_read_are_refused_with_a_sentence() -> None:
    for sizes, why in (
        ({"kinds": ()}, "needs kinds of faults"),
        ({"width": 40}, "edges that 16 divides, not 32x40"),
        ({"frames": 1}, "must have 2 or more, not 1"),
    ):
        with pytest.raises(ValueError, match=why):
            FaultConfig(**{"kinds": ("limb",), "frames": 7, "height": 32, "width": 32, **sizes})


def test_a_cell_far_from_the_edge_is_mapped_as_in_a_larger_frame(params: Any) -> None:
    """What is learnt from squares holds for whole frames."""
    frames = jax.random.normal(jax.random.key(1), (1, 256, 256, 3))
    net = jax.jit(lambda x: FaultNet(CONFIG).apply(params, x, x)[0])
    whole, cut = net(frames), net(frames[:, 32:224, 32:224])
    assert whole.shape == (1, 64, 64, 3)
    np.testing.assert_allclose(whole[:, 28:36, 28:36], cut[:, 20:28, 20:28], atol=1e-4)


def test_a_clip_is_as_broken_as_most_of_its_frames_show() -> None:
    odds = jnp.array([[-3.0, 0.0], [1.0, 0.0], [2.0, 4.0], [-5.0, 0.0], [3.0, 0.0]])
    np.testing.assert_allclose(clip_odds(odds), [0.75, 1.0], rtol=1e-6)


def test_a_few_steps_find_what_is_broken_and_where(params: Any) -> None:
    """The fault is a bright square in the upper left of the frame; the other kind is never seen."""
    random = np.random.default_rng(0)
    frames = random.integers(0, 60, (8, 1, 32, 32, 3)).astype(np.uint8)
    changed, kind = np.zeros((8, 8, 8), np.uint8), np.zeros((8, 2), np.float32)
    before = frames.copy()
    frames[::2, :, :8, :8] = 255
    changed[::2, :2, :2], kind[::2, 0] = 16, 1
    index = np.stack([np.zeros(8), np.arange(8)], axis=1).astype("u4")
    batch = {"frames": frames, "before": before, "changed": changed,
             "arms": changed, "kind": kind,             "sample_index": index}  # fmt: skip
    transform, _ = make_optimizer(OptimizerSettings(peak_lr=1e-2, warmup_steps=1), 30)
    step = fault_step(FaultNet(CONFIG), transform, 0.5, 0)
    state = new_state(jax.tree.map(jnp.copy, params), transform.init(params))
    losses = []
    for _ in range(30):
        state, metrics = step(state, batch)
        losses.append(float(metrics["loss"]))
    assert losses[-1] < 0.2 * losses[0]
    unit = [x[:, 0].astype(np.float32) / 127.5 - 1 for x in (frames, before)]
    found, broken = FaultNet(CONFIG).apply(state.params, *unit)
    assert (np.asarray(broken)[::2, 0] > 0).all() and (np.asarray(broken)[1::2, 0] < 0).all()
    assert (np.asarray(broken)[:, 1] < 0).all()
    inside = np.asarray(found)[::2, :2, :2, 0].mean()
    assert inside > np.asarray(found)[::2, 4:, 4:, 0].mean() + 2


def test_a_change_too_small_to_see_says_nothing_of_the_frame(params: Any) -> None:
    frames = np.zeros((2, 1, 32, 32, 3), np.uint8)
    changed = np.zeros((2, 8, 8), np.uint8)
    changed[:, 0, 0] = 1
    assert 0 < changed[0].mean() / 16 < LEAST
    transform, _ = make_optimizer(OptimizerSettings(), 4)
    step = fault_step(FaultNet(CONFIG), transform, 0.5, 0)
    losses = []
    for kind in (0.0, 1.0):
        batch = {"frames": frames, "before": frames, "changed": changed,
                 "arms": changed, "kind": np.full((2, 2), kind, "f4"),
                 "sample_index": np.zeros((2, 2), "u4")}  # fmt: skip
        state = new_state(jax.tree.map(jnp.copy, params), transform.init(params))
        losses.append(float(step(state, batch)[1]["loss_broken"]))
    assert losses[0] > 0.1 and losses[1] == 0.0
