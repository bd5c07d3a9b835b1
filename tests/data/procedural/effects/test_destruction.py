"""Destruction: a blast cools, water falls back, cracks stay."""

import numpy as np
import pytest

from tests.data.procedural.effects.clips import change_of, with_and_without


def test_an_explosion_cools_to_smoke() -> None:
    changed, plain = with_and_without("Explosion")
    touched = np.abs(changed.frames.astype(float) - plain.frames).mean(-1) > 25
    light = [changed.frames[t][touched[t]].mean() for t in (4, 20)]
    assert light[0] > light[1] + 60


def test_cracks_spread_from_the_feet_and_stay() -> None:
    dark = (change_of("Ground Crack", "long shot") > 25).sum((1, 2))
    assert dark[16] > 1.5 * (dark[0] + 1)
    assert dark[-1] > 0.8 * dark[12]


def test_a_splash_falls_back() -> None:
    changed, _ = with_and_without("Splash")
    rows = [(change > 40).any(1).argmax() for change in change_of("Splash")]
    feet = changed.truth["keypoints"]["foot_r"][0][1]
    assert min(rows) < feet - 10
    assert max(rows) > min(rows) + 6


def test_glass_cracks_before_it_bursts() -> None:
    change = change_of("Shatter")
    touched = (change > 15).sum((1, 2))
    assert touched[6] > 1.5 * (touched[1] + 1)
    assert touched.max() > 4 * (touched[-4:].min() + 1)


@pytest.mark.parametrize("tag", ["Smoke Cloud", "Dust Cloud", "Debris Scatter", "Whirlpool"])
def test_it_keeps_moving_from_below(tag: str) -> None:
    changed, plain = with_and_without(tag)
    layer = changed.frames.astype(float) - plain.frames
    assert np.abs(layer[20] - layer[12]).mean() > 0.8
    strength = np.abs(layer).mean((0, 2, 3))
    assert strength[40:].mean() > strength[:24].mean()
