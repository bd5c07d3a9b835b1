"""VFX, Emotional Symbols: what takes the place of the eyes."""

from __future__ import annotations

import math
from dataclasses import replace

import skia

from animatrix_data.procedural.colour import WHITE, rgb
from animatrix_data.procedural.effects.effect import Effect, Setting, effect
from animatrix_data.procedural.effects.looks import faced, shown
from animatrix_data.procedural.effects.stickers import (
    INK,
    heart,
    star,
)
from animatrix_data.procedural.expressions import FACE_SHOTS
from animatrix_data.procedural.face import EYES, FACES, Mark, Spot, fill, stroke
from animatrix_data.procedural.motion import Pose
from animatrix_data.procedural.paths import polygon

LARGE = 1.6
"""How much larger than a plain eye a symbol is that takes its place."""


def _eyeball(canvas: skia.Canvas, spot: Spot, wide: float = 1.0, tall: float = 1.15) -> float:
    """Draw an outlined white eye, leave the canvas in units of half its width, and return 1."""
    size = LARGE * spot.size * spot.expression.pupil
    canvas.scale(size, size)
    oval = skia.Rect(-wide, -tall, wide, tall)
    canvas.drawOval(oval, stroke(INK, 0.34))
    canvas.drawOval(oval, fill(WHITE))
    return size


def _spiral(turns: float, reach: float) -> skia.Path:
    path, steps = skia.Path(), round(12 * turns)
    for k in range(steps + 1):
        angle, radius = 2 * math.pi * turns * k / steps, reach * k / steps
        point = radius * math.cos(angle), radius * math.sin(angle)
        if k:
            path.lineTo(*point)
        else:
            path.moveTo(*point)
    return path


SPIRAL = _spiral(2.2, 0.86)


@EYES.add("spirals")
def spirals(canvas: skia.Canvas, spot: Spot) -> None:
    """Draw a white eye with a black spiral that turns, mirrored in the other eye."""
    canvas.save()
    _eyeball(canvas, spot, 1.0, 1.0)
    canvas.scale(spot.side or 1, 1)
    canvas.rotate(-40 * spot.expression.beat)
    canvas.drawPath(SPIRAL, stroke(INK, 0.2))
    canvas.restore()


@effect("Spiral Eyes", "head", FACE_SHOTS)
def spiral_eyes(setting: Setting) -> Effect:
    """Spirals turn in the eyes while the head sways."""
    eyes = faced(setting, "spirals")

    def poses(drawn: list[Pose]) -> list[Pose]:
        sway = [0.16 * math.sin(0.9 * setting.time(t)) for t in range(len(drawn))]
        return [replace(shown(p), head=p.head + s) for p, s in zip(drawn, sway, strict=True)]

    return replace(eyes, poses=poses)


STAR = star(5, 0.45)
SPARK = star(4, 0.22)


@EYES.add("stars")
def stars(canvas: skia.Canvas, spot: Spot) -> None:
    """Draw a wide dark eye filled by a yellow star, with sparks that twinkle in turn."""
    canvas.save()
    _eyeball(canvas, spot)
    canvas.drawOval(skia.Rect(-0.88, -1.05, 0.88, 1.05), fill(rgb("27246e")))
    canvas.drawOval(skia.Rect(-0.7, 0.1, 0.7, 1.02), fill(rgb("5a6cf0"), 0.8))
    twinkle = math.sin(1.2 * spot.expression.beat + spot.side)
    canvas.save()
    canvas.rotate(8 * twinkle)
    canvas.scale(1.65 + 0.25 * twinkle, 1.65 + 0.25 * twinkle)
    canvas.drawPath(STAR, fill(rgb("ffe534")))
    canvas.restore()
    for x, y, size in ((-0.6, -0.75, 0.75 - 0.3 * twinkle), (0.62, 0.75, 0.6 + 0.3 * twinkle)):
        canvas.save()
        canvas.translate(x, y)
        canvas.scale(size, size)
        canvas.drawPath(SPARK, fill(WHITE))
        canvas.restore()
    canvas.restore()


@effect("Starry Eyes", "head", FACE_SHOTS)
def starry_eyes(setting: Setting) -> Effect:
    """Yellow stars twinkle in widened eyes."""
    return faced(setting, "stars")


HEART = heart()


@EYES.add("hearts")
def hearts(canvas: skia.Canvas, spot: Spot) -> None:
    """Draw a large red heart that beats."""
    canvas.save()
    phase = 1.57 * spot.expression.beat
    size = LARGE * spot.size * spot.expression.pupil * (2.25 + 0.4 * max(0.0, math.sin(phase)))
    canvas.scale(size, size)
    canvas.drawPath(HEART, stroke(INK, 0.2))
    canvas.drawPath(HEART, fill(rgb("ff2a63")))
    canvas.rotate(-35)
    canvas.drawOval(skia.Rect(-0.3, -0.32, -0.02, -0.16), fill(WHITE))
    canvas.restore()


