"""VFX, Skill & Energy Effects: lightning and fire."""

from __future__ import annotations

import math

import numpy as np
import skia

from animatrix_data.procedural.character import Figure, Joints
from animatrix_data.procedural.colour import WHITE, fill, mix, radial, rgb, stroke
from animatrix_data.procedural.effects.effect import Effect, Setting, effect
from animatrix_data.procedural.effects.shapes import (
    BODIES,
    FEET,
    bolt,
    clamp,
    frame_height,
    frame_heights,
)
from animatrix_data.procedural.motion import Pose
from animatrix_data.procedural.paths import Point, polygon


@effect("Lightning Strike", "background", BODIES)
def lightning(setting: Setting) -> Effect:
    """Forked bolts from sky to ground under a darkened sky; each flickers once and glows on."""
    rng, period = setting.rng, 6
    start, side = int(rng.integers(0, 3)), float(rng.choice([-1, 1]))
    violet, pale = rgb("7a4dff"), rgb("cfc4ff")
    bolts = []
    for k in range(3):
        x = side * (-1) ** k * float(rng.uniform(0.26, 0.4)) * setting.aspect
        foot = (x + float(rng.uniform(-0.06, 0.06)), 0.3)
        path = bolt(rng, (0.7 * x, -0.55), foot, 9, 0.055)
        for j in (3, 5):
            fork = path.getPoint(j)
            end = (fork.x() + float(rng.uniform(-0.22, 0.22)), fork.y() + 0.22)
            path.addPath(bolt(rng, (fork.x(), fork.y()), end, 4, 0.03))
        bolts.append((path, foot))
    shells = [(stroke(violet, 0.12), 0.35), (stroke(pale, 0.06), 0.7), (stroke(WHITE, 0.028), 1.0)]
    burnt = radial(0.2, (WHITE, pale, violet), (1, 0.6, 0))
    power = (1.0, 0.8, 0.15, 1.0, 0.35)

    def strength_at(frame: int) -> float:
        age = int(setting.time(frame)) - start
        return power[age % period] if age >= 0 and age % period < len(power) else 0.0

    def behind(canvas: skia.Canvas, frame: int) -> None:
        setting.veil(canvas, rgb("140f3c"), 0.42)
        setting.veil(canvas, pale, 0.25 * strength_at(frame))

    def backdrop(canvas: skia.Canvas, frame: int) -> None:
        strength = strength_at(frame)
        if not strength:
            return
        path, foot = bolts[(int(setting.time(frame)) - start) // period % len(bolts)]
        # One to each frame's width: wherever the camera pans, a strike is in the picture.
        for aside in (-setting.aspect, 0.0, setting.aspect):
            canvas.save()
            canvas.translate(aside, 0)
            for paint, share in shells:
                paint.setAlphaf(share * strength)
                canvas.drawPath(path, paint)
            canvas.translate(*foot)
            canvas.scale(1, 0.35)
            canvas.drawCircle(0, 0, 0.2, burnt)
            canvas.restore()

    def front(canvas: skia.Canvas, frame: int) -> None:
        age = int(setting.time(frame)) - start
        if age >= 0 and age % period in (0, 3):
            setting.veil(canvas, pale, 0.22)

    return Effect(behind=behind, backdrop=backdrop, front=front)


def _bones(j: Joints) -> list[tuple[Point, Point]]:
    """Return the bones that current runs along, from joint to joint."""
    limbs = (j.arm_l, j.arm_r, j.leg_l, j.leg_r)
    return [(j.neck, j.hip), (j.head, j.neck),
            *((limb[k], limb[k + 1]) for limb in limbs for k in (0, 1))]  # fmt: skip


@effect("Electric Shock", "figure")
def electric_shock(setting: Setting) -> Effect:
    """Arcs of current over the body, every other moment a skeleton in a dark silhouette."""
    rng, drawings, count = setting.rng, 4, 9
    night, bone = stroke(rgb("10143a"), 0.11), stroke(rgb("f4fbff"), 0.04)
    white, socket = fill(rgb("f4fbff")), fill(rgb("10143a"))
    skull, sockets = skia.Path.Circle(0, -0.1, 0.68), skia.Path()
    skull.addRoundRect(skia.Rect(-0.36, 0.2, 0.4, 0.85), 0.12, 0.12)
    for x in (-0.16, 0.36):
        sockets.addOval(skia.Rect(x - 0.17, -0.2, x + 0.17, 0.22))
    sockets.addPath(polygon((0.1, 0.28), (0.03, 0.44), (0.17, 0.44)))
    shells = [(stroke(rgb("1a9bff"), 1.0, 0.55), 0.06), (stroke(rgb("ffe81a"), 1.0), 0.03),
              (stroke(WHITE, 1.0), 0.012)]  # fmt: skip
    arcs: list[list[tuple[float, skia.Path]]] = []
    for _ in range(drawings):
        ends = rng.uniform(-1, 1, (count, 3)).tolist()
        arcs.append([
            (0.5 + 0.5 * along,
             bolt(rng, (-0.1 * dx, -0.12 * dy), (0.17 * dx + 0.04, 0.2 * dy), 5, 0.05))
            for along, dx, dy in ends
        ])  # fmt: skip

    def over(canvas: skia.Canvas, frame: int, body: Figure, j: Joints, pose: Pose) -> None:
        time, bones = int(setting.time(frame)), _bones(j)
        if time % 4 == 3:
            body.silhouette(canvas, j, pose, night)
            for a, b in bones:
                canvas.drawLine(*a, *b, bone)
            canvas.save()
            canvas.translate(*j.head)
            canvas.scale(body.build.head, body.build.head)
            canvas.drawPath(skull, white)
            canvas.drawPath(sockets, socket)
            canvas.restore()
        size = frame_height(canvas) ** 0.7
        path = skia.Path()
        for n, (share, arc) in enumerate(arcs[time % drawings]):
            a, b = bones[(n * 5) % len(bones)] if n % 3 else (j.head, j.head)
            at = a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1])
            if not n % 3:
                rim = (0.4 + 0.6 * share) * body.build.head
                at = a[0] + rim * math.cos(9 * share + n), a[1] + rim * math.sin(9 * share + n)
            path.addPath(arc, skia.Matrix.Translate(*at).preScale(size, size))
        for paint, width in shells:
            paint.setStrokeWidth(width * size)
            canvas.drawPath(path, paint)

    return Effect(over=over)


