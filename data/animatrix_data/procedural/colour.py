"""Colours of the studio: RGB triples in [0, 1], their grading, and paints made of them."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import skia

from animatrix_data.procedural.paths import Point

Rgb = tuple[float, float, float]

WHITE: Rgb = (1.0, 1.0, 1.0)


@cache
def rgb(code: str) -> Rgb:
    """Return the colour of a hexadecimal code such as 'ffcc00'."""
    r, g, b = (int(code[i : i + 2], 16) / 255 for i in (0, 2, 4))
    return r, g, b


def mix(first: Rgb, second: Rgb, share: float) -> Rgb:
    """Return the blend of two colours with the given share of the second."""
    (r, g, b), (x, y, z) = first, second
    return r + (x - r) * share, g + (y - g) * share, b + (z - b) * share


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


def linear(
    colours: Sequence[Rgb],
    alphas: Sequence[float],
    start: Point,
    end: Point,
    stops: Sequence[float] = (),
) -> skia.Paint:
    """Return a fill paint that goes along a line through colours of given opacities.

    `stops` in [0, 1] are where they lie on it; evenly spaced where it is empty.
    """
    ends = [skia.Point(*start), skia.Point(*end)]
    shader = skia.GradientShader.MakeLinear(ends, _codes(colours, alphas), list(stops))
    return skia.Paint(AntiAlias=True, Shader=shader)


def radial(
    radius: float,
    colours: Sequence[Rgb],
    alphas: Sequence[float],
    centre: Point = (0.0, 0.0),
    stops: Sequence[float] = (),
) -> skia.Paint:
    """Return a fill paint that goes from a centre to a radius through colours; as `linear`."""
    shader = skia.GradientShader.MakeRadial(
        skia.Point(*centre), radius, _codes(colours, alphas), list(stops)
    )
    return skia.Paint(AntiAlias=True, Shader=shader)


def _codes(colours: Sequence[Rgb], alphas: Sequence[float]) -> list[int]:
    return [skia.Color4f(*c, a).toColor() for c, a in zip(colours, alphas, strict=True)]


def vertical(top: Rgb, bottom: Rgb, y0: float, y1: float, alpha: float = 1.0) -> skia.Paint:
    """Return a fill paint of a vertical gradient between two heights."""
    return linear((top, bottom), (alpha, alpha), (0, y0), (0, y1))


def glow(colour: Rgb, x: float, y: float, radius: float, alpha: float = 1.0) -> skia.Paint:
    """Return a fill paint that fades from a centre to nothing at a radius."""
    return radial(radius, (colour,) * 3, (alpha, alpha * 0.55, 0.0), (x, y))


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
