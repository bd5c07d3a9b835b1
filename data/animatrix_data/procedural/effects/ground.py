"""VFX, Physical & Destruction: what happens to the ground about the feet."""

from __future__ import annotations

import math

import numpy as np
import skia

from animatrix_data.procedural.character import Figure, Joints
from animatrix_data.procedural.colour import WHITE, fill, rgb, stroke
from animatrix_data.procedural.effects.effect import Effect, Setting, effect
from animatrix_data.procedural.effects.shapes import (
    FEET,
    Puff,
    clamp,
    puff_paints,
    shard,
)
from animatrix_data.procedural.motion import Pose
from animatrix_data.procedural.paths import Point, polygon


@effect("Dust Cloud", "ground", FEET)
def dust(setting: Setting) -> Effect:
    """Light-brown scalloped puffs kicked up at the feet that spread outwards and fade."""
    rng, count, period = setting.rng, 10, 7.0
    puffs = [Puff(rng, 6) for _ in range(4)]
    spread = rng.uniform(0, 1, (count, 2)).tolist()
    paints = puff_paints(rgb("7a5a3a"), rgb("d9bf94"), rgb("f7e8c8"))

    def kick(canvas: skia.Canvas, frame: int, x: float, parity: int) -> None:
        time = setting.time(frame)
        for k in range(parity, count, 2):
            far, late = spread[k]
            age = ((time + period * (k / count)) % period) / period
            side = 1 if (k // 2) % 2 else -1
            out = side * (0.1 + (0.4 + 0.3 * far) * (1 - (1 - age) ** 2))
            size = (0.08 + 0.07 * late + 0.07 * age) * clamp((1 - age) * 4) * clamp(age * 6 + 0.3)
            puffs[k % 4].draw(canvas, (x + out, -0.04 - 0.12 * age * late), size + 1e-3, paints)

    def figure(canvas: skia.Canvas, frame: int, body: Figure, j: Joints, pose: Pose) -> None:
        kick(canvas, frame, j.hip[0], 0)

    def over(canvas: skia.Canvas, frame: int, body: Figure, j: Joints, pose: Pose) -> None:
        kick(canvas, frame, j.hip[0], 1)

    return Effect(figure=figure, over=over)


def _crown(rng: np.random.Generator, tall: float) -> skia.Path:
    """Return a sheet of water thrown up around the origin, with pointed crests."""
    count = 9
    path = skia.Path().moveTo(-0.34, 0)
    for k in range(count):
        a = -1 + 2 * k / (count - 1)
        high = tall * (0.55 + 0.45 * abs(a)) * float(rng.uniform(0.75, 1.1))
        x = 0.62 * a
        path.quadTo(x - 0.02, -0.45 * high, x + 0.05 * a, -high)
        path.quadTo(x + 0.02, -0.45 * high, 0.55 * (a + 1.0 / (count - 1)), -0.3 * tall)
    path.lineTo(0.34, 0)
    return path.quadTo(0, 0.09, -0.34, 0).close()


@effect("Splash", "ground", FEET)
def splash(setting: Setting) -> Effect:
    """A crown of water about the feet that rises, breaks into drops and falls back in rings."""
    rng, period = setting.rng, 8.0
    start = float(rng.uniform(-1.5, 0.5))
    back, near = _crown(rng, 0.62), _crown(rng, 0.3)
    water, pale = fill(rgb("3fa8f0"), 0.88), fill(rgb("9fdcff"), 0.9)
    edge, line = stroke(WHITE, 0.035), stroke(rgb("1d5fa8"), 0.06)
    ring = stroke(WHITE, 0.04, 0.9)
    pool = fill(rgb("4fb0f0"), 0.7)
    thin = stroke(WHITE, 0.015)
    drops = rng.uniform(-1, 1, (10, 2)).tolist()

    def crown(canvas: skia.Canvas, path: skia.Path, paint: skia.Paint, high: float) -> None:
        canvas.save()
        canvas.scale(0.8 + 0.3 * high, high)
        for drawn in (line, paint, edge):
            canvas.drawPath(path, drawn)
        canvas.restore()

    def height(frame: int) -> tuple[float, float]:
        """Return the age of the splash and how high it stands."""
        age = (setting.time(frame) - start) % period
        return age, clamp(age / 1.5) * clamp((period - 0.5 - age) / 3.5)

    def figure(canvas: skia.Canvas, frame: int, body: Figure, j: Joints, pose: Pose) -> None:
        age, high = height(frame)
        canvas.save()
        canvas.translate(j.hip[0], 0)
        canvas.drawOval(skia.Rect(-0.62, -0.12, 0.62, 0.12), pool)
        for wide in (0.3 + 0.06 * age, 0.18 + 0.06 * age):
            canvas.drawOval(skia.Rect(-wide, -0.2 * wide, wide, 0.2 * wide), ring)
        if high > 0.05:
            crown(canvas, back, water, high)
        canvas.restore()

    def over(canvas: skia.Canvas, frame: int, body: Figure, j: Joints, pose: Pose) -> None:
        age, high = height(frame)
        canvas.save()
        canvas.translate(j.hip[0], 0.05)
        if high > 0.05:
            crown(canvas, near, pale, high)
        for k, (across, up) in enumerate(drops):
            risen = (0.3 + 0.07 * up) * age - 0.045 * age**2
            if risen > 0:
                size = 0.03 + 0.012 * (k % 3)
                canvas.drawCircle(across * (0.3 + 0.1 * age), -risen, size, pale)
                canvas.drawCircle(across * (0.3 + 0.1 * age), -risen, size, thin)
        canvas.restore()

    return Effect(figure=figure, over=over)


def _fissure(rng: np.random.Generator, turn: float, reach: float, width: float) -> list[Point]:
    """Return the outline of a jagged crack from the origin that narrows to its tip."""
    steps = 6
    share = np.linspace(0, 1, steps + 1)
    angle = turn + np.cumsum(rng.uniform(-0.28, 0.28, steps + 1)) * share
    xs, ys = reach * share * np.cos(angle), reach * share * np.sin(angle)
    half = width * (1 - share) * rng.uniform(0.7, 1.2, steps + 1)
    dx, dy = -np.sin(turn) * half, np.cos(turn) * half
    left = list(zip((xs + dx).tolist(), (ys + dy).tolist(), strict=True))
    right = list(zip((xs - dx)[::-1].tolist(), (ys - dy)[::-1].tolist(), strict=True))
    return left + right


@effect("Ground Crack", "ground", FEET)
def ground_crack(setting: Setting) -> Effect:
    """Dark branching fissures with raised light edges that jerk outwards from the feet and stay."""
    rng, start = setting.rng, float(setting.rng.uniform(-1.0, 0.5))
    cracks = skia.Path()
    for k in range(8):
        turn = 2 * math.pi * (k + 0.5 + float(rng.uniform(-0.2, 0.2))) / 8
        cracks.addPath(polygon(*_fissure(rng, turn, float(rng.uniform(0.75, 1.05)), 0.085)))
        fork = skia.Matrix.Translate(0.42 * math.cos(turn), 0.42 * math.sin(turn))
        bend = turn + float(rng.choice([-0.8, 0.8]))
        cracks.addPath(polygon(*_fissure(rng, bend, 0.45, 0.045)), fork)
    cracks.addCircle(0, 0, 0.13)
    light, dark = stroke(rgb("f2e4c8"), 0.075), fill(rgb("140c12"))
    stones = [(shard(rng), *rng.uniform(-1, 1, 2).tolist()) for _ in range(8)]
    stone, ink = fill(rgb("9a8f8a")), stroke(rgb("2a2024"), 0.35)

    def figure(canvas: skia.Canvas, frame: int, body: Figure, j: Joints, pose: Pose) -> None:
        time = setting.time(frame) - start
        # Jerks: the cracks stop for a moment between four steps.
        reach = min(1.0, 0.35 + 0.22 * int(time)) if time >= 0 else 0.0
        if not reach:
            return
        canvas.save()
        canvas.translate(0, 0.02)
        canvas.scale(1.05 * reach, 0.3 * reach)
        canvas.drawPath(cracks, light)
        canvas.drawPath(cracks, dark)
        canvas.restore()

    def over(canvas: skia.Canvas, frame: int, body: Figure, j: Joints, pose: Pose) -> None:
        time = setting.time(frame) - start
        for k, (path, across, up) in enumerate(stones):
            age = (time + 0.5 * k) % 4
            jump = (0.2 + 0.06 * up) * age - 0.06 * age**2
            if time < 0 or jump < 0:
                continue
            canvas.save()
            canvas.translate(0.75 * across, -jump)
            canvas.rotate(40 * age * across)
            canvas.scale(0.045, 0.045)
            canvas.drawPath(path, ink)
            canvas.drawPath(path, stone)
            canvas.restore()

    return Effect(figure=figure, over=over)


def _spiral(turn: float, width: float) -> skia.Path:
    """Return a band that winds from the rim of the unit disc to its middle."""
    share = np.linspace(0, 1, 33)
    angle = turn + 4.2 * share
    radius = 1.0 - 0.93 * share**0.8
    half = 0.5 * width * np.sin(np.pi * (0.12 + 0.8 * share))
    rim = np.concatenate([radius + half, (radius - half)[::-1]])
    angle = np.concatenate([angle, angle[::-1]])
    return polygon(*zip(rim * np.cos(angle), rim * np.sin(angle), strict=True))


@effect("Whirlpool", "ground", FEET)
def whirlpool(setting: Setting) -> Effect:
    """Spiral bands of foam that turn about the feet into a dark funnel, with things circling."""
    rng = setting.rng
    phase = float(rng.uniform(0, 360))
    foam = skia.Path()
    teal = skia.Path()
    for k in range(3):
        foam.addPath(_spiral(2.1 * k, 0.15))
        teal.addPath(_spiral(2.1 * k + 0.75, 0.2))
    sea, deep = fill(rgb("14589a")), fill(rgb("041a3a"))
    white, mid, rim = fill(rgb("eefaff")), fill(rgb("2fb4d8")), stroke(WHITE, 0.07)
    flotsam = [(shard(rng, 4), float(a), float(r)) for a, r in rng.uniform(0, 1, (4, 2))]
    wood = fill(rgb("8a5a30"))

    def figure(canvas: skia.Canvas, frame: int, body: Figure, j: Joints, pose: Pose) -> None:
        time = setting.time(frame)
        canvas.save()
        canvas.translate(j.hip[0], -0.01)
        size = 0.78 + 0.03 * math.sin(0.7 * time)
        canvas.scale(size, 0.34 * size)
        canvas.drawCircle(0, 0, 1.04, sea)
        canvas.drawCircle(0, 0, 1.04, rim)
        canvas.rotate(phase - 26 * time)
        canvas.drawPath(teal, mid)
        canvas.drawPath(foam, white)
        canvas.drawCircle(0, 0, 0.2, deep)
        for path, turn, away in flotsam:
            canvas.save()
            canvas.rotate(360 * turn - 9 * time)
            canvas.translate(0.55 + 0.35 * away, 0)
            canvas.scale(0.09, 0.14)
            canvas.drawPath(path, wood)
            canvas.restore()
        canvas.restore()

    return Effect(figure=figure)
