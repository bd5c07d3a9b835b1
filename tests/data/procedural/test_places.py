"""Places and styles as pictures: told apart, painted to the edge, and full of things to track."""

from functools import cache
from itertools import combinations

import cv2
import numpy as np
import pytest
import skia
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from animatrix_data.procedural.content import (
    CONTENT_CLASSES,
    FIRST_PLACES,
    FREE,
    LIGHTS,
    PLACES,
    Staging,
    content_class,
    sample_content,
)
from animatrix_data.procedural.painter import EXTENT, FINE, Painter
from animatrix_data.procedural.places import INDOORS, Stage
from animatrix_data.procedural.places import PLACES as PAINTED
from animatrix_data.procedural.registry import generator
from animatrix_data.procedural.sky import paint_sky
from animatrix_data.procedural.styles import STYLES

DESK = 128
Picture = NDArray[np.uint8]
TRACKABLE = 2e-4
"""The least eigenvalue (cv2.cornerMinEigenVal, block 3) of a corner that a tracker keeps."""


def _layers(style: str, place: str, light: str, detail: float | None) -> list[skia.Picture]:
    painters = [Painter(STYLES[style], light, generator(3, f"layer{k}"), detail) for k in range(5)]
    paint_sky(painters[0], place in INDOORS)
    PAINTED[place](Stage(*painters[1:]))
    return [painter.finish() for painter in painters]


def _shown(layers: list[skia.Picture], height: int, at: tuple[float, float] = (0, 0)) -> Picture:
    pixels = np.zeros((height, height, 4), np.uint8)
    canvas = skia.Surface(pixels, skia.kRGBA_8888_ColorType).getCanvas()
    canvas.translate(height / 2, height / 2)
    canvas.scale(height, height)
    canvas.translate(*at)
    for layer in layers:
        canvas.drawPicture(layer)
    return pixels


@cache
def _picture(style: str, place: str, light: str = "noon", detail: float | None = DESK) -> Picture:
    return _shown(_layers(style, place, light, detail), DESK)[..., :3]


def _corners(picture: Picture) -> NDArray[np.int64]:
    """Return the places [N, 2] (x, y) of the corners that can be tracked."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    strength = cv2.cornerMinEigenVal(grey, 3)
    found = cv2.goodFeaturesToTrack(grey, 400, 1e-6, 4)[:, 0].astype(int)
    return found[strength[found[:, 1], found[:, 0]] > TRACKABLE]


def test_every_place_of_the_content_is_painted_and_has_one_class() -> None:
    assert set(PLACES) == set(PAINTED)
    assert sum(map(len, CONTENT_CLASSES.values())) == len(set(PLACES)) == len(PLACES)
    assert set(FIRST_PLACES) < set(PLACES)
    assert set(INDOORS) < set(PLACES)
    assert all(place in CONTENT_CLASSES[content_class(place)] for place in PLACES)
    with pytest.raises(ValueError, match="no place 'moon'"):
        content_class("moon")


@given(st.integers(0, 2**32))
@settings(max_examples=30, deadline=None)
def test_a_staging_of_fewer_places_changes_nothing_else(seed: int) -> None:
    free, first = sample_content(seed, FREE), sample_content(seed, Staging(FIRST_PLACES))
    assert first.place in FIRST_PLACES
    assert (free.person, free.hair, free.outfit_colour) == (
        first.person,
        first.hair,
        first.outfit_colour,
    )


@pytest.mark.parametrize("place", PLACES)
def test_every_style_paints_a_place_in_its_own_way(place: str) -> None:
    for light in ("noon", "night"):
        for one, other in combinations(STYLES, 2):
            apart = _picture(one, place, light).astype(float) - _picture(other, place, light)
            assert np.abs(apart).mean() > 9, (one, other, light)


@pytest.mark.parametrize("style", STYLES)
def test_every_place_and_light_is_another_picture(style: str) -> None:
    for one, other in combinations(PLACES, 2):
        apart = _picture(style, one).astype(float) - _picture(style, other)
        assert np.abs(apart).mean() > 5, (one, other)
    for one, other in combinations(LIGHTS, 2):
        apart = _picture(style, "vista", one).astype(float) - _picture(style, "vista", other)
        assert np.abs(apart).mean() > 2, (one, other)


@pytest.mark.parametrize("style", STYLES)
def test_there_is_something_to_track_in_every_place(style: str) -> None:
    for place in PLACES:
        for light in ("noon", "night"):
            corners = _corners(_picture(style, place, light))
            assert len(corners) >= 100, (place, light)
            low = corners[corners[:, 1] > DESK / 2]
            across = np.bincount(low[:, 0] * 4 // DESK, minlength=4)
            assert across.min() >= 4, (place, light)


def test_small_things_show_only_in_a_large_frame_and_leave_the_large_ones_in_place() -> None:
    for place in PLACES:
        plain = _picture("2D Japanese Anime", place, "noon", None)
        below = _picture("2D Japanese Anime", place, "noon", FINE - 1)
        fine = _picture("2D Japanese Anime", place)
        assert np.array_equal(plain, below)
        assert len(_corners(fine)) > len(_corners(plain))
        blurred = [cv2.GaussianBlur(p, (0, 0), 8).astype(float) for p in (plain, fine)]
        assert np.abs(blurred[0] - blurred[1]).mean() < 14, place


@pytest.mark.parametrize("place", PLACES)
def test_no_travel_of_a_camera_meets_the_edge_of_the_paint(place: str) -> None:
    for style in ("2D Chinese Style", "3D Realistic CG"):
        layers = _layers(style, place, "noon", DESK)
        for x in (-EXTENT - 1, EXTENT + 1):
            for y in (-1.4, 1.4):
                assert _shown(layers, 32, (x, y))[..., 3].min() == 255
