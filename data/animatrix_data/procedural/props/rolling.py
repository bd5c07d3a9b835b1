"""Props that fly, roll and stream: arrows, a blow, a car, a scarf."""

from __future__ import annotations

import math

import skia

from animatrix_data.procedural.character import Joints
from animatrix_data.procedural.motion import Pose
from animatrix_data.procedural.paths import polygon
from animatrix_data.procedural.props.brush import PROPS, Brush, Prop, box, oval


@PROPS.add("arrows")
def arrows(brush: Brush) -> Prop:
    """Arrows that fly over a bent figure, where its head would be."""
    head = polygon((-0.17, 0.0), (-0.08, -0.04), (-0.08, 0.04))
    rows = ((-0.86, 0.0), (-0.72, 0.37), (-0.98, 0.7))

    def before(canvas: skia.Canvas, joints: Joints, pose: Pose) -> None:
        for height, start in rows:
            way = (start + pose.prop_y / (2 * math.pi)) % 1.0
            canvas.save()
            canvas.translate(0.75 - 1.5 * way, height)
            canvas.drawLine(0.2, 0.0, 0.36, 0.0, brush.paint("ffffff", 0.02, 0.8))
            brush.line(canvas, "b06a34", 0.022, (-0.1, 0.0), (0.16, 0.0))
            brush.shape(canvas, head, "d4dce8")
            brush.line(canvas, "e8433a", 0.05, (0.13, 0.0), (0.17, 0.0))
            canvas.restore()

    return Prop(before=before)


@PROPS.add("blow")
def blow(brush: Brush) -> Prop:
    """A star where a fist lands; prop_x is how hard, from 0 to 1."""
    star = skia.Path()
    for k in range(16):
        radius = 0.055 if k % 2 else (0.15 if k % 4 else 0.11)
        angle = math.pi * k / 8
        (star.lineTo if k else star.moveTo)(radius * math.cos(angle), radius * math.sin(angle))
    star.close()

    def before(canvas: skia.Canvas, joints: Joints, pose: Pose) -> None:
        hand = max(joints.arm_l[2], joints.arm_r[2])
        canvas.save()
        canvas.translate(hand[0] + 0.03, hand[1])
        size = 0.45 + 0.65 * pose.prop_x
        canvas.scale(size, size)
        brush.shape(canvas, star, "ffd23c")
        canvas.drawCircle(0, 0, 0.045, brush.paint("ffffff"))
        canvas.restore()

    return Prop(before=before)


@PROPS.add("car")
def car(brush: Brush) -> Prop:
    """An open car around the driver, its wheels turning."""
    body = skia.Path().moveTo(-0.56, -0.14).lineTo(-0.58, -0.3)
    body.quadTo(-0.56, -0.4, -0.4, -0.4).lineTo(-0.18, -0.39).lineTo(-0.1, -0.34)
    body.lineTo(0.2, -0.35).lineTo(0.26, -0.4).cubicTo(0.4, -0.4, 0.56, -0.36, 0.6, -0.26)
    body.lineTo(0.6, -0.14).close()

    def behind(canvas: skia.Canvas, joints: Joints, pose: Pose) -> None:
        with_bump(canvas, joints, pose)
        brush.shape(canvas, box(-0.24, -0.52, -0.12, -0.2, 0.03), "7a3a3a")
        canvas.restore()

    def with_bump(canvas: skia.Canvas, joints: Joints, pose: Pose) -> None:
        canvas.save()
        canvas.translate(joints.hip[0] + 0.02, pose.prop_x)

    def before(canvas: skia.Canvas, joints: Joints, pose: Pose) -> None:
        with_bump(canvas, joints, pose)
        brush.line(canvas, "dff2ff", 0.03, (0.25, -0.38), (0.19, -0.58))
        brush.shape(canvas, body, "e8463c")
        canvas.drawRect(skia.Rect(-0.56, -0.24, 0.6, -0.2), brush.paint("fff0d0"))
        brush.shape(canvas, oval(0.55, -0.29, 0.035, 0.035), "fff3a0")
        canvas.restore()
        for across in (-0.34, 0.36):
            canvas.save()
            canvas.translate(joints.hip[0] + 0.02 + across, -0.13)
            canvas.rotate(math.degrees(2 * pose.prop_y))
            brush.shape(canvas, oval(0, 0, 0.13, 0.13), "3a3a48")
            brush.shape(canvas, oval(0, 0, 0.07, 0.07), "d8dce4")
            canvas.drawLine(-0.06, 0, 0.06, 0, brush.paint("ink", 0.02))
            canvas.drawLine(0, -0.06, 0, 0.06, brush.paint("ink", 0.02))
            canvas.restore()

    return Prop(behind, before)


@PROPS.add("scarf")
def scarf(brush: Brush) -> Prop:
    """A long scarf about the neck, its ends streaming; prop_x is the strength of the wind."""

    def tail(canvas: skia.Canvas, joints: Joints, pose: Pose, code: str, lag: float) -> None:
        x, y = joints.neck[0] - 0.02, joints.neck[1] + 0.06
        top, low = [], []
        for k in range(7):
            along = k / 6
            wave = 0.1 * pose.prop_x * along * math.sin(2 * pose.prop_y - 4.5 * along - lag)
            point = x - 0.56 * along, y + (0.04 + 0.1 * lag) * along + wave
            top.append((point[0], point[1] - 0.045))
            low.append((point[0], point[1] + 0.045))
        brush.shape(canvas, polygon(*top, *reversed(low)), code)

    def behind(canvas: skia.Canvas, joints: Joints, pose: Pose) -> None:
        tail(canvas, joints, pose, "c8202c", 1.0)
        tail(canvas, joints, pose, "f0404a", 0.0)

    def before(canvas: skia.Canvas, joints: Joints, pose: Pose) -> None:
        x, y = joints.neck
        brush.shape(canvas, box(x - 0.1, y + 0.02, x + 0.1, y + 0.095, 0.035), "f0404a")

    return Prop(behind, before)
