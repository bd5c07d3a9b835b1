"""Stickers: the shapes of marks and symbols, outlined twice so that they read on anything."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import skia

from animatrix_data.procedural.colour import WHITE, Rgb, fill, rgb, stroke
from animatrix_data.procedural.effects.effect import Placed, Setting
from animatrix_data.procedural.paths import Point, polygon

INK = rgb("1d1830")
"""A mark's outline is as dark in every style: marks stand before the picture, not in it."""
KEY = 0.17
"""Width of the dark outline round a shape in shape heights; the white one round it is as wide."""


def pop(time: float) -> float:
    """Return the scale of a mark that pops in within a quarter of a second, past 1 and back."""
    if time <= 0:
        return 0.0
    left = min(time / 2.5, 1.0) - 1.0
    return 1.0 + 3.2 * left**3 + 2.2 * left**2


@dataclass(frozen=True)
class Sticker:
    """A shape about 1 high round the origin: filled, outlined dark, and white round that.

    A `line` is the width of a shape that is a line, 0 for an area.
    """

    path: skia.Path
    colour: Rgb
    line: float = 0.0
    key: float = KEY

    def draw(self, canvas: skia.Canvas, alpha: float = 1.0) -> None:
        """Draw the shape with both outlines."""
        canvas.drawPath(self.path, stroke(WHITE, self.line + 2 * self.key, alpha))
        self.draw_inner(canvas, alpha)

    def draw_inner(self, canvas: skia.Canvas, alpha: float = 1.0) -> None:
        """Draw the shape with its dark outline only."""
        canvas.drawPath(self.path, stroke(INK, self.line + self.key, alpha))
        inside = stroke(self.colour, self.line, alpha) if self.line else fill(self.colour, alpha)
        canvas.drawPath(self.path, inside)


def mark_size(placed: Placed, least: float = 0.17, most: float = 0.3) -> float:
    """Return the size of a mark by a head in frame heights: never too small to be read."""
    return min(max(1.15 * placed.radius, least), most)


def inside(setting: Setting, at: Point, half: Point) -> Point:
    """Return a place, moved so that what extends `half` (across, down) from it is in the frame."""
    across, down = max(setting.aspect / 2 - half[0], 0.0), max(0.5 - half[1], 0.0)
    return min(max(at[0], -across), across), min(max(at[1], -down), down)


@contextmanager
def put(canvas: skia.Canvas, at: Point, size: float, degrees: float = 0.0) -> Iterator[None]:
    """Put the canvas at a place, in units of a size, turned; for a while."""
    canvas.save()
    canvas.translate(*at)
    canvas.rotate(degrees)
    canvas.scale(size, size)
    yield
    canvas.restore()


def drop() -> skia.Path:
    """Return a drop that hangs from its tip."""
    path = skia.Path().moveTo(0, -0.5).cubicTo(0.1, -0.2, 0.36, -0.06, 0.36, 0.16)
    path.cubicTo(0.36, 0.38, 0.18, 0.5, 0, 0.5).cubicTo(-0.18, 0.5, -0.36, 0.38, -0.36, 0.16)
    return path.cubicTo(-0.36, -0.06, -0.1, -0.2, 0, -0.5).close()


def star(points: int, waist: float, turn: float = -math.pi / 2) -> skia.Path:
    """Return a star of outer radius 0.5 whose inner corners lie at a share of it."""
    angles = turn + np.pi * np.arange(2 * points) / points
    radii = np.where(np.arange(2 * points) % 2, 0.5 * waist, 0.5)
    corners = zip((radii * np.cos(angles)).tolist(), (radii * np.sin(angles)).tolist(), strict=True)
    return polygon(*corners)


def heart() -> skia.Path:
    """Return a heart."""
    path = skia.Path().moveTo(0, 0.46).cubicTo(-0.7, 0.0, -0.5, -0.46, -0.24, -0.46)
    path.cubicTo(-0.1, -0.46, 0.0, -0.36, 0.0, -0.24)
    path.cubicTo(0.0, -0.36, 0.1, -0.46, 0.24, -0.46)
    return path.cubicTo(0.5, -0.46, 0.7, 0.0, 0, 0.46).close()


def puff(wide: float, tall: float) -> skia.Path:
    """Return a cloud of some bumps on a flat base, about the origin."""
    base = skia.Path().addRect(skia.Rect(-0.36 * wide, -0.05 * tall, 0.36 * wide, 0.5 * tall))
    for x, y, r in ((-0.34, 0.2, 0.3), (0.34, 0.2, 0.3), (-0.1, -0.12, 0.38), (0.17, -0.02, 0.34)):
        bump = skia.Path().addOval(
            skia.Rect(x * wide - r * tall, y * tall - r * tall, x * wide + r * tall,
                      y * tall + r * tall)
        )  # fmt: skip
        base = skia.Op(base, bump, skia.PathOp.kUnion_PathOp)
    return base
