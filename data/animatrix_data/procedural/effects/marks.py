"""VFX, Emotional Symbols: marks that float by the head."""

from __future__ import annotations

import math
from collections.abc import Callable

import skia

from animatrix_data.procedural.colour import WHITE, fill, rgb, stroke
from animatrix_data.procedural.effects.effect import Effect, Placed, Setting, effect
from animatrix_data.procedural.effects.stickers import (
    INK,
    Sticker,
    drop,
    inside,
    mark_size,
    pop,
    puff,
    put,
)
from animatrix_data.procedural.paths import polygon

Draw = Callable[[skia.Canvas, float], None]
"""Draws a mark about 1 high round the origin at a time since it popped in (eighths of a second)."""


def _side(setting: Setting) -> int:
    return int(setting.rng.choice((-1, 1)))


def _floating(
    setting: Setting, draw: Draw, up: float, across: float = 1.25, half: float = 0.6
) -> Effect:
    """Return a mark that pops in by the head, `up` and `across` head radii from its centre.

    half is half the mark's extent in its sizes, outline included.
    """
    side, start = _side(setting), float(setting.rng.uniform(0.5, 2.0))

    def symbol(canvas: skia.Canvas, frame: int, placed: Placed) -> None:
        time = setting.time(frame) - start
        scale = pop(time)
        if scale <= 0:
            return
        size = mark_size(placed)
        x, y = placed.head
        at = (x + side * across * placed.radius, y - up * placed.radius)
        extent = half * size
        with put(canvas, inside(setting, at, (extent, extent)), size * scale):
            draw(canvas, time)

    return Effect(symbol=symbol)


@effect("Question Mark", "head")
def question_mark(setting: Setting) -> Effect:
    """A blue question mark that pops up, bobs and tilts to and fro."""
    hook = skia.Path().moveTo(-0.23, -0.2)
    hook.cubicTo(-0.23, -0.52, 0.25, -0.52, 0.25, -0.2).cubicTo(0.25, 0.0, 0.0, -0.02, 0.0, 0.18)
    parts = (
        Sticker(hook, rgb("38b0ff"), 0.19),
        Sticker(skia.Path.Circle(0, 0.42, 0.115), rgb("38b0ff")),
    )

    def draw(canvas: skia.Canvas, time: float) -> None:
        canvas.translate(0, 0.07 * math.sin(0.9 * time))
        canvas.rotate(10 * math.sin(0.6 * time))
        for part in parts:
            part.draw(canvas)
        for part in parts:
            part.draw_inner(canvas)

    return _floating(setting, draw, up=1.5, half=0.75)


@effect("Exclamation Mark", "head")
def exclamation_mark(setting: Setting) -> Effect:
    """Red exclamation marks, two side by side, that spring up and shake."""
    red = rgb("ff2436")
    bar = polygon((-0.15, -0.52), (0.15, -0.52), (0.07, 0.16), (-0.07, 0.16))
    parts = Sticker(bar, red), Sticker(skia.Path.Circle(0, 0.4, 0.13), red)
    places = (-0.25, -0.1, -10.0), (0.25, 0.0, 10.0)

    def draw(canvas: skia.Canvas, time: float) -> None:
        shake = 0.09 * math.sin(2.4 * time) * math.exp(-0.12 * max(time - 2.0, 0.0))
        canvas.translate(shake, -0.12 * abs(math.sin(0.8 * time)))
        for outlined in (Sticker.draw, Sticker.draw_inner):
            for x, y, degrees in places:
                with put(canvas, (x, y), 1.0, degrees):
                    for part in parts:
                        outlined(part, canvas)

    return _floating(setting, draw, up=1.6, half=0.85)


