"""Mouths of the plain face and of the emotions, in head radii about the mouth's middle."""

from __future__ import annotations

import math

import skia

from animatrix_data.procedural.colour import WHITE, mix, rgb
from animatrix_data.procedural.expressions import Offset
from animatrix_data.procedural.face import MOUTHS, Spot, fill, stroke

CAVE = rgb("6e1f2c")
TONGUE = rgb("ee7f86")
WIDTH = 0.075
"""The width of a mouth's line."""


def _line(canvas: skia.Canvas, spot: Spot, path: skia.Path, width: float = WIDTH) -> None:
    canvas.drawPath(path, stroke(spot.palette.ink, width))


def _cave(canvas: skia.Canvas, spot: Spot, path: skia.Path, tongue: skia.Rect | None) -> None:
    """Draw an open mouth: its dark inside with the tongue, and its edge."""
    canvas.drawPath(path, fill(mix(CAVE, spot.palette.ink, 0.25)))
    if tongue is not None:
        canvas.save()
        canvas.clipPath(path, doAntiAlias=True)
        canvas.drawOval(tongue, fill(TONGUE))
        canvas.restore()
    _line(canvas, spot, path, 0.05)


def _wave(x0: float, x1: float, y: float, rise: float, bends: int) -> skia.Path:
    """Return a line that goes up and down between two places."""
    path, step = skia.Path().moveTo(x0, y), (x1 - x0) / bends
    for k in range(bends):
        x = x0 + k * step
        path.quadTo(x + step / 2, y + (-2 * rise if k % 2 else 2 * rise), x + step, y)
    return path


def _tremble(spot: Spot) -> float:
    """Return a small shift that changes from drawing to drawing as time goes on."""
    return 0.02 * math.sin(2.6 * spot.expression.beat)


@MOUTHS.add("plain")
def plain(canvas: skia.Canvas, spot: Spot) -> None:
    """Draw a mouth that only the pose opens; small faces have an oval."""
    o = spot.open
    if not spot.fine:
        draw_brief_mouth(canvas, spot, (0.0, 0.0))
        return
    w = 0.13 + 0.06 * o
    if o <= 0.25:
        _line(canvas, spot, skia.Path().moveTo(-w, -0.01).quadTo(0, 0.09, w, -0.01), 0.05)
        return
    path = skia.Path().moveTo(-w, -0.03).quadTo(0, 0.03, w, -0.03)
    path.cubicTo(0.9 * w, 0.1 + 0.26 * o, -0.9 * w, 0.1 + 0.26 * o, -w, -0.03).close()
    deep = 0.05 + 0.2 * o
    _cave(canvas, spot, path, skia.Rect(-0.6 * w, 0.55 * deep, 0.6 * w, 1.6 * deep))


@MOUTHS.add("laugh")
def laugh(canvas: skia.Canvas, spot: Spot) -> None:
    """Draw a laughing mouth: a half disc that hangs from a slightly bent upper lip."""
    w, deep = 0.33, 0.34 + 0.12 * spot.open
    path = skia.Path().moveTo(-w, -0.12).quadTo(0, -0.03, w, -0.12)
    path.cubicTo(0.92 * w, deep, -0.92 * w, deep, -w, -0.12).close()
    _cave(canvas, spot, path, skia.Rect(-0.2, 0.5 * deep - 0.06, 0.2, deep + 0.05))


@MOUTHS.add("grin")
def grin(canvas: skia.Canvas, spot: Spot) -> None:
    """Draw a huge open smile with a row of teeth above."""
    w, deep = 0.42, 0.44 + 0.1 * spot.open
    path = skia.Path().moveTo(-w, -0.16).quadTo(0, -0.1, w, -0.16)
    path.cubicTo(1.02 * w, deep, -1.02 * w, deep, -w, -0.16).close()
    _cave(canvas, spot, path, skia.Rect(-0.22, 0.6 * deep - 0.08, 0.22, deep + 0.1))
    canvas.save()
    canvas.clipPath(path, doAntiAlias=True)
    canvas.drawRect(skia.Rect(-w, -0.2, w, 0.01), fill(WHITE))
    canvas.restore()
    _line(canvas, spot, path, 0.05)


@MOUTHS.add("beam")
def beam(canvas: skia.Canvas, spot: Spot) -> None:
    """Draw a broad smile that trembles: its upper lip is a wave."""
    w, deep = 0.38, 0.3 + 0.1 * spot.open
    path = _wave(-w, w, -0.1, 0.05 + _tremble(spot), 4)
    path.cubicTo(0.92 * w, deep, -0.92 * w, deep, -w, -0.1).close()
    _cave(canvas, spot, path, skia.Rect(-0.22, 0.45 * deep - 0.05, 0.22, deep + 0.05))


