"""VFX, Skill & Energy Effects: circles, barriers and arrays of magic."""

from __future__ import annotations

import math

import numpy as np
import skia

from animatrix_data.procedural.character import Figure, Joints
from animatrix_data.procedural.colour import WHITE, fill, linear, radial, rgb, stroke
from animatrix_data.procedural.effects.effect import Effect, Placed, Setting, effect
from animatrix_data.procedural.effects.shapes import (
    BODIES,
    FEET,
    clamp,
    frame_heights,
)
from animatrix_data.procedural.motion import Pose
from animatrix_data.procedural.paths import polygon


def _ring(radius: float, corners: int, turn: float = 0.0) -> skia.Path:
    """Return a regular polygon about the origin."""
    turns = turn + 2 * np.pi * np.arange(corners) / corners
    return polygon(*zip(radius * np.cos(turns), radius * np.sin(turns), strict=True))


def _glyphs(rng: np.random.Generator, radius: float, count: int, size: float) -> skia.Path:
    """Return angular signs around a circle."""
    path = skia.Path()
    for k in range(count):
        turn = 2 * math.pi * k / count
        cos, sin = math.cos(turn), math.sin(turn)
        for step in range(3):
            away, aside = rng.uniform(-size, size, 2)
            point = ((radius + away) * cos - aside * sin, (radius + away) * sin + aside * cos)
            path.lineTo(*point) if step else path.moveTo(*point)
    return path


@effect("Magic Circle", "ground", FEET)
def magic_circle(setting: Setting) -> Effect:
    """Rose-coloured rings of glyphs that turn against each other around the feet."""
    start = float(setting.rng.uniform(-2.0, 0.0))
    rose, pale = rgb("ff2fb0"), rgb("fff0fb")
    outer, inner = skia.Path(), skia.Path()
    outer.addCircle(0, 0, 0.66)
    outer.addCircle(0, 0, 0.5)
    outer.addPath(_glyphs(setting.rng, 0.58, 14, 0.04))
    inner.addPath(_ring(0.48, 3))
    inner.addPath(_ring(0.48, 3, math.pi))
    inner.addCircle(0, 0, 0.24)
    disc = radial(0.72, (rose, rose, rose), (0.75, 0.45, 0.1))
    halo, core = stroke(rose, 0.085, 0.75), stroke(pale, 0.036)
    light = linear((rose, rose), (0.0, 0.55), (0, -0.5), (0, 0))

    def figure(canvas: skia.Canvas, frame: int, body: Figure, j: Joints, pose: Pose) -> None:
        time = (setting.time(frame) - start) % 24
        size = clamp(0.2 + time / 4)
        canvas.save()
        canvas.translate(j.hip[0], 0)
        canvas.drawRect(skia.Rect(-0.62 * size, -0.5 * size, 0.62 * size, 0), light)
        canvas.scale(size, 0.36 * size)
        canvas.drawCircle(0, 0, 0.72, disc)
        for paint in (halo, core):
            for path, rate in ((outer, 7.0), (inner, -11.0)):
                canvas.save()
                canvas.rotate(rate * time)
                canvas.drawPath(path, paint)
                canvas.restore()
        canvas.restore()

    return Effect(figure=figure)


def _honeycomb(cell: float, reach: float) -> skia.Path:
    """Return the outlines of hexagons that cover a square of half-width `reach`."""
    path = skia.Path()
    rows = math.ceil(reach / (1.5 * cell)) + 1
    columns = math.ceil(reach / (math.sqrt(3) * cell)) + 1
    for row in range(-rows, rows + 1):
        for column in range(-columns, columns + 1):
            x = math.sqrt(3) * cell * (column + 0.5 * (row % 2))
            hexagon = _ring(cell, 6, math.pi / 6)
            hexagon.offset(x, 1.5 * cell * row)
            path.addPath(hexagon)
    return path


