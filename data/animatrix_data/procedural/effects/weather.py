"""VFX, Environmental Atmosphere: storms, fog and the night sky."""

from __future__ import annotations

import math

import skia

from animatrix_data.procedural.colour import WHITE, Rgb, fill, linear, radial, rgb, stroke
from animatrix_data.procedural.effects.backdrops import spread
from animatrix_data.procedural.effects.effect import Effect, Setting, effect
from animatrix_data.procedural.effects.shapes import (
    BODIES,
)


def _streaks(setting: Setting, count: int, length: float, run: float, fall: float) -> skia.Path:
    """Return parallel streaks over a tile one frame high and `aspect` + 1 wide, twice along the
    way they move, so that the tile can slide by (run, fall) without an end."""
    wide = setting.aspect + 1.0
    xs, ys = setting.scattered(count)
    scale = length / math.hypot(run, fall)
    path = skia.Path()
    for x, y in zip((xs * wide / 2).tolist(), (ys * 1.4 - 0.7).tolist(), strict=True):
        for dx in (0.0, -math.copysign(wide, run)):
            for dy in (0.0, -1.4):
                path.moveTo(x + dx, y + dy).lineTo(x + dx + run * scale, y + dy + fall * scale)
    return path


@effect("Heavy Rain", "frame")
def heavy_rain(setting: Setting) -> Effect:
    """Dense long streaks that beat down through a grey veil and spray up from the ground."""
    rng, run, fall = setting.rng, 0.03, 0.17
    path = _streaks(setting, 34, 0.27, run, fall)
    thick, thin = stroke(rgb("f2f8ff"), 0.02, 0.7), stroke(rgb("b8cadb"), 0.011, 0.55)
    drops = rng.uniform(0, 1, (6, 3)).tolist()
    spray = stroke(WHITE, 0.014, 0.95)
    crown = skia.Path().moveTo(-0.05, -0.035).lineTo(-0.025, 0).lineTo(0.025, 0)
    crown.lineTo(0.05, -0.035).moveTo(0, -0.02).lineTo(0, -0.055)

    def front(canvas: skia.Canvas, frame: int) -> None:
        time = setting.time(frame)
        setting.veil(canvas, rgb("2c3644"), 0.3)
        for paint, pace, shift in ((thin, 0.8, 0.31), (thick, 1.0, 0.0)):
            canvas.save()
            canvas.translate((run * pace * time + shift) % (setting.aspect + 1.0),
                             fall * pace * time % 1.4)  # fmt: skip
            canvas.drawPath(path, paint)
            canvas.restore()
        for x, y, phase in drops:
            age = (0.7 * time + 3 * phase) % 3
            canvas.save()
            canvas.translate(((x + 0.37 * int((0.7 * time + 3 * phase) / 3)) % 1.0 - 0.5)
                             * setting.aspect, 0.3 + 0.19 * y)  # fmt: skip
            canvas.scale(0.6 + 0.4 * age, 1.3 - 0.25 * age)
            canvas.drawPath(crown, spray)
            canvas.restore()

    return Effect(front=front)


@effect("Blizzard", "frame")
def blizzard(setting: Setting) -> Effect:
    """White streaks and flakes driven almost level, in gusts that whiten the distance."""
    run, fall = -0.34, 0.06
    path = _streaks(setting, 20, 0.13, run, fall)
    far = _streaks(setting, 24, 0.05, run, fall)
    near, small = stroke(WHITE, 0.042, 0.95), stroke(rgb("f0f6ff"), 0.026, 0.9)
    phase = float(setting.rng.uniform(0, 6.28))

    def behind(canvas: skia.Canvas, frame: int) -> None:
        gust = 0.5 + 0.5 * math.sin(0.7 * setting.time(frame) + phase)
        setting.veil(canvas, rgb("e3edf8"), 0.38 + 0.2 * gust)

    def front(canvas: skia.Canvas, frame: int) -> None:
        time = setting.time(frame)
        setting.veil(canvas, rgb("cfdcec"), 0.18)
        for drawn, paint, pace in ((far, small, 0.6), (path, near, 1.0)):
            canvas.save()
            canvas.translate(
                -(-run * pace * time % (setting.aspect + 1.0)), fall * pace * time % 1.4
            )
            canvas.drawPath(drawn, paint)
            canvas.restore()

    return Effect(behind=behind, front=front)


