"""Curriculum scores of a clip: how much its figure moves, and how far it leaves its shape.

The paper's curriculum (section 5) orders clips by motion amplitude (the energy of optical flow) and
by deformation. Here both are known of a drawn clip from its exact keypoints, and measured of any
clip from pixels: by flow once the camera's motion is taken away, and by keypoints where a reader
gives them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from animatrix_data.procedural.oracles.camera import CameraPath, camera_path
from animatrix_data.procedural.oracles.flow import PAIRS_PER_SECOND, flow_engine, greys, texture

Frames = NDArray[np.uint8]
Floats = NDArray[np.float64]
Keypoints = Mapping[str, Sequence[Sequence[float]]]
"""A figure's named points: [T] of (x, y) in pixels each."""

LIMBS = (
    ("hip", "knee_l", "foot_l"),
    ("hip", "knee_r", "foot_r"),
    ("neck", "elbow_l", "hand_l"),
    ("neck", "elbow_r", "hand_r"),
)
TORSO = ("neck", "hip")
EDGE = 128
"""Frames are brought to this many pixels on their shorter edge before flow is read."""
LIVELY = 1.2
"""The speed (figure heights a second) of the joints that scores 1/2."""
STREAMING = 0.25
"""The speed (frame heights a second) of the flow that scores 1/2."""
STRAINED = 0.12
"""The strain (logarithm of a length's change) that scores 1/2."""
MOVING_SHARE = 0.15
"""The share of the frame, the fastest part, whose flow counts."""


@dataclass(frozen=True)
class Scores:
    """Curriculum scores in [0, 1) as measured; one half is a typical lively clip's."""

    motion_amplitude: float
    deformation: float


def measured_scores(frames: Frames, fps: float, keypoints: Keypoints | None = None) -> Scores:
    """Return the scores of frames uint8 [T, H, W, 3], with keypoints in pixels where known.

    Without keypoints both come from flow alone, which sees less of small figures. Raises
    ValueError for fewer than two frames.
    """
    speed, strain = _flow_scores(frames, fps)
    if keypoints is None:
        return Scores(_score(speed, STREAMING), _score(strain, STRAINED))
    tracks = _tracks(keypoints)
    return Scores(
        (_score(speed, STREAMING) + _score(_joint_speed(tracks, fps), LIVELY)) / 2,
        _score(_track_strain(tracks), STRAINED),
    )


def true_amplitude(truth: Mapping[str, Any], fps: float) -> float:
    """Return the motion amplitude in [0, 1) that a drawn clip's exact keypoints show."""
    return round(_score(_joint_speed(_tracks(truth["keypoints"]), fps), LIVELY), 4)


def _score(value: float, half: float) -> float:
    return float(value / (value + half))


def _tracks(keypoints: Keypoints) -> dict[str, Floats]:
    """Return keypoints as arrays [T, 2] in which one is the height of the figure at the time.

    The height is that of torso and legs; what grows or shrinks steadily is the camera's doing.
    """
    points = {name: np.asarray(track, float) for name, track in keypoints.items()}
    size = sum(_length(points, pair) for pair in (("head", "neck"), TORSO)) + 0.5 * sum(
        _length(points, pair) for limb in LIMBS[:2] for pair in pairwise(limb)
    )
    steady = np.exp(_trend(np.log(np.maximum(size, 1e-6)), 1))
    return {name: track / steady[:, None] for name, track in points.items()}


def _length(points: Mapping[str, Floats], pair: tuple[str, ...]) -> Floats:
    return np.asarray(np.linalg.norm(points[pair[0]] - points[pair[1]], axis=1))


def _trend(values: Floats, degree: int) -> Floats:
    """Return the polynomial in time [T, …] that lies nearest to values [T, …]."""
    time = np.linspace(-1, 1, len(values))
    basis = np.vander(time, min(degree, len(values) - 1) + 1)
    fit, *_ = np.linalg.lstsq(basis, values, rcond=None)
    return np.asarray(basis @ fit)


def _joint_speed(tracks: Mapping[str, Floats], fps: float) -> float:
    """Return the mean speed of the joints in figure heights a second, the camera's part removed.

    Joints move against the hip, and the hip against its smooth path, which is the camera's.
    """
    hip = tracks["hip"]
    own = hip - _trend(hip, 3)
    speeds = [
        np.linalg.norm(np.diff(track - hip + own, axis=0), axis=1)
        for name, track in tracks.items()
        if name != "hip"
    ]
    return float(np.mean(speeds) * fps) if len(hip) > 1 else 0.0


def _track_strain(tracks: Mapping[str, Floats]) -> float:
    """Return how far torso and limbs leave their steady lengths, as a logarithm (90th percentile)."""
    parts = [[TORSO], *([*pairwise(limb)] for limb in LIMBS)]
    lengths = [np.sum([_length(tracks, pair) for pair in part], axis=0) for part in parts]
    logs = [np.log(np.maximum(length, 1e-6)) for length in lengths]
    strains = np.stack([np.abs(log - np.median(log)) for log in logs])
    return float(np.percentile(strains, 90))


def _flow_scores(frames: Frames, fps: float) -> tuple[float, float]:
    """Return the speed (frame heights a second) and the strain of what moves by itself."""
    path = camera_path(frames)
    step = max(1, round(fps / PAIRS_PER_SECOND))
    keys = greys(frames, EDGE)
    engine, speeds, strains = flow_engine(), [], []
    for first in range(0, len(frames) - step, step):
        second = first + step
        blank = np.zeros((*keys[first].shape, 2), np.float32)
        flow = engine.calc(keys[first], keys[second], blank)
        left = flow - _camera_flow(path, first, second, keys[first].shape)
        worth = texture(keys[first])
        speed = np.linalg.norm(left, axis=-1) * worth
        fast = speed >= np.quantile(speed, 1 - MOVING_SHARE)
        speeds.append(float(speed[fast].mean()) / len(left) * fps / step)
        smooth = cv2.GaussianBlur(left, (0, 0), 2.0)
        du, dv = np.gradient(smooth[..., 0]), np.gradient(smooth[..., 1])
        spread = np.abs(dv[0] - du[1]) + np.abs(du[0] + dv[1])
        strains.append(float((spread * worth)[fast].mean()))
    return float(np.mean(speeds)), float(np.mean(strains))


def _camera_flow(path: CameraPath, first: int, second: int, shape: tuple[int, ...]) -> Floats:
    """Return the flow [H, W, 2] in pixels that the camera alone would cause between two frames."""
    height, width = shape
    scale = np.exp(path.log_scale[second] - path.log_scale[first])
    angle = path.roll[second] - path.roll[first]
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    offset = np.stack([path.dx, path.dy], axis=1) * height / path.height
    shift = offset[second] - turn @ offset[first]
    y, x = np.mgrid[:height, :width]
    points = np.stack([x - width / 2, y - height / 2], axis=-1)
    return np.asarray(points @ (turn - np.eye(2)).T + shift)
