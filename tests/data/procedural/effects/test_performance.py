"""Character performance: what the gags do to face and body can be measured."""

import numpy as np
import pytest

from animatrix_data.procedural import draw_clip
from animatrix_data.taxonomy import ProductionSpec
from tests.data.procedural.effects.clips import SHORT, effects_of, shot_of, with_effect
from tests.data.procedural.effects.regions import region_of


def heads_tall(spec: ProductionSpec) -> float:
    points = {k: np.array(v) for k, v in draw_clip(spec, 3, SHORT).truth["keypoints"].items()}
    head = np.linalg.norm(points["head"] - points["neck"], axis=1).mean()
    return float((points["foot_r"][:, 1] - points["head"][:, 1]).mean() / (2 * head / 0.92) + 0.5)


def test_effects_of_performance_are_unlike_each_other() -> None:
    names = effects_of("Character Performance")
    assert len(names) >= 4
    spec = shot_of("close-up", "wave")
    drawn = [draw_clip(with_effect(n, spec), 5, SHORT).frames.astype(float) for n in names]
    for i, one in enumerate(drawn):
        for other in drawn[:i]:
            assert np.abs(one - other).mean() > 2


def test_a_statue_is_grey_and_still() -> None:
    spec = shot_of(motion="wave")
    plain, stone = draw_clip(spec, 5, SHORT), draw_clip(with_effect("Statue Pose", spec), 5, SHORT)
    changed = np.abs(stone.frames.astype(int) - plain.frames).max(-1) > 30
    colours = [clip.frames[8:][changed[8:]].astype(int) for clip in (plain, stone)]
    before, after = (float((c.max(-1) - c.min(-1)).mean()) for c in colours)
    assert after < 0.5 * before
    assert np.array_equal(stone.frames[6], stone.frames[-1])
    assert not np.array_equal(plain.frames[6], plain.frames[-1])


def test_chibi_form_is_shorter_than_the_chibi_of_the_gag_dialect() -> None:
    gag = heads_tall(shot_of(motion="wave", kinetics="2D Gag"))
    chibi = heads_tall(with_effect("Chibi Form", shot_of(motion="wave")))
    assert chibi < 0.85 * gag < 0.6 * heads_tall(shot_of(motion="wave"))


def test_a_flat_character_turns_on_its_edge_and_its_joints_with_it() -> None:
    spec = shot_of()
    points = draw_clip(with_effect("Flat Character", spec), 5, SHORT).truth["keypoints"]
    wide = np.abs(np.array(points["foot_r"])[:, 0] - np.array(points["foot_l"])[:, 0])
    assert wide[3:].min() < 0.4 * wide[0]
    assert wide[3:].max() > 0.8 * wide[0]


def test_a_ghost_leaves_a_body_that_has_lost_its_colour() -> None:
    spec = shot_of()
    plain, left = (draw_clip(s, 5, SHORT) for s in (spec, with_effect("Spiritless", spec)))
    region = region_of("head", (plain,), SHORT)
    white = (left.frames.min(-1) > 225) & (plain.frames.min(-1) < 225)
    assert (white & region)[6:].sum((1, 2)).min() > 40


@pytest.mark.parametrize("name", ["Dark Face", "Charred Face"])
def test_a_darkened_face_is_dark(name: str) -> None:
    spec = shot_of("close-up")
    plain, dark = (draw_clip(s, 5, SHORT).frames[-1] for s in (spec, with_effect(name, spec)))
    changed = np.abs(dark.astype(int) - plain).max(-1) > 20
    assert changed.mean() > 0.1
    assert dark[changed].mean() < 0.7 * plain[changed].mean()


def test_a_burst_stands_behind_the_head() -> None:
    spec = shot_of()
    burst = draw_clip(with_effect("Exclamation Burst", spec), 5, SHORT)
    plain = draw_clip(spec, 5, SHORT)
    frames = burst.frames.astype(int)
    yellow = (frames[..., :2].min(-1) > 150) & (frames[..., 1] - frames[..., 2] > 70)
    yellow &= np.abs(frames - plain.frames).max(-1) > 20
    assert yellow.sum((1, 2)).max() > 60
    for t, head in enumerate(np.round(burst.truth["keypoints"]["head"]).astype(int)):
        x, y = head
        face = slice(y - 2, y + 3), slice(x - 2, x + 3)
        assert np.array_equal(burst.frames[t][face], plain.frames[t][face])
