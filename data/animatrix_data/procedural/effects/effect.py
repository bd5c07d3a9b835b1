"""What an effect is: hooks into the drawing of a scene, and where its tag says it is seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import skia
from numpy.typing import NDArray

from animatrix_data.procedural.character import Figure, Joints
from animatrix_data.procedural.colour import Rgb, fill
from animatrix_data.procedural.expressions import Look
from animatrix_data.procedural.motion import Pose
from animatrix_data.procedural.registry import Registry
from animatrix_data.procedural.styles import Style
from animatrix_data.procedural.timing import Build

ALL_SHOTS = ("Extreme Close-Up", "Close-Up", "Medium Shot", "Full Shot", "Long Shot")
REGIONS = ("frame", "background", "ground", "figure", "head")
"""Where an effect is seen: anywhere, behind the figure, about its feet, on and around its body, on
and around its head."""


@dataclass(frozen=True)
class Placed:
    """Where the first actor is in a frame: frame heights from the centre, y down."""

    head: tuple[float, float]
    radius: float
    hip: tuple[float, float]
    feet: tuple[float, float]
    height: float


Frame = Callable[[skia.Canvas, int], None]
FigureFrame = Callable[[skia.Canvas, int, Figure, Joints, Pose], None]
PlacedFrame = Callable[[skia.Canvas, int, Placed], None]
Pixels = Callable[[NDArray[np.uint8], int, Placed], None]


@dataclass(frozen=True)
class Effect:
    """What an effect draws or changes, frame by frame; all hooks are optional.

    behind: before the background, behind the figures. backdrop, air: on a plane that the camera
    moves as it does the background, behind and before the figures. figure, over: on the figure's
    plane, in figure heights, behind and before the first actor; `figure` may leave the canvas moved
    or on a layer, which then holds for the figure (`over` closes the layer). symbol: before
    everything but `air` and `front`, in frame heights, told where the first actor is (so that a
    mark can be large enough to be seen).
    front: before everything. poses: changes the first actor's drawings (timing, anticipation).
    build: its proportions. look: its face, outline and smear at a frame. pixels: changes the
    finished frame uint8 [H, W, 3] in place.
    """

    behind: Frame | None = None
    backdrop: Frame | None = None
    air: Frame | None = None
    figure: FigureFrame | None = None
    over: FigureFrame | None = None
    symbol: PlacedFrame | None = None
    front: Frame | None = None
    poses: Callable[[list[Pose]], list[Pose]] | None = None
    build: Callable[[Build], Build] | None = None
    look: Callable[[Look, int], Look] | None = None
    pixels: Pixels | None = None


@dataclass(frozen=True)
class Setting:
    """What an effect may know: frame shape (height 1), timing, style and its random stream."""

    aspect: float
    frames: int
    fps: float
    style: Style
    rng: np.random.Generator

    def time(self, frame: int) -> float:
        """Return the time of a frame in eighths of a second."""
        return frame * 8 / self.fps

    def veil(self, canvas: skia.Canvas, colour: Rgb, alpha: float) -> None:
        """Cover the frame with a translucent colour."""
        canvas.drawRect(skia.Rect(-self.aspect, -1, self.aspect, 1), fill(colour, alpha))

    def scattered(self, count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return well spread places ([n] across in [-1, 1], [n] down in [0, 1])."""
        across = np.mod(np.arange(count) * 0.618 + self.rng.uniform(), 1.0)
        down = (np.arange(count) + self.rng.uniform(0.1, 0.9, count)) / count
        return 2 * across - 1, down


Make = Callable[[Setting], Effect]


@dataclass(frozen=True)
class Entry:
    """An effect of the studio: what makes it, where it is seen (one of `REGIONS`), and the shot
    scales in which it can be read."""

    make: Make
    region: str
    shots: tuple[str, ...] = ALL_SHOTS


EFFECTS: Registry[Entry] = Registry("VFX")


def effect(name: str, region: str, shots: tuple[str, ...] = ALL_SHOTS) -> Callable[[Make], Make]:
    """Return a decorator that files a maker of effects under a canonical VFX tag."""
    assert region in REGIONS, region

    def file(make: Make) -> Make:
        EFFECTS.add(name)(Entry(make, region, shots))
        return make

    return file
