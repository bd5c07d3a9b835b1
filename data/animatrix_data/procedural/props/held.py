"""Props in the hands: tools, weapons, food."""

from __future__ import annotations

import math

import skia

from animatrix_data.procedural.character import Joints
from animatrix_data.procedural.motion import Pose
from animatrix_data.procedural.paths import Point, polygon
from animatrix_data.procedural.props.brush import PROPS, Brush, Prop, box, held, oval


def beyond(start: Point, angle: float, length: float) -> Point:
    """Return the point at a length from another, along an angle as limbs have them."""
    return start[0] + length * math.sin(angle), start[1] + length * math.cos(angle)


@PROPS.add("megaphone")
def megaphone(brush: Brush) -> Prop:
    """A wide cone before the mouth, with arcs of sound."""
    cone = polygon((0.0, -0.03), (0.2, -0.12), (0.2, 0.12), (0.0, 0.03))

    def before(canvas: skia.Canvas, joints: Joints, pose: Pose) -> None:
        radius = math.dist(joints.head, joints.neck) / 0.92
        with held(canvas, joints.head, math.pi / 2 - pose.lean * 0.6 - pose.head):
            canvas.translate(0.8 * radius, 0.72 * radius)
            canvas.rotate(-math.degrees(0.3))
            brush.shape(canvas, cone, "f04a3c")
            brush.shape(canvas, box(0.19, -0.135, 0.225, 0.135, 0.02), "fff6e6")
            burst = 0.5 + 0.5 * math.sin(pose.prop_y)
            for k in range(2):
                wide = 0.07 + 0.07 * k + 0.03 * burst
                arc = skia.Rect(0.24 - wide, -1.4 * wide, 0.24 + wide, 1.4 * wide)
                canvas.drawArc(arc, -48, 96, False, brush.paint("fff6e6", 0.028, 0.9))

    return Prop(before=before)


@PROPS.add("bowl")
def bowl(brush: Brush) -> Prop:
    """A bowl of rice on the one hand, chopsticks with a bite in the other."""
    cup = skia.Path().moveTo(-0.115, -0.03).lineTo(0.115, -0.03)
    cup.cubicTo(0.1, 0.09, 0.05, 0.1, 0.0, 0.1).cubicTo(-0.05, 0.1, -0.1, 0.09, -0.115, -0.03)
    cup.close()
    rice = skia.Path().moveTo(-0.1, -0.03).cubicTo(-0.08, -0.12, 0.08, -0.12, 0.1, -0.03).close()

    def before(canvas: skia.Canvas, joints: Joints, pose: Pose) -> None:
        canvas.save()
        canvas.translate(joints.arm_l[2][0], joints.arm_l[2][1] - 0.03)
        brush.shape(canvas, rice, "ffffff")
        brush.shape(canvas, cup, "c8342c")
        canvas.drawLine(-0.09, 0.02, 0.09, 0.02, brush.paint("ffd66b", 0.02))
        canvas.restore()
        hand = joints.arm_r[2]
        for spread in (-0.09, 0.09):
            tip = beyond(hand, pose.grip + spread, 0.19)
            brush.line(canvas, "8a5a2c", 0.02, beyond(hand, pose.grip, -0.1), tip)
        bite = beyond(hand, pose.grip, 0.19)
        brush.shape(canvas, oval(*bite, 0.04, 0.032), "ff8a5a")

    return Prop(before=before)


@PROPS.add("bottle")
def bottle(brush: Brush) -> Prop:
    """A milk bottle whose neck is at the mouth."""
    glass = box(0.0, -0.058, 0.2, 0.058, 0.03)
    neck = box(-0.09, -0.03, 0.03, 0.03, 0.01)

    def before(canvas: skia.Canvas, joints: Joints, pose: Pose) -> None:
        with held(canvas, joints.arm_r[2], pose.grip):
            brush.shape(canvas, neck, "e8f4ff")
            brush.shape(canvas, glass, "fdfdf8")
            canvas.drawRect(skia.Rect(0.05, -0.058, 0.13, 0.058), brush.paint("3f9ae0"))

    return Prop(before=before)


