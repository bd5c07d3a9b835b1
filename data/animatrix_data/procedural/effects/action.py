"""VFX, Action & Motion: speed lines, trails, impacts."""

from __future__ import annotations

import math

import numpy as np
import skia

from animatrix_data.procedural.colour import WHITE, fill, rgb, stroke
from animatrix_data.procedural.effects.effect import Effect, Setting, effect


@effect("Linear Speed Lines", "frame")
def linear_lines(setting: Setting) -> Effect:
    """Thick horizontal streaks rushing across the frame."""
    count = 8
    ys = ((np.arange(count) + setting.rng.uniform(0.3, 0.7, count)) / count - 0.5).tolist()
    xs = setting.rng.uniform(0, 1, count).tolist()
    wide = [0.06 if k % 2 else 0.038 for k in range(count)]
    light, dark = rgb("ffffff"), rgb("30384f")
    paints = [stroke(dark if k % 3 == 0 else light, w, 0.9) for k, w in enumerate(wide)]

    def lines(canvas: skia.Canvas, frame: int, parity: int) -> None:
        span = setting.aspect + 1.0
        for k in range(parity, count, 3):
            x = (0.5 - (xs[k] + 0.17 * setting.time(frame)) % 1.0) * span
            canvas.drawLine(x - 0.35, ys[k], x + 0.35, ys[k], paints[k])

    def behind(canvas: skia.Canvas, frame: int) -> None:
        lines(canvas, frame, 0)
        lines(canvas, frame, 1)

    return Effect(behind=behind, front=lambda canvas, frame: lines(canvas, frame, 2))


@effect("Radial Speed Lines", "frame")
def radial_lines(setting: Setting) -> Effect:
    """Wedges that converge from the border on the middle of the frame."""
    count, sets = 14, 3
    noise = setting.rng.uniform(-0.5, 0.5, (sets, count, 2))
    drawn = []
    for chosen in noise:
        light, dark = skia.Path(), skia.Path()
        for k, (turn, reach) in enumerate(chosen.tolist()):
            angle, inner = 2 * math.pi * (k + 0.5 * turn) / count, 0.36 + 0.12 * reach
            path = dark if k % 2 else light
            path.moveTo(inner * math.cos(angle), inner * math.sin(angle))
            for side in (-0.12, 0.12):
                path.lineTo(1.4 * math.cos(angle + side), 1.4 * math.sin(angle + side))
            path.close()
        drawn.append((light, dark))
    white, black = fill(WHITE, 0.92), fill(rgb("20202c"), 0.88)

    def front(canvas: skia.Canvas, frame: int) -> None:
        light, dark = drawn[int(setting.time(frame) // 2) % sets]
        canvas.save()
        canvas.scale(max(1.0, setting.aspect), 1.0)
        canvas.drawPath(light, white)
        canvas.drawPath(dark, black)
        canvas.restore()

    return Effect(front=front)


@effect("Impact Flash", "frame")
def impact_flash(setting: Setting) -> Effect:
    """A white-frame flash that fades over half a second, once a second."""
    start = int(setting.rng.integers(2, 5))
    fade = (0.95, 0.85, 0.5, 0.22)

    def front(canvas: skia.Canvas, frame: int) -> None:
        beat = int(setting.time(frame)) - start
        if beat >= 0 and beat % 8 < len(fade):
            setting.veil(canvas, rgb("fffdf0"), fade[beat % 8])

    return Effect(front=front)
