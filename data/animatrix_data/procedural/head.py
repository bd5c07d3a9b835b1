"""The head: face and hair in units of the head's radius, turned by the pose."""

from __future__ import annotations

import math

import skia

from animatrix_data.procedural.colour import WHITE, Rgb, fill, mix, rgb, stroke
from animatrix_data.procedural.content import Content
from animatrix_data.procedural.motion import Pose
from animatrix_data.procedural.registry import Registry
from animatrix_data.procedural.styles import Style

BACK_HAIR: Registry[skia.Path] = Registry("hair")


def _long() -> skia.Path:
    path = skia.Path().moveTo(-1.1, -0.3)
    path.cubicTo(-1.2, -1.5, 1.2, -1.5, 1.1, -0.3)
    path.cubicTo(1.25, 0.6, 1.2, 1.6, 1.45, 2.5)
    path.lineTo(0.75, 2.25).lineTo(0.0, 2.6).lineTo(-0.75, 2.25).lineTo(-1.45, 2.5)
    return path.cubicTo(-1.2, 1.6, -1.25, 0.6, -1.1, -0.3).close()


def _short() -> skia.Path:
    path = skia.Path().moveTo(-1.12, -0.2)
    path.cubicTo(-1.2, -1.5, 1.2, -1.5, 1.12, -0.2)
    return (
        path.cubicTo(1.3, 0.3, 1.3, 0.7, 0.95, 0.95)
        .lineTo(-0.95, 0.95)
        .cubicTo(-1.3, 0.7, -1.3, 0.3, -1.12, -0.2)
        .close()
    )


def _twin_tails() -> skia.Path:
    path = _short()
    for side in (-1, 1):
        path.moveTo(side * 0.8, -0.75)
        path.cubicTo(side * 1.9, -1.1, side * 2.4, 0.9, side * 1.75, 2.1)
        path.cubicTo(side * 1.5, 1.5, side * 1.0, 0.8, side * 0.8, -0.75).close()
    path.setFillType(skia.PathFillType.kWinding)
    return path


def _spiky() -> skia.Path:
    points = [(-1.0, 0.6), (-1.5, 0.1), (-1.15, -0.2), (-1.55, -0.85), (-0.95, -0.85),
              (-0.75, -1.6), (-0.2, -1.15), (0.3, -1.7), (0.6, -1.1), (1.35, -1.3),
              (1.15, -0.6), (1.6, -0.2), (1.2, 0.1), (1.0, 0.6)]  # fmt: skip
    return skia.Path.Polygon([skia.Point(*p) for p in points], True)


BACK_HAIR.add("long")(_long())
BACK_HAIR.add("short")(_short())
BACK_HAIR.add("twin-tailed")(_twin_tails())
BACK_HAIR.add("spiky")(_spiky())


def _face() -> skia.Path:
    path = skia.Path().moveTo(-0.9, -0.2)
    path.cubicTo(-0.9, -1.1, 0.9, -1.1, 0.9, -0.2)
    path.cubicTo(0.95, 0.5, 0.5, 0.95, 0.0, 1.02)
    return path.cubicTo(-0.5, 0.95, -0.95, 0.5, -0.9, -0.2).close()


def _bangs() -> skia.Path:
    path = skia.Path().moveTo(-1.12, 0.25)
    path.cubicTo(-1.3, -1.55, 1.3, -1.55, 1.12, 0.25)
    path.lineTo(0.84, -0.4).lineTo(0.48, -0.14).lineTo(0.2, -0.46).lineTo(-0.18, -0.1)
    return path.lineTo(-0.5, -0.46).lineTo(-0.86, -0.1).close()


CROWN = -1.2
FACE, BANGS = _face(), _bangs()
SHINE = skia.Path().moveTo(-0.62, -0.72).quadTo(0.0, -1.0, 0.62, -0.72)


