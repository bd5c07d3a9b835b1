"""Steady paths of a camera: a slide, or a growth or a roll about the middle of the frame.

Each is eased, and may end early and hold.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from animatrix_data.procedural.oracles.evidence import Trail
from animatrix_data.procedural.oracles.registration import Real

LENGTHS = (1.0, 0.7, 0.4)
"""The shares of a clip's time that a steady path takes."""
LEAST, FARTHEST = 2.0, 110.0
"""A path that travels less (pixels) is none, nor one that travels farther, as rain does."""
ARM = 45.0
"""Pixels from the middle where a growth or a roll is measured as a step."""


@dataclass(frozen=True)
class Steady:
    """A path of one kind ("slide", "growth", "roll"), the share of the time that it takes, and its
    extent: pixels as x + iy, a logarithm, or radians times i."""

    kind: str
    length: float
    extent: complex

    def trail(self, count: int, height: int) -> Trail:
        """Return the path over so many frames of a height."""
        progress = eased(count, self.length)
        if self.kind == "slide":
            shift = np.asarray(self.extent * progress / height, np.complex128)
            return Trail(np.ones(count, np.complex128), shift)
        return Trail(np.exp(self.extent * progress), np.zeros(count, np.complex128))

    def travel(self) -> float:
        """Return how far the path moves the picture, in pixels."""
        return abs(self.extent) * (1.0 if self.kind == "slide" else ARM)


def eased(count: int, length: float) -> Real:
    """Return a mostly linear ease from 0 to 1 over a share of the frames, which then holds."""
    time = np.clip(np.arange(count) / (max(count - 1, 1) * length), 0, 1)
    return np.asarray(0.7 * time + 0.3 * time * time * (3 - 2 * time))
