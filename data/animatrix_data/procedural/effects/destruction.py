"""VFX, Physical & Destruction: blasts, smoke, shattering, debris."""

from __future__ import annotations

import math

import numpy as np
import skia

from animatrix_data.procedural.character import Figure, Joints
from animatrix_data.procedural.colour import WHITE, Rgb, fill, mix, radial, rgb, stroke
from animatrix_data.procedural.effects.effect import Effect, Setting, effect
from animatrix_data.procedural.effects.shapes import (
    BODIES,
    Puff,
    PuffPaints,
    clamp,
    frame_heights,
    puff_paints,
    shard,
    spikes,
)
from animatrix_data.procedural.motion import Pose
from animatrix_data.procedural.paths import polygon

FIRE = tuple(
    (rgb(body), rgb(light))
    for body, light in (
        ("ff9a1f", "fff6c0"),
        ("f2560f", "ffc23a"),
        ("a8301a", "f27a20"),
        ("4a3634", "8a5a48"),
        ("3c3840", "6a6470"),
    )
)
"""The (body, light) colours of a fireball as it cools to smoke."""


def _cooling(steps: int) -> list[PuffPaints]:
    """Return paints from white-hot to smoke."""
    paints = []
    for k in range(steps):
        at = k * (len(FIRE) - 1) / (steps - 1)
        first, second = FIRE[int(at)], FIRE[min(int(at) + 1, len(FIRE) - 1)]
        body, light = (mix(a, b, at % 1) for a, b in zip(first, second, strict=True))
        paints.append(puff_paints(rgb("2a1214"), body, light))
    return paints


@effect("Explosion", "frame", BODIES[1:])
def explosion(setting: Setting) -> Effect:
    """A flash, rolling fireballs behind the body that cool to dark smoke, and flying pieces."""
    rng, count, period = setting.rng, 7, 15
    start, side = float(rng.uniform(-1.0, 0.5)), float(rng.choice([-1, 1]))
    puffs = [Puff(rng) for _ in range(4)]
    places = rng.uniform(-1, 1, (count, 3)).tolist()
    cooling = _cooling(8)
    core = radial(1.0, (WHITE, rgb("fff2a0"), rgb("ffb01f")), (1, 0.95, 0))
    star = spikes(np.linspace(0, 6, 11).tolist(), 0.12, rng.uniform(0.3, 0.5, 11).tolist(), 0.2)
    flash = fill(rgb("fffbe0"))
    pieces = [(shard(rng), *rng.uniform(-1, 1, 2).tolist()) for _ in range(9)]
    dark = fill(rgb("2c2228"))

    def place(canvas: skia.Canvas, x: float, y: float) -> None:
        """Stand beside the hip; where it is low (a near shot), larger and farther aside."""
        near = clamp((y - 0.2) / 0.2)
        canvas.translate(clamp(x + (0.12 + 0.2 * near) * side, -0.32, 0.32), clamp(y, -0.05, 0.12))
        canvas.scale(1 + 0.3 * near, 1 + 0.3 * near)

    def figure(canvas: skia.Canvas, frame: int, body: Figure, j: Joints, pose: Pose) -> None:
        time = (setting.time(frame) - start) % period
        grown = 1 - (1 - clamp(time / 4)) ** 2
        with frame_heights(canvas, j.hip) as ([(x, y)], _):
            place(canvas, x, y)
            if time < 2:
                canvas.drawPath(star, flash)
            for k, (across, up, late) in enumerate(places):
                age = time - 0.8 * (late + 1)
                size = (0.07 + 0.11 * grown) * (1 - clamp((age - 9) / 5))
                if age < 0 or size < 0.01:
                    continue
                at = (0.32 * grown * across, -0.02 * age + 0.24 * grown * up - 0.04)
                heat = int(clamp((age + 1.5 * late) / 9) * (len(cooling) - 1))
                puffs[k % 4].draw(canvas, at, size, cooling[heat])
            hot = clamp(1 - time / 7) * (0.12 + 0.2 * grown)
            if hot > 0.01:
                canvas.save()
                canvas.scale(hot, hot)
                canvas.drawCircle(0, 0, 1, core)
                canvas.restore()

    def over(canvas: skia.Canvas, frame: int, body: Figure, j: Joints, pose: Pose) -> None:
        time = (setting.time(frame) - start) % period
        with frame_heights(canvas, j.hip) as ([(x, y)], _):
            place(canvas, x, y)
            for path, across, up in pieces if time > 1 else []:
                canvas.save()
                canvas.translate(0.075 * across * time,
                                 -(0.07 + 0.03 * up) * time + 0.009 * time**2)  # fmt: skip
                canvas.rotate(50 * across * time)
                canvas.scale(0.026, 0.026)
                canvas.drawPath(path, dark)
                canvas.restore()

    return Effect(figure=figure, over=over)


