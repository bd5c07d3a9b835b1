"""Places under a roof: a room, a classroom, a train, a kitchen."""

from __future__ import annotations

import skia

from animatrix_data.procedural.colour import Rgb, rgb, vertical
from animatrix_data.procedural.painter import EXTENT, SPAN, Painter
from animatrix_data.procedural.places.details import (
    boards,
    bricks,
    darker,
    leaves,
    lighter,
    panes,
    slabs,
)
from animatrix_data.procedural.places.stage import GROUND, PLACES, Stage

WALL = rgb("e8c9a0")


@PLACES.add("room")
def room(stage: Stage) -> None:
    """A wall with windows and pictures, shelves, a wooden floor."""
    far, mid = stage.far, stage.mid
    far.box(-SPAN, -EXTENT, SPAN, EXTENT, WALL)
    _wallpaper(far, WALL)
    for x in far.spots(0.85, 0.05):
        far.box(x, -0.42, x + 0.4, -0.02, rgb("ffffff"))
        _view(far, x + 0.05, -0.37, x + 0.35, -0.07)
    for x in mid.spots(0.85, 0.05):
        mid.box(x + 0.43, -0.2, x + 0.75, 0.3, rgb("a8683f"))
        for y, code in ((-0.15, "d0504a"), (0.06, "4a7ac0")):
            mid.box(x + 0.48, y, x + 0.7, y + 0.14, rgb(code))
            _books(mid, x + 0.48, y, x + 0.7, y + 0.14)
    ground = stage.ground
    ground.box(-SPAN, GROUND, SPAN, EXTENT, rgb("c08a58"))
    for x in ground.spots(0.4, 0.0):
        slant = [(x, GROUND), (x + 0.2, GROUND), (x + 0.2, EXTENT), (x, EXTENT)]
        ground.polygon(slant, rgb("ab7544"))
    boards(ground, rgb("c08a58"), GROUND, EXTENT)
    for x in stage.near.spots(1.1, 0.05):
        stage.near.disc(x + 0.5, 0.5, 0.14, rgb("4f9a54"))
        leaves(stage.near, x + 0.5, 0.5, 0.14, rgb("4f9a54"))
        stage.near.box(x + 0.42, 0.52, x + 0.58, 0.9, rgb("b85a3c"))


def _view(painter: Painter, x0: float, y0: float, x1: float, y1: float) -> None:
    """Paint the sky seen through a window, and the window's bars."""
    top, bottom = painter.style.skies[painter.light]
    painter.canvas.drawRect(skia.Rect(x0, y0, x1, y1), vertical(top, bottom, -0.4, 0.0))
    if painter.fine:
        hills = skia.Path().moveTo(x0, y1).quadTo(x0 + 0.08, y1 - 0.12, (x0 + x1) / 2, y1 - 0.05)
        hills.quadTo(x1 - 0.06, y1 - 0.13, x1, y1 - 0.06).lineTo(x1, y1).close()
        painter.marks(hills, rgb("5a9a6a"))
    panes(painter, x0, y0, x1, y1, rgb("ffffff"))


def _wallpaper(painter: Painter, base: Rgb) -> None:
    """Paint a wall's pattern of stripes and small figures."""
    if not painter.fine:
        return
    stripes, figures = skia.Path(), skia.Path()
    for k in range(int(2 * EXTENT / 0.12)):
        x = -EXTENT + 0.12 * k
        stripes.addRect(skia.Rect(x, -1.4, x + 0.022, GROUND))
        for row in range(13):
            y = -1.3 + 0.12 * row + 0.06 * (k % 2)
            figures.addPoly([skia.Point(x + 0.07, y - 0.024), skia.Point(x + 0.09, y),
                             skia.Point(x + 0.07, y + 0.024), skia.Point(x + 0.05, y)],
                            True)  # fmt: skip
    painter.marks(stripes, lighter(base, 0.35), 0.8)
    painter.marks(figures, darker(base, 0.25), 0.7)


def _books(painter: Painter, x0: float, y0: float, x1: float, y1: float) -> None:
    """Paint the spines of books on a shelf."""
    if not painter.fine:
        return
    x, rng = x0 + 0.006, painter.marks_rng
    colours = [rgb(c) for c in ("f2d06a", "d0504a", "4a7ac0", "f4ead8", "4f9a54", "8a4c9a")]
    while x < x1 - 0.02:
        wide, top = float(rng.uniform(0.014, 0.03)), y0 + float(rng.uniform(0.015, 0.045))
        spine = skia.Path.Rect(skia.Rect(x, top, min(x + wide, x1), y1))
        painter.marks(spine, colours[int(rng.integers(len(colours)))])
        x += wide + 0.004