@MOUTHS.add("smile")
def smile(canvas: skia.Canvas, spot: Spot) -> None:
    """Draw a closed smile."""
    _line(canvas, spot, skia.Path().moveTo(-0.25, -0.06).quadTo(0, 0.19, 0.25, -0.06))


@MOUTHS.add("smug")
def smug(canvas: skia.Canvas, spot: Spot) -> None:
    """Draw a wide contained smile with raised corners."""
    path = skia.Path().moveTo(-0.31, -0.08).cubicTo(-0.2, 0.13, 0.2, 0.13, 0.31, -0.08)
    _line(canvas, spot, path, 0.085)
    for side in (-1, 1):
        dimple = (
            skia.Path().moveTo(side * 0.26, -0.14).quadTo(side * 0.34, -0.12, side * 0.37, -0.04)
        )
        _line(canvas, spot, dimple, 0.055)


@MOUTHS.add("smirk")
def smirk(canvas: skia.Canvas, spot: Spot) -> None:
    """Draw a one-sided smile: flat to the one side, raised at the other."""
    path = skia.Path().moveTo(-0.24, 0.08).quadTo(0.1, 0.12, 0.28, -0.12)
    _line(canvas, spot, path, 0.085)
    canvas.drawLine(0.2, -0.18, 0.36, -0.08, stroke(spot.palette.ink, 0.06))


@MOUTHS.add("timid")
def timid(canvas: skia.Canvas, spot: Spot) -> None:
    """Draw a small wavering smile."""
    _line(canvas, spot, _wave(-0.18, 0.18, 0.0, 0.045 + _tremble(spot), 3), 0.065)


@MOUTHS.add("zigzag")
def zigzag(canvas: skia.Canvas, spot: Spot) -> None:
    """Draw pressed lips that waver from corner to corner."""
    _line(canvas, spot, _wave(-0.33, 0.33, 0.0, 0.06 + _tremble(spot), 5))


@MOUTHS.add("line")
def line(canvas: skia.Canvas, spot: Spot) -> None:
    """Draw a short level mouth, a little to one side."""
    canvas.drawLine(-0.06, 0.05, 0.24, 0.0, stroke(spot.palette.ink, WIDTH))


@MOUTHS.add("frown")
def frown(canvas: skia.Canvas, spot: Spot) -> None:
    """Draw a deep frown over a trembling lip."""
    path = skia.Path().moveTo(-0.26, 0.14 + _tremble(spot)).quadTo(0, -0.16, 0.26, 0.14)
    _line(canvas, spot, path, 0.085)
    canvas.drawLine(-0.06, 0.17, 0.06, 0.17, stroke(spot.palette.ink, 0.045))


@MOUTHS.add("downturned")
def downturned(canvas: skia.Canvas, spot: Spot) -> None:
    """Draw a small mouth with lowered corners."""
    _line(canvas, spot, skia.Path().moveTo(-0.15, 0.07).quadTo(0, -0.05, 0.15, 0.07), 0.065)


@MOUTHS.add("wail")
def wail(canvas: skia.Canvas, spot: Spot) -> None:
    """Draw a mouth that wails: a dome with a wavy lower lip."""
    w, top = 0.3, -0.3 - 0.1 * spot.open
    path = _wave(-w, w, 0.2, 0.04 + _tremble(spot), 3)
    path.cubicTo(0.95 * w, top, -0.95 * w, top, -w, 0.2).close()
    _cave(canvas, spot, path, skia.Rect(-0.2, 0.04, 0.2, 0.36))


@MOUTHS.add("teeth")
def teeth(canvas: skia.Canvas, spot: Spot) -> None:
    """Draw clenched teeth, bared, with the corners drawn down."""
    w, h = 0.34, 0.13
    path = skia.Path().moveTo(-w, h).quadTo(-0.9 * w, -h, -0.5 * w, -h)
    path.lineTo(0.5 * w, -h).quadTo(0.9 * w, -h, w, h).quadTo(0, 0.6 * h, -w, h).close()
    canvas.drawPath(path, fill(WHITE))
    ink = stroke(spot.palette.ink, 0.045)
    canvas.save()
    canvas.clipPath(path, doAntiAlias=True)
    canvas.drawLine(-w, 0.0, w, 0.0, ink)
    for x in (-0.2, -0.07, 0.07, 0.2):
        canvas.drawLine(x, -h, x, h, ink)
    canvas.restore()
    _line(canvas, spot, path, 0.075)


