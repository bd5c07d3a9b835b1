"""The figure: a jointed body drawn in its own unit (its height), outlined by the style."""

from __future__ import annotations

import math
from dataclasses import dataclass

import skia

from animatrix_data.procedural.clothes import Clothes
from animatrix_data.procedural.colour import fill, mix, rgb, stroke
from animatrix_data.procedural.content import HAIR_COLOURS, OUTFIT_COLOURS, SKIN, Content
from animatrix_data.procedural.expressions import Look
from animatrix_data.procedural.head import Head
from animatrix_data.procedural.limbs import Limb, Limbs
from animatrix_data.procedural.motion import Pose
from animatrix_data.procedural.paths import Point
from animatrix_data.procedural.styles import Style
from animatrix_data.procedural.timing import Build
from animatrix_data.procedural.volumes import column, flipped, soft, tones

FINE_HEAD, FINE_FRAME = 24.0, 100.0
"""The radius of a head and the height of a frame, in pixels, from either of which figures are
drawn in detail."""
FINE_LINE = 0.62
"""The share of the outline's width that leaves the detail of a figure to be seen."""


def shows_detail(head: float, frame: float) -> bool:
    """Return whether figures are drawn in detail, for a head's radius and a frame's height (px)."""
    return head >= FINE_HEAD or frame >= FINE_FRAME


@dataclass(frozen=True)
class Joints:
    """Joint positions of one drawing in figure heights (feet of the rest pose at the origin)."""

    hip: Point
    neck: Point
    head: Point
    arm_l: Limb
    arm_r: Limb
    leg_l: Limb
    leg_r: Limb

    def keypoints(self) -> dict[str, Point]:
        """Return the named points that a clip's truth records."""
        named = {"head": self.head, "neck": self.neck, "hip": self.hip}
        for limb, middle, end in (("arm", "elbow", "hand"), ("leg", "knee", "foot")):
            for side in "lr":
                points = getattr(self, f"{limb}_{side}")
                named[f"{middle}_{side}"], named[f"{end}_{side}"] = points[1], points[2]
        return named


def _reach(start: Point, first: float, length: float, second: float, end: float) -> Limb:
    middle = (start[0] + length * math.sin(first), start[1] + length * math.cos(first))
    tip = (middle[0] + end * math.sin(second), middle[1] + end * math.cos(second))
    return start, middle, tip


def joints(pose: Pose, build: Build) -> Joints:
    """Return the joints of a pose by forward kinematics; the lower foot touches the ground."""
    spread = build.hips * (0.35 + 0.35 * abs(math.cos(pose.turn)))
    origin_l, origin_r = (-spread, 0.0), (spread, 0.0)
    leg_l = _reach(origin_l, pose.leg_l, build.thigh, pose.leg_l - pose.knee_l, build.shin)
    leg_r = _reach(origin_r, pose.leg_r, build.thigh, pose.leg_r - pose.knee_r, build.shin)
    drop = max(leg_l[2][1], leg_r[2][1])
    hip = (pose.x, -drop - pose.lift)
    torso = build.neck - build.hip
    sin, cos = math.sin(pose.lean), math.cos(pose.lean)
    neck = (hip[0] + torso * sin, hip[1] - torso * cos)
    tilt = pose.lean * 0.6 + pose.head
    reach = build.head * 0.92
    head = (neck[0] + reach * math.sin(tilt), neck[1] - reach * math.cos(tilt))
    wide = build.shoulders * (0.45 + 0.55 * abs(math.cos(pose.turn)))
    low = 0.045
    shoulder_l = (neck[0] - wide * cos - low * sin, neck[1] - wide * sin + low * cos)
    shoulder_r = (neck[0] + wide * cos - low * sin, neck[1] + wide * sin + low * cos)

    def moved(limb: Limb) -> Limb:
        a, b, c = ((x + hip[0], y + hip[1]) for x, y in limb)
        return a, b, c

    return Joints(
        hip=hip,
        neck=neck,
        head=head,
        arm_l=_reach(
            shoulder_l, pose.arm_l, build.upper_arm, pose.arm_l + pose.elbow_l, build.forearm
        ),
        arm_r=_reach(
            shoulder_r, pose.arm_r, build.upper_arm, pose.arm_r + pose.elbow_r, build.forearm
        ),
        leg_l=moved(leg_l),
        leg_r=moved(leg_r),
    )