@PLACES.add("classroom")
def classroom(stage: Stage) -> None:
    """A green board between tall windows, rows of desks, a wooden floor."""
    far, mid, ground = stage.far, stage.mid, stage.ground
    wall = rgb("f0e8d4")
    far.box(-SPAN, -EXTENT, SPAN, 0.5, wall)
    if far.fine:
        bricks(far, -EXTENT, -1.2, EXTENT, GROUND, lighter(wall, 0.2), 0.09)
    far.box(-SPAN, 0.1, SPAN, 0.3, rgb("b89468"))
    for x in far.spots(1.25, 0.03):
        far.box(x, -0.36, x + 0.62, 0.03, rgb("8a5f3a"))
        far.box(x + 0.025, -0.335, x + 0.595, 0.005, rgb("2f6a52"))
        _chalk(far, x + 0.06, -0.29)
        for left in (0.7, 0.96):
            far.box(x + left, -0.44, x + left + 0.23, 0.06, rgb("ffffff"))
            _view(far, x + left + 0.02, -0.42, x + left + 0.21, 0.04)
    for x in mid.spots(0.46, 0.06):
        _desk(mid, x)
    ground.box(-SPAN, GROUND, SPAN, EXTENT, rgb("d8a868"))
    for x in ground.spots(0.5, 0.0):
        ground.polygon([(x, GROUND), (x + 0.16, GROUND), (x + 0.24, EXTENT), (x, EXTENT)],
                       rgb("c89858"))  # fmt: skip
    boards(ground, rgb("d8a868"), GROUND, EXTENT)
    for x in stage.near.spots(1.05, 0.05):
        stage.near.box(x + 0.36, 0.43, x + 0.68, 0.48, rgb("c8945a"))
        for leg in (0.38, 0.63):
            stage.near.box(x + leg, 0.48, x + leg + 0.03, 1.0, rgb("7a8490"))


def _chalk(painter: Painter, x: float, y: float) -> None:
    """Paint lines of writing and a drawing in chalk."""
    path = skia.Path()
    for row in range(4):
        at = x
        while at < x + 0.26 - 0.03 * row:
            wide = 0.02 + 0.012 * ((row + int(at * 90)) % 3)
            path.moveTo(at, y + 0.06 * row).lineTo(at + wide, y + 0.06 * row + 0.01)
            at += wide + 0.018
    path.addCircle(x + 0.38, y + 0.1, 0.06)
    path.moveTo(x + 0.32, y + 0.16).lineTo(x + 0.44, y + 0.04)
    painter.marks(path, rgb("f4f4ea"), 0.95, 0.008)


def _desk(painter: Painter, x: float) -> None:
    """Paint a pupil's desk and chair."""
    painter.box(x + 0.04, 0.02, x + 0.2, 0.1, rgb("a8703f"))
    painter.box(x - 0.02, 0.13, x + 0.28, 0.17, rgb("dca868"))
    painter.box(x, 0.17, x + 0.26, 0.22, rgb("8a949c"))
    for leg in (0.0, 0.235):
        painter.box(x + leg, 0.17, x + leg + 0.025, 0.33, rgb("6a747e"))
    if painter.fine:
        book = skia.Path.Rect(skia.Rect(x + 0.05, 0.11, x + 0.13, 0.13))
        painter.marks(book, rgb("d0504a"))
        painter.marks(skia.Path.Rect(skia.Rect(x + 0.16, 0.115, x + 0.24, 0.13)), rgb("f8f8f0"))


@PLACES.add("train")
def train(stage: Stage) -> None:
    """A carriage: wide windows over long seats, hand straps, poles, a striped floor."""
    far, mid, ground = stage.far, stage.mid, stage.ground
    wall = rgb("d4dcd8")
    far.box(-SPAN, -EXTENT, SPAN, 0.5, wall)
    bricks(far, -EXTENT, -1.3, EXTENT, -0.36, wall, 0.08)
    far.box(-SPAN, -0.42, SPAN, -0.38, rgb("8a98a0"))
    for x in far.spots(0.72, 0.02):
        far.box(x, -0.33, x + 0.62, 0.0, rgb("7a8890"))
        _view(far, x + 0.025, -0.305, x + 0.595, -0.025)
        far.box(x + 0.1, -0.5, x + 0.5, -0.43, rgb(("f2d06a", "e86a7a", "6ab0e8")[
            int(far.rng.integers(3))]))  # fmt: skip
    for x in mid.spots(0.72, 0.02):
        mid.box(x - 0.02, 0.03, x + 0.6, 0.16, rgb("c0404a"))
        mid.box(x - 0.04, 0.15, x + 0.62, 0.22, rgb("d8505a"))
        mid.box(x - 0.02, 0.22, x + 0.6, 0.3, rgb("6a6f78"))
        bricks(mid, x - 0.02, 0.04, x + 0.6, 0.2, rgb("c0404a"), 0.045)
        mid.box(x + 0.64, -1.0, x + 0.665, 0.34, rgb("f0e8c0"))
        for strap in (0.1, 0.25, 0.4, 0.55):
            _strap(mid, x + strap)
    ground.box(-SPAN, GROUND, SPAN, EXTENT, rgb("98948c"))
    slabs(ground, rgb("98948c"), GROUND, 0.9)
    ground.box(-SPAN, GROUND + 0.05, SPAN, GROUND + 0.075, rgb("f2c83a"))
    for x in stage.near.spots(1.1, 0.04):
        stage.near.box(x + 0.62, -1.2, x + 0.66, 1.2, rgb("e8e0b8"))


