"""The balanced sampler covers every value of every field, evenly and repeatably."""

from collections import Counter

import pytest

from animatrix_data.procedural import DRAWABLE, check_drawable, sample_spec, sample_staging
from animatrix_data.procedural.content import PLACES, sample_content
from animatrix_data.procedural.sampler import MOVES
from animatrix_data.procedural.sampler.base import SINGLE
from animatrix_data.taxonomy import parse_tags, print_tags

COUNT = 2000
SPECS = [sample_spec(seed) for seed in range(COUNT)]


@pytest.mark.parametrize("field", SINGLE)
def test_single_fields_are_uniform(field: str) -> None:
    seen = Counter(tag.name for spec in SPECS for tag in spec.get(field))
    assert set(seen) == set(DRAWABLE[field]) and sum(seen.values()) == COUNT
    expected = COUNT / len(DRAWABLE[field])
    # Four standard deviations of a count.
    assert all(abs(number - expected) < 4 * expected**0.5 + 1 for number in seen.values())


def test_camera_is_uniform_over_movement_and_direction() -> None:
    moves = [tag for spec in SPECS for tag in spec.get("CameraMotion")]
    seen = Counter((tag.name, tag.direction) for tag in moves)
    expected = len(moves) / len(MOVES)
    assert set(seen) == set(MOVES)
    assert all(abs(number - expected) < 4 * expected**0.5 + 1 for number in seen.values())
    lengths = Counter(len(spec.get("CameraMotion")) for spec in SPECS)
    assert set(lengths) == {1, 2, 3} and lengths[1] > 0.65 * COUNT


def test_effects_and_emotions_are_all_there_in_their_shares() -> None:
    effects = Counter(len(spec.get("VFX")) for spec in SPECS)
    assert 0.26 < effects[0] / COUNT < 0.34 and 0.07 < effects[2] / COUNT < 0.13
    felt = [spec.get("Emotion") for spec in SPECS if spec.get("Emotion")]
    assert 0.45 < len(felt) / COUNT < 0.55
    assert {tag.term.category for (tag, *_) in felt} == {"basic"}
    assert 0.18 < sum(len(tags) == 2 for tags in felt) / len(felt) < 0.32
    for field in ("VFX", "Emotion"):
        assert {tag.name for spec in SPECS for tag in spec.get(field)} == set(DRAWABLE[field])


def test_specs_are_complete_drawable_and_repeatable() -> None:
    for seed, spec in enumerate(SPECS[:50]):
        assert spec.complete and sample_spec(seed) == spec
        assert parse_tags(print_tags(spec)) == spec
        check_drawable(spec)
    places = {sample_content(seed, sample_staging(seed)).place for seed in range(200)}
    assert places == set(PLACES)
