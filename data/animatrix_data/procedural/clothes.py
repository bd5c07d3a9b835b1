"""Clothes in detail, for figures that are large in pixels: collars, buttons, ribbons, pleats."""

from __future__ import annotations

import math

import skia

from animatrix_data.procedural.colour import WHITE, Rgb, fill, mix, rgb, stroke
from animatrix_data.procedural.motion import Pose
from animatrix_data.procedural.styles import Style
from animatrix_data.procedural.timing import Build

ACCENTS: dict[str, Rgb] = {
    "red": rgb("ffd34d"),
    "blue": rgb("ff5a5f"),
    "green": rgb("ff9d3a"),
    "yellow": rgb("e0483e"),
    "purple": rgb("ffd34d"),
    "white": rgb("3a62d8"),
}
"""The colour of ribbons and buttons by that of the outfit."""


class Clothes:
    """What lies on a torso: lengths are figure heights, measured from the neck down."""

    def __init__(
        self, style: Style, build: Build, skirt: bool, outfit: str, colours: dict[str, Rgb]
    ) -> None:
        self.build = build
        self.skirt = skirt
        cloth, skin = colours["outfit"], colours["skin"]
        pale = mix(style.figure(WHITE), cloth, 0.08)
        dark = mix(cloth, mix(style.shadow, style.ink, 0.3), 0.45)
        thin = 0.05 * build.limb
        self._skin = fill(mix(skin, style.shadow, 0.2))
        self._collar = fill(pale if cloth != style.figure(WHITE) else mix(cloth, style.shadow, 0.2))
        self._edge = stroke(dark, 1.6 * thin, 0.8)
        self._fold = stroke(dark, 1.8 * thin, 0.5)
        self._accent = fill(style.figure(ACCENTS[outfit]))
        self._accent_dark = fill(mix(style.figure(ACCENTS[outfit]), style.shadow, 0.35))
        self._belt = stroke(mix(style.figure(rgb("3a2d28")), style.ink, 0.2), 0.4 * build.limb)

    def draw(self, canvas: skia.Canvas, pose: Pose, neck: tuple[float, float]) -> None:
        """Draw the details of the front; of a back that is turned to the camera, its folds."""
        front = math.cos(pose.turn)
        top = self.build.shoulders * (0.55 + 0.45 * abs(front))
        long = self.build.neck - self.build.hip
        x = 0.6 * top * math.sin(pose.turn)
        canvas.save()
        canvas.translate(*neck)
        canvas.rotate(math.degrees(pose.lean))
        if front > -0.2:
            self._draw_collar(canvas, x, top, long)
            if self.skirt:
                self._draw_ribbon(canvas, x, 0.3 * long)
            else:
                self._draw_buttons(canvas, x, long)
        self._draw_folds(canvas, x, top, long)
        canvas.restore()

    def _draw_collar(self, canvas: skia.Canvas, x: float, top: float, long: float) -> None:
        high, low, wide = 0.022, 0.3 * long, 0.62 * top
        opening = skia.Path().moveTo(x - 0.62 * wide, high).lineTo(x, 0.85 * low)
        canvas.drawPath(opening.lineTo(x + 0.62 * wide, high).close(), self._skin)
        for side in (-1, 1):
            flap = skia.Path().moveTo(x + side * 0.5 * wide, high).lineTo(x, low)
            flap.lineTo(x + side * 0.72 * wide, low * (0.95 if self.skirt else 0.7))
            flap.lineTo(x + side * wide, high).close()
            canvas.drawPath(flap, self._collar)
            canvas.drawPath(flap, self._edge)

    def _draw_ribbon(self, canvas: skia.Canvas, x: float, y: float) -> None:
        size = 0.5 * self.build.shoulders
        for side in (-1, 1):
            tail = skia.Path().moveTo(x, y).lineTo(x + side * 0.55 * size, y + 1.05 * size)
            canvas.drawPath(tail.lineTo(x + side * 0.12 * size, y + 0.95 * size).close(),
                            self._accent_dark)  # fmt: skip
            wing = skia.Path().moveTo(x, y).lineTo(x + side * size, y - 0.42 * size)
            wing.quadTo(x + side * 1.12 * size, y, x + side * 0.95 * size, y + 0.42 * size)
            canvas.drawPath(wing.close(), self._accent)
            canvas.drawPath(wing, self._edge)
        canvas.drawCircle(x, y, 0.22 * size, self._accent_dark)

    def _draw_buttons(self, canvas: skia.Canvas, x: float, long: float) -> None:
        canvas.drawLine(x, 0.32 * long, x, long, self._fold)
        for share in (0.45, 0.65, 0.85):
            canvas.drawCircle(x, share * long, 0.16 * self.build.limb, self._accent)

    def _draw_folds(self, canvas: skia.Canvas, x: float, top: float, long: float) -> None:
        """Draw the belt of trousers, or the waist and the pleats of a skirt."""
        narrow = top / self.build.shoulders * self.build.hips
        if not self.skirt:
            canvas.drawLine(-0.95 * narrow, long, 0.95 * narrow, long, self._belt)
            canvas.drawCircle(x, long, 0.2 * self.build.limb, self._accent)
            return
        waist = long - 0.1
        canvas.drawLine(-0.66 * narrow, waist, 0.66 * narrow, waist, self._fold)
        hem = long + 0.42 * self.build.thigh
        for share in (-0.55, -0.2, 0.2, 0.55):
            canvas.drawLine(share * narrow, waist + 0.015, 1.9 * share * narrow, hem, self._fold)
