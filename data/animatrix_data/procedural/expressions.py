"""Emotion on the face: what the parts of a face do."""

from __future__ import annotations

from dataclasses import dataclass

from animatrix_data.procedural.registry import Registry

Offset = tuple[float, float]


@dataclass(frozen=True)
class Expression:
    """The state of a face; lengths are head radii.

    eyes: how the eyes are drawn (a key of `EYES`); the rest is added as faces learn more.
    """

    eyes: str = "plain"


@dataclass(frozen=True)
class Look:
    """How a figure is drawn at a frame beyond its pose.

    expression: of the face; outline: factor of the outline's width; parts: how far parts of the
    face are from their place (by name: eye_l, eye_r, mouth, brow_l, brow_r), in head radii;
    smear: strength of the trail that fast limbs leave, 0 to 1.
    """

    expression: Expression = Expression()
    outline: float = 1.0
    parts: tuple[tuple[str, Offset], ...] = ()
    smear: float = 0.0


EMOTIONS: Registry[Expression] = Registry("Emotion")
FACE_SHOTS = ("Extreme Close-Up", "Close-Up", "Medium Shot")
"""The shot scales in which an emotion can be read off the face."""