FIRE = (rgb("c81e0a"), rgb("ff6a0a"), rgb("ffc21f"), rgb("fff6b8"))


def _tongues(rng: np.random.Generator, reach: float, tall: float, count: int) -> skia.Path:
    """Return flames from the origin back to −reach, lower towards the end, bent backwards."""
    xs = -reach * np.arange(count) / count
    path = skia.Path().moveTo(0.08, 0)
    for x in xs.tolist():
        high = tall * (1 + x / (1.15 * reach)) * float(rng.uniform(0.6, 1.1))
        wide = reach / count
        tip = x - 0.9 * wide - 0.25 * high
        path.quadTo(x + 0.25 * wide, -0.55 * high, tip, -high)
        path.quadTo(x - 0.55 * wide, -0.3 * high, x - wide, -0.18 * high)
    return path.lineTo(-reach, 0).quadTo(-0.5 * reach, 0.09 * tall, 0.08, 0).close()


@effect("Flame Trail", "ground", FEET)
def flame_trail(setting: Setting) -> Effect:
    """Tongues of fire along the ground behind the feet, brightest at the heel."""
    rng = setting.rng
    layers = [
        [_tongues(rng, 1.0 * s, 0.46 * s, 6) for s in (1.0, 0.84, 0.62, 0.4)] for _ in range(4)
    ]
    paints = [fill(colour) for colour in FIRE]
    light = radial(0.9, (FIRE[1], FIRE[1]), (0.5, 0))

    def figure(canvas: skia.Canvas, frame: int, body: Figure, j: Joints, pose: Pose) -> None:
        time = setting.time(frame)
        canvas.save()
        canvas.translate(j.hip[0], 0.03)
        canvas.save()
        canvas.scale(1, 0.4)
        canvas.drawCircle(-0.35, 0, 0.9, light)
        canvas.restore()
        canvas.scale(1 + 0.06 * math.sin(2 * time), 1)
        for path, paint in zip(layers[int(time) % 4], paints, strict=True):
            canvas.drawPath(path, paint)
        canvas.restore()

    def over(canvas: skia.Canvas, frame: int, body: Figure, j: Joints, pose: Pose) -> None:
        canvas.save()
        canvas.translate(j.hip[0] + 0.05, 0.04)
        canvas.scale(0.45, 0.38)
        for path, paint in zip(layers[int(setting.time(frame) + 2) % 4], paints, strict=True):
            canvas.drawPath(path, paint)
        canvas.restore()

    return Effect(figure=figure, over=over)


