"""VFX, Skill & Energy Effects: light."""

from __future__ import annotations

import math

import skia

from animatrix_data.procedural.character import Figure, Joints
from animatrix_data.procedural.colour import WHITE, fill, linear, radial, rgb, stroke
from animatrix_data.procedural.effects.effect import Effect, Setting, effect
from animatrix_data.procedural.effects.shapes import (
    BODIES,
    clamp,
    crescent,
    frame_heights,
)
from animatrix_data.procedural.motion import Pose


@effect("Aura", "frame", BODIES)
def aura(setting: Setting) -> Effect:
    """A pulsating violet halo that follows the body, the world behind it dimmed."""
    shells = [(0.36, rgb("7a2cff"), 0.5), (0.22, rgb("d65cff"), 0.75), (0.12, rgb("fff0ff"), 0.95)]
    paints = [(width, stroke(colour, width, alpha)) for width, colour, alpha in shells]

    def figure(canvas: skia.Canvas, frame: int, body: Figure, joints: Joints, pose: Pose) -> None:
        pulse = 1.0 + 0.3 * math.sin(0.8 * setting.time(frame))
        for width, paint in paints:
            paint.setStrokeWidth(width * pulse)
            body.silhouette(canvas, joints, pose, paint)

    def behind(canvas: skia.Canvas, frame: int) -> None:
        setting.veil(canvas, rgb("1c1040"), 0.35)

    return Effect(behind=behind, figure=figure)


@effect("Light Beam", "frame", BODIES)
def light_beam(setting: Setting) -> Effect:
    """A cyan beam with a white core that charges before the chest and shoots out of the frame."""
    start = float(setting.rng.uniform(-2.0, -0.5))
    cyan, pale = rgb("12c8ff"), rgb("b8f4ff")
    beam = linear((cyan, cyan, WHITE, WHITE, cyan, cyan), (0, 0.95, 1, 1, 0.95, 0),
                  (0, -0.13), (0, 0.13))  # fmt: skip
    ball = radial(0.2, (WHITE, pale, cyan, cyan), (1, 1, 0.7, 0))
    dash = stroke(WHITE, 0.018)
    flecks = setting.rng.uniform(0, 1, (9, 2)).tolist()

    def over(canvas: skia.Canvas, frame: int, body: Figure, j: Joints, pose: Pose) -> None:
        time = (setting.time(frame) - start) % 17
        length = 1.2 * setting.aspect * clamp((time - 3) / 1.5)
        width = clamp((16.5 - time) / 2) * (1 + 0.14 * math.sin(4 * time))
        chest = (j.neck[0], j.neck[1] + 0.05)
        with frame_heights(canvas, chest) as ([(x, y)], facing):
            canvas.translate(x, min(y, 0.4))
            canvas.scale(facing, 1)
            canvas.translate(0.15, 0)
            size = width * clamp(0.35 + time / 4)
            if length:
                canvas.save()
                canvas.scale(1, width)
                canvas.drawRect(skia.Rect(0, -0.13, length, 0.13), beam)
                canvas.restore()
                for away, aside in flecks:
                    at = (away + 0.21 * time) % 1.0 * length
                    canvas.drawLine(at, 0.36 * (aside - 0.5), at + 0.08, 0.36 * (aside - 0.5), dash)
            canvas.scale(size, size)
            canvas.drawCircle(0, 0, 0.2, ball)

    def behind(canvas: skia.Canvas, frame: int) -> None:
        setting.veil(canvas, rgb("061430"), 0.42)

    return Effect(behind=behind, over=over)


@effect("Light Wave", "frame", BODIES)
def light_wave(setting: Setting) -> Effect:
    """Crescents of green light that leave the body, widen on their way and dissolve."""
    start, period = float(setting.rng.uniform(-2.5, -0.5)), 5.0
    shapes = ((crescent(1.0, 0.62, -1.15, 2.3), rgb("1fbf5a"), 0.5),
              (crescent(1.02, 0.4, -1.1, 2.2), rgb("86ff6e"), 0.9),
              (crescent(1.08, 0.16, -1.0, 2.0), rgb("fbfff0"), 1.0))  # fmt: skip
    paints = [(path, fill(colour), share) for path, colour, share in shapes]

    def over(canvas: skia.Canvas, frame: int, body: Figure, j: Joints, pose: Pose) -> None:
        with frame_heights(canvas, j.neck) as ([(x, y)], facing):
            for k in (0, 1):
                age = ((setting.time(frame) - start) / period + 0.5 * k) % 1.0
                canvas.save()
                canvas.translate(x + facing * (0.62 * age - 0.12), clamp(y, -0.1, 0.1))
                canvas.scale(facing * (0.17 + 0.2 * age), 0.2 + 0.26 * age)
                for path, paint, share in paints:
                    paint.setAlphaf(share * clamp(2.6 * (1 - age)))
                    canvas.drawPath(path, paint)
                canvas.restore()

    def behind(canvas: skia.Canvas, frame: int) -> None:
        setting.veil(canvas, rgb("04240f"), 0.25)

    return Effect(behind=behind, over=over)


@effect("Energy Sphere", "frame", BODIES[1:])
def energy_sphere(setting: Setting) -> Effect:
    """A blue ball that grows over the leading hand while particles are drawn in."""
    rng, start = setting.rng, float(setting.rng.uniform(-2.0, 0.0))
    blue, pale = rgb("1e4bff"), rgb("9fd0ff")
    halo = radial(2.3, (blue, blue, blue), (0.75, 0.35, 0))
    ball = radial(1.0, (WHITE, WHITE, pale, blue, rgb("2a1fd0")), (1, 1, 1, 1, 1))
    swirl = [(crescent(r, 0.16, float(rng.uniform(0, 6)), 2.2), fill(WHITE, 0.85))
             for r in (0.66, 0.92, 1.2)]  # fmt: skip
    motes = rng.uniform(0, 1, (12, 2)).tolist()
    mote = stroke(pale, 0.14)

    def over(canvas: skia.Canvas, frame: int, body: Figure, j: Joints, pose: Pose) -> None:
        time = (setting.time(frame) - start) % 19
        size = (0.06 + 0.08 * clamp(time / 8)) * (1 + 0.09 * math.sin(1.7 * time))
        with frame_heights(canvas, j.arm_r[2]) as ([(x, y)], facing):
            limit = 0.5 * setting.aspect - 0.14
            canvas.translate(clamp(x + 0.08 * facing, -limit, limit), clamp(y - 0.1, -0.36, 0.34))
            canvas.scale(size, size)
            canvas.drawCircle(0, 0, 2.3, halo)
            for turn, phase in motes:
                away = 1.1 + 1.9 * (1 - (phase + 0.16 * time) % 1.0)
                cos, sin = math.cos(6.28 * turn), math.sin(6.28 * turn)
                canvas.drawLine(
                    away * cos, away * sin, (away + 0.4) * cos, (away + 0.4) * sin, mote
                )
            canvas.drawCircle(0, 0, 1.0, ball)
            for k, (path, paint) in enumerate(swirl):
                canvas.save()
                canvas.rotate((40 + 13 * k) * time * (1 if k % 2 else -1))
                canvas.drawPath(path, paint)
                canvas.restore()

    def behind(canvas: skia.Canvas, frame: int) -> None:
        setting.veil(canvas, rgb("050a30"), 0.35)

    return Effect(behind=behind, over=over)
