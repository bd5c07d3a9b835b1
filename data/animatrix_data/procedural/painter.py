"""A painter: records one background layer in the style and light of a clip."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import skia

from animatrix_data.procedural.colour import Rgb, fill, mix, stroke, vertical
from animatrix_data.procedural.content import LIGHTS
from animatrix_data.procedural.styles import Style

EXTENT = 2.4
"""Half the width and height, in frame heights, that a layer is painted over."""


class Painter:
    """Draws graded, outlined shapes into a recording; y points down, the frame is 1 high."""

    def __init__(self, style: Style, light: str, rng: np.random.Generator) -> None:
        self.style = style
        self.light = light
        self.rng = rng
        self._recorder = skia.PictureRecorder()
        bounds = skia.Rect(-EXTENT, -EXTENT, EXTENT, EXTENT)
        self.canvas: skia.Canvas = self._recorder.beginRecording(bounds)
        width = style.scenery_outline
        self.ink = stroke(style.ink, width) if width else None

    def finish(self) -> skia.Picture:
        """Return what was drawn as a picture to be replayed."""
        return self._recorder.finishRecordingAsPicture()

    def colour(self, base: Rgb) -> Rgb:
        """Return a colour graded by the style and the light."""
        tint, share = LIGHTS[self.light]
        return mix(self.style.scenery(base), tint, share * self.style.light_share)

    def shape(self, path: skia.Path, base: Rgb) -> None:
        """Fill a path (ink wash: fading into the paper) and outline it."""
        colour = self.colour(base)
        if self.style.wash:
            box = path.getBounds()
            paper = mix(colour, self.style.wash, 0.75)
            paint = vertical(colour, paper, box.top(), box.bottom())
        else:
            paint = fill(colour)
        self.canvas.drawPath(path, paint)
        if self.ink:
            self.canvas.drawPath(path, self.ink)

    def polygon(self, points: Sequence[tuple[float, float]], base: Rgb) -> None:
        """Paint a closed polygon."""
        self.shape(skia.Path.Polygon([skia.Point(*p) for p in points], True), base)

    def box(self, x0: float, y0: float, x1: float, y1: float, base: Rgb) -> None:
        """Paint a rectangle."""
        self.shape(skia.Path.Rect(skia.Rect(x0, y0, x1, y1)), base)

    def disc(self, x: float, y: float, radius: float, base: Rgb) -> None:
        """Paint a disc."""
        self.shape(skia.Path.Circle(x, y, radius), base)

    def oval(self, x: float, y: float, wide: float, tall: float, base: Rgb) -> None:
        """Paint an ellipse of half-axes wide and tall."""
        self.shape(skia.Path.Oval(skia.Rect(x - wide, y - tall, x + wide, y + tall)), base)

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

    def spots(self, step: float, jitter: float = 0.3) -> list[float]:
        """Return places along the layer, a step apart, each moved by a share of the step."""
        xs = np.arange(-EXTENT, EXTENT, step)
        return [float(x) for x in xs + self.rng.uniform(-jitter, jitter, len(xs)) * step]