def _strap(painter: Painter, x: float) -> None:
    """Paint a hand strap with its ring."""
    painter.box(x - 0.012, -0.9, x + 0.012, -0.29, rgb("6a5f58"))
    painter.marks(skia.Path.Circle(x, -0.255, 0.035), rgb("f8f4e4"), 1.0, 0.016)


@PLACES.add("kitchen")
def kitchen(stage: Stage) -> None:
    """A tiled wall with shelves and pans, a stove and a counter, a floor of chequered tiles."""
    far, mid, ground = stage.far, stage.mid, stage.ground
    wall = rgb("a8dcd0")
    far.box(-SPAN, -EXTENT, SPAN, 0.5, wall)
    bricks(far, -EXTENT, -1.2, EXTENT, GROUND, wall, 0.055)
    for x in far.spots(1.2, 0.03):
        far.box(x, -0.44, x + 0.38, -0.06, rgb("fff8ea"))
        _view(far, x + 0.03, -0.41, x + 0.35, -0.09)
        far.box(x + 0.46, -0.2, x + 1.1, -0.17, rgb("9a6238"))
        for k in range(5):
            code = ("e8402f", "f2c83a", "4a7ac0", "f4f0e4", "4f9a54")[int(far.rng.integers(5))]
            tall = float(far.rng.uniform(0.07, 0.13))
            far.box(x + 0.5 + 0.12 * k, -0.2 - tall, x + 0.58 + 0.12 * k, -0.2, rgb(code))
            _pan(far, x + 0.53 + 0.12 * k)
    for x in mid.spots(1.15, 0.03):
        mid.box(x, 0.04, x + 0.7, 0.32, rgb("f4ead4"))
        for door in (0.03, 0.26, 0.49):
            mid.box(x + door, 0.1, x + door + 0.19, 0.29, rgb("e8d4ac"))
            mid.marks(skia.Path.Circle(x + door + 0.16, 0.18, 0.014), rgb("8a5f3a"))
        mid.box(x - 0.02, 0.0, x + 0.72, 0.05, rgb("8a5a38"))
        mid.oval(x + 0.2, -0.04, 0.09, 0.055, rgb("d0504a"))
        mid.box(x + 0.76, -0.3, x + 1.02, 0.32, rgb("e4ecf0"))
        mid.box(x + 0.79, -0.06, x + 0.99, -0.04, rgb("8a98a0"))
    ground.box(-SPAN, GROUND, SPAN, EXTENT, rgb("e0c8a8"))
    slabs(ground, rgb("d8a888"), GROUND, 0.9)
    for x in ground.spots(0.5, 0.0):
        ground.polygon([(x, GROUND + 0.08), (x + 0.2, GROUND + 0.08), (x + 0.24, GROUND + 0.16),
                        (x + 0.02, GROUND + 0.16)], rgb("b8705a"))  # fmt: skip
    for x in stage.near.spots(1.1, 0.05):
        stage.near.box(x + 0.36, 0.44, x + 0.74, 0.5, rgb("9a6238"))
        stage.near.disc(x + 0.5, 0.4, 0.06, rgb("f2a33c"))
        stage.near.disc(x + 0.61, 0.41, 0.05, rgb("d8402f"))


def _pan(painter: Painter, x: float) -> None:
    """Paint a ladle or a pan hanging below the shelf."""
    if painter.fine:
        painter.marks(skia.Path().moveTo(x, -0.17).lineTo(x, -0.08), rgb("5a5048"), 1.0, 0.01)
        painter.marks(skia.Path.Circle(x, -0.06, 0.028), rgb("7a6a5a"))
