"""The shipped desk oracles: what their cards say is measured, and that they read clips."""

import numpy as np
import pytest

from animatrix_data.procedural import Fault, Size, draw_clip
from animatrix_data.procedural.oracles import CAMERA_MOVEMENT, movement, top
from animatrix_data.taxonomy import parse_tags
from animatrix_jax.evaluation.oracles import Oracles, load_oracles

DESK = Size(128, 128, 33, 16.0)
SCENE = (
    "VideoStyle: 2D Japanese Anime, MotionStyle: 2D Daily, MotionType: dance, MotionAmplitude: "
    "medium, MotionSpeed: medium, ShotScale: full shot, ShotAngle: eye level, CameraMotion: "
)


@pytest.fixture(scope="module")
def desk() -> Oracles:
    return load_oracles("desk")


def drawn(move: str, faults: tuple[Fault, ...] = (), seed: int = 7) -> np.ndarray:
    return draw_clip(parse_tags(SCENE + move), seed, DESK, faults=faults).frames


def test_the_cards_hold_to_the_bar_what_they_call_measured(desk: Oracles) -> None:
    assert desk.learned is None and desk.camera and desk.faults
    assert desk.size == DESK and desk.sampler == "distinct_faulty"
    card = desk.camera.card
    weak = card.unmeasured[CAMERA_MOVEMENT]
    for name, found in card.per_answer[CAMERA_MOVEMENT].items():
        assert (found.raw >= 0.95 and found.read >= 0.5) is (name not in weak)
    assert len(card.per_answer[CAMERA_MOVEMENT]) == 12
    assert set(desk.faults.card.faults) == {*desk.faults.card.labels}


def test_movements_that_are_read_are_read_right(desk: Oracles) -> None:
    moves = ("static", "pan left", "tilt up", "zoom in", "truck right", "pedestal down")
    clips = [drawn(move) for move in moves]
    read = [top(found, "CameraMotion") for found in desk.read(clips, 16.0)
            if "CameraMotion" in found]  # fmt: skip
    asked = [movement(move.capitalize()) for move in moves]
    assert len(read) >= 4 and {movement(text) for text in read} <= {*asked}


@pytest.mark.parametrize("kind", ["limb", "melt", "tear"])
def test_a_fault_scores_above_the_sound_clip(desk: Oracles, kind: str) -> None:
    sound, broken = desk.read([drawn("static"), drawn("static", (Fault(kind, 0.9),))], 16.0)
    assert broken[f"Fault:{kind}"][kind] > sound[f"Fault:{kind}"][kind] + 0.3


def test_oracles_that_are_not_there_are_named_with_what_is_near() -> None:
    with pytest.raises(ValueError, match="no oracles 'deks': did you mean desk"):
        load_oracles("deks")
