"""The sky behind every place: gradient, sun or moon, clouds and the style's texture."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import skia

from animatrix_data.procedural.colour import WHITE, Rgb, fill, glow, mix, rgb, vertical
from animatrix_data.procedural.painter import EXTENT, SPAN, Painter, Strips
from animatrix_data.procedural.registry import Registry

Draw = Callable[[Painter], None]

CLOUDS: Registry[Draw] = Registry("clouds")
TEXTURES: Registry[Draw] = Registry("texture")


def paint_sky(painter: Painter, indoors: bool) -> None:
    """Paint the sky (indoors: a wall of its colours) of a style and a light."""
    style = painter.style
    top, bottom = style.skies[painter.light]
    everything = skia.Rect(-SPAN, -SPAN, SPAN, SPAN)
    painter.canvas.drawRect(everything, vertical(top, bottom, -0.6, 0.3))
    if style.texture:
        TEXTURES[style.texture](painter)
    if not indoors:
        if style.texture not in OWN_SUN:
            _sun(painter)
        if painter.fine and painter.light == "night":
            _stars(painter)
        if painter.fine and style.clouds in FLEECY:
            _fleece(painter)
        CLOUDS[style.clouds](painter)
    painter.surface(skia.Path.Rect(everything), HIGH)


FLEECY = frozenset({"puff", "cumulus", "pill", "balloon", "fluff"})
"""The cloud forms between which a fine sky shows small high clouds."""
HIGH = 0.35
"""The share of its grain that a style shows in the sky."""
OWN_SUN = frozenset({"sun", "ball", "glow", "overcast"})
"""The textures that are themselves a sun (or hide it)."""


def _stars(painter: Painter) -> None:
    """Strew stars of two sizes over a fine night sky."""
    rng = painter.marks_rng
    for count, size in ((260, 0.0035), (70, 0.007)):
        path = skia.Path()
        for x, y in zip(rng.uniform(-EXTENT, EXTENT, count), rng.uniform(-1.4, 0.1, count),
                        strict=True):  # fmt: skip
            path.addCircle(float(x), float(y), size * float(rng.uniform(0.7, 1.4)))
        painter.canvas.drawPath(path, fill(mix(WHITE, painter.style.ink, 0.05), 0.9))


def _fleece(painter: Painter) -> None:
    """Paint rows of small high clouds over a fine sky."""
    rng = painter.marks_rng
    clouds = Strips()
    for row in range(14):
        y = -1.6 + 0.12 * row
        for k in range(40):
            x = -EXTENT + 0.12 * k + float(rng.uniform(-0.05, 0.05)) + 0.06 * (row % 2)
            wide, lift = float(rng.uniform(0.01, 0.045)), float(rng.uniform(-0.04, 0.04))
            top = y + lift + 0.05 * math.sin(3 * x)
            clouds.at(x).addOval(skia.Rect(x - wide, top, x + wide, top + 0.7 * wide + 0.004))
    for path in clouds.paths:
        painter.canvas.drawPath(path, fill(_cloud_colour(painter), 0.4))


def _sun(painter: Painter) -> None:
    x, y = float(painter.rng.uniform(-0.3, 0.3)), -0.3
    colour = {"noon": rgb("fff6c8"), "morning": rgb("fff1b8"), "sunset": rgb("ff6a3c")}.get(
        painter.light, rgb("f4f0d0")
    )
    if painter.style.wash:
        colour = rgb("c8452f") if painter.light == "sunset" else mix(colour, WHITE, 0.2)
    painter.canvas.drawCircle(x, y, 0.11, fill(colour))
    if painter.ink:
        painter.canvas.drawCircle(x, y, 0.11, painter.ink)


def _cloud_colour(painter: Painter) -> tuple[float, float, float]:
    bottom = painter.style.skies[painter.light][1]
    return mix(bottom, WHITE, 0.35 if painter.light == "night" else 0.75)


@CLOUDS.add("none")
def _none(painter: Painter) -> None:
    pass


@CLOUDS.add("puff")
def _puff(painter: Painter) -> None:
    white = fill(_cloud_colour(painter))
    for x in painter.spots(0.6):
        y, size = float(painter.rng.uniform(-0.42, -0.18)), float(painter.rng.uniform(0.08, 0.13))
        for dx, dy, r in ((-1.2, 0.25, 0.75), (0, 0, 1.0), (1.2, 0.3, 0.7)):
            painter.canvas.drawCircle(x + dx * size, y + dy * size, r * size, white)


@CLOUDS.add("cumulus")
def _cumulus(painter: Painter) -> None:
    light = _cloud_colour(painter)
    white, under = fill(light), fill(mix(light, painter.style.skies[painter.light][0], 0.35))
    lobes = ((-1.5, 0.3, 0.7), (-0.6, -0.25, 0.95), (0.5, -0.5, 1.05), (1.5, 0.2, 0.8))
    for x in painter.spots(0.9):
        y, size = float(painter.rng.uniform(-0.25, -0.08)), float(painter.rng.uniform(0.13, 0.19))
        for paint, drop in ((under, 0.35), (white, 0.0)):
            for dx, dy, r in lobes:
                painter.canvas.drawCircle(x + dx * size, y + (dy + drop) * size, r * size, paint)


@CLOUDS.add("pill")
def _pill(painter: Painter) -> None:
    white = fill(mix(painter.style.skies[painter.light][0], WHITE, 0.7))
    for x in painter.spots(0.55):
        y, size = float(painter.rng.uniform(-0.42, -0.12)), float(painter.rng.uniform(0.05, 0.07))
        for dx, dy in ((0.0, 0.0), (1.4, 1.3)):
            bar = skia.Rect.MakeXYWH(x + dx * size, y + dy * size, 4.5 * size, 1.4 * size)
            painter.canvas.drawRoundRect(bar, 0.7 * size, 0.7 * size, white)


@CLOUDS.add("streak")
def _streak(painter: Painter) -> None:
    top, bottom = painter.style.skies[painter.light]
    glow, dark = fill(mix(bottom, WHITE, 0.35), 0.85), fill(mix(top, bottom, 0.4), 0.9)
    for x in painter.spots(0.5):
        y, size = float(painter.rng.uniform(-0.4, 0.0)), float(painter.rng.uniform(0.05, 0.08))
        for dx, dy, paint in ((0.0, 0.0, dark), (0.5, 0.55, glow)):
            wide = 4.0 * size
            box = skia.Rect.MakeXYWH(x + dx * size - wide, y + dy * size, 2 * wide, 1.2 * size)
            painter.canvas.drawOval(box, paint)
    if painter.fine:
        for k in range(-3, 4):
            _thunderhead(painter, 0.8 * k + float(painter.marks_rng.uniform(0.1, 0.5)))


def _thunderhead(painter: Painter, x: float) -> None:
    """Paint a towering cloud, lit on the sun's side and deep in colour below."""
    top, bottom = painter.style.skies[painter.light]
    rng = painter.marks_rng
    tall, wide = float(rng.uniform(0.24, 0.4)), float(rng.uniform(0.12, 0.18))
    bright = mix(bottom, WHITE, 0.25 if painter.light == "night" else 0.85)
    tones = (mix(top, bottom, 0.5), mix(mix(top, bottom, 0.7), bright, 0.5), bright)
    up = np.linspace(0, 1, 18)
    across = wide * rng.uniform(-1, 1, 18) * (1.3 - 1.0 * up)
    sizes = wide * rng.uniform(0.36, 0.62, 18) * (1.1 - 0.4 * up)
    for k, colour in enumerate(tones):
        path = skia.Path()
        for dx, share, size in zip(across.tolist(), up.tolist(), sizes.tolist(), strict=True):
            y = 0.16 - tall * share
            path.addCircle(x + dx - 0.22 * size * k, y - 0.3 * size * k, size * (1 - 0.27 * k))
        painter.canvas.drawPath(path, fill(colour))