@effect("Lightbulb", "head")
def lightbulb(setting: Setting) -> Effect:
    """A glowing bulb above the head, with rays; it pops on with a flash and pulses."""
    glass = skia.Path().moveTo(-0.15, 0.2).cubicTo(-0.16, 0.08, -0.36, 0.02, -0.36, -0.2)
    glass.cubicTo(-0.36, -0.68, 0.36, -0.68, 0.36, -0.2).cubicTo(0.36, 0.02, 0.16, 0.08, 0.15, 0.2)
    bulb = Sticker(glass.close(), rgb("ffe23d"), key=0.13)
    socket = Sticker(skia.Path.Rect(skia.Rect(-0.16, 0.2, 0.16, 0.44)), rgb("9aa0ac"), key=0.13)
    rays = skia.Path()
    for k in range(7):
        angle = math.pi * (0.5 + (k - 3) * 0.27) + math.pi
        c, s = math.cos(angle), math.sin(angle)
        rays.moveTo(0.58 * c, 0.58 * s - 0.2).lineTo(0.84 * c, 0.84 * s - 0.2)

    def draw(canvas: skia.Canvas, time: float) -> None:
        flash = math.exp(-0.5 * max(time - 1.0, 0.0)) if time > 0 else 0.0
        glow = 0.42 + 0.14 * math.sin(1.3 * time) + 0.4 * flash
        for radius, share in ((1.15, 0.35), (0.85, 0.6), (0.6, 1.0)):
            canvas.drawCircle(0, -0.2, radius, fill(rgb("fff3a0"), min(1.0, share * glow)))
        if math.sin(1.3 * time) > -0.5:
            for colour, width in ((INK, 0.2), (rgb("ffd21a"), 0.1)):
                canvas.drawPath(rays, stroke(colour, width))
        for part in (socket, bulb):
            part.draw(canvas)
        for part in (socket, bulb):
            part.draw_inner(canvas)
        canvas.drawLine(-0.16, 0.33, 0.16, 0.33, stroke(INK, 0.05))
        filament = skia.Path().moveTo(-0.12, -0.02).lineTo(-0.06, -0.2).lineTo(0, -0.1)
        filament.lineTo(0.06, -0.2).lineTo(0.12, -0.02)
        canvas.drawPath(filament, stroke(rgb("e07b10"), 0.06))
        canvas.drawCircle(-0.15, -0.34, 0.09, fill(WHITE))

    return _floating(setting, draw, up=2.0, across=0.1, half=0.75)


def _notes() -> tuple[skia.Path, skia.Path]:
    """Return an eighth note and a beamed pair."""
    one = skia.Path().addOval(skia.Rect(-0.34, 0.18, 0.04, 0.46))
    one.addRect(skia.Rect(-0.05, -0.48, 0.04, 0.32))
    flag = skia.Path().moveTo(0.02, -0.48).cubicTo(0.06, -0.24, 0.4, -0.2, 0.28, 0.14)
    flag.cubicTo(0.28, -0.06, 0.1, -0.1, 0.02, -0.14).close()
    pair = skia.Path().addOval(skia.Rect(-0.52, 0.18, -0.16, 0.44))
    pair.addOval(skia.Rect(0.1, 0.08, 0.46, 0.34))
    for x, y in ((-0.24, 0.0), (0.38, -0.1)):
        pair = skia.Op(
            pair,
            skia.Path().addRect(skia.Rect(x, y - 0.4, x + 0.08, y + 0.3)),
            skia.PathOp.kUnion_PathOp,
        )
    beam = polygon((-0.24, -0.46), (0.46, -0.56), (0.46, -0.34), (-0.24, -0.24))
    return (
        skia.Op(one, flag, skia.PathOp.kUnion_PathOp),
        skia.Op(pair, beam, skia.PathOp.kUnion_PathOp),
    )


@effect("Musical Notes", "head")
def musical_notes(setting: Setting) -> Effect:
    """Coloured notes that rise along wavy paths on both sides of the head, shrink and fade."""
    one, pair = _notes()
    colours = rgb("ff5fa2"), rgb("7a5cff"), rgb("13b88a"), rgb("ff9420")
    notes = [Sticker(pair if k % 2 else one, c, key=0.14) for k, c in enumerate(colours)]
    side, ahead = _side(setting), float(setting.rng.uniform(0, 1))

    def symbol(canvas: skia.Canvas, frame: int, placed: Placed) -> None:
        size = 0.95 * mark_size(placed)
        for k, note in enumerate(notes):
            risen = (k / len(notes) + ahead + setting.time(frame) / 13.0) % 1.0
            away = side * (1 if k % 2 else -1) * (1.35 + 0.2 * math.sin(9 * risen + k))
            at = (
                placed.head[0] + away * max(placed.radius, 0.11),
                placed.head[1] + (0.7 - 3.0 * risen) * max(placed.radius, 0.1),
            )
            grown = size * min(1.0, 5 * risen + 0.2) * (1.0 - 0.35 * risen)
            place = inside(setting, at, (0.6 * size, 0.6 * size))
            alpha = min(1.0, 5 * (1 - risen))
            with put(canvas, place, grown, 14 * math.sin(9 * risen + k)):
                note.draw(canvas, alpha)

    return Effect(symbol=symbol)


