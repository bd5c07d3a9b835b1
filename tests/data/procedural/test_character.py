"""Figures: what a look moves, what only large figures show, and volumes in their light."""

from dataclasses import replace

import numpy as np
import pytest
import skia

from animatrix_data.procedural.character import Figure, joints, shows_detail
from animatrix_data.procedural.expressions import NEUTRAL, Look, expression_of
from animatrix_data.procedural.framing import SHOTS
from animatrix_data.procedural.motion import Pose
from animatrix_data.procedural.sampler.shipped import VOCABULARY
from animatrix_data.procedural.styles import STYLES
from animatrix_data.procedural.timing import KINETICS, Build
from tests.data.procedural.drawn import BOY, GIRL, draw, face_of

VOLUMES = [name for name in STYLES if STYLES[name].volume]
LINED = [name for name in STYLES if STYLES[name].outline]


def changed(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return which pixels differ visibly."""
    return np.abs(one - other).max(axis=-1) > 20


@pytest.mark.parametrize("size", [64, 128])
@pytest.mark.parametrize("felt", [(), ("anger",)])
@pytest.mark.parametrize("part", ["eye_l", "eye_r", "mouth", "brow_l", "brow_r"])
def test_a_look_moves_a_part_of_the_face(part: str, felt: tuple[str, ...], size: int) -> None:
    look = Look(expression=expression_of(felt))
    still = draw(look, size=size)
    moved = changed(draw(replace(look, parts=((part, (0.2, 0.25)),)), size=size), still)
    if part.startswith("brow") and not felt and size == 64:
        assert not moved.any(), "a small plain face has no brows"
        return
    assert moved.sum() > (size / 64) ** 2 * 6
    assert moved.mean() < 0.1, "only the part has moved"


@pytest.mark.parametrize("style", LINED)
def test_a_look_widens_and_thins_the_outline(style: str) -> None:
    ink = np.array(STYLES[style].ink) * 255
    near = [
        (np.abs(draw(Look(outline=factor), style=style) - ink).max(axis=-1) < 40).sum()
        for factor in (0.1, 1.0, 2.0)
    ]
    assert near[0] < 0.9 * near[1] and near[1] < 0.9 * near[2]


def test_an_outline_factor_lasts_one_frame() -> None:
    figure = Figure(GIRL, STYLES["2D Japanese Anime"], Build(), 0.01, fine=True)
    widths = []
    canvas = skia.Surface(32, 32).getCanvas()
    for factor in (1.0, 2.0, 1.0):
        figure.draw(canvas, Pose(), joints(Pose(), Build()), Look(outline=factor), None)
        widths.append(figure.ink_body.getStrokeWidth())
    assert widths[0] == widths[2] and widths[1] == pytest.approx(2 * widths[0])


def test_the_shipped_model_never_saw_detail() -> None:
    for kinetics in VOCABULARY["MotionStyle"]:
        build = KINETICS[kinetics].build
        for shot in VOCABULARY["ShotScale"]:
            assert not shows_detail(SHOTS[shot](build).height * 64 * build.head, 64)


def test_large_figures_show_more_than_small_ones() -> None:
    """Detail is what a frame of twice the size has beyond the same drawing enlarged."""
    for size, shot, detailed in ((60, "Full Shot", True), (60, "Close-Up", True),
                                 (38, "Full Shot", False), (38, "Close-Up", False)):  # fmt: skip
        small, large = draw(size=size, shot=shot), draw(size=2 * size, shot=shot)
        halved = large.reshape(size, 2, size, 2, 3).mean(axis=(1, 3))
        difference = np.abs(halved - small).mean() / np.abs(small - 150.0).mean()
        assert (difference > 0.2) == detailed, (size, shot)


@pytest.mark.parametrize("style", VOLUMES)
@pytest.mark.parametrize("facing", [1, -1])
def test_volumes_are_lit_from_the_upper_left_of_the_frame(style: str, facing: int) -> None:
    head = face_of(draw(pose=Pose(turn=0.0), style=style, facing=facing), "Close-Up")
    height, width = head.shape[:2]
    hair = head[int(0.12 * height) : int(0.3 * height)]
    left = hair[:, int(0.2 * width) : int(0.4 * width)].mean()
    right = hair[:, int(0.6 * width) : int(0.8 * width)].mean()
    assert left > right + 8


@pytest.mark.parametrize("style", VOLUMES)
def test_volumes_stand_in_a_soft_shadow(style: str) -> None:
    standing = draw(shot="Full Shot", style=style, content=BOY)
    leaping = draw(pose=Pose(lift=0.3), shot="Full Shot", style=style, content=BOY)
    ground = slice(round(128 * 0.93), round(128 * 0.97))
    assert standing[ground].min() < 110
    assert leaping[ground].min() == 150, "no shadow so high above the ground"


def test_a_blink_closes_the_eyes_of_every_plain_face() -> None:
    for size in (64, 128):
        shut = Look(expression=replace(NEUTRAL, lid=0.0))
        assert changed(draw(shut, size=size), draw(size=size)).sum() > (size / 64) ** 2 * 20
