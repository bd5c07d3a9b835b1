"""CameraMotion: the path of the camera through a clip, as a sequence of moves in time.

Conventions: what the camera does leftwards moves the picture to the right, what it does upwards
moves the picture down. A pan or tilt slides all layers nearly alike and keeps the figure in the
frame; in a truck or pedestal the figure slides most and the background least. A push is a dolly
(near layers grow faster than far ones), a zoom scales all alike. In a dolly zoom the figure keeps
its size, the background swells (in) or falls away (out) and near things do the reverse. A follow
is a truck, a pedestal or an advance whose subject keeps pace. An orbit clockwise, seen from above,
slides the background to the left and near things to the right. A focus racked near leaves the
background and comes to the figure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from animatrix_data.procedural.registry import Registry, generator
from animatrix_data.taxonomy.tags import Tag

Path1 = NDArray[np.float64]

AMPLITUDE = {"low": 0, "medium": 1, "high": 2}
DURATION = {"low": 1.0, "medium": 0.7, "high": 0.4}
"""The share of its time that a move takes: a fast one ends early and holds."""
HASTE = 0.1
"""How much more of its shorter time (for each further move) a fast move of a sequence takes."""
PAN_TRAVEL = (0.34, 0.5, 0.7)
TILT_TRAVEL = (0.3, 0.42, 0.56)
ZOOM_FACTOR = (1.3, 1.6, 2.1)
PUSH_FACTOR = (1.35, 1.7, 2.2)
TRUCK_TRAVEL = (0.4, 0.52, 0.66)
PEDESTAL_TRAVEL = (0.32, 0.41, 0.5)
FOLLOW_TRAVEL = (1.3, 1.7, 2.2)
CLIMB_TRAVEL = (1.1, 1.5, 1.9)
"""A follow passes more of the place than a truck does, since its subject stays in the frame."""
FOLLOW_FACTOR = (1.3, 1.42, 1.55)
DOLLY_ZOOM_FACTOR = (1.6, 2.0, 2.5)
ORBIT_TRAVEL = (0.4, 0.52, 0.66)
DEFOCUS = (0.022, 0.032, 0.045)
"""The blur's sigma, in frame heights, of what is out of focus."""

FAR_DEPTH = 5.0
GROUND_DEPTH = 1.8
FIGURE_SHARE = 0.6
"""The figure's share of a pan or tilt: the camera keeps it in the frame."""
CLIMB_START = 0.3
"""The share of a vertical follow that lies below eye level: the rest of its way leads upwards."""
TURN_PER_ORBIT = 3.2
"""How far (radians) the figure is seen to turn while the background slides by a frame height."""


@dataclass(frozen=True)
class CameraPath:
    """Camera state per frame [T], relative to the middle of each range.

    x, y: travel of the picture in frame heights; zoom: natural logarithm of the lens scale;
    dolly: natural logarithm of the scale of the figure's plane; shake: [T, 2] in frame heights;
    truck, pedestal: travel of the figure's plane in frame heights; orbit: travel of the
    background in frame heights; advance, vertigo: natural logarithm of the background's scale in
    a follow inwards and in a dolly zoom, which leave the figure's; chase: [T, 2] what the
    subject's own way adds to its place in frame heights; blur: [T, 2] sigma of background and
    figure in frame heights; heading: 1 or -1 where the camera follows a subject to the right or
    the left.
    """

    x: Path1
    y: Path1
    zoom: Path1
    dolly: Path1
    shake: NDArray[np.float64]
    truck: Path1
    pedestal: Path1
    orbit: Path1
    advance: Path1
    vertigo: Path1
    chase: NDArray[np.float64]
    blur: NDArray[np.float64]
    heading: int = 0

    def depth_scale(self, depth: float) -> Path1:
        """Return the scale [T] of a layer at a depth (the figure stands at 1)."""
        travel = 1.0 - np.exp(-self.dolly)
        scale = np.exp(self.zoom) * depth / np.maximum(depth - travel, 0.12)
        rates = self.advance * _rate(depth, ADVANCE) + self.vertigo * _rate(depth, VERTIGO)
        return scale * np.exp(rates)

    def offset(self, depth: float, share: float) -> NDArray[np.float64]:
        """Return where [T, 2] a layer of a depth and a share of a pan lies, in frame heights."""
        slide, swing = _rate(depth, SLIDE), _rate(depth, SWING)
        x = self.x * share + self.shake[:, 0] + self.truck * slide + self.orbit * swing
        y = self.y * share + self.shake[:, 1] + self.pedestal * slide
        return np.stack([x, y], axis=1)

    def figure_offset(self) -> NDArray[np.float64]:
        """Return where [T, 2] the figure's plane lies, in frame heights."""
        return self.offset(1.0, FIGURE_SHARE) + self.chase

    def times(self, factor: float) -> CameraPath:
        """Return the path with every travel multiplied by a factor."""
        still = ("blur", "heading")
        moved = (f.name for f in fields(self) if f.name not in still)
        return replace(self, **{name: getattr(self, name) * factor for name in moved})


