"""Emotional symbols: marks by the head pop in, stay in the frame and read on anything; no effect
leaves anything behind in another clip."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from animatrix_data.procedural import FREE, Size, Staging, draw_clip
from animatrix_data.procedural.effects import Placed, Setting
from animatrix_data.procedural.effects.stickers import inside, mark_size, pop
from animatrix_data.procedural.registry import generator
from animatrix_data.procedural.styles import STYLES
from animatrix_data.taxonomy import ProductionSpec, Tag
from tests.data.procedural.effects.clips import SHORT, effects_of, shot_of, with_effect

BASE = shot_of("medium shot")
SYMBOLS = effects_of("Emotional Symbols")
MARKS = ("Question Mark", "Exclamation Mark", "Lightbulb", "Storm Cloud", "Sweat Drop", "Vein Pop",
         "Three Overhead Lines")  # fmt: skip


def frames_of(spec: ProductionSpec, staging: Staging = FREE) -> np.ndarray:
    return draw_clip(spec, 4, SHORT, staging).frames.astype(float)


def test_at_least_twelve_symbols_are_drawn_each_unlike_the_others() -> None:
    assert len(SYMBOLS) >= 12
    drawn = [frames_of(with_effect(name, BASE))[::3] for name in SYMBOLS]
    for i, one in enumerate(drawn):
        for other in drawn[:i]:
            # What tells two apart is small beside the frame, but not slight where it is.
            assert (np.abs(one - other).max(-1) > 60).mean() > 0.01


@pytest.mark.parametrize("name", MARKS)
def test_a_mark_pops_in_and_then_moves(name: str) -> None:
    plain, marked = frames_of(BASE), frames_of(with_effect(name, BASE))
    change = np.abs(marked - plain).mean((1, 2, 3))
    assert change[0] == 0.0
    assert change[4:].min() > 1.0


@pytest.mark.parametrize("style", ["2D Japanese Anime", "2D Flat Cartoon", "2D Chinese Style"])
@pytest.mark.parametrize("light", ["night", "noon"])
def test_a_mark_is_dark_on_light_and_light_on_dark(style: str, light: str) -> None:
    staging, spec = Staging(lights=(light,)), BASE.replace("VideoStyle", [Tag("VideoStyle", style)])
    plain = frames_of(spec, staging=staging)
    for name in ("Question Mark", "Exclamation Mark", "Vein Pop", "Sweat Drop"):
        marked = frames_of(with_effect(name, spec), staging=staging)
        changed = marked[-1][np.abs(marked[-1] - plain[-1]).max(-1) > 20].mean(-1)
        assert len(changed) > 60
        assert changed.max() - changed.min() > 120


@pytest.mark.parametrize("name", MARKS)
def test_a_mark_shows_by_a_head_that_is_turned_away(name: str) -> None:
    spec = shot_of("medium shot", "turn").replace(
        "MotionAmplitude", [Tag("MotionAmplitude", "high")]
    )
    spec = spec.replace("MotionSpeed", [Tag("MotionSpeed", "low")])
    change = np.abs(frames_of(with_effect(name, spec)) - frames_of(spec)).mean((1, 2, 3))
    assert change[4:].min() > 1.0


@settings(max_examples=40)
@given(
    at=st.tuples(st.floats(-3, 3), st.floats(-3, 3)),
    radius=st.floats(0.02, 0.8),
    aspect=st.floats(0.5, 2.5),
)
def test_a_mark_is_large_enough_and_kept_inside(
    at: tuple[float, float], radius: float, aspect: float
) -> None:
    setting = Setting(aspect, 17, 8.0, STYLES["2D Japanese Anime"], generator(0, "effects"))
    size = mark_size(Placed(at, radius, (0, 0), (0, 0), 1.0))
    assert 0.11 <= size <= 0.35
    x, y = inside(setting, at, (size, size))
    assert abs(x) <= max(aspect / 2 - size, 0) and abs(y) <= 0.5 - size
    assert pop(0.0) == 0.0 and pop(99.0) == 1.0 and max(map(pop, np.arange(0, 3, 0.1))) > 1.05


def test_a_clip_does_not_depend_on_what_was_drawn_before_it() -> None:
    names = (*SYMBOLS, "Statue Pose", "Flat Character", "Spiritless", "Smear Frame", "Hold Pose")
    size = Size(48, 48, 6, 8)
    first = [draw_clip(with_effect(name, BASE), 9, size).frames for name in names]
    again = [draw_clip(with_effect(name, BASE), 9, size).frames for name in reversed(names)]
    for one, other in zip(first, reversed(again), strict=True):
        assert np.array_equal(one, other)
