"""Where to look from near, and what is seen there."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from animatrix_jax.models.oracle import OracleConfig, OracleNet, said
from animatrix_jax.models.oracle_crops import (
    BODY_MARGIN,
    CROPS,
    FILLING,
    HEAD_MARGIN,
    HEAD_RADIUS,
    TORSO,
    crop_boxes,
    cropped,
)
from animatrix_jax.models.oracle_frames import LOOKED

POINTS = ("hip", "head", "neck")


def tracks(hip_seen: float = 1.0, neck_seen: float = 1.0) -> jax.Array:
    """A figure that slides right over three frames; its head is 0.2 above its neck."""
    slide = jnp.array([0.0, 0.1, 0.2])
    heights = {"hip": (0.5, hip_seen), "head": (-0.3, 1.0), "neck": (-0.1, neck_seen)}
    rows = [jnp.stack([slide, jnp.full(3, y), jnp.full(3, sure)], axis=-1)
            for y, sure in heights.values()]  # fmt: skip
    return jnp.stack(rows, axis=1)[None]


def test_boxes_follow_the_figure_and_keep_their_size() -> None:
    boxes = crop_boxes(tracks(), POINTS)
    assert set(boxes) == set(CROPS)
    head, body = np.asarray(boxes["head"][0]), np.asarray(boxes["body"][0])
    np.testing.assert_allclose(head[:, :2], [[0, -0.3], [0.1, -0.3], [0.2, -0.3]], atol=1e-5)
    np.testing.assert_allclose(head[:, 2], HEAD_MARGIN * HEAD_RADIUS * 0.2, rtol=1e-4)
    np.testing.assert_allclose(body[:, 1], 0.7 * -0.1 + 0.3 * 0.5, atol=1e-5)
    np.testing.assert_allclose(body[:, 2], BODY_MARGIN * 0.6, rtol=1e-4)


def test_what_is_out_of_the_frame_is_guessed_from_the_rest() -> None:
    near = crop_boxes(tracks(hip_seen=0.0, neck_seen=0.0), POINTS)
    np.testing.assert_allclose(near["head"][0, :, 2], HEAD_MARGIN * FILLING, rtol=1e-4)
    assert float(near["body"][0, 0, 1]) > float(near["head"][0, 0, 1]), (
        "below a neck that is guessed"
    )
    elsewhere = tracks(neck_seen=0.0).at[0, :, 2, :2].set(7.0)
    again = crop_boxes(elsewhere.at[0, :, 0, 2].set(0.0), POINTS)
    for name, box in near.items():
        np.testing.assert_allclose(again[name], box, rtol=1e-4)
    waist = crop_boxes(tracks(hip_seen=0.0), POINTS)
    torso = TORSO * HEAD_RADIUS * 0.2
    np.testing.assert_allclose(waist["body"][0, :, 2], BODY_MARGIN * torso, rtol=1e-4)
    np.testing.assert_allclose(waist["body"][0, :, 1], -0.1 + 0.3 * torso, atol=1e-5)


def test_a_crop_shows_its_box_at_its_size() -> None:
    frames = np.zeros((2, 32, 64, 3), np.float32)
    frames[:, 8:16, 40:48] = 1.0
    # The square's centre (44, 12) in half heights of 16 pixels from (32, 16).
    boxes = jnp.array([[0.75, -0.25, 0.25], [0.75, -0.25, 0.5]])
    crops = np.asarray(cropped(jnp.asarray(frames), boxes, 16))
    assert crops.shape == (2, 16, 16, 3)
    assert crops[0, 2:-2, 2:-2].min() > 0.99, "the square fills the first crop"
    assert crops[1, 6:10, 6:10].min() > 0.99 and crops[1, :2].max() < 0.01
    outside = cropped(jnp.asarray(frames + 1), jnp.array([[2.5, 0.0, 0.2]] * 2), 16)
    assert float(jnp.abs(outside).max()) == 0.0


def test_frames_and_crops_that_speak_of_the_same_are_heard_alike() -> None:
    labels = {
        "VFX": ("none", "Rain"),
        "Fault:face": ("none", "face"),
        "Fault:limb": ("none", "limb"),
    }
    config = OracleConfig(
        labels, 9, 32, 32, framed=("VFX",), frame_dims=(8, 16, 16), look=8, near_look=8,
        near={"head": ("Fault:face", "VFX"), "body": ("Fault:limb",)}, near_dims=(8, 8, 8, 8),
        streams=("framed", "closer"), points=POINTS, skip=4,
    )  # fmt: skip
    net = OracleNet(config)
    frames = jnp.asarray(np.random.default_rng(0).uniform(-1, 1, (1, 3, 32, 32, 3)), jnp.float32)
    params = jax.jit(net.init)(jax.random.key(0), frames)
    assert set(params["params"]) == {"framed", "closer"}
    out: dict[str, jax.Array] = jax.jit(net.apply)(params, frames)
    assert out[LOOKED].shape[-1] == sum(width for _, width in config.told())
    start = {name: [] for name in ("", *labels)}
    place = 0
    for name, width in config.told():
        start[name].append(place)
        place += width
    assert [len(start[name]) for name in labels] == [2, 1, 1]
    mean = np.asarray(out[LOOKED]).mean(axis=1)
    parts = [mean[:, at : at + 2] for at in start["VFX"]]
    np.testing.assert_allclose(out["VFX"], np.mean(parts, axis=0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(said(out[LOOKED], config)["Fault:limb"], out["Fault:limb"])


def test_looking_closer_needs_points_to_go_by() -> None:
    with pytest.raises(ValueError, match="needs the points head, neck, hip, not only head"):
        OracleConfig({}, 9, 32, 32, streams=("framed", "closer"), points=("head",))