@CLOUDS.add("mist")
def _mist(painter: Painter) -> None:
    paper = painter.style.wash or WHITE
    veil = fill(mix(paper, WHITE, 0.35), 0.9)
    for x in painter.spots(0.7):
        y = float(painter.rng.uniform(-0.25, 0.05))
        painter.canvas.drawOval(skia.Rect.MakeXYWH(x - 0.3, y, 0.6, 0.12), veil)


@TEXTURES.add("halftone")
def _halftone(painter: Painter) -> None:
    top, _ = painter.style.skies[painter.light]
    dot, pitch = fill(mix(top, rgb("e0201f"), 0.55)), 0.13
    path = skia.Path()
    count = int(EXTENT / pitch)
    for row in range(-count, 5):
        size = 0.045 * min(1.0, max(0.45, 0.75 - row * pitch))
        for column in range(-count, count):
            path.addCircle((column + 0.5 * (row % 2)) * pitch, row * pitch, size)
    painter.canvas.drawPath(path, dot)


@TEXTURES.add("discs")
def _discs(painter: Painter) -> None:
    top, _ = painter.style.skies[painter.light]
    for x in painter.spots(0.8):
        y = float(painter.rng.uniform(-0.4, 0.0))
        for radius, share in ((0.3, 0.25), (0.17, 0.5)):
            painter.canvas.drawCircle(x, y, radius, fill(mix(top, WHITE, share)))


@TEXTURES.add("hills")
def _hills(painter: Painter) -> None:
    for x in painter.spots(0.7):
        painter.canvas.drawCircle(x, 0.62, 0.55, fill(painter.colour(rgb("9fcf7a"))))


@TEXTURES.add("seal")
def _seal(painter: Painter) -> None:
    wash, ink = painter.style.wash or WHITE, painter.style.ink
    for x in painter.spots(0.75):
        tall = float(painter.rng.uniform(0.35, 0.6))
        peak = skia.Path().moveTo(x - 0.32, 0.35)
        peak.cubicTo(x - 0.12, 0.3 - tall, x + 0.02, -tall, x + 0.32, 0.35).close()
        painter.canvas.drawPath(peak, vertical(mix(wash, ink, 0.5), wash, -0.3, 0.25))


