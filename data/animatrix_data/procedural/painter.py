"""A painter: records one background layer in the style and light of a clip."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import skia

from animatrix_data.procedural.colour import (
    WHITE,
    Rgb,
    fill,
    glow,
    linear,
    mix,
    radial,
    stroke,
    vertical,
)
from animatrix_data.procedural.content import LIGHTS
from animatrix_data.procedural.grain import grain_shader
from animatrix_data.procedural.paths import polygon
from animatrix_data.procedural.styles import Style

EXTENT = 2.4
"""Half the width and height, in frame heights, that a layer's things are painted over."""
SPAN = 6.0
"""Half the width that skies, walls and grounds are painted over, beyond any travel of a camera."""
FINE = 100
"""Pixels of frame height from which a layer shows its fine detail."""
THICK = 0.12
"""Shapes thinner than this (frame heights) are outlined more finely in a fine layer."""
WIDE = 2.0
"""Shapes wider than this (frame heights) are grounds and walls: lit by depth, not as volumes."""


class Strips:
    """Paths of small things by where they stand, so that a frame draws only those near it."""

    def __init__(self, count: int = 12) -> None:
        self.paths = [skia.Path() for _ in range(count)]

    def at(self, x: float) -> skia.Path:
        """Return the path that things at a place belong to."""
        share = (x + EXTENT) / (2 * EXTENT)
        return self.paths[min(len(self.paths) - 1, max(0, int(share * len(self.paths))))]


