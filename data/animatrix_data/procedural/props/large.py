"""Props that stand, roll or flow about the figure: furniture, water, instruments, mounts."""

from __future__ import annotations

import math

import skia

from animatrix_data.procedural.character import Joints
from animatrix_data.procedural.motion import Pose
from animatrix_data.procedural.paths import polygon
from animatrix_data.procedural.props.brush import (
    PROPS,
    Brush,
    Prop,
    box,
    held,
    level,
    oval,
)


@PROPS.add("stool")
def stool(brush: Brush) -> Prop:
    """A round stool under the hip."""

    def behind(canvas: skia.Canvas, joints: Joints, pose: Pose) -> None:
        x, y = joints.hip
        seat, ground = y + 0.045, -pose.lift
        for side in (-1, 1):
            brush.line(canvas, "8f5a30", 0.035, (x - 0.02 + 0.07 * side, seat),
                       (x - 0.02 + 0.11 * side, ground + 0.02))  # fmt: skip
        brush.shape(canvas, box(x - 0.16, seat - 0.03, x + 0.12, seat + 0.035, 0.02), "d08a48")

    return Prop(behind=behind)


@PROPS.add("updraught")
def updraught(brush: Brush) -> Prop:
    """Streaks of air rushing upward past a falling figure."""
    places = ((-0.5, 0.1), (-0.3, 0.65), (-0.1, 0.35), (0.14, 0.9), (0.33, 0.2), (0.52, 0.55))

    def behind(canvas: skia.Canvas, joints: Joints, pose: Pose) -> None:
        with level(canvas, joints, pose):
            x, y = joints.hip
            for k, (across, start) in enumerate(places):
                top = 0.5 - 1.25 * ((start + pose.prop_y / math.pi) % 1.0)
                paint = brush.paint("ffffff" if k % 2 else "5a78c8", 0.022, 0.8)
                canvas.drawLine(x + across, y + top, x + across, y + top - 0.3, paint)

    return Prop(behind=behind)


@PROPS.add("ladder")
def ladder(brush: Brush) -> Prop:
    """A tall ladder that the figure faces, seen from behind."""

    def behind(canvas: skia.Canvas, joints: Joints, pose: Pose) -> None:
        for side in (-0.17, 0.17):
            brush.line(canvas, "c98a48", 0.04, (side, 0.02), (side, -1.6))
        for k in range(11):
            y = -0.06 - 0.145 * k
            brush.line(canvas, "e0a860", 0.032, (-0.17, y), (0.17, y))

    return Prop(behind=behind)


@PROPS.add("cape")
def cape(brush: Brush) -> Prop:
    """A red cape from the shoulders, trailing and waving."""

    def behind(canvas: skia.Canvas, joints: Joints, pose: Pose) -> None:
        x, y = joints.neck
        wave = 0.06 * pose.prop_x
        path = skia.Path().moveTo(x + 0.04, y + 0.02).lineTo(x - 0.1, y + 0.03)
        a, b = math.sin(2 * pose.prop_y), math.cos(2 * pose.prop_y)
        path.cubicTo(x - 0.26, y + 0.15, x - 0.16 + wave * a, y + 0.3, x - 0.34 + wave * b,
                     y + 0.56)  # fmt: skip
        path.quadTo(x - 0.16 - wave * a, y + 0.6, x - 0.02 + wave * a, y + 0.5).close()
        brush.shape(canvas, path, "e0303a")

    return Prop(behind=behind)


@PROPS.add("water")
def water(brush: Brush) -> Prop:
    """A sheet of water from the figure's waist down, with running waves and foam."""

    def before(canvas: skia.Canvas, joints: Joints, pose: Pose) -> None:
        with level(canvas, joints, pose):
            x, y = joints.hip[0], joints.hip[1] + 0.02
            surface = skia.Path().moveTo(x - 2.5, y + 1.6)
            crest = skia.Path()
            for k in range(33):
                across = -2.5 + 5 * k / 32
                height = 0.028 * math.sin(9 * across - pose.prop_y)
                surface.lineTo(x + across, y + height)
                (crest.lineTo if k else crest.moveTo)(x + across, y + height)
            surface.lineTo(x + 2.5, y + 1.6).close()
            canvas.drawPath(surface, brush.paint("2c8ad8", alpha=0.78))
            canvas.drawPath(crest, brush.paint("f4fcff", 0.035, 0.95))
            for k in range(5):
                drift = (0.37 * k + 0.08 * pose.prop_y) % 1.2 - 0.6
                at = x - drift, y + 0.12 + 0.07 * k
                canvas.drawLine(*at, at[0] + 0.16, at[1], brush.paint("bfe8ff", 0.02, 0.8))
            for k in range(4):
                rise = 0.08 * abs(math.sin(pose.prop_y + k))
                drop = x - 0.5 + 0.05 * k, y - rise - 0.03
                canvas.drawCircle(*drop, 0.028, brush.paint("f4fcff", alpha=0.9))

    return Prop(before=before)


