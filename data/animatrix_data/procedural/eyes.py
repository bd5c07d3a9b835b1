"""Eyes and brows of the plain face and of the emotions, in head radii about the eye's centre."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import skia

from animatrix_data.procedural.colour import WHITE, Rgb, linear, mix, rgb
from animatrix_data.procedural.expressions import Expression, Offset
from animatrix_data.procedural.face import EYES, Palette, Spot, fill, stroke

TALL = 1.28
"""Half the height of an eye beside half its width."""
SHUT = 0.15
"""The opening of the lid below which an eye is drawn as closed."""


def _upper(path: skia.Path, spot: Spot, lift: float = 0.0) -> skia.Path:
    """Add the edge of the upper lid to a path, from the inner corner to the outer one."""
    w, h, face = spot.size, spot.size * TALL, spot.expression
    inner = face.lid * (1 - 0.6 * max(face.slant, 0.0) - 0.1 * min(face.slant, 0.0))
    outer = face.lid * (1 + 0.6 * min(face.slant, 0.0) + 0.1 * max(face.slant, 0.0))
    x = spot.side * w
    low = 0.15 * h
    path.moveTo(-x, low - lift * 0.3)
    return path.cubicTo(
        -0.8 * x, low - 1.45 * h * inner - lift, 0.85 * x, low - 1.5 * h * outer - lift,
        x, low - 0.12 * h - lift * 0.5,
    )  # fmt: skip


def _opening(spot: Spot) -> skia.Path:
    """Return the outline of an open eye."""
    x, h = spot.side * spot.size, spot.size * TALL
    down = 0.15 * h + 1.15 * h * (1 - 0.8 * spot.expression.cheek)
    path = _upper(skia.Path(), spot)
    return path.cubicTo(0.92 * x, down, -0.75 * x, down, -x, 0.15 * h).close()


@lru_cache(maxsize=64)
def _gradient(dark: Rgb, colour: Rgb, light: Rgb) -> skia.Paint:
    """Return the paint of an iris of radius 1, dark above and light below; do not change it."""
    return linear((dark, colour, light), (1.0,) * 3, (0, -1), (0, 1), (0.1, 0.5, 1.0))


def _iris(canvas: skia.Canvas, spot: Spot, shining: bool = False, dull: bool = False) -> None:
    """Draw the iris with its pupil and highlights, looking where the expression looks."""
    face, palette = spot.expression, spot.palette
    w, h = spot.size, spot.size * TALL
    rx, ry = 0.72 * w * face.pupil, 0.88 * h * face.pupil
    across = face.gaze[0] * (0.98 * w - min(rx, 0.6 * w))
    down = 0.08 * h + face.gaze[1] * max(0.35 * h, 0.8 * (h - ry))
    canvas.save()
    canvas.translate(across, down)
    canvas.scale(rx, ry)
    if dull:
        canvas.drawCircle(0, 0, 1, fill(mix(palette.iris, rgb("3a3d4d"), 0.75)))
        canvas.drawCircle(0, 0.1, 0.45, fill(mix(palette.ink, rgb("55586a"), 0.35)))
        canvas.restore()
        return
    dark = mix(palette.iris, palette.ink, 0.7)
    canvas.drawCircle(0, 0, 1, fill(mix(palette.iris, palette.ink, 0.85)))
    light = mix(palette.iris, WHITE, 0.45)
    canvas.drawCircle(0, 0, 0.87, _gradient(dark, palette.iris, light))
    if spot.fine:
        canvas.drawOval(skia.Rect(-0.55, 0.3, 0.55, 0.84), fill(light, 0.5))
    canvas.drawOval(skia.Rect(-0.36, -0.42, 0.36, 0.42), fill(palette.ink))
    if shining:
        _glints(canvas)
    elif face.pupil > 0.4:
        canvas.drawOval(skia.Rect(-0.7, -0.74, 0.0, -0.12), fill(WHITE))
        canvas.drawOval(skia.Rect(0.18, 0.26, 0.58, 0.62), fill(WHITE, 0.9))
    canvas.restore()


def _glints(canvas: skia.Canvas) -> None:
    """Draw the many lights of eager eyes on an iris of radius 1."""
    star = skia.Path().moveTo(-0.25, -0.95)
    for x, y in ((-0.08, -0.45), (0.45, -0.3), (-0.08, -0.15),
                 (-0.25, 0.4), (-0.42, -0.15), (-0.95, -0.3), (-0.42, -0.45)):  # fmt: skip
        star.lineTo(x, y)
    canvas.drawPath(star.close(), fill(WHITE))
    canvas.drawCircle(0.4, 0.42, 0.27, fill(WHITE))
    canvas.drawCircle(-0.4, 0.62, 0.15, fill(WHITE))
    canvas.drawCircle(0.52, -0.55, 0.12, fill(WHITE))


def _lash(canvas: skia.Canvas, spot: Spot) -> None:
    """Draw the upper lid's line; on a large face it swells to the outside, with lashes."""
    palette, w, side = spot.palette, spot.size, spot.side
    ink = fill(palette.ink)
    if not spot.fine:
        canvas.drawPath(_upper(skia.Path(), spot), stroke(palette.ink, 0.1))
        return
    h, x = w * TALL, side * w
    lid = _upper(skia.Path(), spot)
    canvas.drawPath(lid, stroke(palette.ink, 0.13 * w))
    points = [lid.getPoint(k) for k in range(4)]
    heavy = skia.Path().moveTo(points[0])
    heavy.cubicTo(points[1], points[2], points[3])
    heavy.quadTo(x * 1.16, 0.0, x * 1.42, -0.24 * h)
    heavy.quadTo(x * 1.2, -0.2 * h, x * 1.12, -0.3 * h)
    heavy.cubicTo(
        points[2] + skia.Point(0, -0.42 * w), points[1] + skia.Point(0, -0.3 * w), points[0]
    )
    canvas.drawPath(heavy.close(), ink)
    if spot.expression.lid > 0.6:
        top = 0.25 * (points[1].y() + points[2].y()) * 1.5 - 0.32 * w
        crease = skia.Path().moveTo(-0.5 * x, top + 0.04).quadTo(0.25 * x, top - 0.1, 0.85 * x,
                                                                top + 0.12)  # fmt: skip
        canvas.drawPath(crease, stroke(mix(palette.skin, palette.shadow, 0.5), 0.09 * w))


