"""Places built by people, outdoors: a city, a night market, a shrine, a rooftop, ruins."""

from __future__ import annotations

import skia

from animatrix_data.procedural.colour import Rgb, fill, glow, rgb
from animatrix_data.procedural.painter import EXTENT, SPAN, Painter
from animatrix_data.procedural.places.details import (
    bricks,
    cracks,
    darker,
    grass,
    leaves,
    lighter,
    panes,
    slabs,
    stones,
    windows,
)
from animatrix_data.procedural.places.stage import GROUND, PLACES, Stage, floor

LAMP: Rgb = rgb("ffe9a0")


@PLACES.add("city")
def city(stage: Stage) -> None:
    """A skyline, houses with large windows, a road."""
    far, mid = stage.far, stage.mid
    for x in far.spots(0.3, 0.15):
        top = float(far.rng.uniform(-0.38, -0.1))
        far.box(x, top, x + 0.22, 0.5, rgb("7d8fb8"))
        windows(far, x, top, x + 0.22, 0.2, LAMP, rgb("4a5a88"))
    for x in mid.spots(0.62, 0.1):
        top = float(mid.rng.uniform(-0.2, -0.02))
        wall = ("c98a6a", "a8b4c4", "d4c08a")[int(mid.rng.integers(3))]
        mid.box(x, top, x + 0.36, 0.5, rgb(wall))
        bricks(mid, x, top, x + 0.36, 0.25, rgb(wall))
        for column in (0.05, 0.21):
            mid.box(x + column, top + 0.06, x + column + 0.1, top + 0.17, LAMP)
            panes(mid, x + column, top + 0.06, x + column + 0.1, top + 0.17, rgb("7a5a4a"))
    ground = stage.ground
    ground.box(-SPAN, GROUND, SPAN, EXTENT, rgb("70747e"))
    stones(ground, rgb("70747e"), GROUND + 0.02, 0.75, 260)
    cracks(ground, rgb("70747e"), -EXTENT, GROUND + 0.02, EXTENT, 0.7)
    for x in ground.spots(0.5, 0.0):
        ground.box(x, GROUND + 0.1, x + 0.25, GROUND + 0.15, rgb("f0ead8"))
    for x in stage.near.spots(1.1, 0.05):
        stage.near.box(x + 0.45, 0.38, x + 0.62, 1.0, rgb("c8352f"))
        stage.near.box(x + 0.42, 0.34, x + 0.65, 0.42, rgb("a82a26"))


def _lantern(painter: Painter, x: float, y: float, size: float) -> None:
    """Paint a glowing paper lantern."""
    painter.canvas.drawCircle(x, y, 2.6 * size, glow(rgb("ff9a4a"), x, y, 2.6 * size, 0.55))
    painter.oval(x, y, 0.8 * size, size, rgb("e8402f"))
    painter.canvas.drawOval(
        skia.Rect(x - 0.45 * size, y - 0.7 * size, x + 0.45 * size, y + 0.7 * size),
        glow(rgb("ffe08a"), x, y, 0.8 * size, 0.95),
    )
    for end in (-1.0, 0.85):
        painter.box(x - 0.4 * size, y + end * size, x + 0.4 * size, y + (end + 0.15) * size,
                    rgb("2a1f1f"))  # fmt: skip
    if painter.fine:
        ribs = skia.Path()
        for k in (-0.5, 0.0, 0.5):
            ribs.moveTo(x - 0.7 * size, y + k * size).lineTo(x + 0.7 * size, y + k * size)
        painter.marks(ribs, rgb("8a1f1a"), 0.7, 0.005)


