"""Hair: its shapes behind the head and over the brow, in head radii."""

from __future__ import annotations

import skia

from animatrix_data.procedural.registry import Registry

CROWN = -1.2
BACK_HAIR: Registry[skia.Path] = Registry("hair")


def _long() -> skia.Path:
    path = skia.Path().moveTo(-1.1, -0.3)
    path.cubicTo(-1.2, -1.5, 1.2, -1.5, 1.1, -0.3)
    path.cubicTo(1.25, 0.6, 1.2, 1.6, 1.45, 2.5)
    path.lineTo(0.75, 2.25).lineTo(0.0, 2.6).lineTo(-0.75, 2.25).lineTo(-1.45, 2.5)
    return path.cubicTo(-1.2, 1.6, -1.25, 0.6, -1.1, -0.3).close()


def _short() -> skia.Path:
    path = skia.Path().moveTo(-1.12, -0.2)
    path.cubicTo(-1.2, -1.5, 1.2, -1.5, 1.12, -0.2)
    return (
        path.cubicTo(1.3, 0.3, 1.3, 0.7, 0.95, 0.95)
        .lineTo(-0.95, 0.95)
        .cubicTo(-1.3, 0.7, -1.3, 0.3, -1.12, -0.2)
        .close()
    )


def _twin_tails() -> skia.Path:
    path = _short()
    for side in (-1, 1):
        path.moveTo(side * 0.8, -0.75)
        path.cubicTo(side * 1.9, -1.1, side * 2.4, 0.9, side * 1.75, 2.1)
        path.cubicTo(side * 1.5, 1.5, side * 1.0, 0.8, side * 0.8, -0.75).close()
    path.setFillType(skia.PathFillType.kWinding)
    return path


def _spiky() -> skia.Path:
    points = [(-1.0, 0.6), (-1.5, 0.1), (-1.15, -0.2), (-1.55, -0.85), (-0.95, -0.85),
              (-0.75, -1.6), (-0.2, -1.15), (0.3, -1.7), (0.6, -1.1), (1.35, -1.3),
              (1.15, -0.6), (1.6, -0.2), (1.2, 0.1), (1.0, 0.6)]  # fmt: skip
    return skia.Path.Polygon([skia.Point(*p) for p in points], True)


BACK_HAIR.add("long")(_long())
BACK_HAIR.add("short")(_short())
BACK_HAIR.add("twin-tailed")(_twin_tails())
BACK_HAIR.add("spiky")(_spiky())


def _face() -> skia.Path:
    path = skia.Path().moveTo(-0.9, -0.2)
    path.cubicTo(-0.9, -1.1, 0.9, -1.1, 0.9, -0.2)
    path.cubicTo(0.95, 0.5, 0.5, 0.95, 0.0, 1.02)
    return path.cubicTo(-0.5, 0.95, -0.95, 0.5, -0.9, -0.2).close()


def _fringe() -> skia.Path:
    path = skia.Path().moveTo(-1.12, 0.25)
    path.cubicTo(-1.3, -1.55, 1.3, -1.55, 1.12, 0.25)
    path.lineTo(0.84, -0.4).lineTo(0.48, -0.14).lineTo(0.2, -0.46).lineTo(-0.18, -0.1)
    return path.lineTo(-0.5, -0.46).lineTo(-0.86, -0.1).close()


def _fine_fringe() -> skia.Path:
    path = skia.Path().moveTo(-1.1, 0.1)
    path.cubicTo(-1.28, -1.5, 1.28, -1.5, 1.1, 0.1)
    path.quadTo(1.12, 0.45, 0.96, 0.66).quadTo(1.0, 0.12, 0.84, -0.4)
    path.quadTo(0.72, -0.22, 0.45, -0.12).quadTo(0.34, -0.28, 0.24, -0.48)
    path.quadTo(0.12, -0.2, -0.2, -0.06).quadTo(-0.36, -0.24, -0.46, -0.48)
    path.quadTo(-0.56, -0.26, -0.8, -0.12).quadTo(-0.84, -0.24, -0.86, -0.36)
    return path.quadTo(-1.0, 0.12, -0.96, 0.66).quadTo(-1.12, 0.45, -1.1, 0.1).close()


def _strands() -> skia.Path:
    """Return the lines between the locks of the fine fringe."""
    path = skia.Path()
    for x, y, bend, top in ((0.24, -0.48, 0.26, -0.86), (-0.46, -0.48, -0.5, -0.84),
                            (0.84, -0.4, 0.82, -0.66), (-0.12, -0.16, 0.02, -0.62),
                            (0.5, -0.2, 0.56, -0.6), (-0.72, -0.2, -0.8, -0.58)):  # fmt: skip
        path.moveTo(x, y).quadTo(bend, (y + top) / 2, 0.6 * bend, top)
    return path


def _shine() -> skia.Path:
    """Return the ring of light on fine hair: a band with a jagged lower edge."""
    path = skia.Path().moveTo(-0.78, -0.62).quadTo(0.0, -1.02, 0.78, -0.62)
    for x, y in ((0.66, -0.6), (0.6, -0.7), (0.42, -0.66), (0.34, -0.77), (0.1, -0.72),
                 (0.02, -0.81), (-0.18, -0.72), (-0.28, -0.78), (-0.44, -0.66),
                 (-0.58, -0.71), (-0.68, -0.6)):  # fmt: skip
        path.lineTo(x, y)
    return path.close()


def _falls() -> dict[str, skia.Path]:
    """Return the strands of fine hair behind the head by its shape."""
    long, tails = skia.Path(), skia.Path()
    for x in (-0.9, -0.45, 0.4, 0.9):
        long.moveTo(x, 1.0).quadTo(0.95 * x, 1.7, 1.15 * x, 2.25)
    for side in (-1, 1):
        tails.moveTo(side * 1.15, -0.6).cubicTo(side * 1.8, -0.3, side * 1.9, 0.8, side * 1.72, 1.7)
        tails.moveTo(side * 1.05, -0.45).cubicTo(side * 1.4, 0.1, side * 1.5, 0.7, side * 1.6, 1.3)
    return {"long": long, "twin-tailed": tails}


def _nape() -> skia.Path:
    """Return the strands of fine hair on the back of a head, from the crown down."""
    path = skia.Path()
    for x, low in ((-0.78, 0.5), (-0.4, 0.62), (0.02, 0.55), (0.44, 0.64), (0.8, 0.5)):
        path.moveTo(0.35 * x, -0.95).quadTo(1.15 * x, -0.5, x, low)
    return path


FACE, FRINGE, FINE_FRINGE = _face(), _fringe(), _fine_fringe()
STRANDS, FINE_SHINE, FALLS, NAPE = _strands(), _shine(), _falls(), _nape()
SHINE = skia.Path().moveTo(-0.62, -0.72).quadTo(0.0, -1.0, 0.62, -0.72)
