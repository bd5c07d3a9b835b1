"""ShotScale: how large the figure stands in the frame, and how near its background looks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from animatrix_data.procedural.registry import Registry
from animatrix_data.procedural.timing import Build

ANGLES = ("Eye Level",)
"""The ShotAngle values that the studio draws."""


@dataclass(frozen=True)
class Framing:
    """A figure's height and where its feet stand (frame heights from the centre, y down).

    `world` is the background's scale.
    """

    height: float
    feet: float
    world: float


SHOTS: Registry[Callable[[Build], Framing]] = Registry("ShotScale")


def _crown(build: Build) -> float:
    """Return the height of the top of the hair in figure heights."""
    return build.neck + 2.1 * build.head


def _span(build: Build, low: float, share: float, bottom: float, world: float) -> Framing:
    """Frame the figure from a height `low` to its crown in a share of the frame."""
    height = share / (_crown(build) - low)
    return Framing(height, bottom + low * height, world)


@SHOTS.add("Close-Up")
def close_up(build: Build) -> Framing:
    """Frame the head and the shoulders."""
    height = 0.31 / build.head
    return Framing(height, 0.03 + (build.neck + 0.92 * build.head) * height, 1.6)


@SHOTS.add("Medium Shot")
def medium_shot(build: Build) -> Framing:
    """Frame the figure from the waist up."""
    return _span(build, build.hip, 0.86, 0.48, 1.25)


@SHOTS.add("Full Shot")
def full_shot(build: Build) -> Framing:
    """Frame the whole figure."""
    return _span(build, 0.0, 0.76, 0.43, 1.0)


@SHOTS.add("Long Shot")
def long_shot(build: Build) -> Framing:
    """Frame a small figure in its surroundings."""
    return _span(build, 0.0, 0.44, 0.4, 0.85)
