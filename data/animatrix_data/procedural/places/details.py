"""Details: the small things of a place, drawn only where a layer is fine.

They take nothing from a painter's own random stream, so that the large shapes of a place are the
same with and without them. Lengths are frame heights; things on the ground grow as they near.
"""

from __future__ import annotations

import math

import skia

from animatrix_data.procedural.colour import WHITE, Rgb, mix
from animatrix_data.procedural.painter import EXTENT, Painter, Strips

BLACK: Rgb = (0.0, 0.0, 0.0)
INK = 0.005
"""The width of a detail's line."""


def lighter(colour: Rgb, share: float = 0.35) -> Rgb:
    """Return a colour with a share of white."""
    return mix(colour, WHITE, share)


def darker(colour: Rgb, share: float = 0.35) -> Rgb:
    """Return a colour with a share of black."""
    return mix(colour, BLACK, share)


def _near(y: float, y0: float, y1: float) -> float:
    """Return how large a thing on the ground at a height looks, 0.4 at y0 and 1 at y1."""
    return 0.4 + 0.6 * min(1.0, max(0.0, (y - y0) / max(y1 - y0, 1e-6)))


def _strewn(painter: Painter, count: int, y0: float, y1: float) -> list[tuple[float, float]]:
    """Return random places between two heights, closer together towards the first."""
    rng = painter.marks_rng
    xs, depths = rng.uniform(-EXTENT, EXTENT, count), rng.uniform(0, 1, count)
    return [(float(x), y0 + (y1 - y0) * float(d) ** 1.4) for x, d in zip(xs, depths, strict=True)]


def leaves(painter: Painter, x: float, y: float, radius: float, base: Rgb) -> None:
    """Paint clumps of leaves in a crown or bush: lit above, dark below."""
    if not painter.fine:
        return
    rng = painter.marks_rng
    lit, dark = skia.Path(), skia.Path()
    for k in range(34):
        angle, out = 2.4 * k, radius * math.sqrt((k + 0.5) / 34) * 0.95
        at = x + out * math.cos(angle), y + out * math.sin(angle)
        size = radius * float(rng.uniform(0.09, 0.17))
        leaf = skia.Rect(at[0] - 1.3 * size, at[1] - 0.7 * size, at[0] + 1.3 * size, at[1] + size)
        sunny = math.cos(angle + 2.2) * out / radius + float(rng.uniform(-0.5, 0.5)) > 0
        (lit if sunny else dark).addOval(leaf)
    painter.marks(dark, darker(base, 0.3), 0.8)
    painter.marks(lit, lighter(base, 0.3), 0.8)


def grass(painter: Painter, base: Rgb, y0: float, y1: float, count: int = 420) -> None:
    """Paint tufts of grass, lit and dark."""
    if not painter.fine:
        return
    rng = painter.marks_rng
    for colour, part in ((darker(base, 0.28), 0.6), (lighter(base, 0.3), 0.4)):
        tufts = Strips()
        for x, y in _strewn(painter, int(count * part), y0, y1):
            path = tufts.at(x)
            tall = 0.05 * _near(y, y0, y1) * float(rng.uniform(0.6, 1.2))
            for lean in (-0.35, 0.05, 0.4):
                path.moveTo(x + 0.3 * lean * tall - 0.1 * tall, y)
                path.lineTo(x + lean * tall, y - tall)
                path.lineTo(x + 0.3 * lean * tall + 0.1 * tall, y)
        painter.marks(tufts, colour, 0.85)


def stones(painter: Painter, base: Rgb, y0: float, y1: float, count: int = 200) -> None:
    """Paint pebbles with a dark side."""
    if not painter.fine:
        return
    rng = painter.marks_rng
    dark, lit = Strips(), Strips()
    for x, y in _strewn(painter, count, y0, y1):
        size = 0.022 * _near(y, y0, y1) * float(rng.uniform(0.5, 1.3))
        dark.at(x).addOval(skia.Rect(x - size, y - 0.45 * size, x + size, y + 0.6 * size))
        lit.at(x).addOval(skia.Rect(x - size, y - 0.55 * size, x + 0.7 * size, y + 0.3 * size))
    painter.marks(dark, darker(base, 0.4), 0.85)
    painter.marks(lit, lighter(base, 0.25), 0.95)