Rates = tuple[float, float, float, float, float]

RATE_DEPTHS = (0.8, 1.0, GROUND_DEPTH, 2.8, FAR_DEPTH)
SLIDE: Rates = (1.25, 1.0, 0.66, 0.36, 0.33)
SWING: Rates = (-0.75, 0.0, 0.55, 0.96, 1.0)
ADVANCE: Rates = (5.0, 0.0, 2.2, 1.08, 1.0)
VERTIGO: Rates = (-0.35, 0.0, 0.5, 0.95, 1.0)
"""How much of a truck, an orbit, an advance and a dolly zoom is seen in front of the figure, in its
plane, on the ground, and in the middle and the far background. All of the distance moves nearly
as one painting, so that it can be registered; a figure that is followed keeps its size."""


def _rate(depth: float, rates: Rates) -> float:
    """Return a layer's share of a movement by its depth."""
    return float(np.interp(depth, RATE_DEPTHS, rates))


Travel = Callable[[str | None, int], dict[str, float]]


@dataclass(frozen=True)
class Movement:
    """A camera movement: its directions, and how far it drives which channels of the path.

    `travel` takes a direction and an amplitude (0, 1, 2); its channels are those of `CHANNELS`,
    and `shake` and `focus`, which are no ramps.
    """

    directions: tuple[str | None, ...]
    travel: Travel


CHANNELS = ("x", "y", "zoom", "dolly", "truck", "pedestal", "orbit",
            "advance", "vertigo", "chase_x", "chase_y")  # fmt: skip
MOVEMENTS: Registry[Movement] = Registry("CameraMotion")
SIGN = {"left": 1, "right": -1, "up": 1, "down": -1, "in": 1, "out": -1, "cw": -1, "ccw": 1}


def _ramp(channel: str, travels: Sequence[float]) -> Travel:
    """Return what drives one channel by the travel of an amplitude, signed by the direction."""
    return lambda direction, level: {channel: travels[level] * SIGN[direction or ""]}


def _logs(factors: Sequence[float]) -> list[float]:
    return [math.log(factor) for factor in factors]


def _follow(direction: str | None, level: int) -> dict[str, float]:
    sign = SIGN[direction or ""]
    if direction in ("left", "right"):
        travel = FOLLOW_TRAVEL[level] * sign
        return {"truck": travel, "chase_x": -travel}
    if direction in ("up", "down"):
        travel = CLIMB_TRAVEL[level] * sign
        return {"pedestal": travel, "chase_y": -travel}
    return {"advance": math.log(FOLLOW_FACTOR[level]) * sign}


