"""VFX, Environmental Atmosphere: what falls, floats and twinkles in the air."""

from __future__ import annotations

import math

import numpy as np
import skia

from animatrix_data.procedural.colour import WHITE, fill, linear, radial, rgb, stroke
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


def _leaf() -> tuple[skia.Path, skia.Path]:
    """Return a maple leaf of radius 1 and its veins."""
    leaf, veins = skia.Path(), skia.Path()
    tips = [(0, -1.0), (58, -0.92), (112, -0.7)]
    points = []
    for turn, tip in (*[(-t, r) for t, r in reversed(tips)], *tips[1:]):
        for away, size in ((-17, 0.66), (0, 1.0), (17, 0.66)):
            angle = math.radians(turn + away)
            points.append((-tip * size * math.sin(angle), tip * size * math.cos(angle)))
        angle = math.radians(turn + 29)
        points.append((0.44 * math.sin(angle), -0.44 * math.cos(angle)))
        angle = math.radians(turn)
        veins.moveTo(0, 0.15).lineTo(-0.7 * tip * math.sin(angle), 0.7 * tip * math.cos(angle))
    leaf.moveTo(*points[0])
    for point in points[1:]:
        leaf.lineTo(*point)
    leaf.close()
    veins.moveTo(0, 0.15).lineTo(0.06, 0.85)
    return leaf, veins


@effect("Falling Leaves", "frame")
def leaves(setting: Setting) -> Effect:
    """Red, orange and yellow maple leaves that rock from side to side as they fall."""
    xs, ys = setting.scattered(12)
    leaf, veins = _leaf()
    ink = stroke(rgb("5a1c10"), 0.16)
    paints = [fill(rgb(code)) for code in ("e8381a", "ff8a1a", "ffc522", "c2521a")]
    vein = stroke(rgb("8a3214"), 0.1)

    def front(canvas: skia.Canvas, frame: int) -> None:
        time = setting.time(frame)
        setting.veil(canvas, rgb("ff9a3a"), 0.14)
        for k, (x, y) in enumerate(zip(xs.tolist(), ys.tolist(), strict=True)):
            rock = math.sin(0.55 * time + 2.4 * k)
            canvas.save()
            canvas.translate(
                ((0.5 * x + 0.5 + 0.012 * time) % 1.0 - 0.5) * (setting.aspect + 0.2) + 0.07 * rock,
                ((y + 0.032 * time) % 1.0) * 1.24 - 0.62,
            )
            canvas.rotate(70 * k + 45 * rock)
            canvas.scale(0.105, 0.105 * (0.75 + 0.25 * math.cos(0.8 * time + k)))
            canvas.drawPath(leaf, ink)
            canvas.drawPath(leaf, paints[k % 4])
            canvas.drawPath(veins, vein)
            canvas.restore()

    return Effect(front=front)


AIRY = 1.25
"""How far to either side things float: a camera that pans finds more of them."""


@effect("Dream Bubbles", "frame")
def bubbles(setting: Setting) -> Effect:
    """Iridescent bubbles with highlights that rise, swaying, behind and before the figure."""
    xs, ys = setting.scattered(26)
    sizes = setting.rng.uniform(0.06, 0.125, 26).tolist()
    film = radial(1.0, (WHITE, rgb("bff4ff"), rgb("c9b0ff"), rgb("ff9fe0")), (0.05, 0.1, 0.3, 0.75))
    sweep = skia.GradientShader.MakeSweep(
        0, 0, [skia.Color4f(*rgb(c), 1).toColor()
               for c in ("7df0ff", "fff9b0", "ff9ae6", "a98bff", "7df0ff")]
    )  # fmt: skip
    rim = stroke(WHITE, 0.14)
    rim.setShader(sweep)
    edge, light = stroke(rgb("6a5aa8"), 0.06, 0.7), fill(WHITE, 0.95)

    def float_up(canvas: skia.Canvas, frame: int, parity: int) -> None:
        time = setting.time(frame)
        for k in range(parity, len(sizes), 2):
            risen = ((ys[k] - 0.022 * (1 + k % 3) * time) % 1.0) * 1.3 - 0.65
            canvas.save()
            canvas.translate(xs[k] * AIRY + 0.03 * math.sin(0.5 * time + k), float(risen))
            canvas.scale(sizes[k], sizes[k] * (1 + 0.05 * math.sin(1.1 * time + k)))
            canvas.drawCircle(0, 0, 1, film)
            canvas.drawCircle(0, 0, 1.02, edge)
            canvas.drawCircle(0, 0, 0.92, rim)
            canvas.drawOval(skia.Rect(-0.6, -0.66, -0.15, -0.36), light)
            canvas.drawCircle(0.45, 0.5, 0.11, light)
            canvas.restore()

    def behind(canvas: skia.Canvas, frame: int) -> None:
        setting.veil(canvas, rgb("ffd6f4"), 0.22)

    return Effect(
        behind=behind,
        backdrop=lambda canvas, frame: float_up(canvas, frame, 0),
        air=lambda canvas, frame: float_up(canvas, frame, 1),
    )


