"""Every fault shows where its truth says, costs the ratings it should, and meets no tag like it."""

import numpy as np
import pytest

from animatrix_data.procedural import Size, draw_clip
from animatrix_data.procedural.faults import FAULTS, RATINGS, Fault, conflict, ratings
from animatrix_data.taxonomy import ProductionSpec, load_vocabulary, parse_tags

SIZE = Size(96, 96, 17, 16)


def spec_for(kind: str) -> ProductionSpec:
    shot = FAULTS[kind].shots[-1].lower()
    return parse_tags(
        f"VideoStyle: 2D Japanese Anime, MotionType: walk, shot_type: {shot}, camera_motion: pan "
        "left"
    )


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_changes_the_pixels_from_its_start_on(kind: str) -> None:
    spec = spec_for(kind)
    sound = draw_clip(spec, 5, SIZE)
    broken = draw_clip(spec, 5, SIZE, faults=[Fault(kind, 1.0)])
    (record,) = broken.truth["faults"]
    assert record["kind"] == kind and record["severity"] == 1.0
    changed = np.abs(broken.frames.astype(float) - sound.frames).mean((1, 2, 3))
    # A freeze starts with the frame that it holds.
    first = record["start"] + (kind == "freeze")
    assert (changed[:first] == 0).all()
    assert changed[first:].max() > 0.3
    assert draw_clip(spec, 5, SIZE, faults=[Fault(kind, 1.0)]).truth == broken.truth


@pytest.mark.parametrize("kind", FAULTS)
def test_a_worse_fault_changes_more_and_costs_more(kind: str) -> None:
    spec = spec_for(kind)
    errors = np.zeros(2)
    for seed in range(6):
        sound = draw_clip(spec, seed, SIZE).frames.astype(float)
        broken = [draw_clip(spec, seed, SIZE, faults=[Fault(kind, s)]).frames for s in (0.3, 1.0)]
        errors += [np.abs(sound - frames).mean() for frames in broken]
    assert 0 < errors[0] < errors[1]
    mild, grave = ratings([Fault(kind, 0.3)]), ratings([Fault(kind, 1.0)])
    assert all(1 <= grave[name] <= mild[name] <= 5 for name in RATINGS)
    assert sum(grave.values()) < sum(mild.values()) < 20


def test_a_frozen_clip_repeats_its_frames_and_its_truth() -> None:
    clip = draw_clip(spec_for("freeze"), 3, SIZE, faults=[Fault("freeze", 0.5)])
    start = clip.truth["faults"][0]["start"]
    assert (clip.frames[start] == clip.frames[start + 4]).all()
    hand = clip.truth["keypoints"]["hand_r"]
    assert hand[start] == hand[start + 4]
    assert clip.truth["camera"]["dx"][start] == clip.truth["camera"]["dx"][start + 4]


def test_faults_stay_apart_from_what_a_tag_asks_for() -> None:
    held = parse_tags("VFX: Hold Pose")
    assert "Hold Pose" in (conflict(Fault("freeze", 0.5), held) or "")
    assert "is not seen in ShotScale" in (
        conflict(Fault("limb", 0.5), parse_tags("shot_type: close-up")) or ""
    )
    assert conflict(Fault("freeze", 0.5), parse_tags("VFX: Rain")) is None
    with pytest.raises(ValueError, match="Flat Cartoon, which asks for what the fault"):
        draw_clip(
            parse_tags("VideoStyle: 2D Flat Cartoon"), 0, SIZE, faults=[Fault("outline", 0.5)]
        )


def test_what_a_fault_may_not_meet_is_in_the_vocabulary() -> None:
    vocabulary = load_vocabulary()
    for kind in FAULTS:
        for field, names in FAULTS[kind].denied.items():
            known = {term.name for term in vocabulary.of_field(field)}
            assert set(names) <= known


@pytest.mark.parametrize(
    ("kind", "severity", "match"),
    [("limbs", 0.5, "did you mean limb"), ("tear", 0.0, "above 0"), ("tear", 1.5, "at most 1")],
)
def test_a_wrong_fault_gets_a_sentence(kind: str, severity: float, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        Fault(kind, severity)