@PLACES.add("market")
def market(stage: Stage) -> None:
    """A street of stalls with striped awnings under strings of lanterns."""
    far, mid, ground = stage.far, stage.mid, stage.ground
    for x in far.spots(0.42, 0.1):
        top = float(far.rng.uniform(-0.3, -0.12))
        far.box(x, top, x + 0.36, 0.5, rgb("6a4a52"))
        far.polygon([(x - 0.05, top), (x + 0.18, top - 0.12), (x + 0.41, top)], rgb("3a3048"))
        windows(far, x + 0.02, top + 0.02, x + 0.34, 0.2, LAMP, rgb("3a2a38"))
    for x in mid.spots(0.8, 0.08):
        _stall(mid, x)
    for k in range(int(2 * EXTENT / 0.27)):
        x = -EXTENT + 0.27 * k
        _lantern(mid, x, -0.27 + 0.05 * (k % 3), 0.05)
    ground.box(-SPAN, GROUND, SPAN, EXTENT, rgb("8a7468"))
    slabs(ground, rgb("8a7468"), GROUND, 0.9)
    for x in ground.spots(0.55):
        ground.oval(x, GROUND + 0.1, 0.16, 0.03, rgb("d8a868"))
    for x in stage.near.spots(1.0, 0.06):
        _lantern(stage.near, x + 0.83, -0.38, 0.08)


def _stall(painter: Painter, x: float) -> None:
    """Paint a stall: a counter of goods under an awning."""
    cloth = ("d8352f", "2f6ac8", "2f9a5a")[int(painter.rng.integers(3))]
    for post in (0.02, 0.56):
        painter.box(x + post, -0.06, x + post + 0.025, 0.3, rgb("7a5236"))
    painter.box(x + 0.02, 0.02, x + 0.58, 0.12, rgb("f8d898"))
    for k in range(6):
        left = x - 0.03 + 0.11 * k
        awning = [(left + 0.02, -0.13), (left + 0.12, -0.13), (left + 0.11, 0.0), (left, 0.0)]
        painter.polygon(awning, rgb("f8f2e4") if k % 2 else rgb(cloth))
    painter.box(x, 0.12, x + 0.6, 0.3, rgb("9a6238"))
    bricks(painter, x, 0.16, x + 0.6, 0.3, rgb("9a6238"), 0.05)
    for k in range(5):
        goods = ("f2a33c", "e8402f", "8ac84a", "f8e05a", "d86ab0")[int(painter.rng.integers(5))]
        painter.disc(x + 0.08 + 0.11 * k, 0.1, 0.042, rgb(goods))


@PLACES.add("shrine")
def shrine(stage: Stage) -> None:
    """Red gates and stone lanterns before wooded hills, blossom overhead."""
    far, mid, ground = stage.far, stage.mid, stage.ground
    far.ridge(0.2, 0.34, 0.45, rgb("4a8a6a"), sharp=False)
    for k in range(26):
        leaves(far, -EXTENT + 0.19 * k, 0.08 + 0.05 * (k % 3), 0.09, rgb("4a8a6a"))
    for x in mid.spots(0.95, 0.06):
        _gate(mid, x + 0.3)
        _stone_lantern(mid, x + 0.78)
    ground.box(-SPAN, GROUND, SPAN, EXTENT, rgb("b8b0a0"))
    slabs(ground, rgb("b8b0a0"), GROUND, 0.9)
    grass(ground, rgb("6a9a4a"), GROUND + 0.01, GROUND + 0.1, 160)
    for x in ground.spots(0.5):
        ground.oval(x, GROUND + 0.12, 0.07, 0.02, rgb("f2b0c4"))
    for x in stage.near.spots(0.95, 0.08):
        _blossom(stage.near, x + 0.92)


def _gate(painter: Painter, x: float) -> None:
    """Paint a torii: two posts, a tie beam and a curved lintel."""
    red = rgb("d8402f")
    for side in (-1, 1):
        painter.polygon([(x + side * 0.17, -0.14), (x + side * 0.21, -0.14),
                         (x + side * 0.235, 0.3), (x + side * 0.18, 0.3)], red)  # fmt: skip
        painter.box(x + side * 0.205 - 0.045, 0.25, x + side * 0.205 + 0.045, 0.31, rgb("3a3540"))
    painter.box(x - 0.26, -0.07, x + 0.26, -0.03, red)
    lintel = skia.Path().moveTo(x - 0.34, -0.23).quadTo(x, -0.16, x + 0.34, -0.23)
    lintel.lineTo(x + 0.31, -0.15).quadTo(x, -0.1, x - 0.31, -0.15).close()
    painter.shape(lintel, red)
    painter.box(x - 0.035, -0.12, x + 0.035, -0.03, rgb("3a3540"))
    if painter.fine:
        cap = skia.Path().moveTo(x - 0.35, -0.245).quadTo(x, -0.175, x + 0.35, -0.245)
        painter.marks(cap, rgb("3a3540"), 1.0, 0.02)
        painter.marks(skia.Path.Rect(skia.Rect(x - 0.02, -0.11, x + 0.02, -0.05)), rgb("f2d06a"))


