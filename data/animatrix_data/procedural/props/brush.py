"""What props are and what they are drawn with: flat shapes in the style's colours and outline."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import skia

from animatrix_data.procedural.character import Joints
from animatrix_data.procedural.colour import WHITE, fill, mix, rgb, stroke
from animatrix_data.procedural.motion import Pose
from animatrix_data.procedural.paths import Point
from animatrix_data.procedural.registry import Registry
from animatrix_data.procedural.styles import Style
from animatrix_data.procedural.volumes import Tones, ball, flipped, rod, tones

SHADED = 0.14
"""The width of the cel shadow on a shape, beside its smaller side."""
THIN = 0.55
"""The widest outline of a line, beside its width."""


class Brush:
    """Draws shapes in a style; lengths are figure heights, `outline` its line's width in them."""

    def __init__(self, style: Style, outline: float) -> None:
        self.style = style
        self.outline = outline
        self._paints: dict[tuple[str, float, float], skia.Paint] = {}
        self._lit: dict[str, Tones] = {}

    def paint(self, code: str, width: float = 0.0, alpha: float = 1.0) -> skia.Paint:
        """Return the paint of a graded colour (hexadecimal, or "ink"): a fill, or a stroke."""
        key = (code, width, alpha)
        if key not in self._paints:
            colour = self.style.ink if code == "ink" else self.style.figure(rgb(code))
            self._paints[key] = stroke(colour, width, alpha) if width else fill(colour, alpha)
        return self._paints[key]

    def shape(self, canvas: skia.Canvas, path: skia.Path, code: str) -> None:
        """Draw a filled shape, lit from the upper left as the style does, with its outline."""
        if self.outline:
            canvas.drawPath(path, self.paint("ink", 2 * self.outline))
        bounds = path.getBounds()
        if self.style.volume:
            canvas.drawPath(path, ball(self._tones(code), bounds, flipped(canvas)))
            return
        if not self.style.shade:
            canvas.drawPath(path, self.paint(code))
            return
        canvas.drawPath(path, self._dark(code))
        canvas.save()
        canvas.clipPath(path, doAntiAlias=True)
        step = SHADED * min(bounds.width(), bounds.height())
        canvas.translate(-step, -step)
        canvas.drawPath(path, self.paint(code))
        canvas.restore()

    def line(self, canvas: skia.Canvas, code: str, width: float, *points: Point) -> None:
        """Draw a thick line through points, outlined (a thin one more finely)."""
        path = skia.Path().moveTo(*points[0])
        for point in points[1:]:
            path.lineTo(*point)
        if self.outline:
            edge = min(self.outline, THIN * width)
            canvas.drawPath(path, self.paint("ink", width + 2 * edge))
        paint = self.paint(code, width)
        if self.style.volume:
            paint = rod(self._tones(code), points[0], points[-1], width, flipped(canvas))
        canvas.drawPath(path, paint)

    def _tones(self, code: str) -> Tones:
        if code not in self._lit:
            self._lit[code] = tones(self.style, self.style.figure(rgb(code)))
        return self._lit[code]

    def _dark(self, code: str) -> skia.Paint:
        """Return the paint of a colour in the cel shadow."""
        key = (code, -1.0, 1.0)
        if key not in self._paints:
            colour = self.style.figure(rgb(code))
            self._paints[key] = fill(mix(colour, self.style.shadow, self.style.shade))
        return self._paints[key]

    def lit(self, code: str, share: float = 0.4) -> str:
        """Return the code of a colour mixed with white."""
        mixed = mix(rgb(code), WHITE, share)
        return "".join(f"{round(255 * part):02x}" for part in mixed)


Draw = Callable[[skia.Canvas, Joints, Pose], None]


@dataclass(frozen=True)
class Prop:
    """A thing on the figure's plane: what is drawn behind and before the figure."""

    behind: Draw | None = None
    before: Draw | None = None


NO_PROP = Prop()
PROPS: Registry[Callable[[Brush], Prop]] = Registry("prop")


def oval(x: float, y: float, wide: float, tall: float) -> skia.Path:
    """Return an oval about a centre, of half axes `wide` and `tall`."""
    return skia.Path().addOval(skia.Rect(x - wide, y - tall, x + wide, y + tall))


def box(left: float, top: float, right: float, bottom: float, round_: float = 0.0) -> skia.Path:
    """Return a rectangle with rounded corners."""
    return skia.Path().addRoundRect(skia.Rect(left, top, right, bottom), round_, round_)


@contextmanager
def held(canvas: skia.Canvas, at: Point, angle: float) -> Iterator[None]:
    """Put the origin at a point for a while, the x axis along an angle (as limbs have them)."""
    canvas.save()
    canvas.translate(*at)
    canvas.rotate(90 - math.degrees(angle))
    yield
    canvas.restore()


@contextmanager
def level(canvas: skia.Canvas, joints: Joints, pose: Pose) -> Iterator[None]:
    """Undo the figure's roll for a while, for what stays level with the world."""
    canvas.save()
    canvas.rotate(-math.degrees(pose.spin), *joints.hip)
    yield
    canvas.restore()
