"""VFX, Environmental Atmosphere: stylised backgrounds that stand in for the place.

They are translucent, and their motifs move as the place does: what the camera does is still seen.
"""

from __future__ import annotations

import math

import numpy as np
import skia

from animatrix_data.procedural.character import Figure, Joints
from animatrix_data.procedural.colour import WHITE, fill, linear, rgb, stroke, vertical
from animatrix_data.procedural.effects.effect import Effect, Setting, effect
from animatrix_data.procedural.effects.shapes import (
    BODIES,
    clamp,
    frame_height,
    frame_heights,
)
from animatrix_data.procedural.motion import Pose
from animatrix_data.procedural.painter import EXTENT
from animatrix_data.procedural.paths import Point, polygon


def spread(rng: np.random.Generator, step: float) -> list[Point]:
    """Return places over all that a camera can come to see, about a step apart, mixed in order."""
    grid = np.arange(-EXTENT, EXTENT, step)
    x, y = np.meshgrid(grid, grid)
    x[1::2] += step / 2
    places = np.stack([x.ravel(), y.ravel()], 1)
    places += rng.uniform(-0.22, 0.22, places.shape) * step
    return [(float(x), float(y)) for x, y in rng.permutation(places)]


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
    places = spread(setting.rng, 0.29)
    heart, rose = _heart(), _rose()
    sky = vertical(rgb("ffb0d8"), rgb("ffe6b8"), -0.5, 0.5, 0.6)
    red, edge = fill(rgb("ff3f7f")), stroke(WHITE, 0.24)
    petal, eye = fill(rgb("ff8fc0")), fill(rgb("ffe25a"))
    shine = fill(WHITE, 0.85)

    def behind(canvas: skia.Canvas, frame: int) -> None:
        canvas.drawRect(skia.Rect(-setting.aspect, -0.5, setting.aspect, 0.5), sky)

    def backdrop(canvas: skia.Canvas, frame: int) -> None:
        time = setting.time(frame)
        for k, (x, y) in enumerate(places):
            if canvas.quickReject(skia.Rect(x - 0.12, y - 0.12, x + 0.12, y + 0.12)):
                continue
            bloom = clamp((time + 3 - 0.4 * (k % 9)) / 2) * (
                0.075 + 0.012 * math.sin(1.2 * time + k)
            )
            canvas.save()
            canvas.translate(x, y)
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

    return Effect(behind=behind, backdrop=backdrop)


@effect("Bubble Background", "background", BODIES)
def bubble_background(setting: Setting) -> Effect:
    """Overlapping pastel discs on a plain tint that pulse behind the figure."""
    places = spread(setting.rng, 0.27)
    sizes = setting.rng.uniform(0.09, 0.19, len(places)).tolist()
    paints = [fill(rgb(code), 0.6) for code in ("8fe8d2", "fff0a0", "a8d4ff", "c9f2a0")]
    rim = stroke(WHITE, 0.012, 0.8)

    def behind(canvas: skia.Canvas, frame: int) -> None:
        setting.veil(canvas, rgb("e4fff4"), 0.45)

    def backdrop(canvas: skia.Canvas, frame: int) -> None:
        time = setting.time(frame)
        for k, ((x, y), full) in enumerate(zip(places, sizes, strict=True)):
            size = full * (1 + 0.05 * math.sin(0.8 * time + 1.9 * k))
            if not canvas.quickReject(skia.Rect(x - size, y - size, x + size, y + size)):
                canvas.drawCircle(x, y, size, paints[k % 4])
                canvas.drawCircle(x, y, size, rim)

    return Effect(behind=behind, backdrop=backdrop)


@effect("Gradient Light Pillar", "frame", BODIES[1:])
def light_pillar(setting: Setting) -> Effect:
    """A column of pale gold light that widens up from the ground behind the figure, with motes."""
    rng, start = setting.rng, float(setting.rng.uniform(-2.0, -0.5))
    gold, pale = rgb("ffc93a"), rgb("fff8d0")
    column = linear((gold, gold, pale, WHITE, pale, gold, gold), (0, 0.6, 0.9, 1, 0.9, 0.6, 0),
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
    """Slanted zigzag bands in crimson and black that flicker behind the figure."""
    step = 0.24
    xs = np.arange(-EXTENT, EXTENT, 0.12)
    drawings = []
    for _ in range(2):
        wave = np.where(np.arange(len(xs)) % 2, 0.055, -0.055)
        wave = wave + setting.rng.uniform(-0.018, 0.018, len(xs))
        bands = skia.Path()
        for y in np.arange(-EXTENT, EXTENT, step):
            top = list(zip(xs.tolist(), (y + wave).tolist(), strict=True))
            low = list(zip(xs[::-1].tolist(), (y + step / 2 + wave[::-1]).tolist(), strict=True))
            bands.addPath(polygon(*top, *low))
        drawings.append(bands)
    black, red = fill(rgb("16060e"), 0.66), rgb("d8123c")
    edge = stroke(rgb("ffd0d8"), 0.012, 0.7)
    turn = float(setting.rng.choice([-28, 28]))

    def behind(canvas: skia.Canvas, frame: int) -> None:
        setting.veil(canvas, red, 0.45 + 0.1 * (int(setting.time(frame) / 2) % 2))

    def backdrop(canvas: skia.Canvas, frame: int) -> None:
        canvas.rotate(turn)
        bands = drawings[int(setting.time(frame) / 2) % 2]
        canvas.drawPath(bands, black)
        canvas.drawPath(bands, edge)

    return Effect(behind=behind, backdrop=backdrop)
