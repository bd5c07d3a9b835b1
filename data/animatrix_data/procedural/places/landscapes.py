"""Places in the open country: the sea, a forest, a meadow, mountains, a wide view."""

from __future__ import annotations

import math

import skia

from animatrix_data.procedural.colour import rgb
from animatrix_data.procedural.painter import EXTENT, SPAN, Painter, Strips
from animatrix_data.procedural.places.details import (
    cracks,
    darker,
    flowers,
    grass,
    leaves,
    lighter,
    ripples,
    stones,
    windows,
)
from animatrix_data.procedural.places.stage import GROUND, HORIZON, PLACES, Stage, bushes, floor


@PLACES.add("seaside")
def seaside(stage: Stage) -> None:
    """Sea to the horizon, islands, sails; sand in front."""
    far, mid = stage.far, stage.mid
    for x in far.spots(0.85):
        far.oval(x, HORIZON, 0.26, 0.13, rgb("5f9a78"))
        leaves(far, x, HORIZON - 0.04, 0.09, rgb("5f9a78"))
    far.box(-SPAN, HORIZON, SPAN, EXTENT, rgb("2f86c8"))
    ripples(far, rgb("2f86c8"), HORIZON + 0.015, 0.5, 420)
    for x in mid.spots(0.65):
        mid.polygon([(x, -0.1), (x, 0.15), (x - 0.17, 0.15)], rgb("fbfbf5"))
        mid.polygon([(x - 0.18, 0.16), (x + 0.1, 0.16), (x + 0.05, 0.21), (x - 0.13, 0.21)],
                    rgb("b5523c"))  # fmt: skip
        if mid.fine:
            seams = skia.Path().moveTo(x, -0.1).lineTo(x, 0.16)
            for share in (0.35, 0.6, 0.85):
                seams.moveTo(x, -0.1 + 0.25 * share).lineTo(x - 0.17 * share, -0.1 + 0.25 * share)
            mid.marks(seams, rgb("8a7a6a"), 0.9, 0.006)
            mid.marks(skia.Path.Rect(skia.Rect(x - 0.17, 0.175, x + 0.09, 0.187)), rgb("fbfbf5"))
    floor(stage.ground, "efd79a", "d8b873")
    stones(stage.ground, rgb("d8b873"), GROUND + 0.03, 0.75, 300)
    flowers(stage.ground, (rgb("ffffff"), rgb("f29a8a")), GROUND + 0.06, 0.7, 60)
    for x in stage.near.spots(1.0, 0.1):
        stage.near.oval(x + 0.5, 0.55, 0.17, 0.1, rgb("8f8f96"))
        cracks(stage.near, rgb("8f8f96"), x + 0.4, 0.48, x + 0.6, 0.6)


@PLACES.add("forest")
def forest(stage: Stage) -> None:
    """Broad crowns on trunks before a dark tree line."""
    stage.far.ridge(0.2, 0.4, 0.34, rgb("3f7f5a"), sharp=False)
    _treetops(stage.far, "3f7f5a", -0.02, 0.22)
    mid = stage.mid
    for x in mid.spots(0.56, 0.15):
        mid.box(x - 0.045, -0.1, x + 0.045, 0.3, rgb("7a5236"))
        cracks(mid, rgb("7a5236"), x - 0.04, -0.02, x + 0.04, 0.28)
        size = float(mid.rng.uniform(0.16, 0.21))
        mid.disc(x, -0.17, size, rgb("3f9a4a"))
        leaves(mid, x, -0.17, size, rgb("3f9a4a"))
    floor(stage.ground, "6aa64a", "4f8a3c")
    grass(stage.ground, rgb("6aa64a"), GROUND + 0.03, 0.8)
    flowers(stage.ground, (rgb("fff2b0"), rgb("d8a0e8")), GROUND + 0.05, 0.7, 60)
    bushes(stage.near, "2f6b3a")
    _bush_leaves(stage.near, "2f6b3a")


def _treetops(painter: Painter, code: str, y0: float, y1: float) -> None:
    """Paint the crowns of distant trees."""
    if painter.fine:
        for k in range(28):
            x = -EXTENT + (k + float(painter.marks_rng.uniform(0, 1))) * 2 * EXTENT / 28
            leaves(painter, x, float(painter.marks_rng.uniform(y0, y1)), 0.09, rgb(code))


def _bush_leaves(painter: Painter, code: str, step: float = 1.0) -> None:
    """Paint leaves where `bushes` set its bushes (give or take a tenth of a step)."""
    for k in range(-3, 4):
        leaves(painter, -EXTENT + step * (k + 2.5), 0.53, 0.1, rgb(code))