class Painter:
    """Draws graded, outlined shapes into a recording; y points down, the frame is 1 high.

    `detail` is the frame's height in pixels; from `FINE` on, shapes show the grain of the style
    and `fine` tells a place to draw small things, with `marks_rng`, so that the large ones stay
    where they are at any size. `air` in [0, 1] is the share of sky between the layer and the
    camera; `blur` is how far the layer is out of focus (standard deviation in frame heights).
    """

    def __init__(
        self, style: Style, light: str, rng: np.random.Generator, detail: float | None = None
    ) -> None:
        self.style = style
        self.light = light
        self.rng = rng
        self.fine = detail is not None and detail >= FINE
        self.marks_rng = rng.spawn(1)[0]
        self.air = 0.0
        self.blur = 0.0
        self._recorder = skia.PictureRecorder()
        self._bounds = skia.Rect(-SPAN, -SPAN, SPAN, SPAN)
        self.canvas: skia.Canvas = self._recorder.beginRecording(self._bounds)
        width = style.scenery_outline
        self.ink = stroke(style.ink, width) if width else None
        self.grain: skia.Paint | None = None
        if self.fine and style.grain:
            shader = grain_shader(
                style.grain, style.rim or WHITE, style.shadow, style.grain_strength
            )
            self.grain = skia.Paint(AntiAlias=True, Shader=shader)

    def finish(self) -> skia.Picture:
        """Return what was drawn as a picture to be replayed."""
        picture = self._recorder.finishRecordingAsPicture()
        if not self.blur:
            return picture
        canvas = self._recorder.beginRecording(self._bounds)
        lens = skia.ImageFilters.Blur(self.blur, self.blur, skia.TileMode.kClamp)
        canvas.saveLayer(None, skia.Paint(ImageFilter=lens))
        canvas.drawPicture(picture)
        canvas.restore()
        return self._recorder.finishRecordingAsPicture()

    def colour(self, base: Rgb) -> Rgb:
        """Return a colour graded by the style and the light, and seen through the air."""
        tint, share = LIGHTS[self.light]
        graded = mix(self.style.scenery(base), tint, share * self.style.light_share)
        return mix(graded, self.style.skies[self.light][1], self.air)

    def shape(self, path: skia.Path, base: Rgb, ball: bool = False) -> None:
        """Fill a path (ink wash: fading into the paper; a volume: lit) and outline it."""
        colour = self.colour(base)
        box = path.getBounds()
        if self.style.wash:
            paper = mix(colour, self.style.wash, 0.75)
            paint = vertical(colour, paper, box.top(), box.bottom())
        elif self.style.volume:
            self._cast_shadow(path, box)
            paint = self.lit(colour, box, ball)
        else:
            paint = fill(colour)
        self.canvas.drawPath(path, paint)
        self.surface(path)
        if self.style.gloss and ball:
            self._highlight(box)
        if self.ink:
            self.canvas.drawPath(path, self._contour(box))
        elif self.fine and self.style.brush:
            self.canvas.drawPath(path, self._brush(box))

    def surface(self, path: skia.Path, share: float = 1.0) -> None:
        """Lay the grain of the style over a path, where the layer is fine."""
        if self.grain:
            grain = skia.Paint(self.grain)
            grain.setAlphaf(share)
            self.canvas.drawPath(path, grain)

    def _contour(self, box: skia.Rect) -> skia.Paint:
        """Return the ink of a shape's outline, thinner about small shapes in a fine layer."""
        thin = min(box.width(), box.height()) / THICK if self.fine else 1.0
        return stroke(self.style.ink, self.style.scenery_outline * min(1.0, max(0.3, thin)))

    def _brush(self, box: skia.Rect) -> skia.Paint:
        """Return a brush full of ink at the top of a shape and dry at its foot."""
        ink = [skia.Color4f(*self.style.ink, a).toColor() for a in (0.85, 0.5, 0.0)]
        ends = [skia.Point(0, box.top()), skia.Point(0, min(box.bottom(), box.top() + 0.6))]
        paint = stroke(self.style.ink, self.style.brush)
        paint.setShader(skia.GradientShader.MakeLinear(ends, ink))
        return paint

    def _highlight(self, box: skia.Rect) -> None:
        """Set the reflection of the key light on a ball."""
        size = 0.2 * min(box.width(), box.height())
        x, y = box.left() + 0.33 * box.width(), box.top() + 0.26 * box.height()
        self.canvas.drawCircle(x, y, size, glow(WHITE, x, y, size, self.style.gloss))

    def lit(self, colour: Rgb, box: skia.Rect, ball: bool) -> skia.Paint:
        """Return a smooth shading of a box: light from the upper left, shadow at the lower right.

        What is no ball is lit as a column; a ground by its depth.
        """
        strength = self.style.volume
        light = mix(colour, WHITE, 0.45 * strength)
        dark = mix(colour, mix(self.style.shadow, colour, 0.25), 0.75 * strength)
        if box.width() > WIDE:
            return vertical(dark, light, box.top(), box.top() + 0.3)
        shades, opaque = (light, colour, dark), (1.0,) * 3
        if ball:
            centre = box.left() + 0.3 * box.width(), box.top() + 0.22 * box.height()
            return radial(0.8 * max(box.width(), box.height()), shades, opaque, centre)
        end = box.right(), box.top() + 0.4 * box.height()
        return linear(shades, opaque, (box.left(), box.top()), end)

    def _cast_shadow(self, path: skia.Path, box: skia.Rect) -> None:
        """Darken what lies behind a volume, to its lower right, where it keeps the light off."""
        if box.width() > WIDE or not self.style.contact:
            return
        shadow = fill(self.style.shadow, 0.45 * self.style.contact)
        self.canvas.save()
        self.canvas.translate(0.02, 0.014)
        self.canvas.drawPath(path, shadow)
        self.canvas.restore()

    def polygon(self, points: Sequence[tuple[float, float]], base: Rgb) -> None:
        """Paint a closed polygon."""
        self.shape(polygon(*points), base)

    def box(self, x0: float, y0: float, x1: float, y1: float, base: Rgb) -> None:
        """Paint a rectangle."""
        self.shape(skia.Path.Rect(skia.Rect(x0, y0, x1, y1)), base)

    def disc(self, x: float, y: float, radius: float, base: Rgb) -> None:
        """Paint a disc."""
        self.shape(skia.Path.Circle(x, y, radius), base, ball=True)

    def oval(self, x: float, y: float, wide: float, tall: float, base: Rgb) -> None:
        """Paint an ellipse of half-axes wide and tall."""
        oval = skia.Path.Oval(skia.Rect(x - wide, y - tall, x + wide, y + tall))
        self.shape(oval, base, ball=tall > 0.4 * wide)

    def ridge(self, base_y: float, height: float, step: float, base: Rgb, sharp: bool) -> None:
        """Paint a range of hills (or of sharp peaks) across the whole layer."""
        xs = np.arange(-EXTENT - step, EXTENT + 2 * step, step)
        tops = base_y - height * self.rng.uniform(0.45, 1.0, len(xs))
        path = skia.Path().moveTo(float(xs[0]), base_y + 0.6)
        for x, y in zip(xs, tops, strict=True):
            if sharp:
                path.lineTo(float(x), float(y))
                path.lineTo(float(x + step * 0.5), float(base_y - 0.1 * height))
            else:
                path.lineTo(float(x), base_y)
                path.quadTo(float(x + step / 2), float(2 * y - base_y), float(x + step), base_y)
        path.lineTo(float(xs[-1] + step), base_y + 0.6).close()
        self.shape(path, base)

    def marks(
        self, things: skia.Path | Strips, base: Rgb, alpha: float = 1.0, width: float = 0.0
    ) -> None:
        """Paint small things flat, without outline or grain; `width` strokes their lines."""
        colour = self.colour(base)
        paint = stroke(colour, width, alpha) if width else fill(colour, alpha)
        for path in things.paths if isinstance(things, Strips) else [things]:
            self.canvas.drawPath(path, paint)

    def spots(self, step: float, jitter: float = 0.3) -> list[float]:
        """Return places along the layer, a step apart, each moved by a share of the step."""
        xs = np.arange(-EXTENT, EXTENT, step)
        return [float(x) for x in xs + self.rng.uniform(-jitter, jitter, len(xs)) * step]
