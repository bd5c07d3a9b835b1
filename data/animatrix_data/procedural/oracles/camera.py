"""The classical camera oracle: the background's path, and which movement it is, from pixels alone.

The path is the one that is likeliest the background's (see `hypotheses`). Beside it, the ways of
figure and ground, and where the picture is sharp, tell movements apart whose background moves
alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from animatrix_data.procedural.oracles.evidence import Placed
from animatrix_data.procedural.oracles.flow import Frames, Grey, greys
from animatrix_data.procedural.oracles.hypotheses import explain
from animatrix_data.procedural.oracles.registration import (
    WORK_EDGE,
    Pair,
    Tracker,
    fit,
    inlying,
)

Path1 = NDArray[np.float64]
Way = NDArray[np.float64]

TRAVEL = 8.0
"""The least travel of a background, in pixels, that a path's error is a share of."""
DRIFT = 0.5
"""The most that the path of a still camera may move the picture, in pixels."""
UNREAD = 0.6
"""How likely a path must be to count."""
LINK = 2
"""Frames between the ends of the pairs in which the ways of figure and ground are read."""
BEND = 3
"""Frames at either end over which sharpness is averaged."""


@dataclass(frozen=True)
class CameraPath:
    """The background's place in each frame relative to the first, [T] each.

    dx, dy: shift of the picture's centre in pixels (a camera that pans left moves the picture to
    the right, dx > 0; one that tilts up moves it down, dy > 0); log_scale: logarithm of its
    growth; roll: radians. figure, ground: how far each has moved over the clip (x and y in frame
    heights, logarithm of its growth); focus: how much sharper the middle has become, beside the
    sides (logarithm); height: of the frames, in pixels; seen: how likely this path or one like it
    is the background's: one that is seen by less than `UNREAD` is a guess.
    """

    dx: Path1
    dy: Path1
    log_scale: Path1
    roll: Path1
    figure: Way
    ground: Way
    focus: float
    height: int
    seen: float


@dataclass(frozen=True)
class PathError:
    """How a path agrees with the truth, in pixels; see `path_error`."""

    travel: float
    error: float
    drift: float

    @property
    def relative(self) -> float:
        """The error as a share of the travel."""
        return self.error / self.travel


def path_error(
    path: CameraPath | Placed, truth: Mapping[str, Sequence[float]], height: int, width: int
) -> PathError:
    """Compare a path with a clip's camera truth (dx, dy, scale, roll) on frames [height, width].

    Both say where five points of the first frame are seen later: its centre, and the four points
    halfway from there to the corners. The travel is the greatest distance over frames (root mean
    square over the points) that the truth moves them; the error is the distance between path and
    truth (root mean square over points and frames); the drift is the greatest distance over frames
    that the path moves them.
    """
    points = np.array([0, *(x * width / 4 + 1j * y * height / 4
                            for x in (-1, 1) for y in (-1, 1))])  # fmt: skip

    def seen(dx: Path1, dy: Path1, scale: Path1, roll: Path1) -> NDArray[np.complex128]:
        return (scale * np.exp(1j * roll))[:, None] * points + (dx + 1j * dy)[:, None]

    told = seen(*(np.asarray(truth[name], float) for name in ("dx", "dy", "scale", "roll")))
    read = seen(path.dx, path.dy, np.exp(path.log_scale), path.roll)

    def distance(a: NDArray[np.complex128], b: NDArray[np.complex128]) -> Path1:
        return np.sqrt((np.abs(a - b) ** 2).mean(axis=1))

    return PathError(
        travel=float(distance(told, points).max()),
        error=float(np.sqrt((distance(told, read) ** 2).mean())),
        drift=float(distance(read, points).max()),
    )


def camera_path(frames: Frames) -> CameraPath:
    """Return how the background of frames uint8 [T, H, W, 3] moves.

    Raises ValueError for fewer than two frames.
    """
    if len(frames) < 2:
        raise ValueError("a camera path needs at least two frames")
    tracker = Tracker(frames)
    trail, seen = explain(tracker)
    turn, shift = trail.turn, trail.shift
    height = frames.shape[1]
    figure, ground = _ways(tracker, turn, shift)
    return CameraPath(
        **vars(trail.placed(height)),
        figure=figure,
        ground=ground,
        focus=_focus(greys(frames, WORK_EDGE)),
        height=height,
        seen=seen,
    )


def _ways(
    tracker: Tracker, turn: NDArray[np.complex128], shift: NDArray[np.complex128]
) -> tuple[Way, Way]:
    """Return how far figure and ground have moved: x, y in frame heights, logarithm of growth."""
    ways = np.zeros((2, 3))
    edge = tracker.height
    last = len(turn) - 1
    stops = [*range(0, last, min(LINK, last)), last]
    for first, second in pairwise(stops):
        pair = tracker.pair(first, second)
        if pair is None:
            continue
        by = turn[second] / turn[first]
        to = (shift[second] - by * shift[first]) * edge
        own = 1 - inlying(pair, np.array([by]), np.array([to]), 1.0)[0]
        place = pair.here / edge
        body = np.exp(-(np.abs(place.real / 0.25) ** 4) - np.abs((place.imag + 0.05) / 0.4) ** 6)
        floor = np.clip((place.imag - 0.22) / 0.06, 0, 1) * (1 - body)
        for way, prior in zip(ways, (body, floor), strict=True):
            step = _step(pair, prior * (own + 0.1))
            found = step if step is not None else (by, to)
            way += (found[1].real / edge, found[1].imag / edge, np.log(np.abs(found[0])))
    return ways[0], ways[1]