@PROPS.add("finger")
def finger(brush: Brush) -> Prop:
    """A long forefinger on a fist."""

    def before(canvas: skia.Canvas, joints: Joints, pose: Pose) -> None:
        hand = joints.arm_r[2]
        brush.line(canvas, "ffd9bd", 0.03, hand, beyond(hand, pose.grip, 0.085))
        brush.shape(canvas, oval(*hand, 0.04, 0.04), "ffd9bd")

    return Prop(before=before)


@PROPS.add("box")
def crate(brush: Brush) -> Prop:
    """A parcel as wide as the chest, on both arms."""

    def before(canvas: skia.Canvas, joints: Joints, pose: Pose) -> None:
        (x0, y0), (x1, y1) = joints.arm_l[2], joints.arm_r[2]
        x, y = (x0 + x1) / 2 + 0.02, max(y0, y1)
        brush.shape(canvas, box(x - 0.15, y - 0.25, x + 0.15, y + 0.02, 0.01), "d9a35f")
        canvas.drawRect(skia.Rect(x - 0.03, y - 0.25, x + 0.03, y + 0.02), brush.paint("f4e0b0"))
        top = box(x - 0.15, y - 0.25, x + 0.15, y - 0.2)
        canvas.drawPath(top, brush.paint("f0c888"))
        brush.shape(canvas, oval(x1, y1, 0.035, 0.03), "ffd9bd")

    return Prop(before=before)


@PROPS.add("gloves")
def gloves(brush: Brush) -> Prop:
    """Boxing gloves."""

    def glove(canvas: skia.Canvas, hand: Point) -> None:
        brush.shape(canvas, oval(*hand, 0.075, 0.07), "e02c34")
        canvas.drawPath(oval(hand[0] + 0.01, hand[1] - 0.025, 0.03, 0.018), brush.paint("ff9a94"))

    def before(canvas: skia.Canvas, joints: Joints, pose: Pose) -> None:
        glove(canvas, joints.arm_l[2])
        glove(canvas, joints.arm_r[2])

    return Prop(before=before)


@PROPS.add("sword")
def sword(brush: Brush) -> Prop:
    """A long blade, and the crescent that its stroke leaves."""
    blade = polygon((0.05, -0.03), (0.46, -0.03), (0.54, 0.0), (0.46, 0.03), (0.05, 0.03))

    def before(canvas: skia.Canvas, joints: Joints, pose: Pose) -> None:
        with held(canvas, joints.arm_r[2], pose.grip):
            if abs(pose.prop_x) > 0.02:
                sweep = math.degrees(max(-1.5, min(1.5, 3.5 * pose.prop_x)))
                arc = skia.Path().arcTo(skia.Rect(-0.5, -0.5, 0.5, 0.5), 0, sweep, True)
                arc.arcTo(skia.Rect(-0.36, -0.36, 0.36, 0.36), sweep, -sweep, False)
                canvas.drawPath(arc.close(), brush.paint("ffffff", alpha=0.6))
            brush.line(canvas, "6a4030", 0.04, (-0.07, 0.0), (0.04, 0.0))
            brush.shape(canvas, blade, "e6eef8")
            canvas.drawLine(0.06, -0.012, 0.46, -0.012, brush.paint("ffffff", 0.014))
            brush.line(canvas, "e8b83c", 0.03, (0.05, -0.07), (0.05, 0.07))

    return Prop(before=before)


@PROPS.add("shield")
def shield(brush: Brush) -> Prop:
    """A kite shield with a cross, before the body."""
    rim = skia.Path().moveTo(-0.15, -0.2).lineTo(0.15, -0.2)
    rim.cubicTo(0.17, 0.06, 0.1, 0.2, 0.0, 0.29)
    rim.cubicTo(-0.1, 0.2, -0.17, 0.06, -0.15, -0.2).close()

    def before(canvas: skia.Canvas, joints: Joints, pose: Pose) -> None:
        canvas.save()
        canvas.translate(*joints.arm_r[2])
        brush.shape(canvas, rim, "e8c04a")
        canvas.scale(0.8, 0.83)
        canvas.drawPath(rim, brush.paint("3654b8"))
        canvas.drawRect(skia.Rect(-0.03, -0.2, 0.03, 0.24), brush.paint("f4f6ff"))
        canvas.drawRect(skia.Rect(-0.15, -0.07, 0.15, -0.01), brush.paint("f4f6ff"))
        canvas.restore()

    return Prop(before=before)