@PLACES.add("meadow")
def meadow(stage: Stage) -> None:
    """Rolling hills and large flowers."""
    stage.far.ridge(0.16, 0.2, 0.8, rgb("9ccf6a"), sharp=False)
    _hedges(stage.far, "6fa85a", 0.05, 0.2)
    stage.mid.ridge(0.26, 0.14, 0.6, rgb("74bb52"), sharp=False)
    grass(stage.mid, rgb("74bb52"), 0.19, 0.3, 260)
    for x in stage.mid.spots(0.9):
        stage.mid.disc(x, 0.1, 0.09, rgb("f2a33c"))
        leaves(stage.mid, x, 0.1, 0.09, rgb("f2a33c"))
    ground = stage.ground
    floor(ground, "8ccb57", "6fb045", 0.6)
    grass(ground, rgb("8ccb57"), GROUND + 0.02, 0.8)
    for x in ground.spots(0.34):
        y = float(ground.rng.uniform(GROUND + 0.06, GROUND + 0.22))
        ground.disc(x, y, 0.04, rgb(("f7f0f0", "f26d8a")[int(ground.rng.integers(2))]))
        if ground.fine:
            ground.marks(skia.Path.Circle(x, y, 0.014), rgb("ffc83a"))
    flowers(ground, (rgb("ffffff"), rgb("ff9ab0"), rgb("ffe066")), GROUND + 0.04, 0.75, 110)
    bushes(stage.near, "4f9a44", 1.1)
    _bush_leaves(stage.near, "4f9a44", 1.1)


def _hedges(painter: Painter, code: str, y0: float, y1: float) -> None:
    """Paint rows of small round trees over distant hills."""
    if not painter.fine:
        return
    rng = painter.marks_rng
    dark, lit = Strips(), Strips()
    for _ in range(150):
        x, y = float(rng.uniform(-EXTENT, EXTENT)), float(rng.uniform(y0, y1))
        size = float(rng.uniform(0.012, 0.026))
        dark.at(x).addCircle(x, y, size)
        lit.at(x).addCircle(x - 0.25 * size, y - 0.3 * size, 0.55 * size)
    painter.marks(dark, darker(rgb(code), 0.15), 0.95)
    painter.marks(lit, lighter(rgb(code), 0.3), 0.9)


@PLACES.add("mountains")
def mountains(stage: Stage) -> None:
    """Peaks with snow caps, pines, bare rock."""
    far, mid = stage.far, stage.mid
    for x in far.spots(0.6, 0.2):
        top, half = float(far.rng.uniform(-0.36, -0.18)), 0.42
        far.polygon([(x - half, 0.35), (x, top), (x + half, 0.35)], rgb("6f86a8"))
        far.polygon([(x - half * 0.32, top + 0.19), (x, top), (x + half * 0.32, top + 0.19)],
                    rgb("ffffff"))  # fmt: skip
        _crags(far, x, top, half)
    for x in mid.spots(0.44):
        mid.polygon([(x - 0.11, 0.28), (x, -0.06), (x + 0.11, 0.28)], rgb("2f7a5c"))
        _boughs(mid, x, -0.06, 0.28, 0.11, "2f7a5c")
    floor(stage.ground, "a89a86", "8a7c6a")
    stones(stage.ground, rgb("a89a86"), GROUND + 0.02, 0.75, 320)
    cracks(stage.ground, rgb("a89a86"), -EXTENT, GROUND + 0.04, EXTENT, 0.7)
    for x in stage.near.spots(1.0, 0.1):
        stage.near.polygon([(x + 0.3, 0.8), (x + 0.5, 0.4), (x + 0.7, 0.8)], rgb("1f5a48"))
        _boughs(stage.near, x + 0.5, 0.4, 0.8, 0.2, "1f5a48")


def _crags(painter: Painter, x: float, top: float, half: float) -> None:
    """Paint the shaded side of a peak and gullies down its face."""
    if not painter.fine:
        return
    tall = 0.35 - top
    side = skia.Path().moveTo(x, top).lineTo(x + half, 0.35).lineTo(x + 0.2 * half, 0.35)
    side.lineTo(x + 0.1 * half, top + 0.55 * tall).lineTo(x + 0.16 * half, top + 0.3 * tall)
    painter.marks(side.close(), rgb("3f557a"), 0.5)
    rng = painter.marks_rng
    snow, rock = skia.Path(), skia.Path()
    for k in range(18):
        down = 0.25 + 0.6 * float(rng.uniform(0, 1))
        at = x + half * down * float(rng.uniform(-0.8, 0.8)), top + tall * down
        path = snow if k % 2 else rock
        path.moveTo(*at).lineTo(at[0] - 0.018, at[1] + 0.06).lineTo(at[0] + 0.014, at[1] + 0.045)
    painter.marks(rock, rgb("3f557a"), 0.7)
    painter.marks(snow, rgb("e8f0fa"), 0.85)


