"""Curriculum scores of a clip: how much its figure moves, and how far it leaves its shape.

The paper's curriculum (section 5) orders clips by motion amplitude (the energy of optical flow) and
by deformation. Here both are known of a drawn clip, and measured of any clip: by flow once the
camera's motion is taken away, and by a figure's keypoints where a reader gives them.
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

SPINE = ("head", "neck", "hip")
LEGS = (("hip", "knee_l", "foot_l"), ("hip", "knee_r", "foot_r"))
ARMS = (("neck", "elbow_l", "hand_l"), ("neck", "elbow_r", "hand_r"))
BONES = tuple(bone for chain in (SPINE, *LEGS, *ARMS) for bone in pairwise(chain))
LIVELY = 0.5
"""The speed (figure heights a second) that scores 1/2."""
STREAMING = 0.8
"""The speed (widths of what moves a second) that scores 1/2 where no figure is known."""
STRAINED, SHEARED = 0.2, 0.25
"""The strain of a figure (logarithm of a length's change), and that of flow (a pixel's change a
pixel in an eighth of a second), that score 1/2."""
STILL = 0.5
"""Flow below so many pixels between two frames an eighth of a second apart is noise."""
EDGE = 128
"""Frames are brought to this many pixels on their shorter edge before flow is read."""


@dataclass(frozen=True)
class Scores:
    """Curriculum scores in [0, 1) as measured; one half is a typical lively clip's."""

    motion_amplitude: float
    deformation: float


@dataclass(frozen=True)
class Stirring:
    """What flow says of a clip once the camera's motion is taken away.

    speed: of what moves, in frame heights a second; width: of what moves, in frame heights;
    strain: how flow differs from pixel to pixel there.
    """

    speed: float
    width: float
    strain: float


def measured_scores(frames: Frames, fps: float, keypoints: Keypoints | None = None) -> Scores:
    """Return the scores of frames uint8 [T, H, W, 3], with keypoints in pixels where known.

    Flow alone takes everything that moves by itself for the figure, effects included. Raises
    ValueError for fewer than two frames.
    """
    return scores_from(read_flow(frames, fps), len(frames[0]), fps, keypoints)


def scores_from(
    seen: Stirring, height: int, fps: float, keypoints: Keypoints | None = None
) -> Scores:
    """Return the scores of a clip whose flow is read, `height` pixels high."""
    if keypoints is None:
        amplitude = _score(seen.speed / max(seen.width, 1e-6), STREAMING)
        return Scores(amplitude, _score(seen.strain, SHEARED))
    points = _arrays(keypoints)
    stature = float(np.median(_stature(points))) / height
    by_flow = _score(seen.speed / max(stature, 1e-6), LIVELY)
    return Scores((by_flow + _amplitude(points, fps)) / 2, _score(_figure_strain(points), STRAINED))


def true_amplitude(truth: Mapping[str, Any], fps: float) -> float:
    """Return the motion amplitude in [0, 1) that a drawn clip's exact keypoints show."""
    return round(_amplitude(_arrays(truth["keypoints"]), fps), 4)


def _score(value: float, half: float) -> float:
    return float(value / (value + half))


def _arrays(keypoints: Keypoints) -> dict[str, Floats]:
    return {name: np.asarray(track, float) for name, track in keypoints.items()}


def _stature(points: Mapping[str, Floats]) -> Floats:
    """Return the height [T] of the figure drawn out straight, in pixels."""
    chains = [_length(points, chain) for chain in (SPINE, *LEGS)]
    return np.maximum(chains[0] + (chains[1] + chains[2]) / 2, 1e-6)


def _length(points: Mapping[str, Floats], chain: tuple[str, ...]) -> Floats:
    steps = [points[end] - points[start] for start, end in pairwise(chain)]
    return np.asarray(np.linalg.norm(steps, axis=-1).sum(axis=0))