class Figure:
    """A figure of one content, style and build, with its paints made once.

    `outline` is the outline's width in figure heights; a `fine` figure is drawn in detail.
    """

    def __init__(
        self, content: Content, style: Style, build: Build, outline: float, fine: bool = False
    ) -> None:
        self.build = build
        self.fine = fine
        self.skirt = content.person == "girl"
        self.outline = outline
        outfit = style.figure(OUTFIT_COLOURS[content.outfit_colour])
        skin = style.figure(SKIN)
        hair = style.figure(HAIR_COLOURS[content.hair_colour])
        trousers = skin if self.skirt else style.figure(rgb("4a4f66"))
        colours = {"outfit": outfit, "skin": skin, "leg": trousers}
        self.limbs = Limbs(style, colours, build.limb, outline, self.fine)
        self.ink_body = stroke(style.ink, 2 * outline)
        self.cloth = fill(outfit)
        self.cloth_shade = None
        if style.shade and not style.volume:
            self.cloth_shade = fill(mix(outfit, style.shadow, style.shade))
        self.cloth_tones = tones(style, outfit) if style.volume else None
        self.rim = stroke(style.rim, 0.01 if self.fine else 0.022) if style.rim else None
        self.contact = soft(style.shadow, style.contact) if style.contact else None
        self.clothes = None
        if self.fine:
            self.clothes = Clothes(style, build, self.skirt, content.outfit_colour, colours)
        self.trail_head = stroke(hair, 1.9 * build.head, 0.6)
        self.trail_body = stroke(outfit, 0.1, 0.6)
        self.trail_body.setStyle(skia.Paint.kStrokeAndFill_Style)
        ring = outline / build.head
        self.head = Head(content, style, hair, skin, ring, build.hair_length, self.fine)

    def draw(
        self, canvas: skia.Canvas, pose: Pose, j: Joints, look: Look, before: Joints | None
    ) -> None:
        """Draw one drawing; `before` holds the joints of the drawing before it, for a trail."""
        flip = flipped(canvas)
        limbs = self.limbs
        limbs.set_outline(look.outline)
        self.ink_body.setStrokeWidth(2 * self.outline * look.outline)
        if self.contact is not None:
            self._draw_contact(canvas, j)
        self.head.draw_back(canvas, j.head, self.build.head, pose, look)
        if look.smear and before is not None:
            self._draw_smears(canvas, before, j, look.smear)
        if not pose.front:
            limbs.draw_arm(canvas, j.arm_l, limbs.far_sleeve, flip)
        limbs.draw_leg(canvas, j.leg_l, limbs.far_leg, flip)
        limbs.draw_leg(canvas, j.leg_r, limbs.leg, flip)
        self._draw_torso(canvas, pose, j, flip)
        raised = j.arm_r[2][1] < j.arm_r[0][1]
        if not raised:
            self._draw_near_arms(canvas, pose, j, flip)
        self.head.draw(canvas, j.head, self.build.head, pose, look)
        if raised:
            self._draw_near_arms(canvas, pose, j, flip)

    def silhouette(self, canvas: skia.Canvas, j: Joints, pose: Pose, paint: skia.Paint) -> None:
        """Draw the body's shape, fattened by the paint's stroke width, for a glow behind it."""
        path = skia.Path()
        for a, b, c in (j.arm_l, j.arm_r, j.leg_l, j.leg_r, (j.neck, j.hip, j.hip)):
            path.moveTo(*a).lineTo(*b).lineTo(*c)
        canvas.drawPath(path, paint)
        solid = skia.Paint(paint)
        solid.setStyle(skia.Paint.kStrokeAndFill_Style)
        canvas.drawCircle(*j.head, self.build.head * 1.05, solid)

    def draw_arm(self, canvas: skia.Canvas, points: Limb) -> None:
        """Draw an arm wherever it is."""
        self.limbs.draw_arm(canvas, points, self.limbs.sleeve, flipped(canvas))

    def _draw_near_arms(self, canvas: skia.Canvas, pose: Pose, j: Joints, flip: int) -> None:
        limbs = self.limbs
        if pose.front:
            limbs.draw_arm(canvas, j.arm_l, limbs.far_sleeve, flip)
        limbs.draw_arm(canvas, j.arm_r, limbs.sleeve, flip)
        if self.fine:
            limbs.join_arm(canvas, j.arm_r[0], j.neck)

    def _draw_torso(self, canvas: skia.Canvas, pose: Pose, j: Joints, flip: int) -> None:
        narrow = 0.55 + 0.45 * abs(math.cos(pose.turn))
        top = self.build.shoulders * narrow
        low = self.build.hips * narrow * (0.95 if self.skirt else 1.05)
        sin, cos = math.sin(pose.lean), math.cos(pose.lean)
        (nx, ny), (hx, hy) = j.neck, j.hip

        def around(base: Point, side: float, down: float) -> Point:
            return base[0] + side * cos - down * sin, base[1] + side * sin + down * cos

        path = skia.Path().moveTo(*around((nx, ny), -top, 0.025))
        path.lineTo(*around((nx, ny), top, 0.025))
        hem = 0.03
        if self.skirt:
            path.lineTo(*around((hx, hy), low * 0.8, -0.1))
            flare = low * 1.55
            hem = self.build.thigh * 0.55
            drift = pose.sway * 0.06
            right = (hx + flare + drift, hy + hem)
            left = (hx - flare + drift, hy + hem)
            path.lineTo(*right).quadTo(hx + drift, hy + hem * 1.25, *left)
            path.lineTo(*around((hx, hy), -low * 0.8, -0.1))
        else:
            path.lineTo(*around((hx, hy), low, hem)).lineTo(*around((hx, hy), -low, hem))
        path.close()
        if self.outline:
            canvas.drawPath(path, self.ink_body)
        lit = self.cloth_tones and column(self.cloth_tones, path.getBounds(), flip)
        canvas.drawPath(path, lit or self.cloth)
        if self.cloth_shade is not None:
            shade = skia.Path().moveTo(*around((nx, ny), -top, 0.025))
            shade.lineTo(*around((nx, ny), -top * 0.15, 0.04))
            shade.lineTo(hx - low * 0.2, hy + hem)
            shade.lineTo(hx - low * (1.5 if self.skirt else 1.0), hy + hem)
            shade.lineTo(*around((hx, hy), -low * 0.85, -0.1)).close()
            canvas.drawPath(shade, self.cloth_shade)
        if self.rim is not None:
            edge = around((nx, ny), top, 0.03), around((hx, hy), low * 0.9, -0.05)
            canvas.drawLine(*edge[0], *edge[1], self.rim)
        if self.clothes is not None:
            self.clothes.draw(canvas, pose, j.neck)

    def _draw_contact(self, canvas: skia.Canvas, j: Joints) -> None:
        """Draw the soft shadow under the feet, weaker the higher they are."""
        (xl, yl), (xr, yr) = j.leg_l[2], j.leg_r[2]
        near = max(0.0, 1.0 + 4.0 * max(yl, yr))
        if not near:
            return
        canvas.save()
        canvas.translate((xl + xr) / 2 + 0.3 * self.build.limb, 0.4 * self.build.limb)
        limb = self.build.limb
        canvas.scale(near * (abs(xl - xr) / 2 + 2.6 * limb), near * 0.75 * limb)
        canvas.drawCircle(0, 0, 1, self.contact)
        canvas.restore()

    def _draw_smears(
        self, canvas: skia.Canvas, before: Joints, now: Joints, strength: float
    ) -> None:
        """Draw translucent trails from where the head, body and limbs were to where they are."""
        self.trail_head.setAlphaf(0.6 * strength)
        self.trail_body.setAlphaf(0.6 * strength)
        if max(math.dist(before.head, now.head), math.dist(before.hip, now.hip)) > 0.03:
            canvas.drawLine(*before.head, *now.head, self.trail_head)
            canvas.drawPath(
                skia.Path.Polygon(
                    [skia.Point(*p) for p in (before.neck, before.hip, now.hip, now.neck)], True
                ),
                self.trail_body,
            )
        for limb, paint in (
            ("arm_l", self.limbs.sleeve.flat),
            ("arm_r", self.limbs.sleeve.flat),
            ("leg_l", self.limbs.leg.flat),
            ("leg_r", self.limbs.leg.flat),
        ):
            c0 = getattr(before, limb)[2]
            _, b1, c1 = getattr(now, limb)
            if math.dist(c0, c1) < 0.05:
                continue
            fan = skia.Path().moveTo(*b1).lineTo(*c1)
            middle = ((c0[0] + c1[0]) / 2, (c0[1] + c1[1]) / 2)
            bow = 1.25
            control = (b1[0] + (middle[0] - b1[0]) * bow, b1[1] + (middle[1] - b1[1]) * bow)
            fan.quadTo(*control, *c0).close()
            veil = skia.Paint(paint)
            veil.setStyle(skia.Paint.kStrokeAndFill_Style)
            veil.setStrokeWidth(0.035)
            veil.setAlphaf(0.75 * strength)
            canvas.drawPath(fan, veil)
