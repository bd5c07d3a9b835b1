"""The learned oracle: what it sees of motion, its shapes, and that it can learn."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from animatrix_jax.models.oracle import OracleConfig, OracleNet, displacements, matching_costs
from animatrix_jax.training.optimizer import OptimizerSettings, make_optimizer
from animatrix_jax.training.oracle import augment, oracle_step
from animatrix_jax.training.state import new_state

LABELS = {"VideoStyle": ("dark", "light"), "CameraMotion": ("Pan left", "Pan right", "Static")}
CONFIG = OracleConfig(
    LABELS, 5, 16, 16, dim=8, motion_dim=8, hidden=24, reach=2, gaps=(1,), dropout=0.0
)


def test_displacements_are_near_or_along_an_axis() -> None:
    places = displacements(4)
    assert {(0, 0), (4, 0), (0, -4), (2, 2), (1, 4)} <= set(places)
    assert not {(3, 3), (4, 4), (4, 2)} & set(places)
    assert len(set(places)) == len(places)


@pytest.mark.parametrize("moved", [(0, 0), (2, 0), (0, -3), (1, 1)])
def test_matching_finds_how_a_picture_moved(moved: tuple[int, int]) -> None:
    picture = np.random.default_rng(0).uniform(-0.5, 0.5, (1, 32, 32)).astype(np.float32)
    costs = matching_costs(jnp.asarray(picture), jnp.roll(picture, moved, (1, 2)), reach=4)
    places = displacements(4)
    assert costs.shape == (1, 16, 16, len(places) + 3)
    inner = np.asarray(costs)[0, 4:12, 4:12, : len(places)].argmax(axis=-1)
    assert (inner == places.index(moved)).all()


def test_one_logit_an_answer() -> None:
    net = OracleNet(CONFIG)
    clip = jnp.zeros((2, 5, 16, 16, 3))
    params = jax.eval_shape(net.init, jax.random.key(0), clip)
    logits = jax.eval_shape(net.apply, params, clip)
    assert {name: logits[name].shape for name in LABELS} == {
        "VideoStyle": (2, 2), "CameraMotion": (2, 3),
    }  # fmt: skip


def test_the_pocket_oracle_is_small_enough_to_ship() -> None:
    labels = {"VideoStyle": tuple("abcdef"), "MotionStyle": tuple("abcd"),
              "MotionType": tuple("abcdef"), "MotionAmplitude": tuple("abc"),
              "MotionSpeed": tuple("abc"), "ShotScale": tuple("abcd"),
              "CameraMotion": tuple("abcdefghij"), "VFX": tuple("abcdefghi")}  # fmt: skip
    net = OracleNet(OracleConfig(labels, 17, 64, 64))
    clip = jax.ShapeDtypeStruct((1, 17, 64, 64, 3), jnp.float32)
    params = jax.eval_shape(net.init, jax.random.key(0), clip)
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) <= 700_000


def test_sizes_that_do_not_divide_are_refused() -> None:
    with pytest.raises(ValueError, match="8 divides"):
        OracleConfig(LABELS, 5, 36, 32)
    with pytest.raises(ValueError, match="apart"):
        OracleConfig(LABELS, 4, 32, 32)


def test_augmentation_keeps_the_picture_recognisable() -> None:
    clip = jnp.asarray(np.random.default_rng(0).uniform(-1, 1, (2, 16, 16, 3)), jnp.float32)
    once, again = (augment(jax.random.key(k), clip) for k in (1, 1))
    other = augment(jax.random.key(2), clip)
    assert bool((once == again).all()) and bool((once != other).any())
    assert np.corrcoef(np.ravel(once), np.ravel(clip))[0, 1] > 0.7


def test_a_tiny_oracle_learns_a_handful_of_clips() -> None:
    random = np.random.default_rng(0)
    picture = random.integers(0, 128, (16, 16, 3)).astype(np.uint8)
    clips, style, camera = [], [], []
    for light in (0, 1):
        for turn, shift in enumerate((2, -2, 0)):
            frames = [np.roll(picture + 100 * light, shift * t, axis=1) for t in range(5)]
            clips.append(np.stack(frames))
            style.append(light)
            camera.append(turn)
    net = OracleNet(CONFIG)
    settings = OptimizerSettings(peak_lr=1e-2, warmup_steps=5, ema_decay=0.0)
    transform, _ = make_optimizer(settings, 40)
    params = jax.jit(net.init)(jax.random.key(0), jnp.zeros((1, 5, 16, 16, 3)))
    state = new_state(params, transform.init(params))
    step = oracle_step(net, transform, settings.ema_decay, seed=0)
    targets = {"VideoStyle": np.eye(2)[style], "CameraMotion": np.eye(3)[camera]}
    for k in range(40):
        index = np.array([[0, 6 * k + i] for i in range(6)], np.uint32)
        batch = {"frames": np.stack(clips), "targets": targets, "sample_index": index}
        state, metrics = step(state, batch)
    logits = net.apply(state.params, np.stack(clips) / 127.5 - 1.0)
    assert float(metrics["loss"]) < 0.5
    assert logits["VideoStyle"].argmax(-1).tolist() == style
    assert logits["CameraMotion"].argmax(-1).tolist() == camera