def ripples(painter: Painter, base: Rgb, y0: float, y1: float, count: int = 240) -> None:
    """Paint the crests and troughs of small waves."""
    if not painter.fine:
        return
    rng = painter.marks_rng
    for colour, part in ((darker(base, 0.3), 0.5), (lighter(base, 0.65), 0.5)):
        waves = Strips()
        for x, y in _strewn(painter, int(count * part), y0, y1):
            near = _near(y, y0, y1)
            wide, tall = 0.07 * near * float(rng.uniform(0.5, 1.3)), 0.012 * near
            wave = waves.at(x).moveTo(x - wide, y).quadTo(x, y - 2 * tall, x + wide, y)
            wave.quadTo(x, y - 0.6 * tall, x - wide, y)
        painter.marks(waves, colour, 0.9)


def bricks(
    painter: Painter, x0: float, y0: float, x1: float, y1: float, base: Rgb, row: float = 0.036
) -> None:
    """Paint the joints of a brick or tile wall, and some bricks of another burn."""
    if not painter.fine:
        return
    rng = painter.marks_rng
    joints, burnt = skia.Path(), skia.Path()
    for k in range(int((y1 - y0) / row) + 1):
        y = y0 + k * row
        joints.moveTo(x0, y).lineTo(x1, y)
        low, x = min(y + row, y1), x0 + row * (1.0 if k % 2 else 2.0)
        while x < x1:
            joints.moveTo(x, y).lineTo(x, low)
            if rng.uniform() < 0.22:
                burnt.addRect(skia.Rect(x, y, min(x + 2 * row, x1), low))
            x += 2 * row
    painter.marks(burnt, darker(base, 0.22), 0.8)
    painter.marks(joints, darker(base, 0.4), 0.6, INK)


def windows(
    painter: Painter, x0: float, y0: float, x1: float, y1: float, lit: Rgb, dark: Rgb
) -> None:
    """Paint rows of small windows, some of them lit."""
    if not painter.fine:
        return
    rng = painter.marks_rng
    on, off = skia.Path(), skia.Path()
    pitch, count = 0.05, max(1, int((x1 - x0) / 0.05))
    left = (x0 + x1 - count * pitch) / 2 + 0.011
    for row in range(int((y1 - y0) / 0.062)):
        for column in range(count):
            pane = skia.Rect.MakeXYWH(left + column * pitch, y0 + row * 0.062 + 0.02, 0.027, 0.034)
            (on if rng.uniform() < 0.4 else off).addRect(pane)
    painter.marks(off, dark, 0.8)
    painter.marks(on, lit, 0.95)


def panes(painter: Painter, x0: float, y0: float, x1: float, y1: float, frame: Rgb) -> None:
    """Paint the bars of a window and a slanting reflection."""
    if not painter.fine:
        return
    wide, tall = x1 - x0, y1 - y0
    sheen = skia.Path()
    for left, right in ((0.1, 0.24), (0.32, 0.4)):
        sheen.moveTo(x0 + left * wide, y1).lineTo(x0 + (left + 0.4) * wide, y0)
        sheen.lineTo(x0 + (right + 0.4) * wide, y0).lineTo(x0 + right * wide, y1).close()
    painter.marks(sheen, WHITE, 0.28)
    bars = skia.Path().moveTo((x0 + x1) / 2, y0).lineTo((x0 + x1) / 2, y1)
    bars.moveTo(x0, y0 + 0.4 * tall).lineTo(x1, y0 + 0.4 * tall)
    painter.marks(bars, frame, 1.0, 2.2 * INK)