class Head:
    """A head of one content and style; `outline` is in head radii.

    `length` scales long hair, which a chibi wears shorter.
    """

    def __init__(
        self,
        content: Content,
        style: Style,
        hair: Rgb,
        skin: Rgb,
        outline: float,
        length: float,
    ) -> None:
        self.length = length
        self.back = BACK_HAIR[content.hair]
        self.long = content.hair in ("long", "twin-tailed")
        self.ink = stroke(style.ink, 2 * outline) if outline else None
        self.hair = fill(hair)
        self.hair_back = fill(mix(hair, style.shadow, 0.25 if style.shade else 0.12))
        self.skin = fill(skin)
        self.shine = stroke(mix(hair, WHITE, 0.55), 0.16) if style.shade else None
        self.rim = stroke(style.rim, 0.14) if style.rim else None
        self.eye = fill(style.ink)
        self.iris = fill(mix(hair, rgb("6a7ab8"), 0.6))
        self.glint = fill(WHITE)
        self.blush = fill(rgb("f2707a"), 0.35)
        self.mouth = fill(mix(style.ink, rgb("c0404a"), 0.6))

    def draw_back(
        self, canvas: skia.Canvas, at: tuple[float, float], radius: float, pose: Pose
    ) -> None:
        """Draw the hair that lies behind the body (or, seen from behind, over it)."""
        if math.cos(pose.turn) > -0.2:
            self._draw_hair(canvas, at, radius, pose)

    def draw(self, canvas: skia.Canvas, at: tuple[float, float], radius: float, pose: Pose) -> None:
        """Draw the face and the fringe, or the back of the head."""
        if math.cos(pose.turn) <= -0.2:
            self._draw_hair(canvas, at, radius, pose)
            return
        canvas.save()
        self._place(canvas, at, radius, pose)
        side = math.sin(pose.turn)
        canvas.save()
        canvas.translate(0.2 * side, 0.08)
        if self.ink:
            canvas.drawPath(FACE, self.ink)
        canvas.drawPath(FACE, self.skin)
        self._draw_features(canvas, side, math.cos(pose.turn), pose)
        canvas.restore()
        canvas.save()
        canvas.translate(0.08 * side, 0)
        if self.ink:
            canvas.drawPath(BANGS, self.ink)
        canvas.drawPath(BANGS, self.hair)
        if self.shine:
            canvas.drawPath(SHINE, self.shine)
        if self.rim:
            canvas.drawArc(skia.Rect(-1.05, -1.15, 1.05, 1.0), -75, 70, False, self.rim)
        canvas.restore()
        canvas.restore()

    def _place(
        self, canvas: skia.Canvas, at: tuple[float, float], radius: float, pose: Pose
    ) -> None:
        canvas.translate(*at)
        canvas.rotate(math.degrees(pose.lean * 0.6 + pose.head))
        canvas.scale(radius, radius)

    def _draw_hair(
        self, canvas: skia.Canvas, at: tuple[float, float], radius: float, pose: Pose
    ) -> None:
        canvas.save()
        self._place(canvas, at, radius, pose)
        if self.long:
            canvas.skew(pose.sway * 0.8 * self.length, 0)
            canvas.translate(0, CROWN)
            canvas.scale(1, self.length)
            canvas.translate(0, -CROWN)
        canvas.translate(-0.1 * math.sin(pose.turn), 0)
        if self.ink:
            canvas.drawPath(self.back, self.ink)
        canvas.drawPath(self.back, self.hair_back)
        canvas.restore()

    def _draw_features(self, canvas: skia.Canvas, side: float, front: float, pose: Pose) -> None:
        shift = 0.42 * side
        for sign in (-1, 1):
            away = max(0.35, 1 - 0.55 * max(0.0, sign * side))
            x = shift + sign * 0.4 * (0.35 + 0.65 * max(front, 0.0))
            if abs(x) > 0.86:
                continue
            canvas.drawOval(skia.Rect(x - 0.17 * away, 0.0, x + 0.17 * away, 0.5), self.eye)
            canvas.drawOval(skia.Rect(x - 0.1 * away, 0.22, x + 0.1 * away, 0.46), self.iris)
            canvas.drawCircle(x - 0.04, 0.13, 0.085, self.glint)
            canvas.drawCircle(x + sign * 0.1, 0.6, 0.14, self.blush)
        wide, tall = 0.13 + 0.06 * pose.mouth, 0.05 + 0.16 * pose.mouth
        x = shift * 1.05
        canvas.drawOval(skia.Rect(x - wide, 0.7 - tall / 2, x + wide, 0.7 + tall), self.mouth)