def _under(canvas: skia.Canvas, spot: Spot) -> None:
    """Draw the lower lid's line, most of it at the outer end."""
    x, h = spot.side * spot.size, spot.size * TALL
    down = 0.15 * h + 0.87 * h * (1 - 0.8 * spot.expression.cheek)
    ink = stroke(mix(spot.palette.skin, spot.palette.ink, 0.8), 0.13 * spot.size)
    path = skia.Path().moveTo(0.88 * x, 0.62 * down).quadTo(0.62 * x, down, -0.1 * x, down)
    canvas.drawPath(path, ink)


@lru_cache(maxsize=8)
def _still(expression: Expression) -> Expression:
    """Return an expression without its time, which does not change an open eye."""
    return replace(expression, beat=0.0)


@lru_cache(maxsize=256)
def _recorded(
    side: int,
    size: float,
    expression: Expression,
    palette: Palette,
    fine: bool,
    shining: bool,
    dull: bool,
) -> skia.Picture:
    """Return the drawing of an open eye, made once for all the frames that show it."""
    spot = Spot(side, size, narrow=1.0, open=0.0, expression=expression, palette=palette,
                fine=fine, mirrored=False, eyes=(None, None), mouth=(0.0, 0.0))  # fmt: skip
    recorder = skia.PictureRecorder()
    _paint_open(recorder.beginRecording(skia.Rect(-2, -2, 2, 2)), spot, shining, dull)
    return recorder.finishRecordingAsPicture()


def _open(canvas: skia.Canvas, spot: Spot, shining: bool = False, dull: bool = False) -> None:
    """Draw an open eye, or a closed one where the lid is down."""
    still = _still(spot.expression)
    canvas.drawPicture(
        _recorded(spot.side, spot.size, still, spot.palette, spot.fine, shining, dull)
    )


def _paint_open(canvas: skia.Canvas, spot: Spot, shining: bool, dull: bool) -> None:
    """Draw an open eye: white, iris, the lid's shadow and its line."""
    palette, face = spot.palette, spot.expression
    if face.lid < SHUT:
        closed(canvas, spot)
        return
    larger = 1 + 0.28 * face.uneven * spot.side
    canvas.save()
    canvas.scale(larger, larger)
    opening = _opening(spot)
    canvas.drawPath(opening, fill(mix(WHITE, palette.shadow, 0.2 if dull else 0.05)))
    canvas.save()
    canvas.clipPath(opening, doAntiAlias=True)
    if spot.fine:
        veil = _upper(skia.Path(), spot)
        canvas.drawPath(veil, stroke(mix(WHITE, palette.shadow, 0.4), 0.6 * spot.size))
    _iris(canvas, spot, shining, dull)
    canvas.restore()
    if face.lid > 1.2:
        canvas.drawPath(opening, stroke(mix(palette.skin, palette.ink, 0.75), 0.035))
    elif spot.fine:
        _under(canvas, spot)
    _lash(canvas, spot)
    canvas.restore()


