"""The head: face and hair in units of the head's radius, turned by the pose."""

from __future__ import annotations

import math
from functools import lru_cache

import skia

from animatrix_data.procedural.colour import WHITE, Rgb, fill, linear, mix, rgb, stroke
from animatrix_data.procedural.content import Content
from animatrix_data.procedural.expressions import Look, Offset
from animatrix_data.procedural.face import Palette, Spot
from animatrix_data.procedural.features import (
    brief,
    draw_brows,
    draw_features,
    draw_marks,
    survey,
)
from animatrix_data.procedural.hair import (
    BACK_HAIR,
    CROWN,
    FACE,
    FALLS,
    FINE_FRINGE,
    FINE_SHINE,
    FRINGE,
    NAPE,
    SHINE,
    STRANDS,
)
from animatrix_data.procedural.motion import Pose
from animatrix_data.procedural.styles import Style
from animatrix_data.procedural.volumes import ball, column, flipped, soft, tones

Lit = tuple[skia.Paint, skia.Paint, skia.Paint]
TURNED = 0.4
"""The sine of a turn from which an eye may reach beyond the face."""
EYE_COLOURS: dict[str, Rgb] = {
    "black": rgb("8a52d8"),
    "blonde": rgb("2f86e6"),
    "red": rgb("2faa62"),
    "blue": rgb("e8963a"),
    "pink": rgb("a03fc8"),
    "green": rgb("d8a02a"),
}
"""The irises of a large face by the colour of the hair."""


