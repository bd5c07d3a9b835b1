"""Tags are canonical, specs exclusive, arrays exact."""

import numpy as np
import pytest
from hypothesis import given

from animatrix_data.taxonomy import (
    MAX_TAGS,
    VALUE_COUNT,
    ProductionSpec,
    Tag,
    load_vocabulary,
    parse_tags,
    print_tags,
    tag_arrays,
)

from .strategies import specs

EXAMPLE = (
    "VideoStyle: Shinkai Style, MotionStyle: 2D Daily, MotionType: walk, shot_type: medium shot, "
    "camera_motion: static -> push in (medium, large) -> pan left (slow), VFX: Rain; Snow"
)


@given(specs())
def test_parse_undoes_print(spec: ProductionSpec):
    text = print_tags(spec)
    assert parse_tags(text) == spec
    assert print_tags(parse_tags(text.upper())) == text


def test_the_canonical_text():
    assert print_tags(parse_tags(EXAMPLE)) == EXAMPLE


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("Ghibli style, pan left, rain", "VideoStyle: Miyazaki Style, camera_motion: pan left, "
         "VFX: Rain"),
        ("whip pan right", "camera_motion: pan right (fast)"),
        ("pull out", "camera_motion: push out"),
        ("dolly-in", "camera_motion: push in"),
        ("vertigo shot in", "camera_motion: dolly zoom in"),
        ("orbit counter-clockwise (large)", "camera_motion: orbit ccw (large amplitude)"),
        ("arc cw (medium-speed)", "camera_motion: orbit cw (medium)"),
        ("pan to the left (medium amplitude)", "camera_motion: pan left (medium amplitude)"),
        ("Camera Movement: LOCKED-OFF → tilt up(fast,small)",
         "camera_motion: static -> tilt up (fast, small)"),
        ("pan left, zoom in, pan left", "camera_motion: pan left -> zoom in -> pan left"),
        ("VFX: rain, snow; aura", "VFX: Aura; Rain; Snow"),
        ("MotionType: walk; run; stroll", "MotionType: walk; run"),
        ("Emotion: rage; wistfulness", "Emotion: anger; melancholy"),
        ("Skill/Electric Flash", "VFX: Skill & Energy Effects/Electric Flash"),
        ("shot_type: establishing, low angle", "shot_type: long shot, shot_angle: low angle"),
        ("", ""),
    ],
)  # fmt: skip
def test_any_spelling_becomes_canonical(text: str, canonical: str):
    assert print_tags(parse_tags(text)) == canonical


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Shinkay", "no tag 'Shinkay': near it are Shinkai Style"),
        ("VideoStyle: Shinkay", "VideoStyle has no value 'Shinkay': near it are Shinkai Style"),
        ("shot_tipe: CU", "no tag field 'shot_tipe': near it are ShotScale"),
        ("low", "'MotionAmplitude: low' or 'MotionSpeed: low'"),
        ("Other", "'VideoStyle: Other' or 'MotionStyle: Other'"),
        ("electric flash", "in two categories"),
        ("VideoStyle: Shinkai Style, Ghibli style", "VideoStyle takes one value"),
        ("Emotion: anger; fear", "one basic value"),
        ("shot_type: CU; MS", "ShotScale takes one value"),
        ("VideoStyle:", "has no value"),
        ("pan", "'Pan' needs a direction: left, right"),
        ("pan up", "has no direction 'up'"),
        ("static (slow)", "takes no speed"),
        ("shake left", "takes no direction"),
        ("whip pan left (slow)", "means speed high, not low"),
        ("pan left (quick)", "neither a speed"),
        ("pan left (slow, large, slow)", "one '\\(speed, amplitude\\)'"),
        ("pan left (slow", "one '\\(speed, amplitude\\)'"),
        ("pan left (slow speed, fast speed)", "two values for speed"),
        ("camera_motion: static ->", "names no movement"),
        ("camera_motion: zom in", "near it are Zoom"),
    ],
)
def test_mistakes_get_one_sentence(text: str, message: str):
    with pytest.raises(ValueError, match=message) as error:
        parse_tags(text)
    assert "\n" not in str(error.value)


def test_tags_are_canonical_and_equal():
    assert Tag("shot_type", "cu") == Tag("ShotScale", "Close-Up")
    assert Tag("VFX", "mist").category == "Environmental Atmosphere"
    assert Tag("CameraMotion", "crash zoom", direction="in").speed == "high"
    assert hash(Tag("VFX", "mist")) == hash(Tag("VFX", "Fog", "Environmental"))
    with pytest.raises(ValueError, match="takes no amplitude"):
        Tag("VFX", "Rain", amplitude="low")
    with pytest.raises(ValueError, match="none of low, medium, high"):
        Tag("CameraMotion", "Pan", direction="left", speed="fast")


def test_a_spec_answers_and_changes():
    spec = parse_tags(EXAMPLE)
    assert [tag.name for tag in spec.get("camera_motion")] == ["Static", "Push", "Pan"]
    assert spec.get("Emotion") == ()
    changed = spec.replace("VFX", [Tag("VFX", "Aura")])
    assert [tag.name for tag in changed.get("VFX")] == ["Aura"]
    assert changed.replace("VFX", spec.get("VFX")) == spec
    assert "VFX" not in spec.replace("VFX", ()).fields()
    with pytest.raises(ValueError, match="cannot stand in"):
        spec.replace("VFX", spec.get("ShotScale"))


def test_completeness():
    spec = parse_tags(EXAMPLE)
    assert spec.missing() == ("MotionAmplitude", "MotionSpeed", "ShotAngle")
    assert not spec.complete
    rest = parse_tags("amplitude: low, speed: low, eye level").tags
    assert ProductionSpec(spec.tags + rest).complete


@given(specs())
def test_arrays_say_what_the_spec_says(spec: ProductionSpec):
    arrays = tag_arrays(spec)
    count = len(spec.tags)
    assert arrays.values.dtype == arrays.order.dtype == np.int32
    assert arrays.values.shape == (MAX_TAGS, 5)
    assert arrays.mask.tolist() == [row < count for row in range(MAX_TAGS)]
    assert not arrays.values[count:].any() and not arrays.order[count:].any()
    terms = [load_vocabulary().term(value) for value in arrays.values[:count, 1]]
    assert [(t.field, t.name) for t in terms] == [(t.field, t.name) for t in spec.tags]
    places = [place for place in arrays.order if place]
    assert places == list(range(1, len(spec.get("CameraMotion")) + 1))
    assert arrays.values[:, 1].max() <= VALUE_COUNT


def test_array_rows():
    arrays = tag_arrays(
        parse_tags("MotionType: run, camera_motion: static -> push in (fast, small)")
    )
    ids = load_vocabulary().ids
    assert arrays.values[:3].tolist() == [
        [2, ids["MotionType", None, "run"], 0, 0, 0],
        [3, ids["CameraMotion", None, "Static"], 0, 0, 0],
        [3, ids["CameraMotion", None, "Push"], 5, 1, 3],
    ]
    assert arrays.order[:4].tolist() == [0, 1, 2, 0]


def test_too_many_tags():
    names = [term.name for term in load_vocabulary().of_field("MotionType")][:25]
    spec = ProductionSpec(tuple(Tag("MotionType", name) for name in names))
    with pytest.raises(ValueError, match="at most 24 tags, and 25"):
        tag_arrays(spec)
