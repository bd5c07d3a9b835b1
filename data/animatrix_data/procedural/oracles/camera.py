"""The classical camera oracle: background registration, from pixels alone.

Dense flow between frames one, two and four apart is fitted by a similarity (shift, scale, roll)
with weights that fall for outliers and for the middle of the frame, where the figure stands. The
path is what agrees best with all of these fits: an overlay such as rain deceives one frame apart,
seldom four.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Path1 = NDArray[np.float64]
Frames = NDArray[np.uint8]

WORK_EDGE = 128
"""Frames are enlarged (or reduced) to this many pixels on their shorter edge."""
STEP = 4
"""Flow is read every so many pixels of the enlarged frames."""
GAPS = (1, 2, 4)
ROUNDS = 12
AGREEMENT = 0.03
"""How far (in frame heights) a fit may lie from the path before it loses weight."""
SHIFT, GROWTH, JOLT = 0.14, 0.07, 0.07
"""Evidence of 1: a shift (frame heights) and growth (log) over the clip, a jolt (heights/frame)."""
SHARPNESS = 3.0
PARALLAX = 0.2
"""How much faster (relative to the growth) the lower half grows where a push equals a zoom."""


@dataclass(frozen=True)
class CameraPath:
    """The background's place in each frame relative to the first, [T] each.

    dx, dy: shift of the picture's centre in pixels (a camera that pans left moves the picture to
    the right, dx > 0; one that tilts up moves it down, dy > 0); log_scale: logarithm of its
    growth; roll: radians; parallax: how much more the lower half (near) has grown than the upper
    (far); height: of the frames, in pixels.
    """

    dx: Path1
    dy: Path1
    log_scale: Path1
    roll: Path1
    parallax: Path1
    height: int


def camera_path(frames: Frames) -> CameraPath:
    """Return how the background of frames uint8 [T, H, W, 3] moves.

    Raises ValueError for fewer than two frames.
    """
    if len(frames) < 2:
        raise ValueError("a camera path needs at least two frames")
    greys = _greys(frames)
    places = _Places.of(*greys[0].shape)
    seen = [places.weights(grey) for grey in greys]
    engine = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    blank = np.zeros((*greys[0].shape, 2), np.float32)
    pairs, fits, trust = [], [], []
    for gap in (gap for gap in GAPS if gap < len(greys)):
        for first in range(len(greys) - gap):
            flow = engine.calc(greys[first], greys[first + gap], blank)
            fit, share = places.fit(flow.astype(np.float64), seen[first])
            pairs.append((first, first + gap))
            fits.append(fit)
            trust.append(share**2)
    dx, dy, log_scale, roll, parallax = _joined(
        len(greys), pairs, np.array(fits), np.array(trust)
    ).T
    height = frames.shape[1]
    return CameraPath(dx * height, dy * height, log_scale, roll, parallax, height)


def classify_camera(path: CameraPath) -> dict[str, float]:
    """Return the score of each camera movement (with its direction); the scores sum to 1.

    A push is told from a zoom by parallax.
    """
    x, y = path.dx[-1] / path.height / SHIFT, path.dy[-1] / path.height / SHIFT
    growth = path.log_scale[-1] / GROWTH
    jolts = np.hypot(np.diff(path.dx, 2), np.diff(path.dy, 2)) / path.height
    jolt = float(jolts.mean()) / JOLT if len(jolts) else 0.0
    push = 0.0
    if abs(growth) > 0.5:
        push = float(np.clip(path.parallax[-1] / path.log_scale[-1] / PARALLAX - 1, -2, 2))
    evidence = {
        "Static": 1.0,
        "Pan left": x,
        "Pan right": -x,
        "Tilt up": y,
        "Tilt down": -y,
        "Push in": growth + 0.1 * push,
        "Push out": -growth + 0.1 * push,
        "Zoom in": growth - 0.1 * push,
        "Zoom out": -growth - 0.1 * push,
        "Shake": jolt,
    }
    strength = np.exp(SHARPNESS * np.clip(list(evidence.values()), 0, 8))
    return dict(zip(evidence, map(float, strength / strength.sum()), strict=True))


def _greys(frames: Frames) -> list[NDArray[np.uint8]]:
    factor = WORK_EDGE / min(frames.shape[1:3])
    size = (round(frames.shape[2] * factor), round(frames.shape[1] * factor))
    method = cv2.INTER_CUBIC if factor > 1 else cv2.INTER_AREA
    resized = (cv2.resize(frame, size, interpolation=method) for frame in frames)
    return [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in resized]


@dataclass(frozen=True)
class _Places:
    """Where flow is read: rows and columns, points from the centre [N, 2], prior weights [N]."""

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    points: NDArray[np.float64]
    prior: NDArray[np.float64]
    height: int

    @staticmethod
    def of(height: int, width: int) -> _Places:
        """Return the grid of a frame; the figure's place and the rim weigh little."""
        rows, columns = (g.ravel() for g in np.mgrid[STEP // 2 : height : STEP,
                                                     STEP // 2 : width : STEP])  # fmt: skip
        points = np.stack([columns - width / 2, rows - height / 2], axis=1)
        x, y = (points / (width, height)).T
        figure = np.exp(-((x / 0.2) ** 2) - ((y - 0.1) / 0.4) ** 4)
        rim = np.clip((0.5 - np.maximum(np.abs(x), np.abs(y))) / 0.06, 0, 1)
        return _Places(rows, columns, points, (1 - 0.85 * figure) * rim, height)

    def weights(self, grey: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return how much the flow at each point of a frame is worth: the more texture the more."""
        smooth = cv2.GaussianBlur(grey, (0, 0), 1.5).astype(np.float32)
        gx, gy = cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)
        strength = cv2.GaussianBlur(gx * gx + gy * gy, (0, 0), 2.0)[self.rows, self.columns]
        return self.prior * (strength / (strength + 400.0)) + 1e-4

    def fit(
        self, flow: NDArray[np.float64], weights: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], float]:
        """Fit flow [H, W, 2]; return (dx, dy in frame heights, log scale, roll, parallax) and the
        share of the weights that the fit explains."""
        read = flow[self.rows, self.columns]
        (a, b, tx, ty), robust = _similarity(self.points, read, weights)
        upper = self.points[:, 1] < 0
        halves = [_similarity(self.points[h], read[h], weights[h])[0][0] for h in (~upper, upper)]
        growth = np.log1p(np.clip([a, *halves], -0.9, 9.0))
        row = [tx / self.height, ty / self.height, growth[0], b, growth[1] - growth[2]]
        return np.array(row), float(robust.sum() / weights.sum())


def _similarity(
    points: NDArray[np.float64], flow: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fit flow [N, 2] at points [N, 2] by a similarity; return (a, b, tx, ty) and final weights.

    The model is u = a·x − b·y + tx, v = b·x + a·y + ty, by least squares reweighted by how far a
    point lies off it (Cauchy, squared), with a width that shrinks from round to round.
    """
    x, y = points.T
    zero, one = np.zeros_like(x), np.ones_like(x)
    rows_u = np.stack([x, -y, one, zero], axis=1)
    rows_v = np.stack([y, x, zero, one], axis=1)
    heavy = weights >= np.median(weights)
    solution = np.array([0.0, 0.0, *np.median(flow[heavy], axis=0)])
    robust = weights
    for step in range(ROUNDS):
        distance = (flow[:, 0] - rows_u @ solution) ** 2 + (flow[:, 1] - rows_v @ solution) ** 2
        robust = weights / (1 + distance / max(4.0 * 0.7**step, 0.35) ** 2) ** 2
        wu, wv = rows_u * robust[:, None], rows_v * robust[:, None]
        normal = wu.T @ rows_u + wv.T @ rows_v + 1e-6 * np.eye(4)
        solution = np.linalg.solve(normal, wu.T @ flow[:, 0] + wv.T @ flow[:, 1])
    return solution, robust


def _joined(
    count: int,
    pairs: Sequence[tuple[int, int]],
    fits: NDArray[np.float64],
    trust: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the path [T, K], 0 at the first frame, that agrees best with its differences."""
    rows = np.zeros((len(pairs), count))
    index = np.arange(len(pairs))
    rows[index, [first for first, _ in pairs]] = -1
    rows[index, [second for _, second in pairs]] = 1
    rows = rows[:, 1:]
    robust = np.ones(len(pairs))
    path = np.zeros((count - 1, fits.shape[1]))
    for _ in range(10):
        weighted = rows * (trust * robust)[:, None]
        path = np.linalg.solve(weighted.T @ rows + 1e-6 * np.eye(count - 1), weighted.T @ fits)
        distance = np.square(fits - rows @ path)[:, :3].sum(axis=1)
        robust = 1 / (1 + distance / AGREEMENT**2)
    return np.vstack([np.zeros(fits.shape[1]), path])