@PROPS.add("desk")
def desk(brush: Brush) -> Prop:
    """A slanted writing desk with a sheet of paper, and a long pen in the hand."""

    def before(canvas: skia.Canvas, joints: Joints, pose: Pose) -> None:
        x, y = joints.hip[0] + 0.13, joints.hip[1] - 0.075
        brush.shape(canvas, box(x + 0.03, y + 0.05, x + 0.31, -0.01), "8a5230")
        top = polygon(
            (x - 0.02, y + 0.06), (x + 0.36, y - 0.05), (x + 0.36, y), (x - 0.02, y + 0.11)
        )
        brush.shape(canvas, top, "b87444")
        sheet = polygon((x + 0.03, y + 0.03), (x + 0.3, y - 0.05), (x + 0.34, y - 0.035),
                        (x + 0.07, y + 0.045))  # fmt: skip
        brush.shape(canvas, sheet, "ffffff")
        with held(canvas, joints.arm_r[2], pose.grip):
            brush.line(canvas, "f2c230", 0.026, (-0.05, 0.0), (0.15, 0.0))
            canvas.drawCircle(-0.06, 0.0, 0.016, brush.paint("ink"))
        brush.shape(canvas, oval(*joints.arm_r[2], 0.032, 0.03), "ffd9bd")

    return Prop(before=before)


@PROPS.add("pompoms")
def pompoms(brush: Brush) -> Prop:
    """A bunch of streamers in each hand."""
    tuft = skia.Path()
    for k in range(24):
        radius = 0.11 if k % 2 else 0.075
        angle = math.pi * k / 12
        point = radius * math.cos(angle), radius * math.sin(angle)
        (tuft.lineTo if k else tuft.moveTo)(*point)
    tuft.close()

    def before(canvas: skia.Canvas, joints: Joints, pose: Pose) -> None:
        for hand, code in ((joints.arm_l[2], "ff5aa0"), (joints.arm_r[2], "ffd23c")):
            canvas.save()
            canvas.translate(*hand)
            canvas.rotate(20 * math.sin(2 * pose.prop_y))
            brush.shape(canvas, tuft, code)
            canvas.drawCircle(0, 0, 0.035, brush.paint(brush.lit(code)))
            canvas.restore()

    return Prop(before=before)


@PROPS.add("guitar")
def guitar(brush: Brush) -> Prop:
    """A guitar across the body, its neck up to the left; hands on top of it."""
    body = skia.Path().addCircle(0.06, 0.0, 0.125)
    body.addCircle(-0.1, 0.0, 0.09)

    def before(canvas: skia.Canvas, joints: Joints, pose: Pose) -> None:
        (x, y), hand = joints.hip, joints.arm_l[2]
        centre = (x + 0.06, y - 0.1)
        slope = math.degrees(math.atan2(centre[1] - hand[1], centre[0] - hand[0]))
        reach = math.dist(centre, hand)
        canvas.save()
        canvas.translate(*centre)
        canvas.rotate(slope)
        brush.line(canvas, "7a4a2a", 0.036, (-reach - 0.1, 0.0), (-0.1, 0.0))
        brush.shape(canvas, box(-reach - 0.16, -0.032, -reach - 0.07, 0.032, 0.01), "5a3420")
        body.setFillType(skia.PathFillType.kWinding)
        brush.shape(canvas, body, "e8862c")
        canvas.drawCircle(-0.02, 0.0, 0.042, brush.paint("4a2a1c"))
        canvas.drawLine(-reach, 0.0, 0.12, 0.0, brush.paint("fff2d0", 0.012))
        canvas.restore()
        brush.line(canvas, "ffd9bd", 0.045, joints.arm_r[1], joints.arm_r[2])
        brush.shape(canvas, oval(*hand, 0.035, 0.035), "ffd9bd")

    return Prop(before=before)


@PROPS.add("ball")
def ball(brush: Brush) -> Prop:
    """A basketball at a height over the ground, beside the foot, with its shadow."""

    def before(canvas: skia.Canvas, joints: Joints, pose: Pose) -> None:
        x, y = joints.hip[0] + 0.1 + pose.prop_x, -0.085 - pose.prop_y
        canvas.drawOval(skia.Rect(x - 0.08, -0.01, x + 0.08, 0.02), brush.paint("ink", alpha=0.3))
        brush.shape(canvas, oval(x, y, 0.09, 0.09), "f07c28")
        canvas.drawArc(skia.Rect(x - 0.16, y - 0.08, x, y + 0.08), -62, 124, False,
                       brush.paint("ink", 0.012))  # fmt: skip
        canvas.drawLine(x - 0.085, y, x + 0.085, y, brush.paint("ink", 0.012))

    return Prop(before=before)