def _step(pair: Pair, prior: Path1) -> tuple[complex, complex] | None:
    """Return the similarity of the corners that a prior points to; None where there are few."""
    if prior.sum() < 1.5:
        return None
    moved = pair.there - pair.here
    order = np.argsort(moved.real), np.argsort(moved.imag)
    middles = [float(part[o][np.searchsorted(np.cumsum(prior[o]), prior.sum() / 2)])
               for part, o in zip((moved.real, moved.imag), order, strict=True)]  # fmt: skip
    start = np.ones(1, np.complex128), np.array([complex(*middles)])
    model = fit(Pair(pair.here, pair.there, prior), *start, (4.0, 2.5, 1.5, 1.0))
    return complex(model.turn[0]), complex(model.shift[0])


def _focus(frames: Sequence[Grey]) -> float:
    """Return how much sharper the middle has become, beside the sides (logarithm)."""
    width = frames[0].shape[1]
    middle = slice(int(0.35 * width), int(0.65 * width))
    balance = []
    for grey in (*frames[:BEND], *frames[-BEND:]):
        fine = np.abs(cv2.Laplacian(grey, cv2.CV_32F))
        sides = np.concatenate([fine[:, : width // 6], fine[:, -(width // 6) :]], axis=1)
        balance.append(np.log((fine[:, middle].mean() + 1) / (sides.mean() + 1)))
    return float(np.mean(balance[-BEND:]) - np.mean(balance[:BEND]))


MEASURES = ("x", "y", "growth", "figure x", "figure y", "figure growth",
            "ground x", "ground y", "ground growth", "jolt", "focus")  # fmt: skip
TOLERANCE = np.array([0.03, 0.03, 0.04, 0.12, 0.12, 0.14, 0.3, 0.3, 0.4, 0.012, 0.35])
"""How far each measure of a clip may lie from a movement's for a loss of evidence of a half."""
MOST = np.array([25, 25, 25, 8, 8, 8, 2, 2, 2, 25, 25])
"""The most that each may lose: the figure also moves by itself, and the ground is read poorly."""


@dataclass(frozen=True)
class Signature:
    """What a movement does to the measures, for each unit of its extent, and its extents drawn."""

    measures: Mapping[str, float]
    least: float
    most: float

    def misfit(self, seen: Path1) -> float:
        """Return how badly measures fit the movement at its best extent."""
        line = np.array([self.measures.get(name, 0.0) for name in MEASURES]) / TOLERANCE
        at = seen / TOLERANCE
        length = float(line @ line)
        extent = np.clip(line @ at / length, self.least, self.most) if length else 0.0
        return float(np.minimum((at - extent * line) ** 2, MOST).sum())


def _along(axis: str, sign: int, own: float, ground: float) -> dict[str, float]:
    """Return the measures of a slide: of the background by 1, of the figure and of the ground."""
    return {axis: sign, f"figure {axis}": own * sign, f"ground {axis}": ground * sign}


def _signatures() -> dict[str, Signature]:
    """Return the movements' signatures: how the studio moves its layers, as far as it is read.

    A ground that streams by is read short, since what passes quickly is lost between frames.
    """
    table = {"Static": Signature({}, 0, 0), "Shake": Signature({"jolt": 1}, 0.03, 0.6)}
    for axis, names, slow, far in (
        ("x", ("Pan", "Truck"), (0.25, 0.8), (0.08, 0.26)),
        ("y", ("Tilt", "Pedestal"), (0.22, 0.65), (0.07, 0.2)),
    ):
        words = ("left", "right") if axis == "x" else ("up", "down")
        for sign, word in zip((1, -1), words, strict=True):
            table[f"{names[0]} {word}"] = Signature(_along(axis, sign, own=0.6, ground=1.1), *slow)
            table[f"{names[1]} {word}"] = Signature(_along(axis, sign, own=3.0, ground=2.0), *far)
            table[f"Follow {word}"] = Signature(
                _along(axis, sign, own=0.0, ground=0.7 if axis == "x" else 0.2), 0.3, 0.8
            )
            if axis == "x":
                turned = "ccw" if sign > 0 else "cw"
                table[f"Orbit {turned}"] = Signature(
                    _along(axis, sign, own=0.0, ground=0.05), 0.3, 0.75
                )
    for sign, word in ((1, "in"), (-1, "out")):
        for name, back, own, ground, extents in (
            ("Push", 0.2, 1.0, 0.5, (0.22, 0.9)),
            ("Zoom", 1.0, 1.0, 1.0, (0.2, 0.85)),
            ("Follow", 1.0, 0.0, 0.4, (0.15, 0.44)),
            ("Dolly Zoom", 1.0, 0.0, 0.2, (0.46, 1.05)),
        ):
            grown = {"growth": back, "figure growth": own, "ground growth": ground}
            table[f"{name} {word}"] = Signature({k: sign * v for k, v in grown.items()}, *extents)
    table["Rack Focus near"] = Signature({"focus": 1}, 0.7, 3.0)
    table["Rack Focus far"] = Signature({"focus": -1}, 0.7, 3.0)
    return table


SIGNATURES = _signatures()


def classify_camera(path: CameraPath) -> dict[str, float]:
    """Return the score of each camera movement (with its direction); the scores sum to 1."""
    jolts = np.hypot(np.diff(path.dx, 2), np.diff(path.dy, 2)) / path.height
    jolt = float(jolts.mean()) if len(jolts) else 0.0
    moved = path.dx[-1] / path.height, path.dy[-1] / path.height, path.log_scale[-1]
    seen = np.array([*moved, *path.figure, *path.ground, jolt, path.focus])
    misfits = np.array([signature.misfit(seen) for signature in SIGNATURES.values()])
    strength = np.exp(-0.5 * (misfits - misfits.min()))
    return dict(zip(SIGNATURES, map(float, strength / strength.sum()), strict=True))
