"""VFX, Environmental Atmosphere: stylised backgrounds that stand in for the place.

They stay translucent: what the camera does to the place must still be seen through them.
"""

from __future__ import annotations

import math

import numpy as np
import skia

from animatrix_data.procedural.character import Figure, Joints
from animatrix_data.procedural.colour import WHITE, fill, rgb, stroke, vertical
from animatrix_data.procedural.effects.effect import Effect, Setting, effect
from animatrix_data.procedural.effects.shapes import (
    BODIES,
    across,
    clamp,
    frame_height,
    frame_heights,
    polygon,
)
from animatrix_data.procedural.motion import Pose


def _heart() -> skia.Path:
    """Return a heart of radius about 1."""
    path = skia.Path().moveTo(0, 0.95)
    path.cubicTo(-1.5, -0.1, -0.85, -1.15, 0, -0.4)
    return path.cubicTo(0.85, -1.15, 1.5, -0.1, 0, 0.95).close()


def _rose() -> skia.Path:
    """Return the petals of a blossom of radius about 1."""
    path = skia.Path()
    for k in range(5):
        turn = 2 * math.pi * k / 5 - math.pi / 2
        path.addCircle(0.52 * math.cos(turn), 0.52 * math.sin(turn), 0.46)
    return path


@effect("Emotional Background", "background", BODIES[1:])
def emotional_background(setting: Setting) -> Effect:
    """Hearts and roses on a pink glow that bloom behind the figure and drift slowly."""
    xs, ys = setting.scattered(13)
    heart, rose = _heart(), _rose()
    sky = vertical(rgb("ffb0d8"), rgb("ffe6b8"), -0.5, 0.5, 0.6)
    red, edge = fill(rgb("ff3f7f")), stroke(WHITE, 0.24)
    petal, eye = fill(rgb("ff8fc0")), fill(rgb("ffe25a"))
    shine = fill(WHITE, 0.85)

    def behind(canvas: skia.Canvas, frame: int) -> None:
        time = setting.time(frame)
        canvas.drawRect(skia.Rect(-setting.aspect, -0.5, setting.aspect, 0.5), sky)
        for k, (x, y) in enumerate(zip(xs.tolist(), ys.tolist(), strict=True)):
            bloom = clamp((time + 3 - 0.3 * k) / 2) * (0.075 + 0.012 * math.sin(1.2 * time + k))
            canvas.save()
            canvas.translate(x * 0.5 * setting.aspect + 0.02 * math.sin(0.4 * time + k),
                             (y - 0.008 * time) % 1.0 * 1.1 - 0.55)  # fmt: skip
            canvas.rotate(18 * math.sin(0.6 * time + 2 * k))
            canvas.scale(bloom, bloom)
            if k % 2:
                canvas.drawPath(rose, edge)
                canvas.drawPath(rose, petal)
                canvas.drawCircle(0, 0, 0.3, eye)
            else:
                canvas.drawPath(heart, edge)
                canvas.drawPath(heart, red)
                canvas.drawCircle(-0.42, -0.35, 0.17, shine)
            canvas.restore()

    return Effect(behind=behind)


@effect("Bubble Background", "background", BODIES)
def bubble_background(setting: Setting) -> Effect:
    """Overlapping pastel discs on a plain tint that pulse and drift behind the figure."""
    rng, count = setting.rng, 15
    xs, ys = setting.scattered(count)
    sizes = rng.uniform(0.09, 0.2, count).tolist()
    paints = [fill(rgb(code), 0.62) for code in ("8fe8d2", "fff0a0", "a8d4ff", "c9f2a0")]
    rim = stroke(WHITE, 0.012, 0.75)

    def behind(canvas: skia.Canvas, frame: int) -> None:
        time = setting.time(frame)
        setting.veil(canvas, rgb("e4fff4"), 0.45)
        for k, (x, y) in enumerate(zip(xs.tolist(), ys.tolist(), strict=True)):
            size = sizes[k] * (1 + 0.12 * math.sin(0.8 * time + 1.9 * k))
            at = (x * 0.55 * setting.aspect + 0.03 * math.sin(0.3 * time + k), y * 1.1 - 0.55)
            canvas.drawCircle(*at, size, paints[k % 4])
            canvas.drawCircle(*at, size, rim)

    return Effect(behind=behind)


