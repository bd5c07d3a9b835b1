"""Colours of the studio: RGB triples in [0, 1], their grading, and paints made of them."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import skia

Rgb = tuple[float, float, float]

WHITE: Rgb = (1.0, 1.0, 1.0)


def rgb(code: str) -> Rgb:
    """Return the colour of a hexadecimal code such as 'ffcc00'."""
    r, g, b = (int(code[i : i + 2], 16) / 255 for i in (0, 2, 4))
    return r, g, b


def mix(first: Rgb, second: Rgb, share: float) -> Rgb:
    """Return the blend of two colours with the given share of the second."""
    r, g, b = (a + (b - a) * share for a, b in zip(first, second, strict=True))
    return r, g, b


def fill(colour: Rgb, alpha: float = 1.0, blend: skia.BlendMode | None = None) -> skia.Paint:
    """Return an anti-aliased fill paint."""
    paint = skia.Paint(AntiAlias=True, Color4f=skia.Color4f(*colour, alpha))
    if blend is not None:
        paint.setBlendMode(blend)
    return paint


def stroke(colour: Rgb, width: float, alpha: float = 1.0) -> skia.Paint:
    """Return an anti-aliased stroke paint with round caps and joins."""
    return skia.Paint(
        AntiAlias=True,
        Color4f=skia.Color4f(*colour, alpha),
        Style=skia.Paint.kStroke_Style,
        StrokeWidth=width,
        StrokeCap=skia.Paint.kRound_Cap,
        StrokeJoin=skia.Paint.kRound_Join,
    )


def vertical(top: Rgb, bottom: Rgb, y0: float, y1: float, alpha: float = 1.0) -> skia.Paint:
    """Return a fill paint of a vertical gradient between two heights."""
    colours = [skia.Color4f(*c, alpha).toColor() for c in (top, bottom)]
    shader = skia.GradientShader.MakeLinear([skia.Point(0, y0), skia.Point(0, y1)], colours)
    return skia.Paint(AntiAlias=True, Shader=shader)


def glow(colour: Rgb, x: float, y: float, radius: float, alpha: float = 1.0) -> skia.Paint:
    """Return a fill paint that fades from a centre to nothing at a radius."""
    colours = [skia.Color4f(*colour, a).toColor() for a in (alpha, alpha * 0.55, 0.0)]
    shader = skia.GradientShader.MakeRadial(skia.Point(x, y), radius, colours)
    return skia.Paint(AntiAlias=True, Shader=shader)


@dataclass(frozen=True)
class Grade:
    """A colour grade: saturation and brightness gains, then a share of a tint."""

    saturation: float = 1.0
    value: float = 1.0
    tint: Rgb = WHITE
    share: float = 0.0

    def __call__(self, colour: Rgb) -> Rgb:
        """Return the graded colour."""
        h, s, v = colorsys.rgb_to_hsv(*colour)
        graded = colorsys.hsv_to_rgb(h, min(1.0, s * self.saturation), min(1.0, v * self.value))
        return mix(graded, self.tint, self.share)