@effect("Fire Breath", "frame", BODIES)
def fire_breath(setting: Setting) -> Effect:
    """A widening torrent of rolling fire from the mouth that ends in dark smoke."""
    count, start = 16, float(setting.rng.uniform(-3.0, -1.5))
    jitter = setting.rng.uniform(-1, 1, (count, 2)).tolist()
    smoke = fill(rgb("4a3038"), 0.75)
    paints = [fill(colour) for colour in FIRE]

    def over(canvas: skia.Canvas, frame: int, body: Figure, j: Joints, pose: Pose) -> None:
        time = (setting.time(frame) - start) % 16
        reach = 0.85 * clamp(time / 2.5) * setting.aspect
        radius = body.build.head
        mouth = (j.head[0] + 0.35 * radius, j.head[1] + 0.5 * radius)
        puffs = []
        for n, (aside, phase) in enumerate(jitter):
            s = (n / count + 0.13 * time + 0.02 * phase) % 1.0
            if time > 12 and s < (time - 12) / 4:
                continue
            puffs.append((s, 0.022 + 0.13 * s, 0.16 * s * aside))
        with frame_heights(canvas, mouth) as ([(x, y)], facing):
            canvas.translate(x, min(y, 0.38))
            canvas.scale(facing, 1)
            for s, size, aside in puffs:
                if s > 0.8:
                    canvas.drawCircle(s * reach, aside - 0.05, 1.1 * size, smoke)
            for layer, paint in enumerate(paints):
                limit, thin = (1.0, 0.85, 0.62, 0.4)[layer], (1.0, 0.8, 0.58, 0.42)[layer]
                for s, size, aside in puffs:
                    if s < limit:
                        canvas.drawCircle(s * reach, aside * thin, size * thin, paint)

    def behind(canvas: skia.Canvas, frame: int) -> None:
        setting.veil(canvas, rgb("2a0a04"), 0.25)

    return Effect(behind=behind, over=over)


@effect("Energy Explosion", "frame", BODIES[1:])
def energy_explosion(setting: Setting) -> Effect:
    """A dome of white and violet light that swells behind the body, ringed, and falls to sparks."""
    rng, start = setting.rng, float(setting.rng.uniform(-1.5, 0.5))
    hot, deep = rgb("ff5cf4"), rgb("5a1fff")
    dome = radial(1.0, (WHITE, WHITE, mix(hot, WHITE, 0.6), hot, deep), (0.95, 0.9, 0.85, 0.8, 0.7))
    rim, ring = stroke(WHITE, 0.05), stroke(rgb("ffd0ff"), 0.045, 0.9)
    sparks = rng.uniform(0, 1, (16, 2)).tolist()
    piece = fill(rgb("fff0ff"))
    arcs = []
    for turn in rng.uniform(0, 6.28, 6).tolist():
        cos, sin = math.cos(turn), math.sin(turn)
        arcs.append(bolt(rng, (0.3 * cos, 0.3 * sin), (1.25 * cos, 1.25 * sin), 6, 0.13))
    current = stroke(WHITE, 0.035)

    def figure(canvas: skia.Canvas, frame: int, body: Figure, j: Joints, pose: Pose) -> None:
        time = (setting.time(frame) - start) % 18
        grown = 1 - (1 - clamp((time - 1) / 4)) ** 2
        size = 0.43 * grown * (1 + 0.025 * math.sin(5 * time)) * clamp((16 - time) / 2.5)
        with frame_heights(
            canvas, (0.5 * (j.neck[0] + j.hip[0]), 0.5 * (j.neck[1] + j.hip[1]))
        ) as (
            [(x, y)],
            _,
        ):
            canvas.translate(clamp(x, -0.15, 0.15), clamp(y, -0.1, 0.12))
            for turn, away in sparks:
                reach = 0.08 + 0.5 * ((away + 0.07 * time) % 1.0)
                canvas.drawCircle(
                    reach * math.cos(6.28 * turn), reach * math.sin(6.28 * turn), 0.014, piece
                )
            if size > 0.01:
                canvas.scale(size, size)
                canvas.drawCircle(0, 0, 1.0, dome)
                canvas.drawCircle(0, 0, 1.0, rim)
                canvas.drawPath(arcs[int(time) % 6], current)
                canvas.drawPath(arcs[int(time + 3) % 6], current)
                wide = 1.0 + 0.3 * (time / 3 % 1.0)
                canvas.drawOval(skia.Rect(-wide, -0.28 * wide, wide, 0.28 * wide), ring)

    def behind(canvas: skia.Canvas, frame: int) -> None:
        setting.veil(canvas, rgb("1a0633"), 0.4)

    return Effect(behind=behind, figure=figure)
