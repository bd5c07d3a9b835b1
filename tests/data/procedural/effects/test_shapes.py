"""Shapes that effects share keep to their bounds and stand where they are told."""

import numpy as np
import pytest
import skia
from hypothesis import given, settings
from hypothesis import strategies as st

from animatrix_data.procedural.effects.shapes import (
    bolt,
    clamp,
    crescent,
    frame_height,
    frame_heights,
)

PLACES = st.floats(-1, 1)


@pytest.mark.parametrize("facing", [-1, 1])
def test_a_point_of_the_figure_is_found_on_the_frame(facing: int) -> None:
    canvas = skia.Surface(160, 80).getCanvas()
    canvas.translate(120, 20)
    canvas.scale(40 * facing, 40)
    assert frame_height(canvas) == pytest.approx(2.0)
    with frame_heights(canvas, (0.5, 1.0)) as ([(x, y)], faces):
        assert (x, y) == pytest.approx(((120 + 20 * facing - 80) / 80, (60 - 40) / 80))
        assert faces == facing
        assert canvas.getTotalMatrix().mapXY(0, 0) == skia.Point(80, 40)
    assert frame_height(canvas) == pytest.approx(2.0)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 99), PLACES, PLACES, st.integers(2, 12), st.floats(0.01, 0.2))
def test_a_bolt_joins_its_ends_and_strays_by_no_more_than_its_sway(
    seed: int, x: float, y: float, steps: int, sway: float
) -> None:
    start, end = (2.0, 2.0), (x, y)
    path = bolt(np.random.default_rng(seed), start, end, steps, sway)
    points = np.array([(p.x(), p.y()) for p in path.getPoints(99)])
    assert len(points) == steps + 1
    assert points[[0, -1]] == pytest.approx(np.array([start, end]), abs=1e-5)
    along = (np.array(end) - start) / np.hypot(x - 2, y - 2)
    aside = np.abs((points - start) @ np.array([-along[1], along[0]]))
    assert aside.max() <= sway + 1e-5


def test_a_crescent_swells_between_pointed_ends() -> None:
    box = crescent(1.0, 0.4, -0.5, 1.0).getBounds()
    assert 1.1 < box.right() <= 1.21
    ends = np.hypot(*np.array([(p.x(), p.y()) for p in crescent(1, 0.4, 0, 1).getPoints(1)]).T)
    assert ends == pytest.approx(1.0, abs=1e-5)


def test_a_value_is_held_between_two_others() -> None:
    assert (clamp(-1), clamp(0.3), clamp(7, 2, 5)) == (0, 0.3, 5)
