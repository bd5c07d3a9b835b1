"""VFX: effects drawn behind or before the figure, broad and slow enough for a small picture."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import skia

from animatrix_data.procedural.character import Figure, Joints
from animatrix_data.procedural.colour import WHITE, Rgb, fill, rgb, stroke
from animatrix_data.procedural.motion import Pose
from animatrix_data.procedural.registry import Registry
from animatrix_data.procedural.styles import Style

Frame = Callable[[skia.Canvas, int], None]
FigureFrame = Callable[[skia.Canvas, int, Figure, Joints, Pose], None]


@dataclass(frozen=True)
class Effect:
    """What an effect draws in a frame: behind the figure, on its plane, and before everything."""

    behind: Frame | None = None
    figure: FigureFrame | None = None
    front: Frame | None = None


@dataclass(frozen=True)
class Setting:
    """What an effect may know: frame shape (height 1), timing, style and its random stream."""

    aspect: float
    frames: int
    fps: float
    style: Style
    rng: np.random.Generator

    def time(self, frame: int) -> float:
        """Return the time of a frame in eighths of a second."""
        return frame * 8 / self.fps

    def veil(self, canvas: skia.Canvas, colour: Rgb, alpha: float) -> None:
        """Cover the frame with a translucent colour."""
        canvas.drawRect(skia.Rect(-self.aspect, -1, self.aspect, 1), fill(colour, alpha))


EFFECTS: Registry[Callable[[Setting], Effect]] = Registry("VFX")


def _drops(setting: Setting, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return well spread places ([n] across in [-1, 1], [n] down in [0, 1])."""
    across = (np.arange(count) * 0.618 + setting.rng.uniform()) % 1.0
    down = (np.arange(count) + setting.rng.uniform(0.1, 0.9, count)) / count
    return 2 * across - 1, down


@EFFECTS.add("Rain")
def rain(setting: Setting) -> Effect:
    """Slanted streaks under a cool veil."""
    xs, ys = _drops(setting, 18)
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


@EFFECTS.add("Snow")
def snow(setting: Setting) -> Effect:
    """Large flakes drifting down slowly."""
    xs, ys = _drops(setting, 20)
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


@EFFECTS.add("Falling Petals")
def petals(setting: Setting) -> Effect:
    """Large pink petals that tumble across the frame in a rosy light."""
    xs, ys = _drops(setting, 13)
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


@EFFECTS.add("Kira-Kira")
def sparkles(setting: Setting) -> Effect:
    """Large four-pointed stars that twinkle slowly."""
    xs, ys = _drops(setting, 9)
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


@EFFECTS.add("Aura")
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


@EFFECTS.add("Linear Speed Lines")
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


@EFFECTS.add("Radial Speed Lines")
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


@EFFECTS.add("Impact Flash")
def impact_flash(setting: Setting) -> Effect:
    """A white-frame flash that fades over half a second, once a second."""
    start = int(setting.rng.integers(2, 5))
    fade = (0.95, 0.85, 0.5, 0.22)

    def front(canvas: skia.Canvas, frame: int) -> None:
        beat = int(setting.time(frame)) - start
        if beat >= 0 and beat % 8 < len(fade):
            setting.veil(canvas, rgb("fffdf0"), fade[beat % 8])

    return Effect(front=front)
