"""The stage: the layers of a place, what all places share, and the registry of places."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from animatrix_data.procedural.colour import rgb
from animatrix_data.procedural.painter import EXTENT, SPAN, Painter
from animatrix_data.procedural.registry import Registry

HORIZON = 0.12
GROUND = 0.24
"""Where far things meet the sea or the plain, and where the ground that figures stand on begins."""


@dataclass(frozen=True)
class Stage:
    """The painters of a place's layers; the style says what air and focus do to the far ones."""

    far: Painter
    mid: Painter
    ground: Painter
    near: Painter

    def __post_init__(self) -> None:
        """Put the air and the lens of the style before the far and the middle layer."""
        self.far.air = self.far.style.haze
        self.mid.air = 0.4 * self.mid.style.haze
        if self.far.fine and self.far.style.focus:
            # What is out of focus has no grain to be seen.
            self.far.blur, self.far.grain = self.far.style.focus, None


Place = Callable[[Stage], None]
PLACES: Registry[Place] = Registry("place")


def floor(painter: Painter, code: str, patch: str, step: float = 0.42) -> None:
    """Paint the ground with large patches."""
    painter.box(-SPAN, GROUND, SPAN, EXTENT, rgb(code))
    for x in painter.spots(step):
        y = float(painter.rng.uniform(GROUND + 0.07, GROUND + 0.24))
        painter.oval(x, y, 0.12, 0.035, rgb(patch))


def bushes(painter: Painter, code: str, step: float = 1.0) -> None:
    """Paint near bushes at the bottom of the frame, leaving the middle free."""
    for x in painter.spots(step, 0.1):
        painter.disc(x + step / 2, 0.56, 0.15, rgb(code))
