"""Places: the far, middle, ground and near layers of a background, in large trackable shapes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import skia

from animatrix_data.procedural.colour import rgb, vertical
from animatrix_data.procedural.painter import EXTENT, Painter
from animatrix_data.procedural.registry import Registry

HORIZON = 0.12
GROUND = 0.24


@dataclass(frozen=True)
class Stage:
    """The painters of a place's layers."""

    far: Painter
    mid: Painter
    ground: Painter
    near: Painter


Place = Callable[[Stage], None]
PLACES: Registry[Place] = Registry("place")
INDOORS = frozenset({"room"})


def _floor(painter: Painter, code: str, patch: str, step: float = 0.42) -> None:
    """Paint the ground with large patches."""
    painter.box(-EXTENT, GROUND, EXTENT, EXTENT, rgb(code))
    for x in painter.spots(step):
        y = float(painter.rng.uniform(GROUND + 0.07, GROUND + 0.24))
        painter.oval(x, y, 0.12, 0.035, rgb(patch))


def _bushes(painter: Painter, code: str, step: float = 1.0) -> None:
    """Paint near bushes at the bottom of the frame, leaving the middle free."""
    for x in painter.spots(step, 0.1):
        painter.disc(x + step / 2, 0.56, 0.15, rgb(code))


@PLACES.add("seaside")
def seaside(stage: Stage) -> None:
    """Sea to the horizon, islands, sails; sand in front."""
    far, mid = stage.far, stage.mid
    for x in far.spots(0.85):
        far.oval(x, HORIZON, 0.26, 0.13, rgb("5f9a78"))
    far.box(-EXTENT, HORIZON, EXTENT, EXTENT, rgb("2f86c8"))
    for x in mid.spots(0.65):
        mid.polygon([(x, -0.1), (x, 0.15), (x - 0.17, 0.15)], rgb("fbfbf5"))
        mid.polygon([(x - 0.18, 0.16), (x + 0.1, 0.16), (x + 0.05, 0.21), (x - 0.13, 0.21)],
                    rgb("b5523c"))  # fmt: skip
    _floor(stage.ground, "efd79a", "d8b873")
    for x in stage.near.spots(1.0, 0.1):
        stage.near.oval(x + 0.5, 0.55, 0.17, 0.1, rgb("8f8f96"))


@PLACES.add("city")
def city(stage: Stage) -> None:
    """A skyline, houses with large windows, a road."""
    far, mid = stage.far, stage.mid
    for x in far.spots(0.3, 0.15):
        top = float(far.rng.uniform(-0.38, -0.1))
        far.box(x, top, x + 0.22, 0.5, rgb("7d8fb8"))
    for x in mid.spots(0.62, 0.1):
        top = float(mid.rng.uniform(-0.2, -0.02))
        wall = ("c98a6a", "a8b4c4", "d4c08a")[int(mid.rng.integers(3))]
        mid.box(x, top, x + 0.36, 0.5, rgb(wall))
        for column in (0.05, 0.21):
            mid.box(x + column, top + 0.06, x + column + 0.1, top + 0.17, rgb("ffe9a0"))
    ground = stage.ground
    ground.box(-EXTENT, GROUND, EXTENT, EXTENT, rgb("70747e"))
    for x in ground.spots(0.5, 0.0):
        ground.box(x, GROUND + 0.1, x + 0.25, GROUND + 0.15, rgb("f0ead8"))
    for x in stage.near.spots(1.1, 0.05):
        stage.near.box(x + 0.45, 0.38, x + 0.62, 1.0, rgb("c8352f"))
        stage.near.box(x + 0.42, 0.34, x + 0.65, 0.42, rgb("a82a26"))