def _stone_lantern(painter: Painter, x: float) -> None:
    """Paint a stone lantern with a light in it."""
    stone = rgb("9a9a92")
    painter.box(x - 0.028, 0.12, x + 0.028, 0.3, stone)
    painter.box(x - 0.06, 0.02, x + 0.06, 0.12, stone)
    painter.box(x - 0.03, 0.04, x + 0.03, 0.1, LAMP)
    painter.polygon([(x - 0.1, 0.03), (x, -0.05), (x + 0.1, 0.03)], stone)
    painter.box(x - 0.07, 0.27, x + 0.07, 0.31, stone)
    cracks(painter, stone, x - 0.05, 0.12, x + 0.05, 0.3)


def _blossom(painter: Painter, x: float) -> None:
    """Paint a branch of blossom hanging into the top of the frame."""
    painter.polygon([(x - 0.4, -0.9), (x + 0.04, -0.42), (x - 0.34, -0.95)], rgb("5a3f3a"))
    for dx, dy, size in ((0.0, -0.45, 0.09), (-0.12, -0.52, 0.11), (0.11, -0.53, 0.1)):
        painter.disc(x + dx, y := dy, size, rgb("f4a8c0"))
        leaves(painter, x + dx, y, size, rgb("f4a8c0"))


@PLACES.add("rooftop")
def rooftop(stage: Stage) -> None:
    """A school roof: towers far below, a wire fence, a water tank, concrete slabs."""
    far, mid, ground = stage.far, stage.mid, stage.ground
    for x in far.spots(0.26, 0.2):
        top = float(far.rng.uniform(-0.12, 0.1))
        far.box(x, top, x + 0.2, 0.6, rgb("8fa0c0"))
        windows(far, x, top, x + 0.2, 0.26, LAMP, rgb("5a6a98"))
    for x in mid.spots(1.3, 0.1):
        mid.box(x + 0.02, -0.1, x + 0.46, 0.32, rgb("c8c4ba"))
        bricks(mid, x + 0.02, -0.1, x + 0.46, 0.3, rgb("c8c4ba"), 0.06)
        mid.box(x + 0.16, 0.04, x + 0.3, 0.32, rgb("4a7a8a"))
        mid.oval(x + 0.24, -0.2, 0.17, 0.11, rgb("e0e4e8"))
    _fence(mid)
    ground.box(-SPAN, GROUND, SPAN, EXTENT, rgb("b0b4b4"))
    slabs(ground, rgb("b0b4b4"), GROUND, 0.9)
    for x in ground.spots(0.6):
        ground.oval(x, GROUND + 0.14, 0.12, 0.025, rgb("8a9498"))
    for x in stage.near.spots(1.1, 0.06):
        stage.near.box(x + 0.48, 0.4, x + 0.66, 1.0, rgb("8a9aa8"))
        stage.near.oval(x + 0.57, 0.4, 0.13, 0.05, rgb("5a6a78"))


def _fence(painter: Painter) -> None:
    """Paint a wire fence between posts."""
    mesh = skia.Path()
    pitch = 0.08
    for k in range(int(2 * EXTENT / pitch)):
        x = -EXTENT + k * pitch
        mesh.moveTo(x, -0.04).lineTo(x + 0.3, 0.26)
        mesh.moveTo(x + 0.3, -0.04).lineTo(x, 0.26)
    painter.marks(mesh, rgb("3f7a5a"), 0.75, 0.005)
    painter.box(-SPAN, -0.06, SPAN, -0.035, rgb("3f8a62"))
    for k in range(int(2 * EXTENT / 0.4) + 1):
        x = -EXTENT + 0.4 * k
        painter.box(x - 0.014, -0.1, x + 0.014, 0.3, rgb("3f8a62"))