for _name, _directions, _travel in (
    ("Static", (None,), lambda direction, level: {}),
    ("Pan", ("left", "right"), _ramp("x", PAN_TRAVEL)),
    ("Tilt", ("up", "down"), _ramp("y", TILT_TRAVEL)),
    ("Push", ("in", "out"), _ramp("dolly", _logs(PUSH_FACTOR))),
    ("Zoom", ("in", "out"), _ramp("zoom", _logs(ZOOM_FACTOR))),
    ("Shake", (None,), lambda direction, level: {"shake": 0.045}),
    ("Truck", ("left", "right"), _ramp("truck", TRUCK_TRAVEL)),
    ("Pedestal", ("up", "down"), _ramp("pedestal", PEDESTAL_TRAVEL)),
    ("Follow", ("left", "right", "up", "down", "in", "out"), _follow),
    ("Orbit", ("cw", "ccw"), _ramp("orbit", ORBIT_TRAVEL)),
    ("Dolly Zoom", ("in", "out"), _ramp("vertigo", _logs(DOLLY_ZOOM_FACTOR))),
    ("Rack Focus", ("near", "far"), lambda direction, level: {"focus": DEFOCUS[level]}),
):
    MOVEMENTS.add(_name)(Movement(_directions, _travel))


def readable_move(move: Tag, shot: str, angle: str) -> bool:
    """Tell whether a camera movement can be seen in a ShotScale and at a ShotAngle.

    A detail that fills the frame hides the background, which shows how the camera moves; from
    overhead only the ground is seen, and nothing tells a follow inwards from a dolly zoom.
    """
    if shot == "Extreme Close-Up":
        return move.name == "Static"
    return not (angle == "Overhead" and move.name == "Follow" and move.direction in ("in", "out"))


def _eased(progress: Path1) -> Path1:
    """Return a mostly linear ease of a progress in [0, 1]."""
    return 0.7 * progress + 0.3 * progress * progress * (3 - 2 * progress)


def camera_path(moves: Sequence[Tag], frames: int, fps: float, seed: int) -> CameraPath:
    """Return the path of a sequence of moves that share the clip's time equally.

    What has less time travels less far: by the root of the number of moves.
    Raises ValueError for a movement that the studio cannot draw.
    """
    channels = {name: np.zeros(frames) for name in CHANNELS}
    shake, blur = np.zeros((frames, 2)), np.zeros((frames, 2))
    time = np.arange(frames) / max(frames - 1, 1)
    for place, tag in enumerate(moves):
        start, span = place / len(moves), 1 / len(moves)
        length = span * max(DURATION[tag.speed or "medium"], 0.4 + HASTE * (len(moves) - 1))
        progress = _eased(np.clip((time - start) / length, 0, 1))
        level = AMPLITUDE[tag.amplitude or "medium"]
        for channel, travel in MOVEMENTS[tag.name].travel(tag.direction, level).items():
            if channel == "shake":
                inside = (time >= start) & (time <= start + span)
                shake += _jitter(frames, fps, travel, seed) * inside[:, None]
            elif channel == "focus":
                near = progress if tag.direction == "near" else 1 - progress
                since = (time >= start)[:, None] | (not blur.any())
                blur = np.where(since, travel * np.stack([near, 1 - near], axis=1), blur)
            else:
                channels[channel] += travel * progress / math.sqrt(len(moves))
    centred = {n: c - (c.max() + c.min()) / 2 for n, c in channels.items()}
    climb = centred["chase_y"].max() * (1 - 2 * CLIMB_START)
    centred["pedestal"] += climb
    centred["chase_y"] -= climb
    chase = np.stack([centred.pop(f"chase_{n}") for n in ("x", "y")], axis=1)
    headings = [{"left": -1, "right": 1}.get(m.direction or "", 0)
                for m in moves if m.name == "Follow"]  # fmt: skip
    return CameraPath(
        **centred, shake=shake, chase=chase, blur=blur, heading=headings[0] if headings else 0
    )


def _jitter(frames: int, fps: float, size: float, seed: int) -> NDArray[np.float64]:
    """Return offsets [T, 2] that jump to another side every eighth of a second."""
    rng = generator(seed, "shake")
    beats = (np.arange(frames) * 8 // max(fps, 8)).astype(int)
    count = int(beats.max()) + 1
    radius = size * rng.uniform(0.7, 1.1, count)
    angle = np.cumsum(rng.uniform(0.6 * np.pi, 1.4 * np.pi, count))
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)[beats]