@effect("Sandstorm", "frame")
def sandstorm(setting: Setting) -> Effect:
    """An ochre haze with streaming grains and dark swirls, the sun a pale disc."""
    run, fall = 0.3, 0.012
    path = _streaks(setting, 30, 0.09, run, fall)
    grain, dark = stroke(rgb("ffe2a0"), 0.02, 0.95), stroke(rgb("7a4a14"), 0.016, 0.8)
    rng = setting.rng
    swirls = skia.Path()
    for x, y in rng.uniform(-0.5, 0.5, (5, 2)).tolist():
        for side in (0.0, setting.aspect + 0.8):
            at = x - side
            swirls.moveTo(at - 0.26, y)
            swirls.cubicTo(at - 0.1, y - 0.09, at + 0.08, y + 0.08, at + 0.28, y - 0.03)
    band = stroke(rgb("9a6220"), 0.06, 0.4)
    sun = fill(rgb("fff2cc"), 0.85)

    def behind(canvas: skia.Canvas, frame: int) -> None:
        setting.veil(canvas, rgb("d08a2c"), 0.55)
        canvas.drawCircle(-0.3 * setting.aspect, -0.3, 0.09, sun)

    def front(canvas: skia.Canvas, frame: int) -> None:
        time = setting.time(frame)
        setting.veil(canvas, rgb("c9852a"), 0.3)
        canvas.save()
        canvas.translate(0.11 * time % (setting.aspect + 0.8), 0.015 * math.sin(0.8 * time))
        canvas.drawPath(swirls, band)
        canvas.restore()
        for paint, pace, lift in ((dark, 0.7, 0.045), (grain, 1.0, 0.0)):
            canvas.save()
            canvas.translate(run * pace * time % (setting.aspect + 1.0), lift + fall * time % 1.4)
            canvas.drawPath(path, paint)
            canvas.restore()

    return Effect(behind=behind, front=front)