@PLACES.add("ruins")
def ruins(stage: Stage) -> None:
    """A battlefield: broken towers and fires far off, torn banners, fallen walls, rubble."""
    far, mid, ground = stage.far, stage.mid, stage.ground
    for x in far.spots(0.55, 0.25):
        _smoke(far, x)
    for x in far.spots(0.34, 0.2):
        top = float(far.rng.uniform(-0.3, -0.04))
        tower = [(x, 0.5), (x, top), (x + 0.06, top + 0.07), (x + 0.11, top - 0.03),
                 (x + 0.18, top + 0.1), (x + 0.23, top + 0.05), (x + 0.23, 0.5)]  # fmt: skip
        far.polygon(tower, rgb("6a5f68"))
        windows(far, x, top + 0.1, x + 0.22, 0.2, rgb("ff9a4a"), rgb("2a2430"))
    for x in mid.spots(0.7, 0.15):
        _column(mid, x)
        _banner(mid, x + 0.36)
    floor(ground, "9a8268", "6f5a48")
    stones(ground, rgb("8a7a6a"), GROUND + 0.01, 0.75, 360)
    cracks(ground, rgb("9a8268"), -EXTENT, GROUND + 0.03, EXTENT, 0.7)
    for x in stage.near.spots(1.0, 0.1):
        slab = [(x + 0.34, 0.8), (x + 0.4, 0.46), (x + 0.54, 0.5), (x + 0.62, 0.42), (x + 0.7, 0.8)]
        stage.near.polygon(slab, rgb("5a5058"))
        cracks(stage.near, rgb("5a5058"), x + 0.4, 0.48, x + 0.64, 0.7)


def _smoke(painter: Painter, x: float) -> None:
    """Paint a column of smoke over a fire."""
    dark = painter.colour(rgb("4a4048"))
    for k in range(6):
        at, size = (x + 0.03 * k, 0.08 - 0.1 * k), 0.06 + 0.022 * k
        painter.canvas.drawCircle(*at, size, fill(dark, 0.5 - 0.05 * k))
    painter.canvas.drawCircle(x, 0.12, 0.16, glow(rgb("ff7a2a"), x, 0.12, 0.16, 0.9))


def _column(painter: Painter, x: float) -> None:
    """Paint a broken column, or the stump of a wall."""
    stone, top = rgb("b0a490"), float(painter.rng.uniform(-0.2, 0.08))
    shaft = [(x - 0.07, 0.3), (x - 0.07, top + 0.05), (x - 0.02, top), (x + 0.02, top + 0.06),
             (x + 0.07, top + 0.02), (x + 0.07, 0.3)]  # fmt: skip
    painter.polygon(shaft, stone)
    painter.box(x - 0.1, 0.26, x + 0.1, 0.31, darker(stone, 0.15))
    if painter.fine:
        flutes = skia.Path()
        for dx in (-0.04, 0.0, 0.04):
            flutes.moveTo(x + dx, top + 0.08).lineTo(x + dx, 0.26)
        painter.marks(flutes, darker(stone, 0.4), 0.8, 0.008)
    cracks(painter, stone, x - 0.06, top + 0.08, x + 0.06, 0.27)


def _banner(painter: Painter, x: float) -> None:
    """Paint a leaning pole with a torn banner."""
    painter.polygon([(x - 0.01, 0.3), (x + 0.07, -0.3), (x + 0.09, -0.3), (x + 0.014, 0.3)],
                    rgb("4a3a30"))  # fmt: skip
    cloth = [(x + 0.08, -0.28), (x + 0.27, -0.25), (x + 0.2, -0.2), (x + 0.28, -0.14),
             (x + 0.18, -0.1), (x + 0.2, -0.06), (x + 0.055, -0.1)]  # fmt: skip
    painter.polygon(cloth, rgb("b8302f"))
    if painter.fine:
        sign = skia.Path.Circle(x + 0.14, -0.18, 0.03)
        painter.marks(sign, lighter(rgb("f2d06a"), 0.1))