Puffs = list[tuple[Puff, float, float, float]]


def _smoke(rng: np.random.Generator, count: int) -> Puffs:
    """Return puffs with a place across (frame heights), a phase in [0, 1) and a size in [0, 1]."""
    puffs = [Puff(rng, 6 + k % 3) for k in range(4)]
    places = rng.permutation(np.linspace(-SMOKY, SMOKY, count)).tolist()
    sizes = rng.uniform(0, 1, count).tolist()
    return [(puffs[k % 4], places[k], k / count, sizes[k]) for k in range(count)]


SMOKY = 1.3
"""How far to either side smoke rises: a camera that pans finds more of it."""


@effect("Smoke Cloud", "frame")
def smoke(setting: Setting) -> Effect:
    """Grey billows with light rims that pour up from below, swell and thin out."""
    back, near = _smoke(setting.rng, 17), _smoke(setting.rng, 15)
    drift = float(setting.rng.choice([-1, 1]))
    far_paints = puff_paints(rgb("2e2c36"), rgb("77747f"), rgb("b4b1ba"))
    near_paints = puff_paints(rgb("2e2c36"), rgb("8e8b96"), rgb("cfccd4"), 0.94)

    def rise(
        canvas: skia.Canvas, frame: int, puffs: Puffs, high: float, pace: float, paints: PuffPaints
    ) -> None:
        """Draw billows that rise to a height at a pace, the oldest first."""
        ages = [((phase + pace * setting.time(frame)) % 1.0) for _, _, phase, _ in puffs]
        for n in sorted(range(len(puffs)), key=lambda n: -ages[n]):
            age, (puff, x, _, size) = ages[n], puffs[n]
            grown = (0.06 + 0.08 * size + 0.06 * age) * clamp((1 - age) / 0.2) * clamp(age / 0.08)
            x, y = x + 0.05 * drift * age, 0.54 - high * age
            seen = skia.Rect(x - 1.2 * grown, y - 1.2 * grown, x + 1.2 * grown, y + 1.2 * grown)
            if grown > 0.005 and not canvas.quickReject(seen):
                puff.draw(canvas, (x, y), grown, paints)

    def backdrop(canvas: skia.Canvas, frame: int) -> None:
        rise(canvas, frame, back, 0.6, 0.026, far_paints)

    def air(canvas: skia.Canvas, frame: int) -> None:
        rise(canvas, frame, near, 0.16, 0.036, near_paints)

    def behind(canvas: skia.Canvas, frame: int) -> None:
        setting.veil(canvas, rgb("5a5862"), 0.22)

    return Effect(behind=behind, backdrop=backdrop, air=air)


def _fragments(
    rng: np.random.Generator, rings: int, sectors: int
) -> list[list[tuple[float, float]]]:
    """Return the pieces of a cracked pane: cells of jittered rings and sectors about the origin."""
    turns = 2 * np.pi * (np.arange(sectors) + rng.uniform(-0.3, 0.3, sectors)) / sectors
    radii = np.array([0.0, 0.16, 0.38, 0.95])[: rings + 1]
    reach = radii[:, None] * rng.uniform(0.8, 1.2, (rings + 1, sectors))
    xs, ys = reach * np.cos(turns), reach * np.sin(turns)
    cells = []
    for ring in range(rings):
        for k in range(sectors):
            n = (k + 1) % sectors
            corners = [(ring, k), (ring + 1, k), (ring + 1, n), (ring, n)]
            cells.append([(float(xs[c]), float(ys[c])) for c in corners])
    return cells


