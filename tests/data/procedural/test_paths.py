"""Polygons close through the points that they are given, of whatever kind of number."""

import numpy as np

from animatrix_data.procedural.paths import polygon


def test_a_polygon_closes_through_its_points() -> None:
    corners = [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)]
    path = polygon(*corners)
    assert path.isLastContourClosed()
    assert [(p.x(), p.y()) for p in path.getPoints(9)] == corners
    assert polygon(*zip(*np.array(corners).T, strict=True)) == path