class Head:
    """A head of one content and style; `outline` is in head radii.

    `length` scales long hair, which a chibi wears shorter; `fine` heads are large enough in pixels
    for detail.
    """

    def __init__(
        self,
        content: Content,
        style: Style,
        hair: Rgb,
        skin: Rgb,
        outline: float,
        length: float,
        fine: bool = False,
    ) -> None:
        self.length = length
        self.fine = fine
        self.outline = outline
        self.shape = content.hair
        self.long = content.hair in ("long", "twin-tailed")
        self.eye_scale = style.eye_scale
        iris = mix(hair, rgb("6a7ab8"), 0.6)
        if fine:
            iris = style.figure(EYE_COLOURS[content.hair_colour])
        self.palette = Palette(style.ink, skin, style.shadow, hair, iris, outline)
        self._ink = stroke(style.ink, 2 * outline)
        self._cast = fill(mix(skin, style.shadow, 0.45), 0.55)
        self._make_hair(style, hair)
        self._lit = {flip: self._light(style, hair, skin, flip) for flip in (1, -1)}

    def _make_hair(self, style: Style, hair: Rgb) -> None:
        """Make the paints of what lies on the hair."""
        self._shine = stroke(mix(hair, WHITE, 0.55), 0.16) if style.shade else None
        self._gloss = fill(mix(hair, WHITE, 0.6), 0.55 if style.shade else 0.4)
        self._strand = stroke(mix(hair, style.ink, 0.45), 0.03, 0.4 if style.volume else 1.0)
        self._rim = stroke(style.rim, 0.06 if self.fine else 0.14) if style.rim else None
        self._spark = soft(WHITE, 0.75 * style.gloss) if style.volume else None

    def _light(self, style: Style, hair: Rgb, skin: Rgb, flip: int) -> Lit:
        """Return the paints of skin, fringe and back hair on a canvas mirrored (−1) or not (1)."""
        back = mix(hair, style.shadow, 0.25 if style.shade else 0.12)
        if style.volume:
            return (
                ball(tones(style, skin, style.scatter), skia.Rect(-0.95, -1.1, 0.95, 1.05), flip),
                ball(tones(style, hair), skia.Rect(-1.2, -1.35, 1.2, 0.7), flip),
                column(tones(style, back), skia.Rect(-1.3, -1.3, 1.3, 2.4), flip),
            )
        fringe = fill(hair)
        if self.fine:
            fringe = _hung(mix(hair, style.shadow, 0.12), hair, mix(hair, WHITE, 0.14))
        return fill(skin), fringe, fill(back)

    def draw_back(
        self, canvas: skia.Canvas, at: Offset, radius: float, pose: Pose, look: Look
    ) -> None:
        """Draw the hair that lies behind the body, unless the head is seen from behind."""
        self._ink.setStrokeWidth(2 * self.outline * look.outline)
        if math.cos(pose.turn) > -0.2:
            self._draw_hair(canvas, at, radius, pose)

    def draw(self, canvas: skia.Canvas, at: Offset, radius: float, pose: Pose, look: Look) -> None:
        """Draw the face and the fringe, or the back of the head."""
        if math.cos(pose.turn) <= -0.2:
            self._draw_hair(canvas, at, radius, pose)
            if self.fine:
                self._draw_nape(canvas, at, radius, pose)
            return
        side = math.sin(pose.turn)
        skin, fringe, _ = self._lit[flipped(canvas)]
        canvas.save()
        self._place(canvas, at, radius, pose)
        canvas.save()
        canvas.translate(0.2 * side, 0.08)
        if self.outline:
            canvas.drawPath(FACE, self._ink)
        canvas.drawPath(FACE, skin)
        face = survey(canvas, pose, look, self.palette, self.eye_scale, self.fine)
        parts = dict(look.parts)
        self._draw_marks(canvas, face, "skin")
        if self.fine:
            canvas.drawPath(_cast(round(side, 1)), self._cast)
        if not parts:
            canvas.save()
            if abs(side) > TURNED and not brief(face):
                canvas.clipPath(FACE, doAntiAlias=True)
            draw_features(canvas, face, side, parts)
            canvas.restore()
        self._draw_marks(canvas, face, "face")
        canvas.restore()
        self._draw_fringe(canvas, side, fringe)
        canvas.translate(0.2 * side, 0.08)
        if parts:
            # What has drifted is to be seen, wherever it is.
            draw_features(canvas, face, side, parts)
        if not brief(face):
            draw_brows(canvas, face, side, parts)
            draw_marks(canvas, face, "head")
        canvas.restore()

    def _draw_marks(self, canvas: skia.Canvas, face: Spot, stage: str) -> None:
        """Draw the marks of a stage within the face."""
        if face.expression.marks:
            canvas.save()
            canvas.clipPath(FACE, doAntiAlias=True)
            draw_marks(canvas, face, stage)
            canvas.restore()

    def _place(self, canvas: skia.Canvas, at: Offset, radius: float, pose: Pose) -> None:
        canvas.translate(*at)
        canvas.rotate(math.degrees(pose.lean * 0.6 + pose.head))
        canvas.scale(radius, radius)

    def _draw_hair(self, canvas: skia.Canvas, at: Offset, radius: float, pose: Pose) -> None:
        canvas.save()
        self._place(canvas, at, radius, pose)
        if self.long:
            canvas.skew(pose.sway * 0.8 * self.length, 0)
            canvas.translate(0, CROWN)
            canvas.scale(1, self.length)
            canvas.translate(0, -CROWN)
        canvas.translate(-0.1 * math.sin(pose.turn), 0)
        back = BACK_HAIR[self.shape]
        if self.outline:
            canvas.drawPath(back, self._ink)
        canvas.drawPath(back, self._lit[flipped(canvas)][2])
        if self.fine and self.shape in FALLS:
            canvas.drawPath(FALLS[self.shape], self._strand)
        canvas.restore()

    def _draw_fringe(self, canvas: skia.Canvas, side: float, hair: skia.Paint) -> None:
        canvas.save()
        canvas.translate(0.08 * side, 0)
        fringe = FINE_FRINGE if self.fine else FRINGE
        if self.outline:
            canvas.drawPath(fringe, self._ink)
        canvas.drawPath(fringe, hair)
        if self.fine:
            canvas.drawPath(STRANDS, self._strand)
        if self._spark or self.fine:
            self._draw_gloss(canvas)
        elif self._shine:
            canvas.drawPath(SHINE, self._shine)
        if self._rim:
            canvas.drawArc(skia.Rect(-1.05, -1.15, 1.05, 1.0), -75, 70, False, self._rim)
        canvas.restore()

    def _draw_nape(self, canvas: skia.Canvas, at: Offset, radius: float, pose: Pose) -> None:
        """Draw strands and light on the back of a large head."""
        canvas.save()
        self._place(canvas, at, radius, pose)
        canvas.drawPath(NAPE, self._strand)
        self._draw_gloss(canvas)
        canvas.restore()

    def _draw_gloss(self, canvas: skia.Canvas) -> None:
        """Set light on the hair: a ring, or the key light's reflection on a volume."""
        if self._spark is None:
            canvas.drawPath(FINE_SHINE, self._gloss)
            return
        canvas.save()
        canvas.translate(-0.42 * flipped(canvas), -0.82)
        canvas.rotate(-24 * flipped(canvas))
        canvas.scale(0.36, 0.2)
        canvas.drawCircle(0, 0, 1, self._spark)
        canvas.restore()


@lru_cache(maxsize=32)
def _cast(side: float) -> skia.Path:
    """Return the shadow of the fringe on a face turned by an angle of some sine."""
    shadow = skia.Path(FINE_FRINGE)
    shadow.offset(-0.12 * side, 0.02)
    return skia.Op(shadow, FACE, skia.PathOp.kIntersect_PathOp)


def _hung(top: Rgb, middle: Rgb, bottom: Rgb) -> skia.Paint:
    """Return the paint of fine hair, from the crown to the tips of the fringe."""
    return linear((top, middle, bottom), (1.0,) * 3, (0, -1.2), (0, 0.3))