@PROPS.add("pony")
def pony(brush: Brush) -> Prop:
    """A pony under the rider, its legs at a gallop."""

    def behind(canvas: skia.Canvas, joints: Joints, pose: Pose) -> None:
        x, y = joints.hip[0], joints.hip[1] + 0.08
        swing = pose.prop_x * math.sin(pose.prop_y)
        legs = ((-0.22, -swing, "9a5c34"), (0.14, swing, "9a5c34"),
                (-0.16, swing, "b9733f"), (0.2, -swing, "b9733f"))  # fmt: skip
        tail = skia.Path().moveTo(x - 0.25, y - 0.06)
        tail.cubicTo(x - 0.42, y - 0.1, x - 0.4, y + 0.1, x - 0.46 + 0.08 * swing, y + 0.18)
        tail.quadTo(x - 0.3, y + 0.12, x - 0.25, y + 0.03).close()
        brush.shape(canvas, tail, "5a3420")
        for across, angle, code in legs:
            knee = x + across + 0.12 * math.sin(angle), y + 0.15
            foot = knee[0] + 0.1 * math.sin(1.4 * angle) - 0.03, min(0.0, y + 0.3)
            brush.line(canvas, code, 0.055, (x + across, y + 0.04), knee, foot)
        brush.shape(canvas, oval(x - 0.01, y, 0.28, 0.125), "b9733f")
        neck = polygon((x + 0.14, y - 0.06), (x + 0.26, y - 0.26), (x + 0.36, y - 0.2),
                       (x + 0.27, y + 0.05))  # fmt: skip
        brush.shape(canvas, neck, "b9733f")
        with held(canvas, (x + 0.33, y - 0.23), 1.25):
            brush.shape(canvas, oval(0.06, 0.0, 0.12, 0.065), "b9733f")
            canvas.drawCircle(0.06, -0.015, 0.015, brush.paint("ink"))
        mane = polygon((x + 0.1, y - 0.09), (x + 0.22, y - 0.31), (x + 0.3, y - 0.29),
                       (x + 0.2, y - 0.08))  # fmt: skip
        brush.shape(canvas, mane, "5a3420")
        brush.shape(canvas, box(x - 0.12, y - 0.13, x + 0.12, y - 0.05, 0.03), "d03a3a")

    def before(canvas: skia.Canvas, joints: Joints, pose: Pose) -> None:
        x, y = joints.hip[0], joints.hip[1] + 0.08
        canvas.drawLine(*joints.arm_r[2], x + 0.4, y - 0.2, brush.paint("ink", 0.016))

    return Prop(behind, before)


@PROPS.add("dash lines")
def dash_lines(brush: Brush) -> Prop:
    """Short streaks of air and puffs of dust behind a low dash."""
    rows = ((-0.62, 0.0), (-0.48, 0.4), (-0.33, 0.15), (-0.18, 0.6))

    def behind(canvas: skia.Canvas, joints: Joints, pose: Pose) -> None:
        x = joints.hip[0]
        for height, start in rows:
            shift = 0.14 * ((start + pose.prop_y / math.pi) % 1.0)
            paint = brush.paint("ffffff", 0.03, 0.9)
            canvas.drawLine(x - 0.24 - shift, height, x - 0.52 - shift, height, paint)
        for k in range(3):
            age = (k / 3 + pose.prop_y / (2 * math.pi)) % 1.0
            at = x - 0.2 - 0.35 * age, -0.03 - 0.05 * age
            brush.shape(canvas, oval(*at, 0.04 + 0.04 * age, 0.035 + 0.03 * age), "efe2c8")

    return Prop(behind=behind)


@PROPS.add("gift")
def gift(brush: Brush) -> Prop:
    """A wrapped gift, prop_x along the way from this figure's hands to the other's."""

    def before(canvas: skia.Canvas, joints: Joints, pose: Pose) -> None:
        hand = joints.arm_r[2]
        x, y = hand[0] + 0.06 + pose.prop_x, hand[1] - 0.04
        brush.shape(canvas, box(x - 0.085, y - 0.09, x + 0.085, y + 0.07, 0.012), "f2597f")
        canvas.drawRect(skia.Rect(x - 0.02, y - 0.09, x + 0.02, y + 0.07), brush.paint("fff3c4"))
        for side in (-1, 1):
            loop = oval(x + 0.035 * side, y - 0.115, 0.035, 0.025)
            brush.shape(canvas, loop, "fff3c4")

    return Prop(before=before)
