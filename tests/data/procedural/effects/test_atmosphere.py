"""Atmosphere: what moves, what it tints, and that the camera is seen through it."""

import numpy as np
import pytest

from animatrix_data.procedural import Size, draw_clip
from animatrix_data.procedural.effects.backdrops import spread
from animatrix_data.procedural.oracles.camera import camera_path
from animatrix_data.procedural.painter import EXTENT
from tests.data.procedural.effects.clips import shot_of, with_and_without, with_effect

PANNED = ("Abstract Pattern Background", "Emotional Background", "Bubble Background",
          "Starry Night", "God Rays", "Dream Bubbles", "Fog", "Particles")  # fmt: skip


@pytest.mark.parametrize("tag", PANNED)
def test_a_pan_is_measured_through_it(tag: str) -> None:
    spec = with_effect(tag, shot_of("full shot", camera="pan right"))
    clip = draw_clip(spec, 4, Size(128, 128, 33, 16))
    dx, seen = clip.truth["camera"]["dx"][-1], camera_path(clip.frames).dx[-1]
    assert abs(dx) > 8
    assert abs(seen - dx) < 0.15 * abs(dx)


@pytest.mark.parametrize(
    ("tag", "tint"),
    [("Sandstorm", (1, 0, -1)), ("Starry Night", (-1, -1, 1)), ("Falling Leaves", (1, 0, -1)),
     ("Gradient Light Pillar", (1, 0, -1))],
)  # fmt: skip
def test_it_tints_the_picture(tag: str, tint: tuple[int, int, int]) -> None:
    changed, plain = with_and_without(tag)
    shift = changed.frames.mean((0, 1, 2)) - plain.frames.mean((0, 1, 2))
    assert float((shift - shift.mean()) @ np.array(tint)) > 3


@pytest.mark.parametrize(("tag", "level"), [("Blizzard", True), ("Heavy Rain", False)])
def test_a_storm_streaks_its_own_way(tag: str, level: bool) -> None:
    changed, plain = with_and_without(tag)
    drops = (changed.frames.astype(float) - plain.frames).mean(-1)
    down, across = (np.abs(np.diff(drops, axis=axis)).mean() for axis in (1, 2))
    assert (down > 1.2 * across) if level else (across > 1.2 * down)


@pytest.mark.parametrize("tag", ["Meteor Shower", "Dream Bubbles", "Fog", "Blizzard", "Heavy Rain"])
def test_it_moves(tag: str) -> None:
    changed, plain = with_and_without(tag)
    layer = changed.frames.astype(float) - plain.frames
    assert np.abs(layer[20] - layer[12]).mean() > 1


def test_motifs_are_spread_over_all_that_a_camera_can_see() -> None:
    places = np.array(spread(np.random.default_rng(0), 0.3))
    for x, y in np.random.default_rng(1).uniform(-EXTENT + 0.3, EXTENT - 0.3, (50, 2)):
        assert np.hypot(*(places - (x, y)).T).min() < 0.45