def _amplitude(points: Mapping[str, Floats], fps: float) -> float:
    """Return the score of the mean speed of the joints, in figure heights, the camera's removed.

    What grows or shrinks steadily is the camera's doing, and so is the hip's smooth path.
    """
    if len(points["hip"]) < 2:
        return 0.0
    steady = np.exp(_trend(np.log(_stature(points)), 1))[:, None]
    tracks = {name: track / steady for name, track in points.items()}
    path = _trend(tracks["hip"], 3)
    moved = [np.diff(track - path, axis=0) for name, track in tracks.items() if name != "hip"]
    return _score(float(np.linalg.norm(moved, axis=-1).mean() * fps), LIVELY)


def _trend(values: Floats, degree: int) -> Floats:
    """Return the polynomial in time [T, …] that lies nearest to values [T, …]."""
    basis = np.vander(np.linspace(-1, 1, len(values)), min(degree, len(values) - 1) + 1)
    fit, *_ = np.linalg.lstsq(basis, values, rcond=None)
    return np.asarray(basis @ fit)


def _figure_strain(points: Mapping[str, Floats]) -> float:
    """Return how far a figure is stretched and sheared from its median shape (90th percentile).

    A small strain E changes the logarithm of a bone's length by uᵀEu, u being its direction. E
    without its isotropic part, which is the camera's, is fitted to all bones of each frame.
    """
    bones = np.stack([points[end] - points[start] for start, end in BONES], axis=1)
    lengths = np.maximum(np.linalg.norm(bones, axis=-1), 1e-6)
    x, y = np.moveaxis(bones / lengths[..., None], -1, 0)
    logs = np.log(lengths) - np.log(np.median(lengths, axis=0))
    strains = []
    for t, weight in enumerate(lengths):
        design = np.stack([np.ones_like(x[t]), y[t] ** 2 - x[t] ** 2, 2 * x[t] * y[t]], axis=1)
        fit, *_ = np.linalg.lstsq(design * weight[:, None], logs[t] * weight, rcond=None)
        strains.append(fit[1:])
    off = np.array(strains) - np.median(strains, axis=0)
    return float(np.percentile(np.linalg.norm(off, axis=-1), 90))


def read_flow(frames: Frames, fps: float) -> Stirring:
    """Return what moves by itself in frames uint8 [T, H, W, 3]; ValueError for fewer than two."""
    path = camera_path(frames)
    step = min(max(1, round(fps / PAIRS_PER_SECOND)), len(frames) - 1)
    keys = greys(frames, EDGE)
    height, width = keys[0].shape
    y, x = np.mgrid[:height, :width]
    # The figure stands about the middle; what moves at the rim is seldom it.
    middle = np.exp(-((x / width - 0.5) ** 2) / 0.09 - ((y / height - 0.54) / 0.45) ** 4)
    engine, found = flow_engine(), []
    for first in range(0, len(frames) - step, step):
        second = first + step
        blank = np.zeros((height, width, 2), np.float32)
        flow = engine.calc(keys[first], keys[second], blank)
        left = flow - _camera_flow(path, first, second, (height, width))
        worth = texture(keys[first]) * middle
        energy = np.maximum(np.linalg.norm(left, axis=-1) - STILL, 0) * worth
        total, square = float(energy.sum()), float(np.square(energy).sum())
        if total > 0:
            # Of some energy: its mean where it is, and the root of the area that it fills.
            extent = total**2 / square / height**2
            strain = float((_gradient(left) * energy).sum() / total)
            found.append((square / total / height * fps / step, np.sqrt(extent), strain))
        else:
            found.append((0.0, 0.0, 0.0))
    speed, wide, strain = np.mean(found, axis=0).tolist()
    return Stirring(speed, wide, strain)


def _gradient(flow: Floats) -> Floats:
    """Return how far flow [H, W, 2] stretches and shears a pixel, whatever it turns or grows."""
    smooth = cv2.GaussianBlur(flow, (0, 0), 2.0)
    (u_y, u_x), (v_y, v_x) = np.gradient(smooth[..., 0]), np.gradient(smooth[..., 1])
    return np.hypot(u_x - v_y, u_y + v_x)


def _camera_flow(path: CameraPath, first: int, second: int, shape: tuple[int, int]) -> Floats:
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
