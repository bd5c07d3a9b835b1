"""VFX, Emotional Symbols: what runs over a face, and mouths that it cannot have."""

from __future__ import annotations

import math

import skia

from animatrix_data.procedural.colour import WHITE, rgb
from animatrix_data.procedural.effects.effect import Effect, Setting, effect
from animatrix_data.procedural.effects.looks import faced
from animatrix_data.procedural.effects.stickers import INK
from animatrix_data.procedural.expressions import FACE_SHOTS
from animatrix_data.procedural.face import EYES, FACES, MOUTHS, Mark, Spot, fill, stroke

WATER, EDGE = rgb("a9e2ff"), rgb("2f86d6")


def _rivulets(canvas: skia.Canvas, spot: Spot) -> None:
    """Draw streams of sweat from the hairline to the chin."""
    beat = spot.expression.beat
    for k, x in enumerate((-0.7, -0.26, 0.2, 0.66)):
        top, bottom = -0.5 + 0.12 * (k % 2), 0.98 - 0.5 * x * x
        path = skia.Path().moveTo(x, top)
        for n in range(1, 9):
            down = top + (bottom - top) * n / 8
            path.lineTo(x + 0.025 * math.sin(1.9 * n - 1.6 * beat + k), down)
        canvas.drawPath(path, stroke(EDGE, 0.19, 0.85))
        canvas.drawPath(path, stroke(WHITE, 0.14))
        canvas.drawPath(path, stroke(WATER, 0.09))
        for n in range(2):
            fallen = (0.16 * beat + 0.23 * k + 0.5 * n) % 1.0
            y = top + (bottom - top) * fallen
            canvas.drawOval(skia.Rect(x - 0.09, y - 0.05, x + 0.09, y + 0.17), fill(EDGE))
            canvas.drawOval(skia.Rect(x - 0.06, y - 0.01, x + 0.06, y + 0.14), fill(WHITE))


FACES.add("rivulets")(Mark(_rivulets, "head"))


@effect("Streaming Sweat", "head", FACE_SHOTS)
def streaming_sweat(setting: Setting) -> Effect:
    """Sweat pours over the whole face in streams."""
    return faced(setting, marks=("rivulets",))


def _waterfalls(canvas: skia.Canvas, spot: Spot) -> None:
    """Draw two broad bands of tears from the eyes past the chin, splashing at their ends."""
    beat = spot.expression.beat
    for eye in filter(None, spot.eyes):
        x, y, bottom = eye[0], eye[1], 1.55
        band = skia.Path().moveTo(x - 0.25, y)
        for n in range(1, 8):
            band.lineTo(x - 0.27 - 0.03 * math.sin(2.2 * n - 2 * beat), y + (bottom - y) * n / 7)
        for n in range(7, -1, -1):
            band.lineTo(x + 0.27 + 0.03 * math.sin(2.2 * n - 2 * beat), y + (bottom - y) * n / 7)
        band.close()
        canvas.drawPath(band, stroke(EDGE, 0.12))
        canvas.drawPath(band, fill(WATER))
        for k, across in enumerate((-0.15, 0.0, 0.15)):
            for n in range(3):
                at = y + 0.05 + (bottom - y - 0.35) * ((0.2 * beat + 0.41 * k + n / 3) % 1.0)
                canvas.drawLine(x + across, at, x + across, at + 0.22, stroke(WHITE, 0.075))
        for k in (-2, -1, 0, 1, 2):
            jump = 0.1 * abs(math.sin(1.3 * beat + 1.1 * k))
            canvas.drawCircle(x + 0.13 * k, bottom - jump, 0.13, fill(EDGE))
            canvas.drawCircle(x + 0.13 * k, bottom - jump, 0.1, fill(WHITE))


FACES.add("waterfalls")(Mark(_waterfalls, "head"))


@effect("Waterfall Tears", "head", FACE_SHOTS)
def waterfall_tears(setting: Setting) -> Effect:
    """Tears gush from shut eyes in two broad bands, past the chin."""
    return faced(setting, marks=("waterfalls",), eyes="clenched", mouth="wail")


