"""Volumes: the smooth shading of a figure in styles whose `volume` is above 0.

Light falls from the upper left of the frame; `flip` is −1 on a mirrored canvas, else 1.
"""

from __future__ import annotations

import math

import skia

from animatrix_data.procedural.colour import WHITE, Rgb, mix, radial
from animatrix_data.procedural.paths import Point
from animatrix_data.procedural.styles import Style

Tones = list[int]
"""The light, middle, border of the shadow and dark of a lit colour."""
STOPS = [0.0, 0.35, 0.7, 1.0]


def flipped(canvas: skia.Canvas) -> int:
    """Return −1 for a canvas that mirrors what is drawn, else 1."""
    matrix = canvas.getTotalMatrix()
    turned = matrix.getScaleX() * matrix.getScaleY() - matrix.getSkewX() * matrix.getSkewY()
    return -1 if turned < 0 else 1


def tones(style: Style, colour: Rgb, scatter: Rgb | None = None) -> Tones:
    """Return the tones of a colour; `scatter` is what light takes on inside the material."""
    strength = style.volume
    light = mix(colour, WHITE, 0.45 * strength)
    dark = mix(colour, mix(style.shadow, colour, 0.3), 0.8 * strength)
    border = mix(colour, scatter, 0.35 * strength) if scatter else mix(colour, dark, 0.4)
    return [skia.Color4f(*c, 1.0).toColor() for c in (light, colour, border, dark)]


def ball(shades: Tones, box: skia.Rect, flip: int) -> skia.Paint:
    """Return the paint of a ball that fills a box."""
    centre = skia.Point(box.centerX() - 0.17 * flip * box.width(), box.top() + 0.25 * box.height())
    radius = 0.85 * max(box.width(), box.height())
    shader = skia.GradientShader.MakeRadial(centre, radius, shades, [0.0, 0.4, 0.75, 1.0])
    return skia.Paint(AntiAlias=True, Shader=shader)


def column(shades: Tones, box: skia.Rect, flip: int) -> skia.Paint:
    """Return the paint of a column that fills a box, lit across."""
    half = 0.5 * flip * box.width()
    ends = [
        skia.Point(box.centerX() - half, box.top()),
        skia.Point(box.centerX() + half, box.top() + 0.35 * box.height()),
    ]
    shader = skia.GradientShader.MakeLinear(ends, shades, STOPS)
    return skia.Paint(AntiAlias=True, Shader=shader)


def rod(shades: Tones, start: Point, end: Point, width: float, flip: int) -> skia.Paint:
    """Return the stroke of a rod between two points, lit across its axis."""
    across = start[1] - end[1], end[0] - start[0]
    length = math.hypot(*across) or 1.0
    # The side towards the light at the upper left.
    towards = 1.0 if -flip * across[0] - 0.6 * across[1] > 0 else -1.0
    nx, ny = (0.5 * width * towards * value / length for value in across)
    ends = [skia.Point(start[0] + nx, start[1] + ny), skia.Point(start[0] - nx, start[1] - ny)]
    return skia.Paint(
        AntiAlias=True,
        Shader=skia.GradientShader.MakeLinear(ends, shades, STOPS),
        Style=skia.Paint.kStroke_Style,
        StrokeWidth=width,
        StrokeCap=skia.Paint.kRound_Cap,
        StrokeJoin=skia.Paint.kRound_Join,
    )


def soft(colour: Rgb, strength: float) -> skia.Paint:
    """Return the paint of a disc of radius 1 that fades to its border."""
    alphas = strength, strength * 0.75, 0.0
    return radial(1.0, (colour,) * 3, alphas, stops=(0.0, 0.45, 1.0))
