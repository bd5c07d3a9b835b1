"""Directives of drawn clips parse, stay short, and say what is in the picture."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from animatrix_data.caption.schema import parse_caption, to_spec
from animatrix_data.procedural import sample_spec, sample_staging
from animatrix_data.procedural.captions import (
    partner,
    phrasebook,
    structured_caption,
    write_directive,
)
from animatrix_data.procedural.content import Content, sample_content
from animatrix_data.procedural.motion import MOTIONS
from animatrix_data.procedural.sampler import SAMPLERS
from animatrix_data.procedural.scene import Scene, Size
from animatrix_data.procedural.wording import ACTIONS, FACES, FIRST, FULL, HAIR
from animatrix_data.taxonomy import (
    ProductionSpec,
    Tag,
    parse_directive,
    parse_tags,
    print_directive,
)

SEEDS = range(150)
SAMPLED = st.tuples(st.integers(0, 2**31), st.sampled_from(SAMPLERS.names()))


def drawn(seed: int, sampler: str) -> tuple[ProductionSpec, Content]:
    spec = sample_spec(seed, sampler)
    return spec, sample_content(seed, sample_staging(seed, sampler, spec))


@settings(deadline=None, max_examples=200, derandomize=True)
@given(SAMPLED, st.sampled_from([0.0, 0.15, 1.0]))
def test_directives_parse_back_and_stay_short(sampled: tuple[int, str], mention: float) -> None:
    spec, content = drawn(*sampled)
    directive = write_directive(spec, content, sampled[0], mention)
    assert parse_directive(print_directive(directive)) == directive
    assert 0 < len(directive.summary) <= 75
    assert len(directive.text.encode()) <= 150
    assert "{" not in directive.text


@settings(deadline=None, max_examples=200, derandomize=True)
@given(SAMPLED)
def test_the_structured_caption_says_the_tags(sampled: tuple[int, str]) -> None:
    spec, content = drawn(*sampled)
    caption = structured_caption(spec, content, sampled[0])
    assert to_spec(parse_caption(caption.to_json())) == spec
    assert all(effect.position for effect in caption.visual_effects.structure)
    assert "{" not in caption.to_json().replace('{"', "")


def _said(content: Content, text: str) -> bool:
    hair = [form.format(content.hair_colour) for form in HAIR[content.hair]]
    return (
        content.person in text
        and any(form in text for form in hair)
        and content.outfit_colour in text
        and any(words.lower() in text for words in FULL.places[content.place])
        and any(words in text for words in FULL.lights[content.light])
    )


def test_the_text_describes_the_content() -> None:
    for seed in SEEDS:
        for sampler in ("balanced", "rehearsed"):
            spec, content = drawn(seed, sampler)
            spec = spec.replace("MotionType", [Tag("MotionType", "walk")])
            assert _said(content, write_directive(spec, content, seed, 0.0).text.lower())


@pytest.mark.parametrize("motion", [name for name in MOTIONS if MOTIONS[name].company])
def test_who_else_is_told_of_is_in_the_scene(motion: str) -> None:
    spec, content = parse_tags(f"MotionType: {motion}"), sample_content(3)
    other = partner(spec, content, 3)
    seen = [actor.content for actor in Scene(spec, content, 3, Size(32, 32, 2, 8)).actors]
    assert seen[0] == content and other in seen[1:]
    assert partner(parse_tags("MotionType: walk"), content, 3) is None


def test_two_figures_are_two_in_the_words() -> None:
    spec, content = parse_tags("MotionType: hug"), sample_content(3)
    other = partner(spec, content, 3)
    assert other is not None
    caption = structured_caption(spec, content, 3)
    assert [subject.idx for subject in caption.subjects] == [0, 1]
    assert caption.motion[0].action in {
        f"<subject_0> {form.format(other='<subject_1>')}" for form in ACTIONS["hug"]
    }
    text = write_directive(spec, content, 3, 0.0).text
    assert content.person in text and other.person in text.replace(content.person, "", 1)


def test_an_emotion_is_on_the_face_of_the_caption() -> None:
    spec, content = drawn(3, "balanced")
    spec = spec.replace("Emotion", [Tag("Emotion", "fear")])
    seen = {structured_caption(spec, content, seed).motion[0].expression for seed in range(40)}
    assert seen == set(FACES["fear"])


def test_tags_are_named_as_often_as_asked() -> None:
    def words(mention: float) -> int:
        texts = [write_directive(*drawn(s, "balanced"), s, mention).text for s in SEEDS]
        return sum(len(text.split()) for text in texts)

    assert words(0.0) < words(0.15) < words(1.0)


def test_the_wording_varies() -> None:
    for sampler, least in (("rehearsed", 15), ("balanced", 80)):
        spec, content = drawn(1, sampler)
        texts = {write_directive(spec, content, seed, 0.0).text for seed in SEEDS}
        assert len(texts) > least


def test_the_shipped_model_hears_the_words_it_learnt() -> None:
    spec, content = drawn(0, "pocket")
    assert phrasebook(spec, content) is FIRST
    assert write_directive(spec, content, 0).text == (
        "Short green hair and a green shirt, on a city street. It is a boy. Camera: camera zoom "
        "in. Speed: slow. Animated as 2D Limited. Noon."
    )
    assert phrasebook(*drawn(0, "balanced")) is FULL
