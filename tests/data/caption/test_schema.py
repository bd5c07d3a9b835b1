"""The structured caption: the paper's example, tags both ways, mistakes in one sentence."""

import json

import pytest
from hypothesis import given

from animatrix_data.caption.schema import (
    MotionEvent,
    StructuredCaption,
    Subject,
    from_spec,
    parse_caption,
    to_directive,
    to_spec,
)
from animatrix_data.taxonomy import ProductionSpec, parse_directive, parse_tags, print_directive

from ..taxonomy.strategies import prose, specs

PAPER = {
    "subjects": [
        {
            "idx": 0,
            "TYPES": {"type": "Human", "sub_type": "Woman"},
            "appearance": "long platinum blonde hair in two braids",
            "position": "Centrally positioned in the frame.",
        },
        {
            "idx": 1,
            "TYPES": {"type": "Vehicles", "sub_type": "Ship"},
            "appearance": "dark-colored with multiple masts",
            "position": "In the background, blurred.",
        },
    ],
    "motion": [
        {
            "idx": 0,
            "action": "<subject_0> remains still, looking forward",
            "expression": "neutral, slight melancholy",
            "amplitude": "low",
        }
    ],
    "AnimeVisualEffects": {
        "HasAnimeVisualEffects": True,
        "AnimeVisualEffectsDescription": "Soft blue glow and flowing mist",
        "AnimeVisualEffectsStructure": [
            {
                "idx": 0,
                "TYPES": {
                    "type": "Environmental",
                    "sub_type": "Weather",
                    "sub_sub_type": "Fog",
                },
                "position": "background",
                "description": "Flowing waterfall-like mist.",
            }
        ],
    },
    "MotionAmplitude": "low",
    "MotionStyle": "2D Daily",
    "VideoStyle": "Shinkai Style",
    "shot_type": "medium shot",
    "shot_angle": "eye level",
    "camera_motion": "static",
    "environment": "fantasy harbor",
    "lighting": "soft twilight",
}


def test_the_papers_example_becomes_tags():
    caption = parse_caption(json.dumps(PAPER))
    assert str(to_spec(caption)) == (
        "VideoStyle: Shinkai Style, MotionStyle: 2D Daily, MotionAmplitude: low, "
        "shot_type: medium shot, shot_angle: eye level, camera_motion: static, VFX: Fog"
    )
    assert caption.subjects[1].types.sub_type == "Ship"
    assert parse_caption(caption.to_json()) == caption
    assert set(PAPER) <= set(json.loads(caption.to_json()))


def test_the_directive_keeps_the_papers_order():
    directive = to_directive(parse_caption(json.dumps(PAPER)))
    assert directive.summary == (
        "The woman remains still, looking forward: fantasy harbor, soft twilight."
    )
    words = ["two braids", "medium shot", "static", "remains still", "melancholy", "mist", "harbor"]
    places = [directive.description.index(word) for word in words]
    assert places == sorted(places)
    assert "<subject_0>" not in directive.description
    assert parse_directive(print_directive(directive)) == directive


@given(specs(), prose(), prose())
def test_a_spec_survives_its_caption(spec: ProductionSpec, action: str, environment: str):
    caption = from_spec(
        spec,
        subjects=[Subject(idx=0, appearance=action)],
        motion=[MotionEvent(action=action)],
        environment=environment,
    )
    assert to_spec(caption) == spec
    assert parse_caption(caption.to_json()) == caption
    assert parse_directive(print_directive(to_directive(caption))).spec == spec


def test_fields_of_ours_take_a_text_or_a_list():
    caption = parse_caption('{"MotionType": "stroll", "Emotion": ["rage", "gloom"]}')
    assert to_spec(caption) == parse_tags("MotionType: walk, Emotion: anger; gloom")
    assert to_spec(StructuredCaption()) == ProductionSpec()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ("[]", "must be a JSON object"),
        ('{"VideoStile": "x"}', "unknown key 'VideoStile': did you mean VideoStyle"),
        ('{"subjects": [{"index": 2}]}', "'subjects.0.index': did you mean idx"),
        ('{"VideoStyle": 3}', "wrong at 'VideoStyle'"),
        ('{"subjects": [{"idx": -1}]}', "wrong at 'subjects.0.idx'"),
        ('{"AnimeVisualEffects": {"AnimeVisualEffectsStructure": [{}]}}', "is false, yet effects"),
    ],
)
def test_a_wrong_caption_gets_one_sentence(text: str, message: str):
    with pytest.raises(ValueError, match=message) as error:
        parse_caption(text)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("VideoStyle", "Shinkay", "near it are Shinkai Style"),
        ("camera_motion", "pan", "needs a direction"),
        ("Emotion", ["anger", "fear"], "one basic value"),
    ],
)
def test_values_outside_the_vocabulary_are_refused(key: str, value: object, message: str):
    with pytest.raises(ValueError, match=message):
        to_spec(parse_caption(json.dumps(PAPER | {key: value})))