@effect("Storm Cloud", "head")
def storm_cloud(setting: Setting) -> Effect:
    """A dark cloud over the head that rains on it and flashes a small bolt."""
    cloud = Sticker(puff(1.5, 0.72), rgb("5d5478"), key=0.13)
    shine = stroke(rgb("8d86a8"), 0.07)
    bolt = Sticker(
        polygon((0.04, 0.3), (0.26, 0.3), (0.14, 0.5), (0.28, 0.5), (-0.04, 0.86), (0.04, 0.58),
                (-0.08, 0.58)), rgb("ffe23d"), key=0.1)  # fmt: skip
    drip = stroke(rgb("7fc4ff"), 0.08), stroke(INK, 0.17)

    def draw(canvas: skia.Canvas, time: float) -> None:
        canvas.translate(0.06 * math.sin(0.5 * time), 0)
        for paint in reversed(drip):
            for k in range(4):
                fallen = (0.37 * k + 0.22 * time) % 1.0
                x, y = -0.5 + 0.33 * k, 0.3 + 0.55 * fallen
                canvas.drawLine(x, y, x - 0.03, y + 0.16, paint)
        if time % 6 < 3:
            bolt.draw(canvas)
        cloud.draw(canvas)
        canvas.drawArc(skia.Rect(-0.36, -0.3, 0.08, 0.2), 180, 100, False, shine)
        canvas.drawArc(skia.Rect(-0.7, 0.0, -0.4, 0.3), 170, 90, False, shine)

    return _floating(setting, draw, up=2.2, across=0.0, half=0.72)


def _drop(size: float = 1.0) -> Draw:
    bead = Sticker(drop(), rgb("c9eeff"), key=0.15)

    def draw(canvas: skia.Canvas, time: float) -> None:
        bead.draw(canvas)
        canvas.drawArc(skia.Rect(-0.22, -0.08, 0.2, 0.36), 110, 90, False, stroke(WHITE, 0.1))
        canvas.drawCircle(0.12, 0.02, 0.06, fill(WHITE))

    return draw


@effect("Sweat Drop", "head")
def sweat_drop(setting: Setting) -> Effect:
    """One large pale-blue drop that pops in at the temple, hangs and slides down slowly."""
    bead = _drop()

    def draw(canvas: skia.Canvas, time: float) -> None:
        canvas.translate(0, -0.35 + 0.7 * min(max(time - 3.0, 0.0) / 11.0, 1.0))
        canvas.scale(1.0, 1.0 + 0.08 * math.sin(1.1 * time))
        bead(canvas, time)

    return _floating(setting, draw, up=0.55, across=1.2, half=0.8)


@effect("Splashing Sweat", "head")
def splashing_sweat(setting: Setting) -> Effect:
    """A fan of drops flung from the head, again and again."""
    bead, count = _drop(), 6
    turns = setting.rng.uniform(-0.12, 0.12, count).tolist()

    def symbol(canvas: skia.Canvas, frame: int, placed: Placed) -> None:
        beat = setting.time(frame) % 4
        reach = (1.35, 1.7, 1.95, 2.1)[int(beat)] * max(placed.radius, 0.1)
        size = 0.62 * mark_size(placed) * (0.8, 1.0, 1.0, 0.75)[int(beat)]
        for k, turn in enumerate(turns):
            angle = -math.pi * (0.02 + 0.96 * (k + turn) / (count - 1))
            at = (
                placed.head[0] + reach * math.cos(angle),
                placed.head[1] - 0.1 * placed.radius + reach * math.sin(angle),
            )
            place = inside(setting, at, (0.6 * size, 0.6 * size))
            with put(canvas, place, size, math.degrees(angle) - 90):
                bead(canvas, beat)

    return Effect(symbol=symbol)


@effect("Vein Pop", "head")
def vein_pop(setting: Setting) -> Effect:
    """The red cross of a swollen vein on the temple; it pulses, and a second one joins it."""
    cross = skia.Path()
    for x, y in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
        cross.moveTo(0.15 * x, 0.52 * y).quadTo(0.13 * x, 0.13 * y, 0.52 * x, 0.15 * y)
    vein = Sticker(cross, rgb("ff2030"), 0.15, key=0.12)
    side, start = _side(setting), float(setting.rng.uniform(0.5, 2.0))

    def symbol(canvas: skia.Canvas, frame: int, placed: Placed) -> None:
        time, size = setting.time(frame) - start, 1.05 * mark_size(placed)
        for away, up, share, late in ((0.8, 0.85, 1.0, 0.0), (-0.95, 1.15, 0.7, 6.0)):
            beat = pop(time - late) * (1.0 + 0.16 * math.sin(1.6 * (time - late)))
            at = (
                placed.head[0] + side * away * max(placed.radius, 0.08),
                placed.head[1] - up * placed.radius,
            )
            if beat > 0:
                with put(canvas, inside(setting, at, (0.7 * size, 0.7 * size)),
                         share * size * beat, side * 12):  # fmt: skip
                    vein.draw(canvas)

    return Effect(symbol=symbol)