@PROPS.add("bow")
def bow(brush: Brush) -> Prop:
    """A bow as tall as the torso and head, its string drawn to the hand, an arrow on it."""

    def before(canvas: skia.Canvas, joints: Joints, pose: Pose) -> None:
        (x, y), hand = joints.arm_l[2], joints.arm_r[2]
        bent = 0.1 + 0.05 * pose.prop_x
        tips = ((x - bent, y - 0.31), (x - bent, y + 0.31))
        string = skia.Path().moveTo(*tips[0]).lineTo(*hand).lineTo(*tips[1])
        canvas.drawPath(string, brush.paint("ink", 0.012))
        wood = skia.Path().moveTo(*tips[0]).quadTo(x + 0.13, y, *tips[1])
        if brush.outline:
            canvas.drawPath(wood, brush.paint("ink", 0.036 + 2 * brush.outline))
        canvas.drawPath(wood, brush.paint("b4622c", 0.036))
        brush.line(canvas, "f3e2b6", 0.016, hand, (x + 0.17, y))
        brush.shape(canvas, polygon((x + 0.25, y), (x + 0.16, y - 0.04), (x + 0.16, y + 0.04)),
                    "c9d2de")  # fmt: skip

    return Prop(before=before)


@PROPS.add("staff")
def staff(brush: Brush) -> Prop:
    """A pointed hat, and a staff with a glowing stone."""
    hat = skia.Path().moveTo(-0.95, -0.55).quadTo(-0.55, -1.5, -0.5, -2.4)
    hat.quadTo(0.5, -1.5, 0.95, -0.55).close()

    def behind(canvas: skia.Canvas, joints: Joints, pose: Pose) -> None:
        hand = joints.arm_r[2]
        foot = beyond(hand, pose.grip, -0.45)
        brush.line(canvas, "8a5a34", 0.035, foot, beyond(hand, pose.grip, 0.2))

    def before(canvas: skia.Canvas, joints: Joints, pose: Pose) -> None:
        stone = beyond(joints.arm_r[2], pose.grip, 0.24)
        glow = 0.13 + 0.03 * math.sin(pose.prop_y)
        canvas.drawCircle(*stone, glow, brush.paint("7af0ff", alpha=0.35))
        brush.shape(canvas, oval(*stone, 0.06, 0.06), "5ce0ff")
        canvas.drawCircle(stone[0] - 0.015, stone[1] - 0.02, 0.02, brush.paint("ffffff"))
        radius = math.dist(joints.head, joints.neck) / 0.92
        canvas.save()
        canvas.translate(*joints.head)
        canvas.rotate(math.degrees(pose.lean * 0.6 + pose.head))
        canvas.scale(radius, radius)
        small = Brush(brush.style, brush.outline / radius)
        small.shape(canvas, hat, "5a3aa8")
        small.shape(canvas, oval(0, -0.6, 1.6, 0.26), "5a3aa8")
        canvas.drawLine(-0.8, -0.85, 0.8, -0.85, small.paint("f2c84a", 0.22))
        canvas.restore()

    return Prop(behind, before)


@PROPS.add("spear")
def spear(brush: Brush) -> Prop:
    """A long spear through both hands."""
    point = polygon((0.2, -0.045), (0.36, 0.0), (0.2, 0.045))

    def before(canvas: skia.Canvas, joints: Joints, pose: Pose) -> None:
        with held(canvas, joints.arm_r[2], pose.grip):
            brush.line(canvas, "9a6434", 0.028, (-0.5, 0.0), (0.2, 0.0))
            brush.shape(canvas, point, "dfe8f2")
            brush.shape(canvas, oval(0.18, 0.0, 0.03, 0.045), "e03a3a")

    return Prop(before=before)
