"""CameraMotion: the path of the camera through a clip, as a sequence of moves in time.

Conventions: the camera pans left, so the picture moves right; it tilts up, so the picture moves
down. A push is a dolly (near layers grow faster than far ones), a zoom scales all alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from animatrix_data.procedural.registry import Registry, generator
from animatrix_data.taxonomy.tags import Tag

Path1 = NDArray[np.float64]

AMPLITUDE = {"low": 0, "medium": 1, "high": 2}
DURATION = {"low": 1.0, "medium": 0.7, "high": 0.4}
"""The share of its time that a move takes: a fast one ends early and holds."""
PAN_TRAVEL = (0.34, 0.5, 0.7)
TILT_TRAVEL = (0.3, 0.42, 0.56)
ZOOM_FACTOR = (1.3, 1.6, 2.1)
PUSH_FACTOR = (1.35, 1.7, 2.2)
FAR_DEPTH = 5.0


@dataclass(frozen=True)
class CameraPath:
    """Camera state per frame [T], relative to the middle of each range.

    x, y: travel of the picture in frame heights; zoom: natural logarithm of the lens scale;
    dolly: natural logarithm of the scale of the figure's plane; shake: [T, 2] in frame heights.
    """

    x: Path1
    y: Path1
    zoom: Path1
    dolly: Path1
    shake: NDArray[np.float64]

    def depth_scale(self, depth: float) -> Path1:
        """Return the scale [T] of a layer at a depth (the figure stands at 1)."""
        travel = 1.0 - np.exp(-self.dolly)
        return np.exp(self.zoom) * depth / np.maximum(depth - travel, 0.12)


@dataclass(frozen=True)
class Movement:
    """A camera movement: its directions and what channel of the path it drives how far."""

    directions: tuple[str | None, ...]
    channel: str
    travel: Callable[[str | None, int], float]


MOVEMENTS: Registry[Movement] = Registry("CameraMotion")
MOVEMENTS.add("Static")(Movement((None,), "x", lambda direction, level: 0.0))
MOVEMENTS.add("Pan")(
    Movement(
        ("left", "right"),
        "x",
        lambda direction, level: PAN_TRAVEL[level] * (1 if direction == "left" else -1),
    )
)
MOVEMENTS.add("Tilt")(
    Movement(
        ("up", "down"),
        "y",
        lambda direction, level: TILT_TRAVEL[level] * (1 if direction == "up" else -1),
    )
)
MOVEMENTS.add("Push")(
    Movement(
        ("in", "out"),
        "dolly",
        lambda direction, level: math.log(PUSH_FACTOR[level]) * (1 if direction == "in" else -1),
    )
)
MOVEMENTS.add("Zoom")(
    Movement(
        ("in", "out"),
        "zoom",
        lambda direction, level: math.log(ZOOM_FACTOR[level]) * (1 if direction == "in" else -1),
    )
)
MOVEMENTS.add("Shake")(Movement((None,), "shake", lambda direction, level: 0.045))


def _eased(progress: Path1) -> Path1:
    """Return a mostly linear ease of a progress in [0, 1]."""
    return 0.7 * progress + 0.3 * progress * progress * (3 - 2 * progress)


def camera_path(moves: Sequence[Tag], frames: int, fps: float, seed: int) -> CameraPath:
    """Return the path of a sequence of moves that share the clip's time equally.

    Raises ValueError for a movement that the studio cannot draw.
    """
    channels = {name: np.zeros(frames) for name in ("x", "y", "zoom", "dolly")}
    shake = np.zeros((frames, 2))
    time = np.arange(frames) / max(frames - 1, 1)
    for place, tag in enumerate(moves):
        movement = MOVEMENTS[tag.name]
        start, span = place / len(moves), 1 / len(moves)
        length = span * DURATION[tag.speed or "medium"]
        progress = _eased(np.clip((time - start) / length, 0, 1))
        travel = movement.travel(tag.direction, AMPLITUDE[tag.amplitude or "medium"])
        if movement.channel == "shake":
            inside = (time >= start) & (time <= start + span)
            shake += _jitter(frames, fps, travel, seed) * inside[:, None]
        else:
            channels[movement.channel] += travel * progress
    centred = {n: c - (c.max() + c.min()) / 2 for n, c in channels.items()}
    return CameraPath(**centred, shake=shake)


def _jitter(frames: int, fps: float, size: float, seed: int) -> NDArray[np.float64]:
    """Return offsets [T, 2] that jump to another side every eighth of a second."""
    rng = generator(seed, "shake")
    beats = (np.arange(frames) * 8 // max(fps, 8)).astype(int)
    count = int(beats.max()) + 1
    radius = size * rng.uniform(0.7, 1.1, count)
    angle = np.cumsum(rng.uniform(0.6 * np.pi, 1.4 * np.pi, count))
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)[beats]