def _boughs(painter: Painter, x: float, top: float, bottom: float, half: float, code: str) -> None:
    """Paint the tiers of a pine."""
    if not painter.fine:
        return
    lit, dark = skia.Path(), skia.Path()
    for k in range(1, 6):
        y, wide = top + (bottom - top) * k / 6, half * k / 6
        for path, side in ((lit, -1), (dark, 1)):
            path.moveTo(x, y - 0.04).lineTo(x + side * wide, y + 0.015)
            path.lineTo(x + 0.4 * side * wide, y - 0.005).lineTo(x, y + 0.02).close()
    painter.marks(dark, darker(rgb(code), 0.35), 0.9)
    painter.marks(lit, lighter(rgb(code), 0.25), 0.9)


@PLACES.add("vista")
def vista(stage: Stage) -> None:
    """A wide view from a hill: blue ranges, a lake with a town on its shore, wires, tall grass."""
    far, mid, ground = stage.far, stage.mid, stage.ground
    for base, height, step, code in ((0.1, 0.3, 0.5, "8fb0d8"), (0.14, 0.16, 0.37, "5f8ab8")):
        far.ridge(base, height, step, rgb(code), sharp=True)
    _hedges(far, "4a7a9a", 0.06, 0.13)
    far.box(-SPAN, HORIZON, SPAN, 0.5, rgb("6fc0e8"))
    ripples(far, rgb("6fc0e8"), HORIZON + 0.02, 0.3, 360)
    _shore(mid)
    for x in mid.spots(0.95, 0.1):
        mid.box(x - 0.012, -0.3, x + 0.012, 0.3, rgb("6a5a52"))
        mid.box(x - 0.07, -0.27, x + 0.07, -0.25, rgb("6a5a52"))
    _wires(mid, (-0.28, -0.26, -0.2))
    ground.box(-SPAN, 0.5, SPAN, EXTENT, rgb("6fae4a"))
    ground.ridge(0.3, 0.1, 0.9, rgb("6fae4a"), sharp=False)
    grass(ground, rgb("6fae4a"), GROUND + 0.04, 0.8, 560)
    flowers(ground, (rgb("ffffff"), rgb("ffd84a"), rgb("e86ab0")), GROUND + 0.08, 0.75, 120)
    for x in stage.near.spots(0.9, 0.2):
        _tall_grass(stage.near, x + 0.45)


def _shore(painter: Painter) -> None:
    """Paint a far shore of wooded banks and small houses."""
    painter.box(-SPAN, 0.19, SPAN, 0.5, rgb("4f8f6a"))
    for x in painter.spots(0.24, 0.3):
        if painter.rng.uniform() < 0.55:
            wall = ("f4ead8", "e0c8b0", "d8e0e8")[int(painter.rng.integers(3))]
            painter.box(x - 0.05, 0.12, x + 0.05, 0.22, rgb(wall))
            roof = ("b8523c", "4a6a9a")[int(painter.rng.integers(2))]
            painter.polygon([(x - 0.065, 0.125), (x, 0.07), (x + 0.065, 0.125)], rgb(roof))
            windows(painter, x - 0.05, 0.12, x + 0.05, 0.2, rgb("ffe9a0"), rgb("5a6a7a"))
        else:
            painter.disc(x, 0.16, 0.06, rgb("3f7f5a"))
            leaves(painter, x, 0.16, 0.06, rgb("3f7f5a"))


def _wires(painter: Painter, heights: tuple[float, ...]) -> None:
    """Paint wires that sag between poles."""
    path = skia.Path()
    for y in heights:
        path.moveTo(-SPAN, y)
        for k in range(math.ceil(2 * SPAN / 0.95)):
            x = -SPAN + 0.95 * k
            path.quadTo(x + 0.475, y + 0.1, x + 0.95, y)
    painter.marks(path, rgb("3a3540"), 0.9, 0.006)


def _tall_grass(painter: Painter, x: float) -> None:
    """Paint a tuft of long blades with ears at the bottom of the frame."""
    path = skia.Path()
    for k in range(9):
        root, lean = x + 0.02 * (k - 4), 0.05 * (k - 4) + float(painter.rng.uniform(-0.02, 0.02))
        tall = float(painter.rng.uniform(0.12, 0.24))
        path.moveTo(root - 0.012, 0.7)
        path.quadTo(root, 0.62 - 0.5 * tall, root + lean, 0.6 - tall)
        path.quadTo(root + 0.02, 0.62 - 0.4 * tall, root + 0.014, 0.7)
    painter.shape(path, rgb("4a8a3a"))
