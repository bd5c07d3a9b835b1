"""Volumes: the smooth shading of a figure in styles whose `volume` is above 0.

Light falls from the upper left of the drawing, which a figure that faces left mirrors.
"""

from __future__ import annotations

import skia

from animatrix_data.procedural.colour import WHITE, Rgb, mix
from animatrix_data.procedural.styles import Style


def _tones(style: Style, colour: Rgb, scatter: Rgb | None) -> list[int]:
    """Return light, middle, border of shadow and dark of a lit colour."""
    strength = style.volume
    light = mix(colour, WHITE, 0.4 * strength)
    dark = mix(colour, mix(style.shadow, colour, 0.3), 0.75 * strength)
    border = mix(colour, scatter, 0.4 * strength) if scatter else mix(colour, dark, 0.4)
    return [skia.Color4f(*c, 1.0).toColor() for c in (light, colour, border, dark)]


def ball(style: Style, colour: Rgb, box: skia.Rect, scatter: Rgb | None = None) -> skia.Paint:
    """Return the paint of a ball that fills a box; `scatter` colours the border of its shadow."""
    centre = skia.Point(box.left() + 0.33 * box.width(), box.top() + 0.25 * box.height())
    shader = skia.GradientShader.MakeRadial(
        centre, 0.85 * max(box.width(), box.height()), _tones(style, colour, scatter),
        [0.0, 0.42, 0.75, 1.0],
    )  # fmt: skip
    return skia.Paint(AntiAlias=True, Shader=shader)


def column(style: Style, colour: Rgb, box: skia.Rect, scatter: Rgb | None = None) -> skia.Paint:
    """Return the paint of a column that fills a box, lit across."""
    ends = [
        skia.Point(box.left(), box.top()),
        skia.Point(box.right(), box.top() + 0.35 * box.height()),
    ]
    shader = skia.GradientShader.MakeLinear(
        ends, _tones(style, colour, scatter), [0.0, 0.35, 0.7, 1.0]
    )
    return skia.Paint(AntiAlias=True, Shader=shader)
