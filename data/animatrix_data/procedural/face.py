"""What paints the parts of a face: the registries of eyes, mouths and marks, and what they know.

All painters draw in head radii, y down, on a canvas that is already placed, narrowed by the turn
of the head, and mirrored where the figure faces left. An effect files its own painters here and
sets them by name: `replace(look.expression, eyes="spiral")`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import skia

from animatrix_data.procedural import colour
from animatrix_data.procedural.colour import Rgb
from animatrix_data.procedural.expressions import Expression, Offset
from animatrix_data.procedural.registry import Registry


@dataclass(frozen=True)
class Palette:
    """The colours of a face in a style, and `line`, the width of its lines in head radii."""

    ink: Rgb
    skin: Rgb
    shadow: Rgb
    hair: Rgb
    iris: Rgb
    line: float


@dataclass(frozen=True)
class Spot:
    """What a painter of a part is told.

    side: −1 for the eye on the left of an unmirrored drawing, 1 on the right, 0 for what is no
    eye; eyes: the centres of the eyes that are seen (left, right; None turned away) and mouth: the
    mouth's, both from the canvas's origin for marks, which is the middle of the face; size: half
    the width of the eye or the mouth; narrow: how far the turn of the head has already narrowed
    the canvas; open: how far the pose opens the mouth, 0 to 1; fine: whether the face is large
    enough in pixels for detail; mirrored: whether the canvas is, for what must be read as writing.
    """

    side: int
    size: float
    narrow: float
    open: float
    expression: Expression
    palette: Palette
    fine: bool
    mirrored: bool
    eyes: tuple[Offset | None, Offset | None]
    mouth: Offset


Paint = Callable[[skia.Canvas, Spot], None]


@dataclass(frozen=True)
class Mark:
    """Something over a face: its painter, and when it is painted.

    stage: "skin" before the features and "face" after them, both clipped to the face; "head" last,
    over the fringe, not clipped. The canvas's origin is the middle of the head (the face reaches
    from −0.9 to 0.9 across and to 1.02 down).
    """

    paint: Paint
    stage: str


EYES: Registry[Paint] = Registry("eyes")
"""Painters of one eye: the origin is its centre; a plain eye fills about ±`size` across and
±1.25 `size` down."""
MOUTHS: Registry[Paint] = Registry("mouth")
"""Painters of the mouth: the origin is its middle; a plain wide mouth fills about ±`size`."""
FACES: Registry[Mark] = Registry("mark of a face")
"""What is painted over a face, in the order of `Expression.marks`."""


@lru_cache(maxsize=512)
def fill(rgb: Rgb, alpha: float = 1.0) -> skia.Paint:
    """Return a fill paint that is kept; do not change it."""
    return colour.fill(rgb, alpha)


@lru_cache(maxsize=512)
def stroke(rgb: Rgb, width: float, alpha: float = 1.0) -> skia.Paint:
    """Return a stroke paint with round ends that is kept; do not change it."""
    return colour.stroke(rgb, width, alpha)