@effect("Gradient Light Pillar", "frame", BODIES[1:])
def light_pillar(setting: Setting) -> Effect:
    """A column of pale gold light that widens up from the ground behind the figure, with motes."""
    rng, start = setting.rng, float(setting.rng.uniform(-2.0, -0.5))
    gold, pale = rgb("ffc93a"), rgb("fff8d0")
    column = across((gold, gold, pale, WHITE, pale, gold, gold), (0, 0.6, 0.9, 1, 0.9, 0.6, 0),
                    (-0.27, 0), (0.27, 0))  # fmt: skip
    streaks = rng.uniform(-0.2, 0.2, 5).tolist()
    motes = rng.uniform(0, 1, (12, 2)).tolist()
    streak, mote = stroke(WHITE, 0.008, 0.9), fill(WHITE)

    def figure(canvas: skia.Canvas, frame: int, body: Figure, j: Joints, pose: Pose) -> None:
        time = setting.time(frame) - start
        wide = clamp(time / 3) * (1 + 0.06 * math.sin(2.2 * time))
        wide *= clamp(0.72 + 0.5 / frame_height(canvas), 0.9, 1.55)
        with frame_heights(canvas, j.hip) as ([(x, _)], _facing):
            canvas.translate(clamp(x, -0.2, 0.2), 0)
            canvas.scale(wide, 1)
            canvas.drawRect(skia.Rect(-0.27, -0.5, 0.27, 0.5), column)
            for k, across_ in enumerate(streaks):
                risen = (0.16 * time + 0.37 * k) % 1.5 - 0.75
                canvas.drawLine(across_, -risen, across_, -risen + 0.3, streak)

    def over(canvas: skia.Canvas, frame: int, body: Figure, j: Joints, pose: Pose) -> None:
        time = setting.time(frame) - start
        with frame_heights(canvas, j.hip) as ([(x, _)], _facing):
            for away, phase in motes:
                risen = 0.5 - (phase + 0.07 * time) % 1.0
                canvas.drawCircle(clamp(x, -0.2, 0.2) + 0.5 * (away - 0.5), risen, 0.013, mote)

    def behind(canvas: skia.Canvas, frame: int) -> None:
        setting.veil(canvas, rgb("2a1a04"), 0.35)

    return Effect(behind=behind, figure=figure, over=over)


@effect("Abstract Pattern Background", "background", BODIES)
def abstract_pattern(setting: Setting) -> Effect:
    """Slanted zigzag bands in crimson and black that scroll behind the figure."""
    step, wide = 0.22, setting.aspect + 0.6
    xs = np.arange(-wide, wide + 0.01, 0.11)
    wave = np.where(np.arange(len(xs)) % 2, 0.055, -0.055)
    bands = skia.Path()
    for k in range(-5, 6):
        top = list(zip(xs.tolist(), (k * step + wave).tolist(), strict=True))
        low = list(zip(xs[::-1].tolist(), (k * step + 0.11 + wave[::-1]).tolist(), strict=True))
        bands.addPath(polygon(top + low))
    black, red = fill(rgb("16060e"), 0.66), rgb("d8123c")
    edge = stroke(rgb("ffd0d8"), 0.012, 0.7)
    turn = float(setting.rng.choice([-28, 28]))

    def behind(canvas: skia.Canvas, frame: int) -> None:
        setting.veil(canvas, red, 0.5)
        canvas.save()
        canvas.rotate(turn)
        canvas.translate(0, 0.045 * setting.time(frame) % step)
        canvas.drawPath(bands, black)
        canvas.drawPath(bands, edge)
        canvas.restore()

    return Effect(behind=behind)