def _cheeks(canvas: skia.Canvas, spot: Spot) -> None:
    """Draw round pink patches with a light on them."""
    pulse = 0.31 + 0.03 * math.sin(0.9 * spot.expression.beat)
    for side, eye in zip((-1, 1), spot.eyes, strict=True):
        if eye is None:
            continue
        x, y = eye[0] + 0.14 * side, eye[1] + 0.38
        canvas.drawOval(skia.Rect(x - pulse, y - 0.85 * pulse, x + pulse, y + 0.85 * pulse),
                        fill(rgb("ff4f7d"), 0.92))  # fmt: skip
        canvas.drawOval(skia.Rect(x - 0.15, y - 0.15, x + 0.01, y - 0.04), fill(WHITE, 0.9))


FACES.add("cheeks")(Mark(_cheeks, "face"))


@effect("Blush Circles", "head", FACE_SHOTS)
def blush_circles(setting: Setting) -> Effect:
    """Large round patches of pink on the cheeks."""
    return faced(setting, marks=("cheeks",))


def _bubble(canvas: skia.Canvas, spot: Spot) -> None:
    """Draw a bubble at the nose that swells and shrinks with the breath."""
    breath = 0.5 - 0.5 * math.cos(2 * math.pi * spot.expression.beat / 8)
    radius = 0.26 + 0.3 * breath
    x, y = spot.mouth[0] + 0.1 + 0.75 * radius, spot.mouth[1] - 0.3 + 0.6 * radius
    canvas.drawCircle(x, y, radius, fill(rgb("bfeaff"), 0.72))
    canvas.drawCircle(x, y, radius, stroke(WHITE, 0.17))
    canvas.drawCircle(x, y, radius, stroke(rgb("2b5f9e"), 0.08))
    canvas.drawOval(
        skia.Rect(x - 0.6 * radius, y - 0.6 * radius, x - 0.15 * radius, y - 0.25 * radius),
        fill(WHITE),
    )


FACES.add("bubble")(Mark(_bubble, "head"))


@effect("Nose Bubble", "head", FACE_SHOTS)
def nose_bubble(setting: Setting) -> Effect:
    """A bubble swells and shrinks at a sleeper's nose."""
    return faced(setting, marks=("bubble",), eyes="closed")


@EYES.add("blank")
def blank(canvas: skia.Canvas, spot: Spot) -> None:
    """Draw a round white eye without a pupil."""
    radius = 1.35 * spot.size * spot.expression.pupil
    canvas.drawCircle(0, 0, radius, stroke(INK, 0.12))
    canvas.drawCircle(0, 0, radius, fill(WHITE))


@MOUTHS.add("shark")
def shark(canvas: skia.Canvas, spot: Spot) -> None:
    """Draw a wide open mouth with two rows of pointed teeth that flaps as it shouts."""
    wide, count = 0.62, 6
    deep = 0.34 + 0.14 * abs(math.sin(1.4 * spot.expression.beat))
    gap = skia.Path().addRoundRect(skia.Rect(-wide, -0.3, wide, deep), 0.14, 0.14)
    canvas.drawPath(gap, stroke(INK, 0.16))
    canvas.drawPath(gap, fill(rgb("7d1020")))
    canvas.save()
    canvas.clipPath(gap, doAntiAlias=True)
    step, bite = 2 * wide / count, 0.3
    teeth = skia.Path()
    for k in range(count):
        x = -wide + step * k
        teeth.moveTo(x, -0.32).lineTo(x + step, -0.32).lineTo(x + step / 2, -0.32 + bite).close()
    for k in range(count + 1):
        x = -wide + step * (k - 0.5)
        teeth.moveTo(x, deep).lineTo(x + step, deep).lineTo(x + step / 2, deep - bite).close()
    canvas.drawPath(teeth, fill(WHITE))
    canvas.drawPath(teeth, stroke(INK, 0.035))
    canvas.restore()


@effect("Shark Teeth", "head", FACE_SHOTS)
def shark_teeth(setting: Setting) -> Effect:
    """The mouth becomes rows of pointed teeth under blank round eyes."""
    return faced(setting, eyes="blank", mouth="shark")
