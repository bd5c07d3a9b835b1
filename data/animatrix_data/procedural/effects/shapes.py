"""Shapes that effects share: where they stand on the frame, bolts, puffs, shards, wedges."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import skia

from animatrix_data.procedural.colour import Rgb, fill
from animatrix_data.procedural.paths import Point, polygon

BODIES = ("Close-Up", "Medium Shot", "Full Shot", "Long Shot")
FEET = ("Full Shot", "Long Shot")
"""The shots that show the body beside its head, and the ground about its feet."""


@contextmanager
def frame_heights(canvas: skia.Canvas, *points: Point) -> Iterator[tuple[list[Point], float]]:
    """Draw in frame heights about the frame's centre for a while, from the figure's plane.

    Yields where some points of the figure are on the frame, and the direction the figure faces
    (1 right, −1 left): marks can then be as large in a Long Shot as in a Close-Up.
    """
    height = canvas.getBaseLayerSize().height()
    middle = canvas.getBaseLayerSize().width() / 2, height / 2
    matrix = canvas.getTotalMatrix()
    mapped = matrix.mapPoints([skia.Point(*p) for p in points])
    placed = [((p.x() - middle[0]) / height, (p.y() - middle[1]) / height) for p in mapped]
    canvas.save()
    canvas.resetMatrix()
    canvas.translate(*middle)
    canvas.scale(height, height)
    yield placed, math.copysign(1.0, matrix.getScaleX())
    canvas.restore()


def frame_height(canvas: skia.Canvas) -> float:
    """Return how many units of the canvas make a frame height."""
    return float(canvas.getBaseLayerSize().height() / canvas.getTotalMatrix().mapRadius(1.0))


def clamp(value: float, low: float = 0.0, high: float = 1.0) -> float:
    """Return a value held between two others."""
    return min(high, max(low, value))


def bolt(rng: np.random.Generator, start: Point, end: Point, steps: int, sway: float) -> skia.Path:
    """Return a jagged line between two points that strays by up to `sway` on either side."""
    path = skia.Path().moveTo(*start)
    length = math.dist(start, end)
    normal = ((start[1] - end[1]) / length, (end[0] - start[0]) / length)
    for k in range(1, steps):
        share = (k + rng.uniform(-0.25, 0.25)) / steps
        aside = sway * rng.uniform(0.35, 1.0) * (1 if k % 2 else -1)
        path.lineTo(
            start[0] + share * (end[0] - start[0]) + aside * normal[0],
            start[1] + share * (end[1] - start[1]) + aside * normal[1],
        )
    return path.lineTo(*end)


def spikes(turns: Sequence[float], inner: float, outer: Sequence[float], half: float) -> skia.Path:
    """Return wedges about the origin, one per turn: as broad as `half` radians either side at
    `inner`, pointed at its `outer` radius (inside or outside of `inner`)."""
    path = skia.Path()
    for turn, tip in zip(turns, outer, strict=True):
        path.moveTo(tip * math.cos(turn), tip * math.sin(turn))
        for side in (-half, half):
            path.lineTo(inner * math.cos(turn + side), inner * math.sin(turn + side))
        path.close()
    return path


def shard(rng: np.random.Generator, corners: int = 5, rough: float = 0.45) -> skia.Path:
    """Return an irregular convex-looking polygon of radius about 1."""
    turns = 2 * math.pi * (np.arange(corners) + rng.uniform(-0.3, 0.3, corners)) / corners
    radii = rng.uniform(1 - rough, 1.0, corners)
    return polygon(*zip(radii * np.cos(turns), radii * np.sin(turns), strict=True))


def crescent(radius: float, width: float, start: float, span: float) -> skia.Path:
    """Return a stroke along an arc about the origin that swells towards its leading end."""
    share = np.linspace(0, 1, 17)
    turn = start + span * share
    swell = 0.5 * width * np.sin(np.pi * share**1.7)
    rim = np.concatenate([radius + swell, (radius - swell)[::-1]])
    turn = np.concatenate([turn, turn[::-1]])
    return polygon(*zip(rim * np.cos(turn), rim * np.sin(turn), strict=True))


class Puff:
    """A cel-shaded cloud of radius about 1 with a scalloped edge: outline, body, light."""

    def __init__(self, rng: np.random.Generator, lobes: int = 7) -> None:
        edge, body, light = skia.Path.Circle(0, 0, 0.7), skia.Path.Circle(0, 0, 0.7), skia.Path()
        for k in range(lobes):
            turn = 2 * math.pi * (k + rng.uniform(-0.2, 0.2)) / lobes
            size = float(rng.uniform(0.32, 0.46))
            x, y = 0.6 * math.cos(turn), 0.6 * math.sin(turn)
            edge.addCircle(x, y, size + 0.1)
            body.addCircle(x, y, size)
            if y < 0.25:
                light.addCircle(x - 0.06, y - 0.08, 0.68 * size)
        # One outline in place of many circles that overlap is several times faster to fill.
        self._paths = [skia.Simplify(path) for path in (edge, body, light)]

    def draw(self, canvas: skia.Canvas, at: Point, size: float, paints: PuffPaints) -> None:
        """Draw the puff at a point of the canvas with a radius."""
        canvas.save()
        canvas.translate(*at)
        canvas.scale(size, size)
        for path, paint in zip(self._paths, paints, strict=True):
            canvas.drawPath(path, paint)
        canvas.restore()


PuffPaints = tuple[skia.Paint, skia.Paint, skia.Paint]


def puff_paints(edge: Rgb, body: Rgb, light: Rgb, alpha: float = 1.0) -> PuffPaints:
    """Return the paints of a puff's outline, body and light."""
    return fill(edge, alpha), fill(body, alpha), fill(light, alpha)