@MOUTHS.add("chatter")
def chatter(canvas: skia.Canvas, spot: Spot) -> None:
    """Draw an open mouth whose teeth chatter: wavy lips around a zigzag."""
    w, h = 0.36, 0.15 + 0.04 * spot.open
    shift = _tremble(spot)
    path = _wave(-w, w, -h + shift, 0.035, 4)
    path.lineTo(w, h).addPath(_wave(w, -w, h + shift, 0.035, 4), skia.Path.kExtend_AddPathMode)
    path.close()
    canvas.drawPath(path, fill(WHITE))
    step = 2 * w / 8
    zigzag_ = skia.Path().moveTo(-w, 0)
    for k in range(8):
        zigzag_.lineTo(-w + (k + 0.5) * step, 0.06 if k % 2 else -0.06)
    _line(canvas, spot, zigzag_.lineTo(w, 0), 0.045)
    _line(canvas, spot, path, 0.065)


@MOUTHS.add("askew")
def askew(canvas: skia.Canvas, spot: Spot) -> None:
    """Draw a small mouth pulled open to one side."""
    canvas.save()
    canvas.translate(0.12, 0.02)
    canvas.rotate(-24)
    path = skia.Path().moveTo(-0.2, 0.02).quadTo(0, -0.14, 0.18, -0.06)
    path.quadTo(0.2, 0.14, -0.02, 0.12).quadTo(-0.16, 0.1, -0.2, 0.02).close()
    _cave(canvas, spot, path, None)
    canvas.restore()


@MOUTHS.add("tongue")
def tongue(canvas: skia.Canvas, spot: Spot) -> None:
    """Draw a mouth that retches: the upper lip raised in a bow, the tongue out."""
    path = skia.Path().moveTo(-0.3, 0.1).quadTo(-0.2, -0.16, 0, -0.1).quadTo(0.2, -0.16, 0.3, 0.1)
    path.quadTo(0, 0.02, -0.3, 0.1).close()
    out = skia.Path().moveTo(-0.14, 0.0).cubicTo(-0.17, 0.4, 0.17, 0.4, 0.14, 0.0).close()
    canvas.drawPath(path, fill(mix(CAVE, spot.palette.ink, 0.25)))
    canvas.drawPath(out, fill(TONGUE))
    _line(canvas, spot, out, 0.05)
    canvas.drawLine(0, 0.06, 0, 0.18, stroke(mix(TONGUE, CAVE, 0.6), 0.04))
    _line(canvas, spot, path, 0.07)


@MOUTHS.add("ring")
def ring(canvas: skia.Canvas, spot: Spot) -> None:
    """Draw a mouth round with surprise."""
    tall = 0.24 + 0.06 * spot.open
    path = skia.Path().addOval(skia.Rect(-0.17, 0.04 - tall, 0.17, 0.04 + tall))
    _cave(canvas, spot, path, skia.Rect(-0.14, 0.1, 0.14, 0.42))


@MOUTHS.add("sigh")
def sigh(canvas: skia.Canvas, spot: Spot) -> None:
    """Draw lips that let out a breath: a small soft opening under a smile."""
    path = skia.Path().moveTo(-0.15, -0.05).quadTo(0, 0.0, 0.15, -0.05)
    path.cubicTo(0.13, 0.17, -0.13, 0.17, -0.15, -0.05).close()
    _cave(canvas, spot, path, None)


@MOUTHS.add("pout")
def pout(canvas: skia.Canvas, spot: Spot) -> None:
    """Draw tightened lips pushed out to one side."""
    path = skia.Path().moveTo(0.0, -0.12).quadTo(0.2, -0.1, 0.06, 0.0).quadTo(0.22, 0.1, 0.0, 0.13)
    _line(canvas, spot, path, 0.075)
    canvas.drawLine(-0.17, 0.02, -0.05, 0.0, stroke(spot.palette.ink, 0.05))


@MOUTHS.add("slack")
def slack(canvas: skia.Canvas, spot: Spot) -> None:
    """Draw a mouth that hangs open without force."""
    path = (
        skia.Path().moveTo(-0.16, 0.1).quadTo(-0.1, -0.06, 0, -0.06).quadTo(0.1, -0.06, 0.16, 0.1)
    )
    _cave(canvas, spot, path.close(), None)


def draw_brief_mouth(canvas: skia.Canvas, spot: Spot, at: Offset) -> None:
    """Draw the mouth of a small face without emotion at a place."""
    wide, tall = 0.13 + 0.06 * spot.open, 0.05 + 0.16 * spot.open
    oval = skia.Rect(at[0] - wide, at[1] - tall / 2, at[0] + wide, at[1] + tall)
    canvas.drawOval(oval, fill(mix(spot.palette.ink, rgb("c0404a"), 0.6)))