@effect("Heart Eyes", "head", FACE_SHOTS)
def heart_eyes(setting: Setting) -> Effect:
    """Red hearts beat in place of the eyes."""
    return faced(setting, "hearts")


DOLLAR = (
    skia.Path()
    .moveTo(0.42, -0.4)
    .cubicTo(0.3, -0.75, -0.45, -0.75, -0.45, -0.32)
    .cubicTo(-0.45, 0.1, 0.45, -0.1, 0.45, 0.34)
    .cubicTo(0.45, 0.75, -0.3, 0.75, -0.45, 0.4)
    .moveTo(0, -0.86)
    .lineTo(0, 0.86)
)


@EYES.add("money")
def money(canvas: skia.Canvas, spot: Spot) -> None:
    """Draw a golden coin with a dollar sign, with a glint that crosses it."""
    size, beat = LARGE * spot.size * spot.expression.pupil, spot.expression.beat
    # A coin that flips shows its edge for a moment, as the reels of a slot machine do.
    flip = max(0.25, abs(math.cos(math.pi * beat / 6))) if beat % 12 < 6 else 1.0
    canvas.save()
    canvas.scale(size * (-1 if spot.mirrored else 1), size * flip)
    canvas.drawCircle(0, 0, 1.1, stroke(INK, 0.3))
    canvas.drawCircle(0, 0, 1.1, fill(rgb("ffd02e")))
    canvas.drawCircle(0, 0, 0.98, stroke(rgb("fff2a8"), 0.12))
    canvas.drawPath(DOLLAR, stroke(rgb("3a2500"), 0.25))
    canvas.restore()


@effect("Money-Sign Eyes", "head", FACE_SHOTS)
def money_eyes(setting: Setting) -> Effect:
    """Dollar signs on golden coins flip in the eyes, over a grin."""
    return faced(setting, "money", mouth="grin")


@EYES.add("triangles")
def triangles(canvas: skia.Canvas, spot: Spot) -> None:
    """Draw a glowing white triangle, low at the nose, that glints."""
    size, side = LARGE * spot.size * spot.expression.pupil, spot.side or 1
    canvas.save()
    canvas.scale(side * size, size)
    shape = polygon((-1.05, 0.4), (1.2, -0.75), (0.95, 0.55))
    glow = 0.6 + 0.4 * math.sin(1.1 * spot.expression.beat)
    canvas.drawPath(shape, stroke(rgb("9fd8ff"), 0.55, round(0.35 * glow, 2)))
    canvas.drawPath(shape, stroke(rgb("dff2ff"), 0.25, round(0.7 * glow, 2)))
    canvas.drawPath(shape, fill(WHITE))
    if spot.expression.beat % 6 < 1.5:
        canvas.translate(1.0, -0.6)
        canvas.scale(1.9, 1.9)
        canvas.drawPath(SPARK, fill(WHITE))
    canvas.restore()


def _menace(canvas: skia.Canvas, spot: Spot) -> None:
    """Lay the whole face in a dark shade."""
    canvas.drawRect(skia.Rect(-1.4, -1.4, 1.4, 1.3), fill(rgb("120d2e"), 0.9))


FACES.add("menace")(Mark(_menace, "skin"))


@effect("White Triangle Eyes", "head", FACE_SHOTS)
def triangle_eyes(setting: Setting) -> Effect:
    """White triangles glow in a darkened face."""
    return faced(setting, "triangles", marks=("menace",))


@EYES.add("dead-fish")
def dead_fish(canvas: skia.Canvas, spot: Spot) -> None:
    """Draw a flat half-lidded eye: a grey iris without light under a heavy straight lid."""
    size = 1.35 * spot.size
    canvas.save()
    canvas.scale(size, size)
    half = skia.Path().moveTo(-1.0, -0.1).lineTo(1.0, -0.1).cubicTo(1.0, 1.1, -1.0, 1.1, -1.0, -0.1)
    canvas.drawPath(half.close(), fill(rgb("e4e2e8")))
    canvas.save()
    canvas.clipPath(half, doAntiAlias=True)
    canvas.drawCircle(0, 0.1, 0.52, fill(rgb("6d6f7c")))
    canvas.restore()
    canvas.drawPath(half, stroke(INK, 0.12))
    canvas.drawLine(-1.2, -0.12, 1.2, -0.12, stroke(INK, 0.36))
    canvas.drawLine(-0.7, 1.15, 0.7, 1.15, stroke(rgb("6f6688"), 0.16))
    canvas.restore()


@effect("Dead-Fish Eyes", "head", FACE_SHOTS)
def dead_fish_eyes(setting: Setting) -> Effect:
    """Flat half-lidded eyes without light over a flat mouth."""
    return faced(setting, "dead-fish", mouth="line")
