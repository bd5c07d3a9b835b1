"""Rivals contradict; text set against a tag denies that tag and no other."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from animatrix_data.pipeline.conflict import ALIKE, alike, contradict, rivals, shuffled
from animatrix_data.pipeline.wording import mentions, phrases
from animatrix_data.taxonomy import ProductionSpec, Tag, load_vocabulary, parse_tags

from ..taxonomy.strategies import specs

PAN = Tag("CameraMotion", "Pan", direction="left")
TERMS = [term for term in load_vocabulary().terms if term.name != "Other"]
EVERY = [
    Tag(term.field, term.name, term.key[1], direction)
    for term in TERMS
    for direction in term.directions or (None,)
]


def names(tag: Tag) -> set[str]:
    return {other.name for other in rivals(tag)}


def test_every_tag_has_rivals_and_is_a_rival_of_its_rivals():
    for tag in EVERY:
        assert rivals(tag) and tag not in rivals(tag), tag
        assert tag.field == "VFX" or all(tag in rivals(other) for other in rivals(tag)), tag


def test_what_may_be_seen_together_is_no_rival():
    assert names(Tag("ShotScale", "CU")) == {"Full Shot", "Long Shot"}
    assert "2D Japanese Anime" not in names(Tag("VideoStyle", "Miyazaki Style"))
    assert "Shinkai Style" in names(Tag("VideoStyle", "Miyazaki Style"))
    assert not {"Heavy Rain", "Thunder Rain"} & names(Tag("VFX", "Rain"))
    assert {tag.term.subcategory for tag in rivals(Tag("VFX", "Rain"))} == {"Weather"}
    assert names(Tag("VFX", "Electric Shock", "Skill & Energy Effects"))
    anger = rivals(Tag("Emotion", "anger"))
    assert {tag.term.category for tag in anger} == {"basic"}
    assert not {"disgust", "contempt"} & {tag.name for tag in anger}
    assert {t.term.category for t in rivals(Tag("MotionType", "walk"))} == {"Basic Body Mechanics"}


def test_rivals_of_movements():
    assert Tag("CameraMotion", "Pan", direction="right") in rivals(PAN)
    assert Tag("CameraMotion", "Truck", direction="right") in rivals(PAN)
    assert Tag("CameraMotion", "Truck", direction="left") not in rivals(PAN)
    assert PAN not in rivals(Tag("CameraMotion", "Pan", direction="left", speed="high"))
    # A handheld camera can pan, and focus shifts under any movement.
    assert names(Tag("CameraMotion", "Shake")) == {"Static"}
    assert rivals(Tag("CameraMotion", "Rack Focus", direction="near")) == (
        Tag("CameraMotion", "Rack Focus", direction="far"),
    )


def test_groups_name_values_of_the_vocabulary():
    for field, groups in ALIKE.items():
        known = {term.name for term in load_vocabulary().of_field(field)}
        assert all(set(group) <= known for group in groups), field


def test_a_shuffle_is_uniform_and_whole():
    random = np.random.default_rng(0)
    counts = np.zeros((4, 4))
    for number in random.random(4000):
        order = shuffled(range(4), number)
        assert sorted(order) == [0, 1, 2, 3]
        counts[range(4), order] += 1
    assert abs(counts / 4000 - 0.25).max() < 0.04


@pytest.mark.parametrize(
    ("tags", "text", "expected"),
    [
        ("shot_type: CU", "A close-up of a cup.", " of a cup."),
        ("MotionType: walk", "She walks home.", " home."),
        ("VideoStyle: Shinkai Style", "A girl.", "Drawn as "),
        ("camera_motion: pan left", "A girl.", "Camera: "),
    ],
)
def test_text_is_set_against_the_tag(tags: str, text: str, expected: str):
    spec = parse_tags(tags)
    for number in np.linspace(0, 0.99, 20):
        found = contradict(text, spec, np.ones(1, bool), np.full(3, number))
        assert found is not None
        changed, place = found
        assert place == 0 and expected in changed and not mentions(changed, spec.tags[0])
        assert any(mentions(changed, rival) for rival in rivals(spec.tags[0]))


@pytest.mark.parametrize(
    ("tags", "text"),
    [
        ("shot_type: CU", ""),  # nothing to set against
        ("VideoStyle: Other", "A girl."),
        ("VFX: Rain", "A girl."),  # one more effect denies none
        ("camera_motion: pan left -> tilt up -> pan left (slow)", "It pans left."),
    ],
)
def test_what_cannot_be_denied(tags: str, text: str):
    spec = parse_tags(tags)
    allowed = np.array([tag.name != "Tilt" for tag in spec.tags])
    assert contradict(text, spec, allowed, np.zeros(3)) is None


def test_a_rival_is_not_what_a_masked_tag_says():
    spec = parse_tags("MotionType: walk; sit; jump; fly, camera_motion: pan left -> tilt up")
    allowed = np.array([tag.name == "walk" for tag in spec.tags])
    for number in np.linspace(0, 0.999, 60):
        found = contradict("She walks, then sits.", spec, allowed, np.full(3, number))
        assert found is not None and found[0].endswith(", then sits.")
        assert not any(mentions(found[0], t) for t in spec.tags if t.name in ("jump", "fly"))


@st.composite
def spoken(draw: st.DrawFn) -> tuple[ProductionSpec, str]:
    """A spec, and prose that names some of its tags."""
    spec = draw(specs())
    said = [draw(st.sampled_from(phrases(tag))) for tag in spec.tags if phrases(tag)]
    kept = [phrase for phrase in said if draw(st.booleans())]
    return spec, " ".join(f"Then {phrase}." for phrase in kept) or "A girl."


@given(spoken(), st.integers(0, 2**24), st.lists(st.floats(0, 0.999), min_size=3, max_size=3))
def test_only_an_allowed_tag_is_denied(pair: tuple[ProductionSpec, str], bits: int, numbers):
    spec, text = pair
    allowed = np.array([bits >> place & 1 for place in range(len(spec.tags))], bool)
    found = contradict(text, spec, allowed, np.array(numbers))
    if found is None:
        return
    changed, denied = found
    assert allowed[denied] and not mentions(changed, spec.tags[denied])
    said = [rival for rival in rivals(spec.tags[denied]) if mentions(changed, rival)]
    assert any(not any(alike(rival, tag) for tag in spec.tags) for rival in said)
    for place, tag in enumerate(spec.tags):
        assert place == denied or not mentions(text, tag) or mentions(changed, tag)