@effect("Fog", "frame")
def fog(setting: Setting) -> Effect:
    """Pale banks of mist that drift sideways behind the figure and about its feet."""
    rng, wide = setting.rng, 3.0
    banks = []
    for k in range(14):
        x, y = wide * (0.618 * k + float(rng.uniform(0, 0.1))), -0.22 + 0.115 * (k // 2)
        banks.append((x, y, 0.42 + 0.1 * float(rng.uniform()), 0.03 * (1 if k % 2 else -0.8)))
    pale = rgb("eef3f6")
    mist = radial(1.0, (pale, pale, pale), (0.95, 0.7, 0))
    low = linear((pale, pale), (0.0, 0.85), (0, 0.05), (0, 0.5))

    def drift(canvas: skia.Canvas, frame: int, first: int) -> None:
        for x, y, size, pace in banks[first : first + 8 if first == 0 else None]:
            canvas.save()
            at = (x + pace * setting.time(frame) + wide / 2) % wide - wide / 2
            canvas.translate(at, y)
            canvas.scale(size, 0.26 * size)
            canvas.drawCircle(0, 0, 1, mist)
            canvas.restore()

    def behind(canvas: skia.Canvas, frame: int) -> None:
        setting.veil(canvas, rgb("dfe6ea"), 0.4)

    def front(canvas: skia.Canvas, frame: int) -> None:
        canvas.drawRect(skia.Rect(-setting.aspect, 0.05, setting.aspect, 0.5), low)

    return Effect(
        behind=behind,
        backdrop=lambda canvas, frame: drift(canvas, frame, 0),
        air=lambda canvas, frame: drift(canvas, frame, 8),
        front=front,
    )


def _night(setting: Setting, top: Rgb, bottom: Rgb, share: float) -> skia.Paint:
    """Return a paint that turns the background to night, darkest above."""
    return linear((top, top, bottom), (share, share, 0.6 * share), (0, -0.5), (0, 0.45))


@effect("Starry Night", "background", BODIES)
def starry_night(setting: Setting) -> Effect:
    """A deep blue sky of twinkling stars crossed by a bright band."""
    rng = setting.rng
    sky = _night(setting, rgb("060a3a"), rgb("3a1f7a"), 0.76)
    stars = [(x, y, *rng.uniform((0.007, 0.0), (0.017, 6.28)).tolist())
             for x, y in spread(rng, 0.15) if abs(x) < 1.9 and -1.4 < y < 0.26]  # fmt: skip
    white, gold = fill(WHITE), fill(rgb("fff0a8"))
    cross = stroke(WHITE, 0.009, 0.9)
    band = radial(1.0, (rgb("d8ccff"), rgb("8f7ae8"), rgb("6a5ad0")), (0.75, 0.4, 0))
    tilt = float(rng.uniform(-42, -28))

    def behind(canvas: skia.Canvas, frame: int) -> None:
        canvas.drawRect(skia.Rect(-setting.aspect, -0.5, setting.aspect, 0.5), sky)

    def backdrop(canvas: skia.Canvas, frame: int) -> None:
        time = setting.time(frame)
        canvas.save()
        canvas.translate(0, -0.2)
        canvas.rotate(tilt)
        canvas.scale(1.3, 0.15)
        canvas.drawCircle(0, 0, 1, band)
        canvas.restore()
        for k, (x, y, size, phase) in enumerate(stars):
            if canvas.quickReject(skia.Rect(x - 0.05, y - 0.05, x + 0.05, y + 0.05)):
                continue
            shine = 0.65 + 0.5 * math.sin(0.9 * time + phase)
            canvas.drawCircle(x, y, size * shine, gold if k % 5 == 0 else white)
            if k % 6 == 0:
                reach = 3.4 * size * shine
                canvas.drawLine(x - reach, y, x + reach, y, cross)
                canvas.drawLine(x, y - reach, x, y + reach, cross)

    return Effect(behind=behind, backdrop=backdrop)


@effect("Meteor Shower", "background", BODIES)
def meteor_shower(setting: Setting) -> Effect:
    """Shooting stars with long tapering tails on parallel paths over a darkened sky."""
    rng, count = setting.rng, 9
    sky = _night(setting, rgb("04122e"), rgb("123a5e"), 0.72)
    flights = rng.uniform(0, 1, (count, 3)).tolist()
    tail = linear((rgb("3ab8ff"), rgb("bdf0ff"), WHITE), (0, 0.8, 1), (-0.5, 0), (0, 0))
    trail = skia.Path().moveTo(-0.5, 0).lineTo(0, -0.017).lineTo(0, 0.017).close()
    head = radial(0.06, (WHITE, WHITE, rgb("8fe0ff"), rgb("3ab8ff")), (1, 1, 0.5, 0))

    def behind(canvas: skia.Canvas, frame: int) -> None:
        time = setting.time(frame)
        canvas.drawRect(skia.Rect(-setting.aspect, -0.5, setting.aspect, 0.5), sky)
        for k, (x, y, phase) in enumerate(flights):
            passed = (time / (5 + 3 * y) + phase + 0.37 * k) % 1.0
            away = 1.7 * passed - 0.35
            canvas.save()
            canvas.translate((0.95 - 1.35 * (k + x) / count) * setting.aspect, -0.75 + 0.12 * y)
            canvas.rotate(126)
            canvas.translate(away, 0)
            canvas.scale(0.7 + 0.6 * x, 0.8 + 0.6 * x)
            canvas.drawPath(trail, tail)
            canvas.drawCircle(0, 0, 0.06, head)
            canvas.restore()

    return Effect(behind=behind)
