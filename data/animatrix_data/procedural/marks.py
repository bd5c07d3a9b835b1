"""Marks that emotions leave on a face: tears, sweat, colour and shade, in head radii.

The canvas's origin is the middle of the face; `Spot.eyes` and `Spot.mouth` say where those are.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import skia

from animatrix_data.procedural.colour import WHITE, Rgb, linear, mix, rgb
from animatrix_data.procedural.face import FACES, Mark, Paint, Spot, fill, stroke

WATER, EDGE = rgb("a6e0ff"), rgb("3f93dc")
RED = rgb("f0505c")
EYE = 0.22
"""Half the width of an eye about which marks are laid."""


def _mark(name: str, stage: str) -> Callable[[Paint], Paint]:
    """Return a decorator that files a painter as a mark of a stage."""

    def file(paint: Paint) -> Paint:
        FACES.add(name)(Mark(paint, stage))
        return paint

    return file


def _drop(canvas: skia.Canvas, x: float, y: float, size: float, lean: float = 0.0) -> None:
    """Draw a drop of water whose belly is at a place; it leans with its tip to one side."""
    path = skia.Path().moveTo(x + lean * size, y - 1.9 * size)
    path.cubicTo(x + 0.3 * size, y - size, x + size, y - 0.6 * size, x + size, y)
    path.cubicTo(x + size, y + 1.25 * size, x - size, y + 1.25 * size, x - size, y)
    path.cubicTo(x - size, y - 0.6 * size, x - 0.3 * size, y - size, x + lean * size,
                 y - 1.9 * size)  # fmt: skip
    canvas.drawPath(path, stroke(EDGE, 0.07))
    canvas.drawPath(path, fill(WATER))
    canvas.drawCircle(x - 0.3 * size, y + 0.1 * size, 0.3 * size, fill(WHITE))


@lru_cache(maxsize=64)
def _fade(colour: Rgb, top: float, bottom: float, strong: float, weak: float = 0.0) -> skia.Paint:
    """Return a paint that fades from one height to another; do not change it."""
    return linear((colour, colour), (strong, weak), (0, top), (0, bottom))


def _veil(canvas: skia.Canvas, paint: skia.Paint) -> None:
    canvas.drawRect(skia.Rect(-1.3, -1.4, 1.3, 1.2), paint)


@_mark("welling", "face")
def welling(canvas: skia.Canvas, spot: Spot) -> None:
    """Draw tears that stand on the lower lids."""
    swell = 0.015 * math.sin(0.8 * spot.expression.beat)
    for eye in filter(None, spot.eyes):
        x, y = eye[0], eye[1] + 0.24
        pool = skia.Rect(x - EYE, y - 0.09, x + EYE, y + 0.1 + swell)
        canvas.drawOval(pool, stroke(EDGE, 0.05))
        canvas.drawOval(pool, fill(WATER))
        canvas.drawOval(skia.Rect(x - 0.13, y - 0.05, x - 0.01, y + 0.02), fill(WHITE))


@_mark("streams", "face")
def streams(canvas: skia.Canvas, spot: Spot) -> None:
    """Draw tears that pour from both eyes over the cheeks."""
    flow = 0.7 * spot.expression.beat
    for eye in filter(None, spot.eyes):
        x, y = eye[0], eye[1] + 0.08
        left, right = skia.Path().moveTo(x - 0.17, y), []
        for k in range(6):
            down, wide = y + 0.17 * (k + 1), 0.17 + 0.025 * math.sin(flow - 1.3 * k)
            left.lineTo(x - wide, down)
            right.append((x + wide, down))
        for place in reversed(right):
            left.lineTo(*place)
        left.lineTo(x + 0.17, y).close()
        canvas.drawPath(left, stroke(EDGE, 0.06))
        canvas.drawPath(left, fill(WATER))
        for k, across in enumerate((-0.07, 0.06)):
            at = y + 0.15 + 0.3 * ((0.1 * flow + 0.5 * k) % 1.0)
            canvas.drawLine(x + across, at, x + across, at + 0.22, stroke(WHITE, 0.05))


@_mark("tear", "head")
def tear(canvas: skia.Canvas, spot: Spot) -> None:
    """Draw a single tear and its trace on one cheek."""
    eye = spot.eyes[1] or spot.eyes[0]
    if eye is None:
        return
    slide = 0.12 * ((0.06 * spot.expression.beat) % 1.0)
    x, y = eye[0] + 0.06, eye[1] + 0.25
    canvas.drawLine(x, y, x, y + 0.2 + slide, stroke(EDGE, 0.16))
    canvas.drawLine(x, y, x, y + 0.2 + slide, stroke(WATER, 0.1))
    _drop(canvas, x, y + 0.24 + slide, 0.15)


@_mark("beads", "head")
def beads(canvas: skia.Canvas, spot: Spot) -> None:
    """Draw large tears at the outer corners of both eyes, and one that falls from each."""
    fall = (0.1 * spot.expression.beat) % 1.0
    for side, eye in zip((-1, 1), spot.eyes, strict=True):
        if eye is None:
            continue
        x, y = eye[0] + side * 0.25, eye[1] + 0.12
        _drop(canvas, x, y, 0.13, lean=-0.9 * side)
        _drop(canvas, x + side * 0.04, y + 0.3 + 0.25 * fall, 0.09, lean=-0.3 * side)


@_mark("sweat", "head")
def sweat(canvas: skia.Canvas, spot: Spot) -> None:
    """Draw drops of cold sweat on forehead, temple and cheek."""
    for k, (x, y, size) in enumerate(((-0.56, -0.3, 0.1), (0.62, -0.08, 0.12), (-0.66, 0.58, 0.11),
                                      (0.1, -0.42, 0.08))):  # fmt: skip
        slide = 0.12 * ((0.05 * spot.expression.beat + 0.37 * k) % 1.0)
        _drop(canvas, x, y + slide, size)


@_mark("drop", "head")
def drop(canvas: skia.Canvas, spot: Spot) -> None:
    """Draw one drop of sweat on the temple."""
    slide = 0.1 * ((0.04 * spot.expression.beat) % 1.0)
    _drop(canvas, -0.6, -0.16 + slide, 0.13, lean=0.2)


@_mark("breath", "head")
def breath(canvas: skia.Canvas, spot: Spot) -> None:
    """Draw a puff of breath that leaves the mouth."""
    drift = 0.1 * ((0.06 * spot.expression.beat) % 1.0)
    x, y = spot.mouth[0] + 0.42 + drift, spot.mouth[1] + 0.1 + 0.5 * drift
    puff = skia.Path()
    for dx, dy, size in (
        (0.0, 0.0, 0.13),
        (0.15, -0.05, 0.15),
        (0.28, 0.04, 0.12),
        (0.13, 0.1, 0.11),
    ):
        puff.addCircle(x + dx, y + dy, size)
    canvas.drawPath(puff, stroke(mix(spot.palette.ink, WHITE, 0.35), 0.07))
    canvas.drawPath(puff, fill(WHITE))
    canvas.drawLine(x - 0.2, y - 0.02, x - 0.12, y - 0.01, stroke(WHITE, 0.05))


@_mark("flush", "skin")
def flush(canvas: skia.Canvas, spot: Spot) -> None:
    """Redden the face from the forehead down."""
    _veil(canvas, _fade(RED, -0.3, 0.75, 0.75, 0.1))


@_mark("sickly", "skin")
def sickly(canvas: skia.Canvas, spot: Spot) -> None:
    """Turn the face green from the forehead down."""
    _veil(canvas, _fade(rgb("6fae5a"), -0.2, 0.85, 0.85, 0.15))


@_mark("pale", "skin")
def pale(canvas: skia.Canvas, spot: Spot) -> None:
    """Drain the face of its colour: blue above, white below."""
    _veil(canvas, fill(rgb("e9f1ff"), 0.65))
    _veil(canvas, _fade(rgb("5f86d8"), -0.35, 0.6, 0.9))


@_mark("dusk", "skin")
def dusk(canvas: skia.Canvas, spot: Spot) -> None:
    """Lay one side of the face in a soft violet shadow."""
    _veil(canvas, _slant(rgb("47467f")))


@lru_cache(maxsize=1)
def _slant(colour: Rgb) -> skia.Paint:
    """Return a paint that fades from one side of a face to the other; do not change it."""
    ends = (-0.7, -0.3), (0.4, 0.15)
    return linear((colour,) * 3, (0.75, 0.65, 0.0), *ends, (0.0, 0.75, 1.0))


@_mark("shade", "face")
def shade(canvas: skia.Canvas, spot: Spot) -> None:
    """Lay the upper face in a deep blue shade with falling lines."""
    _veil(canvas, _fade(rgb("1f2350"), 0.0, 0.75, 0.85))
    for k in range(7):
        x = -0.66 + 0.22 * k
        canvas.drawLine(x, -0.5, x, 0.02 + (0.14 if k % 2 else 0.0), stroke(rgb("141637"), 0.05))


@_mark("wrinkles", "face")
def wrinkles(canvas: skia.Canvas, spot: Spot) -> None:
    """Wrinkle the bridge of the nose."""
    x, y, ink = spot.mouth[0], spot.mouth[1] - 0.46, stroke(spot.palette.ink, 0.045)
    canvas.drawLine(x - 0.06, y - 0.16, x - 0.04, y - 0.02, ink)
    canvas.drawLine(x + 0.06, y - 0.16, x + 0.04, y - 0.02, ink)
    for side in (-1, 1):
        for k in range(2):
            at = y + 0.11 + 0.08 * k
            canvas.drawLine(x + side * 0.05, at + 0.03, x + side * 0.15, at - 0.04, ink)


@_mark("hatched", "face")
def hatched(canvas: skia.Canvas, spot: Spot) -> None:
    """Draw a blush across cheeks and nose, with its strokes."""
    x, y = spot.mouth[0], spot.mouth[1] - 0.15
    canvas.drawOval(skia.Rect(x - 0.8, y - 0.17, x + 0.8, y + 0.15), fill(rgb("ff5a68"), 0.5))
    for side, eye in zip((-1, 1), spot.eyes, strict=True):
        for k in range(3 if eye else 0):
            across = x + side * 0.42 + 0.13 * (k - 1)
            canvas.drawLine(across + 0.06, y - 0.1, across - 0.05, y + 0.1,
                            stroke(rgb("c4283c"), 0.05))  # fmt: skip


@_mark("puffed", "face")
def puffed(canvas: skia.Canvas, spot: Spot) -> None:
    """Puff the cheeks."""
    (x, y), ink = spot.mouth, stroke(mix(spot.palette.ink, RED, 0.3), 0.05)
    for side, eye in zip((-1, 1), spot.eyes, strict=True):
        if eye is None:
            continue
        cheek = skia.Rect(x + side * 0.48 - 0.26, y - 0.24, x + side * 0.48 + 0.26, y + 0.2)
        canvas.drawOval(cheek, fill(RED, 0.5))
        canvas.drawArc(cheek, 120 if side < 0 else -60, 120, False, ink)


@_mark("gleam", "head")
def gleam(canvas: skia.Canvas, spot: Spot) -> None:
    """Draw a gleam beside a proud face."""
    size = 0.26 + 0.06 * math.sin(0.8 * spot.expression.beat)
    x, y, waist = 0.62, -0.02, 0.16 * size
    star = skia.Path().moveTo(x, y - size)
    for dx, dy in ((waist, -waist), (size, 0), (waist, waist), (0, size), (-waist, waist),
                   (-size, 0), (-waist, -waist)):  # fmt: skip
        star.lineTo(x + dx, y + dy)
    canvas.drawPath(star.close(), stroke(rgb("e8a11c"), 0.08))
    canvas.drawPath(star, fill(rgb("fffbe0")))
