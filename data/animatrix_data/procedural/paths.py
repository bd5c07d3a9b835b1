"""Points and polygons that drawings of every kind are made of."""

from __future__ import annotations

import skia

Point = tuple[float, float]
"""A place across and down; the unit is the canvas's."""


def polygon(*points: Point) -> skia.Path:
    """Return a closed polygon through points."""
    return skia.Path.Polygon([skia.Point(*p) for p in points], True)