def boards(painter: Painter, base: Rgb, y0: float, y1: float, fan: float = 0.0) -> None:
    """Paint the joints and the grain of a wooden floor; `fan` spreads the boards as they near."""
    if not painter.fine:
        return
    rng = painter.marks_rng
    joints, grain = skia.Path(), skia.Path()
    for k in range(-24, 25):
        x = k * 0.1
        joints.moveTo(x, y0).lineTo(x * (1 + fan), y1)
        for y in rng.uniform(y0, min(y1, y0 + 0.6), 3):
            share = (float(y) - y0) / (y1 - y0)
            left = x * (1 + fan * share)
            joints.moveTo(left, float(y)).lineTo(left + 0.1 * (1 + fan * share), float(y))
            grain.moveTo(left + 0.03, float(y) + 0.02).lineTo(left + 0.035, float(y) + 0.08)
    painter.marks(grain, lighter(base, 0.35), 0.7, 1.6 * INK)
    painter.marks(joints, darker(base, 0.45), 0.75, INK)


def slabs(painter: Painter, base: Rgb, y0: float, y1: float) -> None:
    """Paint a pavement of slabs in perspective, some lighter and some darker."""
    if not painter.fine:
        return
    rng = painter.marks_rng
    lit, dark, joints = skia.Path(), skia.Path(), skia.Path()
    y, row = y0, 0.035
    while y < y1:
        low, pitch = y + row, 3.2 * row
        joints.moveTo(-EXTENT, y).lineTo(EXTENT, y)
        shift = float(rng.uniform(0, pitch))
        for k in range(int(2 * EXTENT / pitch) + 1):
            x = -EXTENT + shift + k * pitch
            joints.moveTo(x, y).lineTo(x, low)
            draw = rng.uniform()
            if draw < 0.5:
                (lit if draw < 0.25 else dark).addRect(skia.Rect(x, y, x + pitch, low))
        y, row = low, row * 1.35
    painter.marks(dark, darker(base, 0.16), 0.9)
    painter.marks(lit, lighter(base, 0.2), 0.9)
    painter.marks(joints, darker(base, 0.4), 0.7, INK)


def flowers(painter: Painter, colours: tuple[Rgb, ...], y0: float, y1: float, count: int) -> None:
    """Strew small flowers of several colours."""
    if not painter.fine:
        return
    paths = [skia.Path() for _ in colours]
    for k, (x, y) in enumerate(_strewn(painter, count, y0, y1)):
        size = 0.014 * _near(y, y0, y1)
        for dx, dy in ((-1, 0), (1, 0), (0, -0.8), (0, 0.8)):
            paths[k % len(paths)].addCircle(x + dx * size, y + dy * size, 0.75 * size)
    for path, colour in zip(paths, colours, strict=True):
        painter.marks(path, colour)


def cracks(painter: Painter, base: Rgb, x0: float, y0: float, x1: float, y1: float) -> None:
    """Paint cracks and chips over a wall or a rock."""
    if not painter.fine:
        return
    rng = painter.marks_rng
    lines, chips = skia.Path(), skia.Path()
    count = max(3, int((x1 - x0) * (y1 - y0) * 90))
    for x, y in zip(rng.uniform(x0, x1, count), rng.uniform(y0, y1, count), strict=True):
        x, y = float(x), float(y)
        lines.moveTo(x, y)
        for _ in range(3):
            x += float(rng.uniform(-0.03, 0.03))
            y += float(rng.uniform(0.005, 0.03))
            lines.lineTo(x, min(y, y1))
        chips.addRect(skia.Rect.MakeXYWH(x, min(y, y1) - 0.012, 0.022, 0.012))
    painter.marks(chips, lighter(base, 0.3), 0.8)
    painter.marks(lines, darker(base, 0.5), 0.75, 1.2 * INK)
