"""The classical camera oracle on a texture whose path is known."""

import cv2
import numpy as np
import pytest

from animatrix_data.procedural import Size, draw_clip
from animatrix_data.procedural.oracles import camera_path, classify_camera, path_error
from animatrix_data.taxonomy import parse_tags

SIZE, FRAMES = 64, 17
"""A pocket clip's."""


def texture(seed: int = 0) -> np.ndarray:
    """A smooth random picture, four times as wide and high as a frame."""
    noise = np.random.default_rng(seed).uniform(0, 255, (32, 32, 3)).astype(np.uint8)
    return cv2.resize(noise, (4 * SIZE, 4 * SIZE), interpolation=cv2.INTER_CUBIC)


def filmed(dx: np.ndarray, dy: np.ndarray, log_scale: np.ndarray) -> np.ndarray:
    """The texture under a camera path (pixels, logarithm) per frame."""
    picture, frames = texture(), []
    for x, y, growth in zip(dx, dy, log_scale, strict=True):
        scale = float(np.exp(growth))
        shift = SIZE / 2 - scale * 2 * SIZE
        matrix = np.array([[scale, 0, shift + x], [0, scale, shift + y]])
        frames.append(cv2.warpAffine(picture, matrix, (SIZE, SIZE), flags=cv2.INTER_AREA))
    return np.stack(frames)


STILL = np.zeros(FRAMES)
RAMP = np.linspace(0, 1, FRAMES)
JOLTS = np.array([0, 5, -4, 5, -5, 4, -5, 5, -4, 4, -5, 5, -4, 5, -5, 4, -5], float)


def test_shift_is_found_in_pixels() -> None:
    path = camera_path(filmed(20 * RAMP, -12 * RAMP, STILL))
    np.testing.assert_allclose(path.dx, 20 * RAMP, atol=1.0)
    np.testing.assert_allclose(path.dy, -12 * RAMP, atol=1.0)
    np.testing.assert_allclose(path.log_scale, 0, atol=0.04)
    np.testing.assert_allclose(path.roll, 0, atol=0.04)


@pytest.mark.parametrize("growth", [0.4, -0.4])
def test_growth_is_found(growth: float) -> None:
    path = camera_path(filmed(STILL, STILL, growth * RAMP))
    np.testing.assert_allclose(path.log_scale, growth * RAMP, atol=0.06)
    np.testing.assert_allclose(path.dx, 0, atol=1.0)


def test_the_size_of_the_frames_sets_the_unit() -> None:
    small = filmed(16 * RAMP, STILL, STILL)
    large = np.stack([cv2.resize(frame, (128, 128)) for frame in small])
    assert camera_path(large).dx[-1] == pytest.approx(2 * camera_path(small).dx[-1], rel=0.1)


@pytest.mark.parametrize(
    ("dx", "dy", "log_scale", "expected"),
    [
        (STILL, STILL, STILL, {"Static"}),
        (24 * RAMP, STILL, STILL, {"Pan left"}),
        (-24 * RAMP, STILL, STILL, {"Pan right"}),
        (STILL, 24 * RAMP, STILL, {"Tilt up"}),
        (STILL, -24 * RAMP, STILL, {"Tilt down"}),
        (STILL, STILL, 0.5 * RAMP, {"Zoom in"}),
        (STILL, STILL, -0.5 * RAMP, {"Zoom out"}),
        (JOLTS, -JOLTS[::-1], STILL, {"Shake"}),
    ],
)
def test_movements_are_told_apart(
    dx: np.ndarray, dy: np.ndarray, log_scale: np.ndarray, expected: set[str]
) -> None:
    scores = classify_camera(camera_path(filmed(dx, dy, log_scale)))
    assert sum(scores.values()) == pytest.approx(1.0)
    assert max(scores, key=lambda text: scores[text]) in expected


def test_a_single_frame_has_no_path() -> None:
    with pytest.raises(ValueError, match="two frames"):
        camera_path(filmed(STILL[:1], STILL[:1], STILL[:1]))


def test_the_error_of_a_path_is_told_in_pixels() -> None:
    """Travel, error and drift are distances of points, and a growth that is missed counts."""
    path = camera_path(filmed(20 * RAMP, STILL, STILL))
    still = [0.0] * FRAMES
    truth = {"dx": path.dx, "dy": path.dy, "scale": np.exp(path.log_scale), "roll": path.roll}
    exact = path_error(path, truth, SIZE, SIZE)
    assert exact.error == pytest.approx(0.0, abs=1e-9)
    assert exact.travel == exact.drift == pytest.approx(20, abs=1.5)
    stays = path_error(path, {"dx": still, "dy": still, "scale": [1.0] * FRAMES, "roll": still},
                       SIZE, SIZE)  # fmt: skip
    assert stays.travel == 0.0
    assert stays.drift == pytest.approx(exact.drift)
    larger = {**truth, "scale": [2.0] * FRAMES}
    assert path_error(path, larger, SIZE, SIZE).error > 10


@pytest.mark.parametrize(
    "move",
    ["static", "pan left", "tilt up", "zoom in", "truck right", "orbit cw", "dolly zoom in"],
)
def test_clips_of_the_studio_are_read(move: str) -> None:
    """In a long shot of a plain scene the path is right to a tenth, and the movement is named."""
    words = "VideoStyle: 2D Japanese Anime, MotionType: stand, shot_type: long shot"
    spec = parse_tags(f"{words}, camera_motion: {move}")
    clip = draw_clip(spec, 4, Size(128, 128, 33, 16))
    path = camera_path(clip.frames)
    error = path_error(path, clip.truth["camera"], 128, 128)
    scores = classify_camera(path)
    if error.travel:
        assert error.relative < 0.1
    else:
        assert error.drift < 0.5
    assert max(scores, key=lambda text: scores[text]).lower() == move


@pytest.mark.parametrize("direction", ["near", "far"])
def test_a_rack_of_focus_is_read(direction: str) -> None:
    words = "MotionType: stand, shot_type: medium shot, camera_motion: rack focus"
    clip = draw_clip(parse_tags(f"{words} {direction} (large)"), 4, Size(128, 128, 17, 8))
    path = camera_path(clip.frames)
    assert (path.focus > 0.3) if direction == "near" else (path.focus < -0.3)
