"""What the legible sampler asks for can be seen, and its fields are as even as that allows."""

from collections import Counter

import numpy as np
import pytest

from animatrix_data.procedural import DRAWABLE, sample_faults, sample_spec
from animatrix_data.procedural.effects import EFFECTS
from animatrix_data.procedural.expressions import FACE_SHOTS
from animatrix_data.procedural.faults import FAULTS, conflict
from animatrix_data.procedural.sampler import MOVES, check_drawable
from animatrix_data.procedural.sampler.drawable import readable_shots
from animatrix_data.procedural.sampler.visible import fit_margins

COUNT = 3000
SPECS = [sample_spec(seed, "legible") for seed in range(COUNT)]


def test_everything_asked_for_can_be_seen() -> None:
    for spec in SPECS:
        check_drawable(spec)
        (shot,), (angle,) = spec.get("ShotScale"), spec.get("ShotAngle")
        assert len(spec.get("CameraMotion")) == 1 and len(spec.get("VFX")) <= 1
        for tag in (*spec.get("MotionType"), *spec.get("VFX"), *spec.get("Emotion")):
            assert shot.name in readable_shots(tag), str(spec)
        on_head = [tag for tag in spec.get("VFX") if EFFECTS[tag.name].region == "head"]
        if spec.get("Emotion") or on_head:
            assert angle.name != "Overhead"
        if spec.get("Emotion"):
            assert shot.name in FACE_SHOTS and len(spec.get("Emotion")) == 1


@pytest.mark.parametrize("field", ["VideoStyle", "MotionType", "VFX", "Emotion"])
def test_every_tag_is_drawn_about_as_often_as_any_other(field: str) -> None:
    seen = Counter(tag.name for spec in SPECS for tag in spec.get(field))
    mean = sum(seen.values()) / len(DRAWABLE[field])
    assert set(seen) == set(DRAWABLE[field])
    assert min(seen.values()) > mean - 4.5 * mean**0.5


def test_the_cameras_moves_are_even() -> None:
    seen = Counter((t.name, t.direction) for s in SPECS for t in s.get("CameraMotion"))
    mean = COUNT / len(MOVES)
    assert set(seen) == set(MOVES) and min(seen.values()) > mean - 4.5 * mean**0.5


def test_half_of_the_faulty_clips_have_a_fault_that_can_be_seen_and_told() -> None:
    kinds: Counter[str] = Counter()
    for seed in range(COUNT):
        for fault in sample_faults(seed, "faulty", SPECS[seed]):
            assert conflict(fault, SPECS[seed]) is None and 0.3 <= fault.severity <= 1
            kinds[fault.kind] += 1
    assert 0.46 < sum(kinds.values()) / COUNT < 0.54
    assert set(kinds) == set(FAULTS)
    assert min(kinds.values()) > 0.6 * max(kinds.values())
    assert sample_spec(3, "faulty") == SPECS[3] and sample_faults(3, "legible") == ()


def test_fitted_margins_are_met_where_they_can_be() -> None:
    table = np.array([[1.0, 1.0, 0.0], [0.0, 1.0, 1.0]])
    fitted = fit_margins(table, [np.array([0.5, 0.5]), np.full(3, 1 / 3)], (0, 1))
    np.testing.assert_allclose(fitted.sum(axis=0), 1 / 3, atol=1e-9)
    np.testing.assert_allclose(fitted.sum(axis=1), 0.5, atol=1e-6)
    assert fitted[0, 2] == fitted[1, 0] == 0
