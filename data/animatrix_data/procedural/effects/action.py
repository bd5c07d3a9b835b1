"""VFX, Action & Motion: straight speed lines, impacts."""

from __future__ import annotations

import math

import cv2
import numpy as np
import skia
from numpy.typing import NDArray

from animatrix_data.procedural.colour import WHITE, fill, rgb, stroke
from animatrix_data.procedural.effects.effect import Effect, Placed, Setting, effect
from animatrix_data.procedural.effects.shapes import clamp, spikes


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


@effect("Impact Burst Lines", "figure")
def impact_burst(setting: Setting) -> Effect:
    """A yellow star that bursts beside the body, opens to a ring of spikes and vanishes."""
    rng, count, life, period = setting.rng, 15, 5, 6
    start, side = rng.uniform(-1.0, 0.5), float(rng.choice([-1, 1]))
    ink, gold, white = rgb("1a1320"), rgb("ffd21f"), rgb("fffbe0")
    drawn = []
    for age in range(life):
        turns = (2 * math.pi * (np.arange(count) + rng.uniform(-0.3, 0.3, count)) / count).tolist()
        inner, reach = 0.055 + 0.05 * age, 0.3 + 0.035 * age
        tips = (reach * rng.uniform(0.65, 1.05, count)).tolist()
        drawn.append((inner, spikes(turns, inner, tips, 0.2 - 0.025 * age)))
    edge, body, core = stroke(ink, 0.028), fill(gold), fill(white)

    def symbol(canvas: skia.Canvas, frame: int, placed: Placed) -> None:
        age = int((setting.time(frame) - start) % period)
        if age >= life:
            return
        inner, star = drawn[age]
        limit = 0.5 * setting.aspect - 0.24
        x = clamp(placed.head[0] + side * (0.12 + 0.6 * placed.radius), -limit, limit)
        y = clamp(0.5 * (placed.head[1] + placed.hip[1]), -0.2, 0.22)
        canvas.save()
        canvas.translate(x, y)
        canvas.drawPath(star, edge)
        canvas.drawPath(star, body)
        if age < 2:
            canvas.drawCircle(0, 0, inner * 1.25, body)
            canvas.drawCircle(0, 0, inner, core)
        canvas.restore()

    return Effect(symbol=symbol)


@effect("Focus Lines", "frame")
def focus_lines(setting: Setting) -> Effect:
    """A dense border of thin black wedges about a clear oval, cut in and out with the accent."""
    rng, count, shown, period = setting.rng, 50, 9, 12
    start = rng.uniform(0, 1.5)
    drawn = []
    for _ in range(4):
        turns = (
            2 * math.pi * (np.arange(count) + rng.uniform(-0.35, 0.35, count)) / count
        ).tolist()
        drawn.append(spikes(turns, 1.0, rng.uniform(0.4, 0.54, count).tolist(), 0.05))
    black = fill(rgb("0c0a12"), 0.95)

    def front(canvas: skia.Canvas, frame: int) -> None:
        time = setting.time(frame) - start
        if time % period >= shown:
            return
        canvas.save()
        canvas.scale(max(1.0, setting.aspect), 1.0)
        canvas.drawPath(drawn[int(time) % 4], black)
        canvas.restore()

    return Effect(front=front)


@effect("Impact Frame", "frame")
def impact_frame(setting: Setting) -> Effect:
    """Two-tone drawings, a negative and a positive, hatched from the edges."""
    rng, buckets, period = setting.rng, 90, 7
    start = int(rng.integers(1, 4))
    reach = rng.uniform(0.3, 0.75, (2, buckets))
    reach[rng.uniform(size=reach.shape) < 0.55] = 9.0
    tones = ((0, 0, 0), (255, 255, 255)), ((24, 0, 8), (235, 28, 48))
    hatchings: dict[tuple[int, int], NDArray[np.bool_]] = {}

    def hatching(height: int, width: int) -> NDArray[np.bool_]:
        """Return, for each drawing, where strokes from the edges turn black to white."""
        if (height, width) not in hatchings:
            y, x = np.mgrid[0:height, 0:width].astype(float)
            y, x = (y - height / 2) / height, (x - width / 2) / width
            bucket = ((np.arctan2(y, x) / (2 * np.pi) + 0.5) * buckets).astype(int) % buckets
            hatchings[height, width] = np.hypot(x, y) > reach[:, bucket]
        return hatchings[height, width]

    def pixels(image: NDArray[np.uint8], frame: int, placed: Placed) -> None:
        time = int(setting.time(frame)) - start
        age = time % period
        if time < 0 or age >= 2:
            return
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        light = grey > cv2.mean(grey)[0]
        light ^= hatching(*grey.shape)[age]
        if age != 1:
            light = ~light
        dark, bright = (np.array(tone, np.uint8) for tone in tones[age])
        image[:] = np.where(light[..., None], bright, dark)

    return Effect(pixels=pixels)