@TEXTURES.add("sun")
def _flare(painter: Painter) -> None:
    _, bottom = painter.style.skies[painter.light]
    for radius, alpha in ((0.5, 0.25), (0.32, 0.35), (0.17, 0.6)):
        painter.canvas.drawCircle(-0.22, -0.16, radius, fill(mix(bottom, WHITE, 0.45), alpha))
    painter.canvas.drawCircle(-0.22, -0.16, 0.08, fill(WHITE))


def _ball(painter: Painter, x: float, y: float, radius: float, colour: Rgb) -> None:
    """Paint a lit ball with its highlight."""
    box = skia.Rect(x - radius, y - radius, x + radius, y + radius)
    painter.canvas.drawOval(box, painter.lit(colour, box, ball=True))
    at = x - 0.35 * radius, y - 0.42 * radius
    painter.canvas.drawCircle(*at, 0.3 * radius, glow(WHITE, *at, 0.3 * radius, 0.9))


@TEXTURES.add("ball")
def _toy_sun(painter: Painter) -> None:
    colour = {"sunset": rgb("ff7a3a"), "night": rgb("f4ecff")}.get(painter.light, rgb("ffd81f"))
    for x in painter.spots(1.1):
        _ball(painter, x, float(painter.rng.uniform(-0.36, -0.22)), 0.12, colour)


@CLOUDS.add("balloon")
def _balloon(painter: Painter) -> None:
    white = mix(painter.style.skies[painter.light][0], WHITE, 0.85)
    for x in painter.spots(0.6):
        y, size = float(painter.rng.uniform(-0.4, -0.12)), float(painter.rng.uniform(0.07, 0.11))
        for dx, dy, r in ((-1.0, 0.25, 0.7), (1.05, 0.3, 0.65), (0.0, 0.0, 1.0)):
            _ball(painter, x + dx * size, y + dy * size, r * size, white)


@TEXTURES.add("glow")
def _key_light(painter: Painter) -> None:
    """Paint a soft sun and warm circles of light out of focus."""
    _, bottom = painter.style.skies[painter.light]
    warm = mix(bottom, rgb("fff2c0"), 0.6)
    for radius, alpha in ((0.75, 0.5), (0.3, 0.9)):
        painter.canvas.drawCircle(-0.2, -0.26, radius, glow(warm, -0.2, -0.26, radius, alpha))
    for x in painter.spots(0.3):
        y, size = float(painter.rng.uniform(-0.5, 0.15)), float(painter.rng.uniform(0.02, 0.05))
        painter.canvas.drawCircle(x, y, size, fill(warm, 0.35))


@CLOUDS.add("fluff")
def _fluff(painter: Painter) -> None:
    top, _ = painter.style.skies[painter.light]
    light, under = _cloud_colour(painter), mix(_cloud_colour(painter), top, 0.4)
    lobes = ((-1.3, 0.25, 0.8), (1.3, 0.3, 0.75), (-0.4, -0.2, 1.0), (0.6, -0.35, 0.9))
    for x in painter.spots(0.75):
        y, size = float(painter.rng.uniform(-0.34, -0.12)), float(painter.rng.uniform(0.1, 0.15))
        for colour, lift in ((under, 0.25), (light, -0.1)):
            for dx, dy, r in lobes:
                at = x + dx * size, y + (dy + lift) * size
                painter.canvas.drawCircle(*at, r * size, glow(colour, *at, r * size))


@TEXTURES.add("overcast")
def _overcast(painter: Painter) -> None:
    """Paint banks of grey cloud, thick above and torn towards the horizon."""
    top, bottom = painter.style.skies[painter.light]
    for y in (-0.9, -0.6, -0.42, -0.24, -0.08):
        for x in painter.spots(0.5):
            size = float(painter.rng.uniform(0.16, 0.34)) * (0.6 - y)
            colour = mix(top, (bottom, WHITE, rgb("10141a"))[int(painter.rng.integers(3))], 0.3)
            painter.canvas.save()
            painter.canvas.translate(x, y)
            painter.canvas.scale(1.0, 0.35)
            painter.canvas.drawCircle(0, 0, size, glow(colour, 0, 0, size, 0.75))
            painter.canvas.restore()


@CLOUDS.add("vapour")
def _vapour(painter: Painter) -> None:
    """Paint a bank of mist along the horizon."""
    _, bottom = painter.style.skies[painter.light]
    pale = mix(bottom, WHITE, 0.2)
    for x in painter.spots(0.5):
        painter.canvas.save()
        painter.canvas.translate(x, 0.12)
        painter.canvas.scale(1.0, 0.25)
        painter.canvas.drawCircle(0, 0, 0.45, glow(pale, 0, 0, 0.45, 0.6))
        painter.canvas.restore()
