"""VFX, Animation Techniques: what timing and drawing do to the first actor's poses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import skia

from animatrix_data.procedural.character import Figure, Joints
from animatrix_data.procedural.colour import WHITE, fill, rgb, stroke
from animatrix_data.procedural.effects.effect import Effect, Placed, Setting, effect
from animatrix_data.procedural.effects.stickers import (
    INK,
    Sticker,
    pop,
    put,
)
from animatrix_data.procedural.expressions import Look
from animatrix_data.procedural.motion import Pose
from animatrix_data.procedural.paths import polygon

BODY_SHOTS = ("Full Shot", "Long Shot")
"""Where the whole body is seen and has room to leap and stretch."""
WIDER_SHOTS = ("Medium Shot", *BODY_SHOTS)


def blended(pose: Pose, other: dict[str, float], share: float) -> Pose:
    """Return a pose of which some joints go over to other values by a share."""
    moved = {
        joint: getattr(pose, joint) * (1 - share) + value * share for joint, value in other.items()
    }
    return replace(pose, **moved)


def _keyed(time: float, keys: Sequence[tuple[float, float]]) -> float:
    """Return the value at a time of keys (time, value), easing from one to the next."""
    for (t0, v0), (t1, v1) in pairwise(keys):
        if time < t1:
            share = (time - t0) / (t1 - t0)
            return v0 + (v1 - v0) * share * share * (3 - 2 * share)
    return keys[-1][1]


def _dashes(angles: Sequence[float], inner: float, outer: float, width: float) -> skia.Path:
    """Return wedges that point away from the origin between two radii."""
    path = skia.Path()
    for angle in angles:
        c, s = math.cos(angle), math.sin(angle)
        path.moveTo(inner * c, inner * s)
        path.lineTo(outer * c - width * s, outer * s + width * c)
        path.lineTo(outer * c + width * s, outer * s - width * c).close()
    return path


@effect("Squash & Stretch", "figure", BODY_SHOTS)
def squash_and_stretch(setting: Setting) -> Effect:
    """The body hops: it stretches in flight, lands flat and wide, and rebounds."""
    ahead = float(setting.rng.uniform(0, 6))
    stretch = ((0, -0.4), (1, -0.42), (2, 0.24), (3, 0.06), (4, 0.24), (4.6, -0.4), (6, -0.4))
    lift = ((0, 0.0), (1.2, 0.0), (3, 0.08), (4.6, 0.0), (6, 0.0))

    def poses(drawn: list[Pose]) -> list[Pose]:
        changed = []
        for t, pose in enumerate(drawn):
            time = (setting.time(t) + ahead) % 6
            changed.append(
                replace(pose, stretch=_keyed(time, stretch), shear=0.3 * pose.shear,
                        lift=0.4 * pose.lift + _keyed(time, lift))
            )  # fmt: skip
        return changed

    return Effect(poses=poses)


CROUCH = {"lean": -0.34, "head": -0.1, "leg_l": -0.75, "knee_l": -1.1, "leg_r": 1.0,
          "knee_r": 1.75, "arm_l": -1.9, "elbow_l": -0.3, "arm_r": -1.5, "elbow_r": -0.3,
          "stretch": -0.12, "lift": 0.0}  # fmt: skip
SPRING = {"lean": 0.3, "head": 0.0, "leg_l": -0.6, "knee_l": 0.3, "leg_r": 0.1, "knee_r": 0.2,
          "arm_l": 2.6, "elbow_l": 0.0, "arm_r": 2.9, "elbow_r": 0.0, "stretch": 0.2,
          "lift": 0.12}  # fmt: skip


@effect("Anticipation", "figure", BODY_SHOTS)
def anticipation(setting: Setting) -> Effect:
    """A crouch drawn back and held while lines gather round it, then a spring upwards."""
    ahead, period = float(setting.rng.uniform(0, 2)), 9.0
    crouch = ((0, 0.0), (2.2, 1.0), (5.2, 1.0), (5.8, 0.0), (9, 0.0))
    spring = ((0, 0.0), (5.2, 0.0), (5.9, 1.0), (7.0, 1.0), (8.6, 0.0), (9, 0.0))
    gather = [_dashes([k * math.pi / 5 + turn for k in range(10)], 0.62, 0.84, 0.035)
              for turn in (0.0, 0.2)]  # fmt: skip
    blue = rgb("7fe3ff")

    def poses(drawn: list[Pose]) -> list[Pose]:
        changed = []
        for t, pose in enumerate(drawn):
            time = (setting.time(t) + ahead) % period
            bent = blended(pose, CROUCH, _keyed(time, crouch))
            changed.append(blended(bent, SPRING, _keyed(time, spring)))
        return changed

    def figure(canvas: skia.Canvas, frame: int, body: Figure, joints: Joints, pose: Pose) -> None:
        time = (setting.time(frame) + ahead) % period
        drawn_back, sprung = _keyed(time, crouch), _keyed(time, spring)
        if drawn_back > 0.3:
            centre = joints.hip[0], joints.hip[1] - 0.12
            with put(canvas, centre, 1.15 - 0.25 * ((time * 0.6) % 1)):
                path = gather[int(time) % 2]
                canvas.drawPath(path, stroke(INK, 0.035, drawn_back))
                canvas.drawPath(path, fill(blue, drawn_back))
        if sprung > 0.3:
            for k in (-2, -1, 0, 1, 2):
                x, low = joints.hip[0] + 0.1 * k, joints.hip[1] + 0.3 + 0.06 * abs(k)
                for paint in (stroke(INK, 0.06, sprung), stroke(blue, 0.03, sprung)):
                    canvas.drawLine(x, low, x, low + 0.28, paint)

    return Effect(poses=poses, figure=figure)


@effect("Hold Pose", "figure", WIDER_SHOTS)
def hold_pose(setting: Setting) -> Effect:
    """The figure is held still for most of the clip, its silhouette edged, amid accent lines."""
    count = setting.frames
    first = round(count * float(setting.rng.uniform(0.1, 0.2)))
    last = round(count * float(setting.rng.uniform(0.84, 0.92)))
    turns = setting.rng.uniform(-0.06, 0.06, 12).tolist()
    angles = [2 * math.pi * (k + 0.5) / 12 + turn for k, turn in enumerate(turns)]
    wedges = _dashes(angles[::2], 0.62, 0.95, 0.05)
    wedges.addPath(_dashes(angles[1::2], 0.7, 0.9, 0.04))

    def poses(drawn: list[Pose]) -> list[Pose]:
        return [drawn[first] if first <= t < last else pose for t, pose in enumerate(drawn)]

    def figure(canvas: skia.Canvas, frame: int, body: Figure, joints: Joints, pose: Pose) -> None:
        if first <= frame < last:
            body.silhouette(canvas, joints, pose, stroke(rgb("ff4f8b"), 0.17))
            body.silhouette(canvas, joints, pose, stroke(WHITE, 0.135))

    def symbol(canvas: skia.Canvas, frame: int, placed: Placed) -> None:
        if not first <= frame < last:
            return
        scale = pop(setting.time(frame) - setting.time(first) + 1.0)
        middle = 0.5 * (placed.head[1] + min(placed.hip[1], 0.3))
        across = max(0.29 * placed.height, 0.17)
        down = max(0.6 * placed.height, 0.24)
        canvas.save()
        canvas.translate(placed.head[0], middle)
        canvas.scale(min(across, 0.5) / 0.62 * scale, min(down, 0.47) / 0.72 * scale)
        canvas.drawPath(wedges, stroke(INK, 0.06))
        canvas.drawPath(wedges, fill(rgb("ff4f8b")))
        canvas.restore()

    return Effect(poses=poses, figure=figure, symbol=symbol)


@effect("Smear Frame", "figure", WIDER_SHOTS)
def smear_frame(setting: Setting) -> Effect:
    """The figure darts to and fro; between two places it is one long streak of itself."""
    period, width = 4.0, 1.25
    ahead, reach = float(setting.rng.uniform(0, 4)), 0.11
    copies = 7

    def dart(frame: int) -> tuple[float, float]:
        """Return the place of the figure across and how far it is smeared, with its direction."""
        time = setting.time(frame) + ahead
        way = 1.0 if int(time // period) % 2 else -1.0
        since = time % period
        if since < width:
            share = since / width
            return way * reach * (2 * share - 1), way * math.sin(math.pi * (0.25 + 0.6 * share))
        return way * reach, 0.0

    def poses(drawn: list[Pose]) -> list[Pose]:
        changed = []
        for t, pose in enumerate(drawn):
            place, smeared = dart(t)
            changed.append(
                replace(pose, x=0.5 * pose.x + place, shear=pose.shear - 0.35 * smeared,
                        stretch=pose.stretch - 0.12 * abs(smeared))
            )  # fmt: skip
        return changed

    def look(look: Look, frame: int) -> Look:
        return replace(look, smear=max(look.smear, abs(dart(frame)[1])))

    def figure(canvas: skia.Canvas, frame: int, body: Figure, joints: Joints, pose: Pose) -> None:
        _, smeared = dart(frame)
        if not smeared:
            return
        for k in range(copies, 0, -1):
            canvas.save()
            canvas.translate(-smeared * 0.085 * k, 0)
            canvas.saveLayerAlpha(None, int(255 * (1.0 - 0.1 * k)))
            body.draw(canvas, pose, joints, Look(), None)
            canvas.restore()
            canvas.restore()

    def over(canvas: skia.Canvas, frame: int, body: Figure, joints: Joints, pose: Pose) -> None:
        _, smeared = dart(frame)
        if not smeared:
            return
        ends = [limb[2] for limb in (joints.arm_l, joints.arm_r, joints.leg_l, joints.leg_r)]
        for k, (x, y) in enumerate((joints.head, joints.neck, joints.hip, *ends)):
            tail = x - smeared * (0.75 + 0.1 * (k % 3))
            for paint in (stroke(INK, 0.04), stroke(WHITE, 0.018)):
                canvas.drawLine(x - smeared * 0.18, y, tail, y, paint)

    return Effect(poses=poses, look=look, figure=figure, over=over)


LUNGE = {"lean": 0.3, "leg_l": -0.75, "knee_l": 0.1, "leg_r": 0.75, "knee_r": 0.9,
         "arm_l": -1.3, "elbow_l": -0.6, "arm_r": 1.35, "elbow_r": 0.0, "lift": 0.0}  # fmt: skip
HAND = rgb("ffd9b8")


def _fist(canvas: skia.Canvas) -> None:
    """Draw a fist seen from the front, about 1 high."""
    back = Sticker(skia.Path.RRect(skia.Rect(-0.46, -0.4, 0.46, 0.42), 0.2, 0.2), HAND, key=0.1)
    thumb = Sticker(skia.Path.RRect(skia.Rect(-0.34, 0.06, 0.36, 0.3), 0.11, 0.11), HAND, key=0.07)
    fingers = [skia.Rect(-0.48 + 0.24 * k, -0.52, -0.24 + 0.24 * k, 0.1) for k in range(4)]
    knuckles = [Sticker(skia.Path.RRect(box, 0.1, 0.1), HAND, key=0.08) for box in fingers]
    for part in (back, *knuckles):
        part.draw(canvas)
    for part in (back, *knuckles, thumb):
        part.draw_inner(canvas)


@effect("Impact Pose", "figure", WIDER_SHOTS)
def impact_pose(setting: Setting) -> Effect:
    """The figure snaps into a lunge with a huge fist near the lens, and holds it shaking."""
    side = int(setting.rng.choice((-1, 1)))
    start, period = float(setting.rng.uniform(1, 3)), 8.0
    keys = ((0, 0.0), (0.8, 1.0), (5.5, 1.0), (7.0, 0.0), (8, 0.0))

    def reached(frame: int) -> float:
        return _keyed((setting.time(frame) - start) % period, keys)

    def poses(drawn: list[Pose]) -> list[Pose]:
        return [blended(pose, LUNGE, reached(t)) for t, pose in enumerate(drawn)]

    def symbol(canvas: skia.Canvas, frame: int, placed: Placed) -> None:
        share = reached(frame)
        if share < 0.15:
            return
        size = share * min(max(0.7 * placed.height, 0.3), 0.42)
        x, y = placed.head[0], placed.head[1] + 1.5 * placed.radius
        at = (
            placed.head[0] + side * (0.1 + 0.5 * placed.radius) * share,
            min(y + 0.16 * share, 0.26) + 0.008 * math.sin(5 * setting.time(frame)),
        )
        wide = 0.42 * size
        arm = polygon((x - 0.03, y), (x + 0.03, y), (at[0] + wide, at[1]), (at[0] - wide, at[1]))
        canvas.drawPath(arm, stroke(INK, 0.1 * size))
        canvas.drawPath(arm, fill(HAND))
        with put(canvas, at, size, side * 8):
            _fist(canvas)

    return Effect(poses=poses, symbol=symbol)


@effect("Kinetic Motion", "figure", BODY_SHOTS)
def kinetic_motion(setting: Setting) -> Effect:
    """Every drawing is deformed in its own way: sheared, stretched, limbs thrown about."""
    drawings = 1 + int(setting.time(setting.frames - 1))
    wobble = setting.rng.uniform(0.6, 1.0, (drawings, 8)) * setting.rng.choice(
        (-1, 1), (drawings, 8)
    )
    wobble[1::2, 0] = -np.sign(wobble[:-1:2, 0]) * np.abs(wobble[1::2, 0])

    def poses(drawn: list[Pose]) -> list[Pose]:
        changed = []
        for t, pose in enumerate(drawn):
            w = wobble[int(setting.time(t))].tolist()
            changed.append(
                replace(pose, shear=0.4 * w[0], stretch=0.2 * w[1], lean=pose.lean - 0.25 * w[0],
                        arm_l=pose.arm_l + 0.8 * w[2], arm_r=pose.arm_r + 0.8 * w[3],
                        elbow_l=0.9 * w[4], elbow_r=0.9 * w[5], head=pose.head + 0.3 * w[6],
                        turn=pose.turn + 0.35 * w[7])
            )  # fmt: skip
        return changed

    def look(look: Look, frame: int) -> Look:
        return replace(look, outline=look.outline * (1.6 if int(setting.time(frame)) % 2 else 0.8))

    return Effect(poses=poses, look=look)
