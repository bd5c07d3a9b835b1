"""Limbs: arms, legs, hands and shoes of a figure, flat or lit as volumes, in figure heights."""

from __future__ import annotations

import math
from itertools import pairwise

import skia

from animatrix_data.procedural.colour import WHITE, Rgb, fill, mix, rgb, stroke
from animatrix_data.procedural.paths import Point
from animatrix_data.procedural.styles import Style
from animatrix_data.procedural.volumes import Tones, rod, tones

Limb = tuple[Point, Point, Point]
SHOE = rgb("5a3b3b")


def _hand() -> skia.Path:
    """Return a hand that points to the right, in widths of an arm: palm, fingers and thumb."""
    path = skia.Path().addOval(skia.Rect(-0.3, -0.46, 0.75, 0.46))
    for y, reach in ((-0.3, 1.0), (-0.1, 1.16), (0.1, 1.14), (0.3, 1.0)):
        path.addRRect(skia.RRect.MakeRectXY(skia.Rect(0.3, y - 0.13, reach, y + 0.13), 0.13, 0.13))
    thumb = skia.Path().addRRect(
        skia.RRect.MakeRectXY(skia.Rect(0.0, -0.14, 0.62, 0.14), 0.14, 0.14)
    )
    turn = skia.Matrix()
    turn.setRotate(-48)
    turn.postTranslate(0.12, -0.34)
    thumb.transform(turn)
    path.addPath(thumb)
    return skia.Simplify(path)


HAND = _hand()


class Cloth:
    """One colour of a limb: its flat stroke and, where the style lights volumes, its tones."""

    def __init__(self, style: Style, colour: Rgb, width: float, scatter: Rgb | None = None) -> None:
        self.width = width
        self.colour = colour
        self.flat = stroke(colour, width)
        self.tones: Tones | None = tones(style, colour, scatter) if style.volume else None

    def line(self, canvas: skia.Canvas, points: tuple[Point, ...], flip: int) -> None:
        """Draw a limb of this colour through some points."""
        if self.tones is None and len(points) == 2:
            canvas.drawLine(*points[0], *points[1], self.flat)
            return
        if self.tones is None:
            path = skia.Path().moveTo(*points[0])
            for point in points[1:]:
                path.lineTo(*point)
            canvas.drawPath(path, self.flat)
            return
        for start, end in pairwise(points):
            canvas.drawLine(*start, *end, rod(self.tones, start, end, self.width, flip))


