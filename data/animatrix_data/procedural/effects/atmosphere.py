"""VFX, Environmental Atmosphere: weather, ambient mood, stylised backgrounds."""

from __future__ import annotations

import math

import numpy as np
import skia

from animatrix_data.procedural.colour import WHITE, fill, rgb, stroke
from animatrix_data.procedural.effects.effect import Effect, Setting, effect


@effect("Rain", "frame")
def rain(setting: Setting) -> Effect:
    """Slanted streaks under a cool veil."""
    xs, ys = setting.scattered(18)
    paint = stroke(rgb("d6ecff"), 0.036, 0.95)

    def front(canvas: skia.Canvas, frame: int) -> None:
        setting.veil(canvas, rgb("3a5078"), 0.3)
        fallen = (ys + 0.085 * setting.time(frame)) % 1.0
        path = skia.Path()
        for x, y in zip((xs * (0.5 * setting.aspect + 0.2)).tolist(), fallen.tolist(), strict=True):
            top = 1.3 * y - 0.65
            path.moveTo(x - 0.25 * top, top).lineTo(x - 0.25 * top - 0.04, top + 0.16)
        canvas.drawPath(path, paint)

    return Effect(front=front)


@effect("Snow", "frame")
def snow(setting: Setting) -> Effect:
    """Large flakes drifting down slowly."""
    xs, ys = setting.scattered(20)
    sizes = setting.rng.uniform(0.03, 0.05, 20).tolist()
    paint = fill(WHITE, 0.96)

    def front(canvas: skia.Canvas, frame: int) -> None:
        time = setting.time(frame)
        setting.veil(canvas, rgb("dfe8f5"), 0.14)
        fallen = ((ys + 0.03 * time) % 1.0) * 1.2 - 0.6
        drift = xs * 0.55 * setting.aspect + 0.04 * np.sin(0.5 * time + 9 * ys)
        path = skia.Path()
        for x, y, size in zip(drift.tolist(), fallen.tolist(), sizes, strict=True):
            path.addCircle(x, y, size)
        canvas.drawPath(path, paint)

    return Effect(front=front)


@effect("Falling Petals", "frame")
def petals(setting: Setting) -> Effect:
    """Large pink petals that tumble across the frame in a rosy light."""
    xs, ys = setting.scattered(13)
    dark, paint = fill(rgb("d9527f")), fill(rgb("ffb3cf"))

    def front(canvas: skia.Canvas, frame: int) -> None:
        time = setting.time(frame)
        setting.veil(canvas, rgb("ff9fc4"), 0.2)
        for k, (x, y) in enumerate(zip(xs.tolist(), ys.tolist(), strict=True)):
            across = ((x * 0.5 + 0.5 - 0.022 * time) % 1.0 - 0.5) * (setting.aspect + 0.3)
            down = ((y + 0.035 * time) % 1.0) * 1.2 - 0.6
            canvas.save()
            canvas.translate(across, down)
            canvas.rotate(40 * k + 14 * time)
            canvas.drawOval(skia.Rect(-0.085, -0.05, 0.085, 0.05), dark)
            canvas.drawOval(skia.Rect(-0.06, -0.032, 0.066, 0.032), paint)
            canvas.restore()

    return Effect(front=front)


def _star(size: float) -> skia.Path:
    path, waist = skia.Path().moveTo(0, -size), 0.2 * size
    corners = [(waist, -waist), (waist, waist), (-waist, waist), (-waist, -waist)]
    tips = [(size, 0.0), (0.0, size), (-size, 0.0), (0.0, -size)]
    for corner, tip in zip(corners, tips, strict=True):
        path.lineTo(*corner).lineTo(*tip)
    return path.close()


@effect("Kira-Kira", "frame")
def sparkles(setting: Setting) -> Effect:
    """Large four-pointed stars that twinkle slowly."""
    xs, ys = setting.scattered(9)
    phases = setting.rng.uniform(0, 2 * math.pi, 9).tolist()
    star, glow = _star(1.0), fill(rgb("fff2a0"), 0.45)
    light, edge = fill(rgb("fffce0")), stroke(rgb("f0b020"), 0.16)

    def front(canvas: skia.Canvas, frame: int) -> None:
        for x, y, phase in zip(xs.tolist(), ys.tolist(), phases, strict=True):
            size = 0.13 * max(0.0, 0.5 + 0.6 * math.sin(phase + 0.6 * setting.time(frame)))
            if size < 0.03:
                continue
            canvas.save()
            canvas.translate(x * 0.46 * setting.aspect, y * 0.95 - 0.5)
            canvas.scale(size, size)
            canvas.drawCircle(0, 0, 0.6, glow)
            canvas.drawPath(star, edge)
            canvas.drawPath(star, light)
            canvas.restore()

    return Effect(front=front)
