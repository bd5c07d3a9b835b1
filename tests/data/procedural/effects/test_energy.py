"""Skill and energy: light that grows, strikes and turns."""

import numpy as np
import pytest

from tests.data.procedural.effects.clips import change_of, with_and_without


def test_a_beam_leaves_the_way_the_figure_faces() -> None:
    changed, _ = with_and_without("Light Beam")
    white = (changed.frames.min(-1) > 240).sum((0, 1))
    edges = white[:6].sum(), white[-6:].sum()
    front, back = edges if changed.truth["content"]["facing"] < 0 else edges[::-1]
    assert front > 10 * (back + 1)


def test_lightning_flickers_along_one_path() -> None:
    changed, plain = with_and_without("Lightning Strike")
    light = changed.frames.mean((1, 2, 3)) - plain.frames.mean((1, 2, 3))
    assert light.min() < -15
    assert light.max() > light.min() + 25
    assert (np.diff(np.sign(np.diff(light[light != 0]))) != 0).sum() >= 4


@pytest.mark.parametrize("tag", ["Energy Sphere", "Energy Explosion", "Magic Circle", "Barrier"])
def test_power_grows_from_a_point(tag: str) -> None:
    changed, plain = with_and_without(tag)
    brighter = (changed.frames.astype(int) - plain.frames).max(-1) > 60
    size = brighter.sum((1, 2))
    assert size[8:24].max() > 1.4 * (size[0] + 1)


def test_a_magic_circle_turns_about_the_feet() -> None:
    changed, plain = with_and_without("Magic Circle", "long shot")
    change = np.abs(changed.frames.astype(float) - plain.frames).mean(-1)
    feet = max(changed.truth["keypoints"][f"foot_{side}"][16][1] for side in "lr")
    rows = (change[16] > 40).nonzero()[0]
    assert abs(np.median(rows) - feet) < 6
    assert np.abs(np.diff(changed.frames[12:].astype(float), axis=0))[:, rows.min() :].mean() > 1


def test_a_shock_jumps_from_drawing_to_drawing_and_shows_the_bones() -> None:
    changed, plain = with_and_without("Electric Shock", "medium shot")
    dark = (changed.frames.max(-1) < 90).sum((1, 2)) - (plain.frames.max(-1) < 90).sum((1, 2))
    assert 4 <= (dark > 50).sum() <= 16
    yellow = (changed.frames[..., 0] > 200) & (changed.frames[..., 2] < 120)
    assert yellow.sum((1, 2)).min() > 5


@pytest.mark.parametrize("tag", ["Flame Trail", "Fire Breath"])
def test_fire_flickers_in_the_colours_of_fire(tag: str) -> None:
    changed, plain = with_and_without(tag)
    fire = (changed.frames[..., 0] > 190) & (changed.frames[..., 2] < 70)
    cold = (plain.frames[..., 0] > 190) & (plain.frames[..., 2] < 70)
    assert fire.sum() > 33 * 12 + cold.sum()
    assert np.logical_xor(fire[8], fire[12]).sum() > 8


def test_an_array_lights_up_one_by_one_and_fires() -> None:
    changed, _ = with_and_without("Energy Array", "long shot")
    gold = ((changed.frames[..., 0] > 230) & (changed.frames[..., 2] < 170)).sum((1, 2))
    assert gold.max() > 1.5 * (gold[0] + 1)
    assert gold.max() > 1.5 * (gold[-1] + 1)


def test_waves_travel_on() -> None:
    change = change_of("Light Wave") > 60
    assert change.any(0).sum() > 2 * change.sum((1, 2)).mean()