@effect("Three Overhead Lines", "head")
def overhead_lines(setting: Setting) -> Effect:
    """Three dark-blue strokes that drop in over the forehead and hold still."""
    lengths = (0.75, 1.0, 0.75)
    side, start = _side(setting), float(setting.rng.uniform(0.5, 2.0))

    def symbol(canvas: skia.Canvas, frame: int, placed: Placed) -> None:
        time, size = setting.time(frame) - start, 1.6 * mark_size(placed, least=0.16, most=0.26)
        if time <= 0:
            return
        fallen = min(1.0, time / 2.0)
        x, y = placed.head
        at = inside(setting, (x + side * 0.45 * placed.radius, y - 1.5 * placed.radius),
                    (0.45 * size, 0.5 * size))  # fmt: skip
        with put(canvas, (at[0], at[1] - 0.6 * size * (1 - fallen)), size):
            for width, colour in ((0.2, WHITE), (0.115, rgb("141d5c"))):
                for k, length in enumerate(lengths):
                    across = 0.26 * (k - 1)
                    paint = stroke(colour, width, fallen)
                    canvas.drawLine(across, -0.38, across, 0.76 * length - 0.38, paint)

    return Effect(symbol=symbol)


@effect("Nose Steam Puff", "head")
def nose_steam(setting: Setting) -> Effect:
    """Two jets of white steam that puff out below the nose, again and again."""
    cloud = Sticker(puff(1.3, 1.0), WHITE, key=0.1)
    jet = Sticker(polygon((0.15, 0), (1.25, -0.4), (1.25, 0.42)), WHITE, key=0.1)
    ahead = float(setting.rng.uniform(0, 2))

    def symbol(canvas: skia.Canvas, frame: int, placed: Placed) -> None:
        beat = (setting.time(frame) + ahead) % 5
        grown, alpha = min(1.15, 0.45 + 0.3 * beat), min(1.0, 1.9 - 0.36 * beat)
        reach = min(max(placed.radius, 0.1), 0.3)
        for side in (-1, 1):
            with put(canvas, (placed.head[0], placed.head[1] + 0.5 * reach), reach * grown,
                     side * 28):  # fmt: skip
                canvas.scale(side, 1)
                jet.draw_inner(canvas, alpha)
                canvas.translate(1.35, 0)
                canvas.rotate(90)
                cloud.draw_inner(canvas, alpha)

    return Effect(symbol=symbol)


@effect("Crow Gag", "frame")
def crow_gag(setting: Setting) -> Effect:
    """A crow flies slowly across the frame, beating its wings, a row of dots behind it."""
    side, height = _side(setting), float(setting.rng.uniform(-0.36, -0.3))
    body = skia.Path().addOval(skia.Rect(-0.42, -0.16, 0.3, 0.2))
    for part in (skia.Path().addCircle(0.32, -0.1, 0.19),
                 polygon((-0.34, -0.05), (-0.74, -0.16), (-0.7, 0.14), (-0.3, 0.12))):  # fmt: skip
        body = skia.Op(body, part, skia.PathOp.kUnion_PathOp)
    crow = Sticker(body, rgb("17141f"), key=0.1)
    beak = Sticker(polygon((0.48, -0.17), (0.78, -0.05), (0.46, 0.0)), rgb("ffb020"), key=0.08)

    def front(canvas: skia.Canvas, frame: int) -> None:
        time = setting.time(frame)
        span = setting.aspect + 0.5
        x = side * (time / 15.0 - 0.5) * span
        size = 0.3
        for k in range(6):
            at = x - side * (0.28 + 0.1 * k)
            dot = skia.Path.Circle(at, height + 0.02 * math.sin(1.2 * k), 0.022)
            Sticker(dot, INK, key=0.012).draw(canvas)
        with put(canvas, (x, height + 0.015 * math.sin(time)), size):
            canvas.scale(side, 1)
            up = math.sin(1.9 * time)
            wing = Sticker(
                polygon((-0.22, 0.0), (0.16, 0.0), (-0.1, -0.62 * up), (-0.42, -0.52 * up)),
                rgb("2c2738"), key=0.1)  # fmt: skip
            for part in (wing, crow, beak):
                part.draw(canvas)
            for part in (beak, crow, wing):
                part.draw_inner(canvas)
            canvas.drawCircle(0.36, -0.14, 0.055, fill(WHITE))

    return Effect(front=front)