class Limbs:
    """The limbs of a figure of one style and outfit; `limb` is an arm's width."""

    def __init__(
        self, style: Style, colours: dict[str, Rgb], limb: float, outline: float, fine: bool
    ) -> None:
        self.limb = limb
        self.outline = outline
        self.fine = fine
        self.ink = stroke(style.ink, limb + 2 * outline)
        self._finger = stroke(mix(colours["skin"], style.ink, 0.5), 0.06)
        self._hand_ink = stroke(style.ink, 2 * outline)
        self._far = 0.3 * style.shade + 0.1
        dim = mix(colours["outfit"], style.shadow, self._far)
        self.sleeve = Cloth(style, colours["outfit"], limb)
        self.far_sleeve = Cloth(style, dim, limb)
        self.skin = Cloth(style, colours["skin"], limb * 0.86, style.scatter)
        scatter = style.scatter if colours["leg"] == colours["skin"] else None
        dim = mix(colours["leg"], style.shadow, self._far)
        self.leg = Cloth(style, colours["leg"], limb * 1.05, scatter)
        self.far_leg = Cloth(style, dim, limb * 1.05, scatter)
        shoe = style.figure(SHOE)
        self.shoe = Cloth(style, shoe, limb * 1.15)
        self._sole = stroke(mix(shoe, style.ink, 0.6), 0.22 * limb)
        self._shoe_light = stroke(mix(shoe, WHITE, 0.45), 0.16 * limb)
        self._sock = stroke(mix(style.figure(WHITE), style.shadow, 0.08), limb * 1.1)
        self._seam = stroke(colours["outfit"], 0.8 * limb)
        self._cuff = stroke(mix(colours["outfit"], WHITE, 0.6), 0.2 * limb)
        self._bare = colours["leg"] == colours["skin"]

    def set_outline(self, factor: float) -> None:
        """Make the outline so many times as wide as the style's."""
        self.ink.setStrokeWidth(self.limb + 2 * self.outline * factor)
        self._hand_ink.setStrokeWidth(2 * self.outline * factor)

    def draw_arm(self, canvas: skia.Canvas, points: Limb, sleeve: Cloth, flip: int) -> None:
        """Draw an arm: forearm of skin under a sleeve, and on a large figure its hand."""
        a, b, c = points
        hand = self._hand(b, c) if self.fine else None
        if self.outline:
            if hand is not None:
                canvas.drawPath(hand, self._hand_ink)
            canvas.drawPath(skia.Path().moveTo(*a).lineTo(*b).lineTo(*c), self.ink)
        self.skin.line(canvas, (b, c), flip)
        sleeve.line(canvas, (a, b), flip)
        if hand is not None:
            self._draw_hand(canvas, hand, b, c)
            self._draw_cuff(canvas, a, b)

    def join_arm(self, canvas: skia.Canvas, shoulder: Point, neck: Point) -> None:
        """Paint over the outline between a near arm and the torso."""
        if self.outline:
            x, y = (s + 0.45 * (n - s) for s, n in zip(shoulder, neck, strict=True))
            canvas.drawLine(*shoulder, x, y + 0.1 * self.limb, self._seam)

    def _draw_cuff(self, canvas: skia.Canvas, a: Point, b: Point) -> None:
        length = math.hypot(b[0] - a[0], b[1] - a[1]) or 1.0
        dx, dy = (b[0] - a[0]) / length, (b[1] - a[1]) / length
        x, y, half = b[0] + 0.12 * self.limb * dx, b[1] + 0.12 * self.limb * dy, 0.38 * self.limb
        canvas.drawLine(x - half * dy, y + half * dx, x + half * dy, y - half * dx, self._cuff)

    def _hand(self, b: Point, c: Point) -> skia.Path:
        """Return a half-open hand at the end of a forearm."""
        path = skia.Path(HAND)
        place = skia.Matrix()
        place.setScale(self.limb, self.limb)
        place.postRotate(math.degrees(math.atan2(c[1] - b[1], c[0] - b[0])))
        place.postTranslate(*c)
        path.transform(place)
        return path

    def _draw_hand(self, canvas: skia.Canvas, hand: skia.Path, b: Point, c: Point) -> None:
        canvas.drawPath(hand, fill(self.skin.colour))
        canvas.save()
        canvas.translate(*c)
        canvas.rotate(math.degrees(math.atan2(c[1] - b[1], c[0] - b[0])))
        canvas.scale(self.limb, self.limb)
        for y in (-0.2, 0.0, 0.2):
            canvas.drawLine(0.7, y, 0.95, y, self._finger)
        canvas.restore()

    def draw_leg(self, canvas: skia.Canvas, points: Limb, cloth: Cloth, flip: int) -> None:
        """Draw a leg and its shoe."""
        a, b, c = points
        toe = (c[0] + self.limb * 0.55, c[1])
        if self.outline:
            canvas.drawPath(skia.Path().moveTo(*a).lineTo(*b).lineTo(*c).lineTo(*toe), self.ink)
        cloth.line(canvas, (a, b, c), flip)
        if self.fine and self._bare:
            high = c[0] + 0.4 * (b[0] - c[0]), c[1] + 0.4 * (b[1] - c[1])
            canvas.drawLine(*high, *c, self._sock)
        self.shoe.line(canvas, (c, toe), flip)
        if self.fine:
            low = c[1] + 0.46 * self.limb
            reach = 0.25 * self.limb
            canvas.drawLine(c[0] - reach, low, toe[0] + reach, low, self._sole)
            canvas.drawLine(c[0] + 0.2 * self.limb, c[1] - 0.3 * self.limb,
                            toe[0], c[1] - 0.25 * self.limb, self._shoe_light)  # fmt: skip