@PLACES.add("forest")
def forest(stage: Stage) -> None:
    """Broad crowns on trunks before a dark tree line."""
    stage.far.ridge(0.2, 0.4, 0.34, rgb("3f7f5a"), sharp=False)
    mid = stage.mid
    for x in mid.spots(0.56, 0.15):
        mid.box(x - 0.045, -0.1, x + 0.045, 0.3, rgb("7a5236"))
        size = float(mid.rng.uniform(0.16, 0.21))
        mid.disc(x, -0.17, size, rgb("3f9a4a"))
    _floor(stage.ground, "6aa64a", "4f8a3c")
    _bushes(stage.near, "2f6b3a")


@PLACES.add("meadow")
def meadow(stage: Stage) -> None:
    """Rolling hills and large flowers."""
    stage.far.ridge(0.16, 0.2, 0.8, rgb("9ccf6a"), sharp=False)
    stage.mid.ridge(0.26, 0.14, 0.6, rgb("74bb52"), sharp=False)
    for x in stage.mid.spots(0.9):
        stage.mid.disc(x, 0.1, 0.09, rgb("f2a33c"))
    ground = stage.ground
    _floor(ground, "8ccb57", "6fb045", 0.6)
    for x in ground.spots(0.34):
        y = float(ground.rng.uniform(GROUND + 0.06, GROUND + 0.22))
        ground.disc(x, y, 0.04, rgb(("f7f0f0", "f26d8a")[int(ground.rng.integers(2))]))
    _bushes(stage.near, "4f9a44", 1.1)


@PLACES.add("mountains")
def mountains(stage: Stage) -> None:
    """Peaks with snow caps, pines, bare rock."""
    far, mid = stage.far, stage.mid
    for x in far.spots(0.6, 0.2):
        top, half = float(far.rng.uniform(-0.36, -0.18)), 0.42
        far.polygon([(x - half, 0.35), (x, top), (x + half, 0.35)], rgb("6f86a8"))
        far.polygon([(x - half * 0.32, top + 0.19), (x, top), (x + half * 0.32, top + 0.19)],
                    rgb("ffffff"))  # fmt: skip
    for x in mid.spots(0.44):
        mid.polygon([(x - 0.11, 0.28), (x, -0.06), (x + 0.11, 0.28)], rgb("2f7a5c"))
    _floor(stage.ground, "a89a86", "8a7c6a")
    for x in stage.near.spots(1.0, 0.1):
        stage.near.polygon([(x + 0.3, 0.8), (x + 0.5, 0.4), (x + 0.7, 0.8)], rgb("1f5a48"))


@PLACES.add("room")
def room(stage: Stage) -> None:
    """A wall with windows and pictures, shelves, a wooden floor."""
    far, mid = stage.far, stage.mid
    far.box(-EXTENT, -EXTENT, EXTENT, EXTENT, rgb("e8c9a0"))
    for x in far.spots(0.85, 0.05):
        far.box(x, -0.42, x + 0.4, -0.02, rgb("ffffff"))
        top, bottom = far.style.skies[far.light]
        far.canvas.drawRect(skia.Rect(x + 0.05, -0.37, x + 0.35, -0.07), _window(top, bottom))
    for x in mid.spots(0.85, 0.05):
        mid.box(x + 0.43, -0.2, x + 0.75, 0.3, rgb("a8683f"))
        for y, code in ((-0.15, "d0504a"), (0.06, "4a7ac0")):
            mid.box(x + 0.48, y, x + 0.7, y + 0.14, rgb(code))
    ground = stage.ground
    ground.box(-EXTENT, GROUND, EXTENT, EXTENT, rgb("c08a58"))
    for x in ground.spots(0.4, 0.0):
        slant = [(x, GROUND), (x + 0.2, GROUND), (x + 0.2, EXTENT), (x, EXTENT)]
        ground.polygon(slant, rgb("ab7544"))
    for x in stage.near.spots(1.1, 0.05):
        stage.near.disc(x + 0.5, 0.5, 0.14, rgb("4f9a54"))
        stage.near.box(x + 0.42, 0.52, x + 0.58, 0.9, rgb("b85a3c"))


def _window(top: tuple[float, float, float], bottom: tuple[float, float, float]) -> skia.Paint:
    return vertical(top, bottom, -0.4, 0.0)
