"""What cannot be drawn is said in one sentence: what, with what, and what is close."""

import re

import pytest

from animatrix_data.procedural import check_drawable, sample_spec
from animatrix_data.procedural.sampler.drawable import DRAWABLE, RIVALS
from animatrix_data.taxonomy import ProductionSpec, Tag, load_vocabulary, parse_tags


@pytest.mark.parametrize(
    ("tags", "sentence"),
    [
        ("MotionType: mecha transform", "cannot draw MotionType: mecha transform: there are"),
        ("VFX: Spiral Eyes, VFX: Heart Eyes", "both take the place of the eyes; leave one out"),
        ("VFX: Chibi Form, VFX: Flat Character", "both take the place of the figure"),
        ("MotionType: hug, shot_type: extreme close-up", "needs two figures.*near it is Close-Up"),
    ],
)
def test_what_cannot_be_drawn_is_said(tags: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence) as error:
        check_drawable(parse_tags(tags))
    assert re.fullmatch(r"[^\n]+", str(error.value))


def test_what_can_be_drawn_is_in_the_vocabulary() -> None:
    for field, names in DRAWABLE.items():
        known = {term.name for term in load_vocabulary().of_field(field)}
        assert set(names) <= known and len(set(names)) == len(names) > 1
    effects = {term.name for term in load_vocabulary().of_field("VFX")}
    assert all(set(names) <= effects for _, names in RIVALS)


def test_fixed_tags_stand_in_every_spec_and_what_clashes_is_drawn_again() -> None:
    fixed = ProductionSpec((Tag("MotionType", "hug"),))
    specs = [sample_spec(seed, "balanced", fixed) for seed in range(120)]
    assert {tag.name for spec in specs for tag in spec.get("MotionType")} == {"hug"}
    shots = {tag.name for spec in specs for tag in spec.get("ShotScale")}
    assert shots == set(DRAWABLE["ShotScale"]) - {"Extreme Close-Up"}
    with pytest.raises(ValueError, match="choose from balanced, distinct, "):
        sample_spec(0, "even")
