"""Every MotionType moves more with amplitude, and looks like no other."""

from dataclasses import replace

import numpy as np
import pytest

from animatrix_data.procedural.content import FREE, sample_content
from animatrix_data.procedural.effects import ALL_SHOTS
from animatrix_data.procedural.interactions import COMPANIES
from animatrix_data.procedural.motion import JOINTS, MOTIONS, Reach, tracks, whole
from animatrix_data.procedural.props import PROPS
from animatrix_data.procedural.scene import Scene, Size
from animatrix_data.taxonomy.tags import ProductionSpec, Tag
from animatrix_data.taxonomy.vocabulary import load_vocabulary

PHASE = np.linspace(0.3, 0.3 + 4 * np.pi, 65)
SHIPPED = ("stand", "walk", "run", "jump", "wave", "turn")


def test_the_motions_are_tags_and_name_what_there_is() -> None:
    known = {term.name for term in load_vocabulary().of_field("MotionType")}
    assert len(MOTIONS) >= 20 and set(MOTIONS) <= known
    assert MOTIONS.names()[: len(SHIPPED)] == SHIPPED
    for name in MOTIONS:
        action = MOTIONS[name]
        assert action.shots and set(action.shots) <= set(ALL_SHOTS)
        assert not action.prop or action.prop in PROPS
        assert not action.company or action.company in COMPANIES
    assert set(PROPS) == {MOTIONS[name].prop for name in MOTIONS} - {""} | {"gift"}


@pytest.mark.parametrize("name", MOTIONS.names())
def test_more_amplitude_is_more_movement(name: str) -> None:
    def travel(gain: float) -> float:
        moves = MOTIONS[name].moves(PHASE, gain)
        joints, hands = whole(moves, PHASE)
        assert set(joints) == set(JOINTS) and all(np.isfinite(t).all() for t in joints.values())
        values = [*joints.values(), *(v for h in hands.values() for v in (h.x, h.y))]
        shown = [np.broadcast_to(value, PHASE.shape) for value in values]
        return float(sum(np.abs(np.diff(value)).sum() for value in shown))

    low, medium, high = (travel(gain) for gain in (0.5, 1.0, 1.6))
    assert 0 < low < medium < high


def test_a_motion_keeps_the_joints_that_it_does_not_name_at_rest() -> None:
    still = tracks("stand", PHASE, 1.0)
    assert np.ptp(still["spin"]) == np.ptp(still["grip"]) == 0 and (still["leg_l"] == -0.08).all()


def test_hands_reach_for_landmarks_that_there_are() -> None:
    for name in MOTIONS:
        for hand, to in MOTIONS[name].moves(PHASE, 1.0).items():
            if isinstance(to, Reach):
                assert hand in ("hand_l", "hand_r")
                assert to.of in ("head", "neck", "hip") and to.bend in (1, -1)


def shown(name: str, shot: str, amplitude: str, speed: str, facing: int) -> np.ndarray:
    tags = (
        ("MotionType", name),
        ("ShotScale", shot),
        ("MotionAmplitude", amplitude),
        ("MotionSpeed", speed),
    )
    spec = ProductionSpec(tuple(Tag(field, value) for field, value in tags))
    content = replace(sample_content(4, FREE), facing=facing)
    frames = Scene(spec, content, 4, Size(48, 48, 9, 4)).render()[0]
    return frames[::2].reshape(5, -1).astype(np.float32)


@pytest.mark.parametrize(
    ("shot", "facing"),
    [("Full Shot", 1), ("Full Shot", -1), ("Long Shot", 1), ("Medium Shot", -1), ("Close-Up", 1)],
)
def test_no_motion_is_taken_for_another_in_the_shots_in_which_it_is_read(
    shot: str, facing: int
) -> None:
    names = [name for name in MOTIONS if shot in MOTIONS[name].shots]
    gallery = np.stack([shown(name, shot, "medium", "medium", facing) for name in names])
    taken = []
    for name in names:
        small = shown(name, shot, "low", "high", facing)
        apart = np.abs(small[:, None, None] - gallery[None]).mean(-1).min(2)
        taken.append(names[int(apart.sum(0).argmin())])
    wrong = [(a, b) for a, b in zip(names, taken, strict=True) if a != b]
    assert len(wrong) <= 0.05 * len(names), wrong
