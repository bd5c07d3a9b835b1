"""The streams that look at single frames and judge time: their shapes, and where points are."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from animatrix_jax.models.oracle import OracleConfig, OracleNet
from animatrix_jax.models.oracle_frames import HEAT, LOOKED, PRESENCE, TRACKS, FrameNet
from animatrix_jax.models.oracle_streams import tracks_of
from animatrix_jax.training.oracle import heat_target, oracle_step, point_losses
from animatrix_jax.training.state import new_state
from animatrix_jax.training.vae import to_unit

STREAMS = ("seen", "framed", "field", "statistics")
LABELS = {"VFX": ("none", "Rain", "Snow"), "Fault:tear": ("none", "tear")}
CONFIG = OracleConfig(
    LABELS, 9, 32, 32, dim=8, hidden=24, framed=("VFX",), frame_dims=(8, 16, 16), look=16, course=8,
    listen=8, fault_hidden=8,
    streams=STREAMS, points=("head", "hip"), skip=2, stride=2, pairs=4, dropout=0.0,
)  # fmt: skip


def test_all_streams_join_and_only_faults_are_joined_apart() -> None:
    net = OracleNet(CONFIG)
    inputs = CONFIG.inputs(2)
    assert {name: shape.shape[:2] for name, shape in inputs.items()} == {
        "frames": (2, 5), "field": (2, 4), "statistics": (2, 9),
    }  # fmt: skip
    params = jax.eval_shape(net.init, jax.random.key(0), **inputs)
    assert {"join", "join_faults", "head_VFX", "head_Fault_tear"} <= set(params["params"])
    out = jax.eval_shape(net.apply, params, **inputs)
    assert out.pop(LOOKED).shape == (2, 5, 16 + 3 + 2 * 3), "features, answers, colours"
    assert {name: value.shape for name, value in out.items()} == {
        "VFX": (2, 3), "Fault:tear": (2, 2), HEAT: (2, 5, 256, 2), PRESENCE: (2, 5, 2),
        TRACKS: (2, 5, 2, 3),
    }  # fmt: skip


def test_a_frame_is_seen_beside_the_one_before_and_told_with_its_colours() -> None:
    net = FrameNet({"VFX": LABELS["VFX"]}, (8, 16, 16), 16, 2, 0.0)
    random = np.random.default_rng(0)
    plain = jnp.broadcast_to(jnp.array([0.5, -0.5, 0.25]), (2, 32, 32, 3))
    other = jnp.asarray(random.uniform(-1, 1, (2, 32, 32, 3)), jnp.float32)
    params = jax.jit(net.init)(jax.random.key(0), plain, plain)
    apply = jax.jit(net.apply)
    still, moved = apply(params, plain, plain), apply(params, plain, other)
    assert not np.allclose(still["VFX"], moved["VFX"])
    np.testing.assert_allclose(jnp.exp(still["VFX"]).sum(axis=-1), 1.0, rtol=1e-5)
    np.testing.assert_allclose(still[LOOKED][:, -6:], [[0.5, -0.5, 0.25] * 2] * 2, atol=1e-5)
    np.testing.assert_array_equal(still[LOOKED][:, 16:19], still["VFX"])


def test_frames_that_are_read_alone_answer_by_their_mean() -> None:
    config = dataclasses.replace(CONFIG, streams=("framed",), framed=tuple(LABELS))
    net = OracleNet(config)
    frames = jnp.asarray(np.random.default_rng(1).uniform(-1, 1, (2, 5, 32, 32, 3)), jnp.float32)
    params = jax.jit(net.init)(jax.random.key(0), frames)
    assert set(params["params"]) == {"framed"}
    whole: dict[str, jax.Array] = jax.jit(net.apply)(params, frames)
    before = jnp.concatenate([frames[:, :1], frames[:, :-1]], axis=1)
    single: Any = [net.apply(params, frames[:, t : t + 1], before[:, t : t + 1]) for t in range(5)]
    for name in LABELS:
        mean = np.mean([one[name] for one in single], axis=0)
        np.testing.assert_allclose(whole[name], mean, rtol=1e-4, atol=1e-5)


def test_points_are_where_the_heat_is() -> None:
    places = np.array([[[[-0.5, 0.25], [0.6, -0.7]]]], np.float32)
    heat = jnp.log(heat_target(jnp.asarray(places), 32, 32) + 1e-9)
    found = tracks_of(heat, jnp.full((1, 1, 2), 9.0), aspect=1.0)
    np.testing.assert_allclose(found[..., :2], places, atol=0.01)
    wide = np.array([[[[1.2, 0.5], [-1.5, -0.5]]]], np.float32)
    heat = jnp.log(heat_target(jnp.asarray(wide), 16, 32) + 1e-9)
    found = tracks_of(heat, jnp.zeros((1, 1, 2)), aspect=2.0)
    np.testing.assert_allclose(found[..., :2], wide, atol=0.02)
    np.testing.assert_allclose(found[..., 2], 0.5)


def test_points_outside_of_the_frame_move_nothing() -> None:
    random = np.random.default_rng(0)
    heat = jnp.asarray(random.normal(size=(1, 1, 64, 2)), jnp.float32)
    presence, inside = jnp.zeros((1, 1, 2)), jnp.array([[[1.0, 0.0]]])

    def loss(heat: jax.Array, far: float) -> jax.Array:
        places = jnp.array([[[[0.1, 0.2], [far, far]]]])
        return point_losses(heat, presence, places, inside, 8)["points"]

    slope = jax.grad(loss)(heat, 3.0)
    assert float(jnp.abs(slope[..., 1]).max()) == 0 < float(jnp.abs(slope[..., 0]).max())
    assert float(loss(heat, 3.0)) == float(loss(heat, 5.0))


def test_single_frames_need_points_and_edges_that_divide() -> None:
    with pytest.raises(ValueError, match="32 divides"):
        OracleConfig(LABELS, 9, 40, 40, streams=("framed",), points=("head",))
    with pytest.raises(ValueError, match="names of points"):
        OracleConfig(LABELS, 9, 32, 32, streams=("framed",))
    with pytest.raises(ValueError, match="no answers are listed for 'Emotion'"):
        OracleConfig(LABELS, 9, 32, 32, framed=("Emotion",))
    for streams in ((), ("closer", "field")):
        with pytest.raises(ValueError, match="'closer' needs 'framed'"):
            OracleConfig(LABELS, 9, 32, 32, streams=streams, points=("head", "neck", "hip"))
    with pytest.raises(ValueError, match="no stream 'heard'"):
        OracleConfig(LABELS, 9, 32, 32, streams=("heard",))


def test_points_are_found_where_the_truth_says() -> None:
    config = dataclasses.replace(
        CONFIG, streams=("framed",), framed=tuple(LABELS), points=("head",), dropout=0.0
    )
    net, random = OracleNet(config), np.random.default_rng(0)
    optimizer = optax.adam(1e-2)
    step = oracle_step(net, optimizer, 0.0, seed=0)

    def batch(index: int) -> dict[str, Any]:
        """Grey frames with a bright square of four pixels where the point is."""
        corner = random.integers(0, 29, (32, 2))
        frames = random.integers(100, 120, (32, 1, 32, 32, 3)).astype(np.uint8)
        for frame, (x, y) in zip(frames, corner, strict=True):
            frame[0, y : y + 4, x : x + 4] = 250
        places = ((corner + 2) / 16 - 1).astype(np.float32)[:, None, None]
        return {
            "frames": frames, "before": frames, "places": places,
            "inside": np.ones((32, 1, 1), np.float32),
            "targets": {n: np.tile(np.eye(len(k), dtype="f4")[:1], (32, 1))
                        for n, k in LABELS.items()},
            "sample_index": np.array([[0, 32 * index + i] for i in range(32)], "u4"),
        }  # fmt: skip

    params = net.init(jax.random.key(0), jnp.zeros((1, 1, 32, 32, 3)))
    state = new_state(params, optimizer.init(params))
    for index in range(120):
        state, _ = step(state, batch(index))
    seen = batch(999)
    out: Any = net.apply(state.params, to_unit(seen["frames"]), to_unit(seen["before"]))
    apart = np.linalg.norm(out[TRACKS][..., :2] - seen["places"], axis=-1)
    assert float(np.median(apart)) < 0.15
