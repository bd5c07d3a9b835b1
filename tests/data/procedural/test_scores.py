"""Measured scores follow what a figure does, and not what the camera does."""

import numpy as np
import pytest

from animatrix_data.procedural import Size, draw_clip
from animatrix_data.procedural.content import Staging
from animatrix_data.procedural.scores import measured_scores, read_flow, scores_from, true_amplitude
from animatrix_data.taxonomy import Tag, parse_tags

FRAMES, FPS = 17, 8.0
REST = {
    "head": (0, -90), "neck": (0, -72), "hip": (0, -42), "elbow_l": (-14, -60),
    "hand_l": (-16, -46), "elbow_r": (14, -60), "hand_r": (16, -46), "knee_l": (-6, -21),
    "foot_l": (-6, 0), "knee_r": (6, -21), "foot_r": (6, 0),
}  # fmt: skip
TIME = np.linspace(0, 1, FRAMES)
SWING = np.sin(4 * np.pi * TIME)
QUIET = read_flow(np.full((3, 64, 64, 3), 90, np.uint8), FPS)


def figure(swing: float = 0.0, stretch: float = 0.0, zoom: float = 0.0, pan: float = 0.0) -> dict:
    """Keypoints of a figure that swings its arms, stretches, and is seen by a moving camera."""
    tracks = {}
    for name, (x, y) in REST.items():
        reach = swing * (name.startswith(("hand", "elbow")))
        across = (x + reach * SWING) / (1 + stretch * SWING)
        down = y * (1 + stretch * SWING)
        scale = np.exp(zoom * TIME)
        tracks[name] = np.stack([across * scale + pan * TIME, down * scale], axis=1).tolist()
    return tracks


def amplitude(**what: float) -> float:
    return true_amplitude({"keypoints": figure(**what)}, FPS)


def strain(**what: float) -> float:
    return scores_from(QUIET, 128, FPS, figure(**what)).deformation


def test_joints_that_swing_wider_score_higher_whatever_the_camera_does() -> None:
    assert amplitude(swing=3) < amplitude(swing=12) < amplitude(swing=30) < 1
    assert amplitude(zoom=0.5, pan=60) < 0.02
    assert amplitude(swing=12, zoom=0.5, pan=60) == pytest.approx(amplitude(swing=12), abs=0.02)


def test_a_figure_that_stretches_scores_higher_whatever_the_camera_does() -> None:
    assert strain() < 0.01 and strain(zoom=0.6, pan=60) < 0.01
    assert strain(stretch=0.05) < strain(stretch=0.15) < strain(stretch=0.3) < 1
    assert strain(stretch=0.15, zoom=0.6) == pytest.approx(strain(stretch=0.15), abs=0.03)


def test_flow_sees_what_moves_and_not_what_the_camera_moves() -> None:
    texture = np.random.default_rng(0).integers(0, 255, (24, 24, 3), np.uint8)
    ground = np.kron(texture, np.ones((8, 8, 1), np.uint8))

    def clip(pan: int, wag: float) -> np.ndarray:
        frames = np.stack([ground[30:158, 10 + pan * t : 138 + pan * t] for t in range(FRAMES)])
        for t, shift in enumerate((wag * SWING).round().astype(int)):
            frames[t, 40:100, 54 + shift : 74 + shift] = (240, 30, 30)
            frames[t, 50:90:8, 54 + shift : 74 + shift] = 10
        return frames

    still, panned, moved = (read_flow(clip(*c), FPS) for c in ((0, 0), (2, 0), (2, 12)))
    assert still.speed < 0.02 and panned.speed < 0.6 * moved.speed
    with pytest.raises(ValueError, match="two frames"):
        measured_scores(clip(0, 0)[:1], FPS)


def test_scores_rise_with_what_a_clip_is_asked_for() -> None:
    spec = parse_tags("MotionType: wave, MotionStyle: 2D Daily, shot_type: full shot")
    size, scores = Size(96, 96, 17, 8), []
    for level, deformation in (("low", 0.0), ("high", 1.0)):
        asked = spec.replace("MotionAmplitude", [Tag("MotionAmplitude", level)])
        clip = draw_clip(asked, 3, size, Staging(deformation=(deformation, deformation)))
        flow = measured_scores(clip.frames, FPS)
        known = measured_scores(clip.frames, FPS, clip.truth["keypoints"])
        scores.append((true_amplitude(clip.truth, FPS), flow, known))
    low, high = scores
    assert low[0] < high[0]
    for less, more in zip(low[1:], high[1:], strict=True):
        assert less.motion_amplitude < more.motion_amplitude
        assert less.deformation < more.deformation