@effect("God Rays", "frame")
def god_rays(setting: Setting) -> Effect:
    """Broad golden shafts from above the upper right that sway and swell, with floating dust."""
    rng, count = setting.rng, 5
    gold = rgb("ffe9a0")
    spread = np.linspace(98, 152, count) + rng.uniform(-3, 3, count)
    rates = rng.uniform(0.25, 0.45, count).tolist()
    beam = skia.Path().moveTo(0, -0.012).lineTo(1.9, -0.15).lineTo(1.9, 0.15).lineTo(0, 0.012)
    paint = linear((WHITE, gold, gold), (0.9, 0.62, 0.0), (0, 0), (1.6, 0))
    paint.setBlendMode(skia.BlendMode.kScreen)
    sun = radial(0.5, (WHITE, gold, gold), (1.0, 0.6, 0))
    motes = rng.uniform(0, 1, (14, 3)).tolist()
    mote = fill(rgb("fff6c8"), 0.95)

    def front(canvas: skia.Canvas, frame: int) -> None:
        time = setting.time(frame)
        setting.veil(canvas, rgb("2a1c08"), 0.22)
        for x, y, phase in motes:
            shown = 0.5 + 0.5 * math.sin(0.9 * time + 6.28 * phase)
            canvas.drawCircle((x - 0.5) * setting.aspect + 0.02 * math.sin(0.4 * time + 9 * y),
                              (y - 0.008 * time) % 1.0 - 0.5, 0.014 * shown, mote)  # fmt: skip

    def air(canvas: skia.Canvas, frame: int) -> None:
        time = setting.time(frame)
        canvas.save()
        canvas.translate(0.42 * setting.aspect, -0.62)
        for turn, rate, k in zip(spread.tolist(), rates, range(count), strict=True):
            canvas.save()
            canvas.rotate(turn + 2.0 * math.sin(rate * time + k))
            paint.setAlphaf(0.75 + 0.25 * math.sin(2 * rate * time + 2.2 * k))
            canvas.drawPath(beam, paint)
            canvas.restore()
        canvas.drawCircle(0, 0, 0.5, sun)
        canvas.restore()

    return Effect(front=front, air=air)


@effect("Particles", "frame")
def particles(setting: Setting) -> Effect:
    """Soft green motes of light that drift upwards, fading in and out one by one."""
    xs, ys = setting.scattered(48)
    phases = setting.rng.uniform(0, 6.28, 48).tolist()
    green, pale = rgb("9dff5a"), rgb("fbffd8")
    mote = radial(1.0, (pale, pale, green, green), (1.0, 0.95, 0.5, 0.0))

    def behind(canvas: skia.Canvas, frame: int) -> None:
        setting.veil(canvas, rgb("04240f"), 0.3)

    def air(canvas: skia.Canvas, frame: int) -> None:
        time = setting.time(frame)
        for k, (x, y, phase) in enumerate(zip(xs.tolist(), ys.tolist(), phases, strict=True)):
            size = (0.04 + 0.025 * (k % 3)) * max(0.0, 0.55 + 0.55 * math.sin(0.5 * time + phase))
            if size < 0.008:
                continue
            canvas.save()
            canvas.translate(x * AIRY + 0.05 * math.sin(0.35 * time + phase),
                             (y - 0.018 * time) % 1.0 * 1.1 - 0.55)  # fmt: skip
            canvas.scale(size, size)
            canvas.drawCircle(0, 0, 1, mote)
            canvas.restore()

    return Effect(behind=behind, air=air)
