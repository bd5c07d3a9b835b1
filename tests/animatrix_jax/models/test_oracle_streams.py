"""The streams that know figures and cameras: where points are found, and what a crop shows."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from animatrix_jax.models.oracle import (
    HEAT,
    LOOKED,
    PRESENCE,
    TRACKS,
    OracleConfig,
    OracleNet,
)
from animatrix_jax.models.oracle_streams import crops_at, tracks_of
from animatrix_jax.training.oracle import heat_target, point_losses

STREAMS = ("seen", "posed", "closer", "field", "statistics")
LABELS = {"VFX": ("none", "Rain", "Snow"), "Fault:tear": ("none", "tear")}
CONFIG = OracleConfig(
    LABELS, 9, 32, 32, dim=8, hidden=24, posed_dim=16, close_dim=8, course=8, fault_hidden=8,
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
    assert out.pop(LOOKED).shape[0] == 2
    assert {name: value.shape for name, value in out.items()} == {
        "VFX": (2, 3), "Fault:tear": (2, 2), HEAT: (2, 5, 64, 2), PRESENCE: (2, 5, 2),
        TRACKS: (2, 5, 2, 3),
    }  # fmt: skip


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


def test_a_crop_lies_around_its_place() -> None:
    frames = np.zeros((2, 32, 32, 3), np.float32)
    frames[0, 8, 24], frames[1, 31, 0] = 1.0, 1.0
    places = jnp.array([[24 / 16 - 1, 8 / 16 - 1], [-1.0, 1.0]])
    crops = np.asarray(crops_at(jnp.asarray(frames), places, 16))
    assert crops.shape == (2, 16, 16, 3)
    assert crops[0, 8, 8, 0] == 1.0 == crops[1, 7, 8, 0]
    assert crops.sum() == 6.0


def test_points_need_frames_that_divide_and_a_head_to_look_at() -> None:
    with pytest.raises(ValueError, match="32 divides"):
        OracleConfig(LABELS, 9, 40, 40, streams=("posed",), points=("head",))
    with pytest.raises(ValueError, match="needs the posed point 'head'"):
        OracleConfig(LABELS, 9, 32, 32, streams=("posed", "closer"), points=("hip",))
    with pytest.raises(ValueError, match="no stream 'heard'"):
        OracleConfig(LABELS, 9, 32, 32, streams=("heard",))