@effect("Barrier", "figure")
def barrier(setting: Setting) -> Effect:
    """A translucent green dome of hexagons around the body that ripples where it is struck."""
    rng, start = setting.rng, float(setting.rng.uniform(-2.0, -0.5))
    green, pale = rgb("19e6a0"), rgb("e8fff4")
    comb = _honeycomb(0.105, 0.52)
    shell = radial(0.5, (green, green, green, green, pale), (0.1, 0.14, 0.2, 0.36, 0.8))
    lines, bright = stroke(green, 0.014, 0.6), stroke(pale, 0.02)
    rim = stroke(pale, 0.03)
    hits = rng.uniform(-0.28, 0.28, (5, 2)).tolist()
    flare = radial(0.17, (WHITE, green, green), (0.8, 0.45, 0))

    def symbol(canvas: skia.Canvas, frame: int, placed: Placed) -> None:
        time = setting.time(frame) - start
        radius = min(0.68 * placed.height, 0.47) * clamp(time / 3)
        middle = 0.5 * (placed.head[1] + placed.feet[1])
        canvas.save()
        canvas.translate(clamp(placed.hip[0], -0.2, 0.2), clamp(middle, -0.02, 0.2))
        canvas.scale(radius / 0.5, radius / 0.5)
        circle = skia.Path.Circle(0, 0, 0.5)
        canvas.drawPath(circle, shell)
        canvas.save()
        canvas.clipPath(circle, True)
        canvas.drawPath(comb, lines)
        struck, age = hits[int(time / 4) % len(hits)], time % 4
        canvas.save()
        canvas.clipPath(skia.Path.Circle(*struck, 0.05 + 0.06 * age), True)
        canvas.drawPath(comb, bright)
        canvas.restore()
        if age < 1.5:
            canvas.translate(*struck)
            canvas.drawCircle(0, 0, 0.17, flare)
        canvas.restore()
        canvas.drawPath(circle, rim)
        canvas.restore()

    return Effect(symbol=symbol)


def _blade(length: float) -> skia.Path:
    """Return a sword of light that points right, its guard at the origin."""
    half = 0.11 * length
    path = polygon((-0.02, -half), (0.75 * length, -half), (length, 0), (0.75 * length, half),
                   (-0.02, half))  # fmt: skip
    path.addRect(skia.Rect(-0.03, -2.6 * half, 0.02, 2.6 * half))
    path.addRect(skia.Rect(-0.11, -0.7 * half, -0.03, 0.7 * half))
    return path


@effect("Energy Array", "frame", BODIES)
def energy_array(setting: Setting) -> Effect:
    """A fan of golden blades of light behind the figure that fire forwards together."""
    count, start = 7, float(setting.rng.uniform(-2.0, 0.0))
    blade = _blade(0.24)
    halo, body, core = stroke(rgb("ff7a0f"), 0.03, 0.9), fill(rgb("ffd65a")), fill(rgb("fffbe6"))
    inner = _blade(0.22)
    scale = skia.Matrix.Scale(0.9, 0.5)
    inner.transform(scale)

    def figure(canvas: skia.Canvas, frame: int, fig: Figure, j: Joints, pose: Pose) -> None:
        time = (setting.time(frame) - start) % 17
        fired = clamp((time - 13) / 2.5)
        with frame_heights(canvas, j.neck) as ([(x, y)], facing):
            canvas.translate(clamp(x, -0.15, 0.15), clamp(y, -0.02, 0.16))
            canvas.scale(facing, 1)
            for k in range(count):
                if time < 0.5 * k:
                    continue
                turn = math.pi * (0.04 + 0.92 * k / (count - 1))
                hover = 0.012 * math.sin(0.9 * time + 1.7 * k)
                canvas.save()
                canvas.translate(
                    0.9 * fired**2 - 0.4 * math.cos(turn) - 0.06,
                    1.1 * fired**2 + hover - 0.1 - 0.32 * math.sin(turn),
                )
                canvas.rotate(52)
                for path, paint in ((blade, halo), (blade, body), (inner, core)):
                    canvas.drawPath(path, paint)
                canvas.restore()

    def behind(canvas: skia.Canvas, frame: int) -> None:
        setting.veil(canvas, rgb("241004"), 0.32)

    return Effect(behind=behind, figure=figure)
