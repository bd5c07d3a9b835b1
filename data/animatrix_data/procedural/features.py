"""The features of a face: where eyes, brows, mouth and marks are, and their drawing in turn."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import skia

from animatrix_data.procedural import eyes, marks, mouths
from animatrix_data.procedural.colour import mix, rgb
from animatrix_data.procedural.expressions import Look, Offset
from animatrix_data.procedural.eyes import draw_brief_eye, draw_brow
from animatrix_data.procedural.face import EYES, FACES, MOUTHS, Paint, Palette, Spot, fill, stroke
from animatrix_data.procedural.motion import Pose
from animatrix_data.procedural.mouths import draw_brief_mouth
from animatrix_data.procedural.registry import Registry
from animatrix_data.procedural.volumes import flipped

SPACING, LEVEL = 0.4, 0.25
"""How far the eyes are from the middle of the face, across and down."""
LIPS = 0.7
"""How far the mouth is below the middle of the face."""
BROW = -0.46
"""How far a brow at rest is below its eye's centre."""
WIDTH = 0.255
"""Half the width of an eye that shows more than a small plain face's."""
EDGE = 0.86
"""Beyond this across the face an eye is turned away."""
PAINTERS = (eyes, mouths, marks)
"""The modules that paint; importing them files their painters."""
PROFILE = 0.3
"""The cosine of a turn below which the far one of two large eyes is not seen."""
ASKANCE = 0.8
"""The sine of a turn beyond which large eyes are narrowed further."""
BLUSH = rgb("f2707a")
NOWHERE: Offset = (0.0, 0.0)


def brief(spot: Spot) -> bool:
    """Return whether a face is drawn with the few strokes of a small one without emotion."""
    face = spot.expression
    return not (spot.fine or face.brows or face.marks)


def survey(
    canvas: skia.Canvas, pose: Pose, look: Look, palette: Palette, scale: float, fine: bool
) -> Spot:
    """Return what the painters of a face are told in common, for a pose and a look.

    `scale` is the size of the eyes beside a drawn figure's.
    """
    side, front = math.sin(pose.turn), max(math.cos(pose.turn), 0.0)
    shift, rise = 0.42 * side, -0.13 * look.expression.pitch
    spacing = SPACING + 0.1 * (scale - 1.0)
    large = fine or look.expression.brows
    places: list[Offset | None] = []
    for sign in (-1, 1):
        x = shift + sign * spacing * (0.35 + 0.65 * front)
        hidden = abs(x) > EDGE or (large and front < PROFILE and sign * side > 0)
        places.append(None if hidden else (x, LEVEL + rise))
    return Spot(
        side=0,
        size=WIDTH * scale,
        narrow=1.0 - 0.3 * abs(side),
        open=pose.mouth,
        expression=look.expression,
        palette=palette,
        fine=fine,
        mirrored=flipped(canvas) < 0,
        eyes=(places[0], places[1]),
        mouth=(shift * 1.05, LIPS + 0.9 * rise),
    )


def draw_features(
    canvas: skia.Canvas, face: Spot, side: float, parts: Mapping[str, Offset]
) -> None:
    """Draw eyes, cheeks, nose and mouth; `side` is the sine of the head's turn."""
    for sign, name, eye in zip((-1, 1), ("eye_l", "eye_r"), face.eyes, strict=True):
        if eye is None:
            continue
        dx, dy = parts.get(name, NOWHERE)
        narrow = max(0.35, 1 - 0.55 * max(0.0, sign * side))
        if not brief(face) and abs(side) > ASKANCE:
            narrow *= 1 - 1.2 * (abs(side) - ASKANCE)
        one, at = replace(face, side=sign, narrow=narrow), (eye[0] + dx, eye[1] + dy)
        _draw_part(canvas, one, at, face.expression.eyes, EYES, draw_brief_eye)
        _draw_cheek(canvas, face, eye[0] + sign * 0.1)
    if face.fine:
        _draw_nose(canvas, face, side)
    dx, dy = parts.get("mouth", NOWHERE)
    mouth, at = replace(face, size=0.3), (face.mouth[0] + dx, face.mouth[1] + dy)
    _draw_part(canvas, mouth, at, face.expression.mouth, MOUTHS, draw_brief_mouth)


def _draw_part(
    canvas: skia.Canvas,
    spot: Spot,
    at: Offset,
    name: str,
    painters: Registry[Paint],
    draw_brief: Callable[[skia.Canvas, Spot, Offset], None],
) -> None:
    """Draw an eye or the mouth at a place, by the name of its painter."""
    if brief(spot) and name == "plain":
        # On a canvas that is moved or narrowed, its ovals would be rounded another way.
        draw_brief(canvas, spot, at)
        return
    canvas.save()
    canvas.translate(*at)
    canvas.scale(spot.narrow, 1)
    painters[name](canvas, spot)
    canvas.restore()


def _draw_cheek(canvas: skia.Canvas, face: Spot, x: float) -> None:
    if brief(face):
        canvas.drawCircle(x, 0.6, 0.14, fill(BLUSH, 0.35))
        return
    y, blush = face.mouth[1] - 0.12, face.expression.blush
    wide, tall = 0.17 + 0.05 * blush, 0.085 + 0.035 * blush
    canvas.drawOval(skia.Rect(x - wide, y - tall, x + wide, y + tall),
                    fill(BLUSH, 0.22 + 0.5 * blush))  # fmt: skip


def _draw_nose(canvas: skia.Canvas, face: Spot, side: float) -> None:
    """Draw a hint of a nose, on the side to which the face is turned."""
    x, y = face.mouth[0] * 1.12, face.mouth[1] - 0.22
    lean = 0.05 if side >= 0 else -0.05
    path = skia.Path().moveTo(x + 0.3 * lean, y - 0.07).lineTo(x + lean, y + 0.01)
    path.lineTo(x - 0.2 * lean, y + 0.025)
    canvas.drawPath(path, stroke(mix(face.palette.skin, face.palette.shadow, 0.6), 0.035))


def draw_brows(canvas: skia.Canvas, face: Spot, side: float, parts: Mapping[str, Offset]) -> None:
    """Draw the brows, over the fringe."""
    for sign, name, eye in zip((-1, 1), ("brow_l", "brow_r"), face.eyes, strict=True):
        if eye is None:
            continue
        dx, dy = parts.get(name, NOWHERE)
        canvas.save()
        canvas.translate(eye[0] + dx, eye[1] + BROW + dy)
        canvas.scale(max(0.35, 1 - 0.55 * max(0.0, sign * side)), 1)
        draw_brow(canvas, replace(face, side=sign))
        canvas.restore()


def draw_marks(canvas: skia.Canvas, face: Spot, stage: str) -> None:
    """Draw the marks of a stage."""
    for name in face.expression.marks:
        mark = FACES[name]
        if mark.stage == stage:
            mark.paint(canvas, face)
