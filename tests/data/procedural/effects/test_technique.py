"""Animation techniques: what they do to the drawings can be read off the joints."""

import numpy as np
import pytest
from numpy.typing import NDArray

from animatrix_data.procedural import draw_clip
from animatrix_data.taxonomy import ProductionSpec
from tests.data.procedural.effects.clips import SIZE, effects_of, shot_of, with_effect

TECHNIQUES = effects_of("Animation Techniques")


def joints_of(spec: ProductionSpec, seed: int = 6) -> dict[str, NDArray[np.float64]]:
    keypoints = draw_clip(spec, seed, SIZE).truth["keypoints"]
    return {name: np.array(path) for name, path in keypoints.items()}


def tall(points: dict[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    return np.maximum(points["foot_l"], points["foot_r"])[:, 1] - points["head"][:, 1]


def still(points: dict[str, NDArray[np.float64]]) -> NDArray[np.bool_]:
    """Tell between which frames [T − 1] no joint moves."""
    moved = np.max([np.abs(np.diff(path, axis=0)).max(1) for path in points.values()], axis=0)
    return moved < 1e-6


@pytest.mark.parametrize("motion", ["stand", "walk"])
def test_a_body_squashes_and_stretches_whatever_it_does(motion: str) -> None:
    usual = np.median(tall(joints_of(shot_of(motion=motion))))
    height = tall(joints_of(with_effect("Squash & Stretch", shot_of(motion=motion)))) / usual
    assert height.min() < 0.75 and height.max() > 1.12
    low = height < 0.8
    assert (np.diff(low.astype(int)) == 1).sum() >= 2, "it lands more than once"


@pytest.mark.parametrize("motion", ["stand", "walk"])
def test_a_crouch_goes_before_a_spring(motion: str) -> None:
    plain = joints_of(shot_of(motion=motion))
    drawn = joints_of(with_effect("Anticipation", shot_of(motion=motion)))
    risen = (plain["head"][:, 1] - drawn["head"][:, 1]) / np.median(tall(plain))
    crouched, sprung = int(risen[:20].argmin()), int(risen.argmax())
    assert risen[crouched] < -0.15 and risen[sprung] > 0.05
    assert crouched < sprung


def test_a_held_pose_is_held_for_more_than_half_of_the_clip_and_broken() -> None:
    drawn = joints_of(with_effect("Hold Pose", shot_of(motion="walk")))
    assert 0.5 < still(drawn).mean() < 0.95
    assert not still(drawn)[-1]
    assert not still(joints_of(shot_of(motion="walk"))).any()


def test_a_smear_is_a_streak_between_two_places() -> None:
    clip = draw_clip(with_effect("Smear Frame", shot_of(motion="stand")), 6, SIZE)
    plain = draw_clip(shot_of(motion="stand"), 6, SIZE)
    assert clip.truth["deformation"] > plain.truth["deformation"] + 0.3
    change = (np.abs(clip.frames.astype(int) - plain.frames).max(-1) > 30).sum((1, 2))
    assert change.max() > 1.6 * np.median(change), "most drawings are clear ones"


def test_every_drawing_of_kinetic_motion_has_its_own_shape() -> None:
    drawn = joints_of(with_effect("Kinetic Motion", shot_of(motion="stand")))
    slant = (drawn["head"] - drawn["hip"])[:, 0] / np.median(tall(drawn))
    assert (np.diff(np.sign(slant[::2])) != 0).mean() > 0.4


def test_techniques_are_unlike_each_other_and_none_lasts_beyond_its_clip() -> None:
    assert len(TECHNIQUES) >= 4
    spec = shot_of(motion="wave")
    drawn = [draw_clip(with_effect(n, spec), 6, SIZE).frames.astype(float) for n in TECHNIQUES]
    for i, one in enumerate(drawn):
        for other in drawn[:i]:
            assert np.abs(one - other).mean() > 4