@effect("Shatter", "frame")
def shatter(setting: Setting) -> Effect:
    """The picture cracks like glass from a point; sharp shards burst outwards, turn and fall."""
    rng, period = setting.rng, 15
    start = float(rng.uniform(-0.5, 1.0))
    centre = float(rng.uniform(-0.12, 0.12)), float(rng.uniform(-0.14, 0.08))
    cells = _fragments(rng, 3, 10)
    cracks = skia.Path()
    shards = []
    for cell in cells:
        cracks.addPath(polygon(*cell))
        middle = np.mean(cell, axis=0)
        path = polygon(*((x - middle[0], y - middle[1]) for x, y in cell))
        gleam = skia.Path().moveTo(*(0.8 * (np.array(cell[1]) - middle)))
        gleam.lineTo(*(0.55 * (np.array(cell[0]) - middle)))
        turn, lean = rng.uniform(-1, 1, 2).tolist()
        shards.append((path, gleam, float(middle[0]), float(middle[1]), turn, lean))
    dark, white = stroke(rgb("1c2c44"), 0.024), stroke(WHITE, 0.013)
    glass, edge = fill(rgb("bfeaff"), 0.5), stroke(WHITE, 0.014)
    shade, gleam_paint = stroke(rgb("27456b"), 0.026), stroke(WHITE, 0.022, 0.9)

    def front(canvas: skia.Canvas, frame: int) -> None:
        time = setting.time(frame) - start
        age = time % period
        if time < 0:
            return
        canvas.save()
        canvas.translate(*centre)
        if age < 4:
            canvas.clipPath(skia.Path.Circle(0, 0, 0.14 + 0.28 * age), True)
            canvas.drawPath(cracks, dark)
            canvas.drawPath(cracks, white)
        else:
            burst = age - 4
            away = 1 + 0.5 * (1 - math.exp(-0.35 * burst))
            for path, gleam, x, y, turn, lean in shards:
                canvas.save()
                canvas.translate(x * away, y * away + 0.011 * burst**2 * (1.2 + 0.5 * lean))
                canvas.rotate(16 * turn * burst)
                shrunk = 0.8 - 0.035 * burst
                canvas.scale(shrunk, shrunk * (0.35 + 0.65 * abs(math.cos(0.35 * burst * lean))))
                canvas.drawPath(path, shade)
                canvas.drawPath(path, glass)
                canvas.drawPath(path, edge)
                canvas.drawPath(gleam, gleam_paint)
                canvas.restore()
        canvas.restore()

    return Effect(front=front)


def _rock(rng: np.random.Generator) -> tuple[skia.Path, skia.Path]:
    """Return a stone of radius about 1 and its lit side."""
    corners = int(rng.integers(5, 8))
    turns = 2 * math.pi * (np.arange(corners) + rng.uniform(-0.25, 0.25, corners)) / corners
    radii = rng.uniform(0.7, 1.0, corners)
    xs, ys = radii * np.cos(turns), radii * np.sin(turns)
    whole = list(zip(xs.tolist(), ys.tolist(), strict=True))
    half = [p for p in whole if p[0] - p[1] > -0.5]
    return polygon(*whole), polygon(*half, (-0.15, 0.12))


@effect("Debris Scatter", "frame")
def debris(setting: Setting) -> Effect:
    """Stones and splinters thrown up on arcs from below, tumbling and bouncing."""
    rng, count = setting.rng, 15
    rocks = [_rock(rng) for _ in range(6)]
    splinter = polygon((-1.4, -0.1), (1.3, -0.3), (1.5, 0.05), (-1.2, 0.25))
    throws = rng.uniform(0, 1, (count, 4)).tolist()
    ink = stroke(rgb("221a1e"), 0.3)
    bodies: list[tuple[Rgb, Rgb]] = [(rgb("5f5660"), rgb("a89fa8")), (rgb("6b4a34"), rgb("b98a62"))]
    paints = [(fill(dark), fill(light)) for dark, light in bodies]

    def front(canvas: skia.Canvas, frame: int) -> None:
        time = setting.time(frame)
        for k, (across, high, size, phase) in enumerate(throws):
            age = (time + 12 * phase) % 12
            speed = 0.13 + 0.11 * high
            y = 0.5 - speed * age + 0.0155 * age**2
            if y > 0.47:
                late = age - speed / 0.0155
                y = 0.47 - max(0.0, 0.09 * late - 0.02 * late**2)
            x = 0.06 * (across - 0.5) + (across - 0.5) * 0.125 * age * setting.aspect
            canvas.save()
            canvas.translate(x, y)
            canvas.rotate((30 + 40 * size) * age * (1 if k % 2 else -1))
            radius = 0.034 + 0.05 * size**2
            canvas.scale(radius, radius)
            dark, light = paints[k % 2]
            if k % 4 == 3:
                canvas.drawPath(splinter, ink)
                canvas.drawPath(splinter, light)
            else:
                whole, lit = rocks[k % 6]
                canvas.drawPath(whole, ink)
                canvas.drawPath(whole, dark)
                canvas.drawPath(lit, light)
            canvas.restore()

    return Effect(front=front)