@EYES.add("plain")
def plain(canvas: skia.Canvas, spot: Spot) -> None:
    """Draw an eye shaped by the expression: its lids, iris and gaze."""
    _open(canvas, spot)


@EYES.add("shining")
def shining(canvas: skia.Canvas, spot: Spot) -> None:
    """Draw an open eye full of lights."""
    _open(canvas, spot, shining=True)


@EYES.add("dull")
def dull(canvas: skia.Canvas, spot: Spot) -> None:
    """Draw an open eye without any light."""
    _open(canvas, spot, dull=True)


@EYES.add("arcs")
def arcs(canvas: skia.Canvas, spot: Spot) -> None:
    """Draw an eye closed by a smile, arched upwards."""
    w = 1.1 * spot.size
    path = skia.Path().moveTo(-w, 0.55 * w).cubicTo(-0.7 * w, -0.85 * w, 0.7 * w, -0.85 * w,
                                                    w, 0.55 * w)  # fmt: skip
    canvas.drawPath(path, stroke(spot.palette.ink, 0.11))
    if spot.fine:
        x = spot.side * w
        canvas.drawLine(x, 0.5 * w, x * 1.22, 0.28 * w, stroke(spot.palette.ink, 0.06))


@EYES.add("closed")
def closed(canvas: skia.Canvas, spot: Spot) -> None:
    """Draw a calmly closed eye: the lid's line sags, with lashes."""
    w, x = 1.1 * spot.size, 1.1 * spot.size * spot.side
    tilt = 0.4 * w * spot.expression.slant
    path = skia.Path().moveTo(-x, 0.1 * w + tilt)
    path.cubicTo(-0.6 * x, 0.75 * w, 0.6 * x, 0.75 * w, x, 0.1 * w - tilt)
    canvas.drawPath(path, stroke(spot.palette.ink, 0.1))
    for share, drop in ((0.98, 0.28), (0.6, 0.3)) if spot.fine else ((0.95, 0.3),):
        y = (0.5 if share < 0.9 else 0.15) * w - tilt * share
        canvas.drawLine(share * x, y, share * x + 0.22 * x, y + drop * w,
                        stroke(spot.palette.ink, 0.06))  # fmt: skip


@EYES.add("clenched")
def clenched(canvas: skia.Canvas, spot: Spot) -> None:
    """Draw an eye squeezed shut: an angle that points to the nose."""
    x, y = spot.side * spot.size, spot.size
    path = skia.Path().moveTo(x, -0.75 * y).lineTo(-x, 0.05 * y).lineTo(x, 0.75 * y)
    canvas.drawPath(path, stroke(spot.palette.ink, 0.11))


def draw_brief_eye(canvas: skia.Canvas, spot: Spot, at: Offset) -> None:
    """Draw the eye of a small face without emotion at a place: two ovals and a glint."""
    palette, face = spot.palette, spot.expression
    (x, y), wide = at, 0.17 * spot.narrow
    if face.lid < SHUT:
        canvas.drawLine(x - wide, y + 0.06, x + wide, y + 0.06, stroke(palette.ink, 0.08))
        return
    tall = 0.25 * min(face.lid, 1.3)
    canvas.drawOval(skia.Rect(x - wide, y - tall, x + wide, y + tall), fill(palette.ink))
    dx, dy, wide = 0.07 * spot.narrow * face.gaze[0], 0.06 * face.gaze[1], 0.1 * spot.narrow
    low = y + 0.84 * tall + dy
    canvas.drawOval(skia.Rect(x + dx - wide, low - 0.96 * tall, x + dx + wide, low),
                    fill(palette.iris))  # fmt: skip
    canvas.drawCircle(x - 0.04, y - 0.48 * tall, 0.085, fill(WHITE))


def draw_brow(canvas: skia.Canvas, spot: Spot) -> None:
    """Draw a brow; the origin is the middle of a brow at rest."""
    face, palette, side = spot.expression, spot.palette, spot.side
    bold = 0.1 if face.brows else 0.055
    y = -0.13 * face.brow - 0.2 * face.uneven * side
    inner, outer = y + 0.15 * face.frown, y - 0.1 * face.frown + 0.03
    x = 0.25 * side
    path = skia.Path().moveTo(-x, inner)
    path.quadTo(0.1 * x, (inner + outer) / 2 - 0.17 * face.arch, x, outer)
    canvas.drawPath(path, stroke(mix(palette.hair, palette.ink, 0.72), bold))
