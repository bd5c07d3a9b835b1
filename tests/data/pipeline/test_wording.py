"""A tag's wording is found in prose and replaced, in form and capital."""

import pytest

from animatrix_data.pipeline.wording import mentions, phrases, replace_mentions
from animatrix_data.taxonomy import Tag, load_vocabulary

PAN = Tag("CameraMotion", "Pan", direction="left")


@pytest.mark.parametrize(
    ("tag", "text", "found"),
    [
        (Tag("MotionType", "walk"), "She walks away.", True),
        (Tag("MotionType", "walk"), "Strolling home.", True),
        (Tag("MotionType", "walk"), "A sidewalk.", False),
        (Tag("MotionType", "run"), "He is running.", True),
        (Tag("ShotScale", "CU"), "A CU of a cup.", True),
        (Tag("ShotScale", "CU"), "a cu here", False),
        (Tag("ShotScale", "CU"), "An extreme close  up", False),
        (Tag("ShotScale", "CU"), "A close  up", True),
        (Tag("CameraMotion", "Zoom", direction="in"), "dolly zoom in", False),
        (Tag("VFX", "Rain"), "heavy rain", False),
        (Tag("VFX", "Rain"), "heavy rain, then rain", True),
        (PAN, "The camera pans left.", True),
        (PAN, "The camera pans right.", False),
        (PAN, "whip pan left", False),
        (Tag("CameraMotion", "whip pan", direction="left"), "a whip pan left", True),
        (Tag("CameraMotion", "Push", direction="out"), "It pulls back.", True),
        (Tag("CameraMotion", "Orbit", direction="cw"), "orbiting clockwise", True),
        (Tag("MotionSpeed", "low"), "a low wall", False),
        (Tag("MotionSpeed", "low"), "Speed: low.", True),
        (Tag("VideoStyle", "Other"), "the other girl", False),
    ],
)
def test_mentions(tag: Tag, text: str, found: bool):
    assert mentions(text, tag) is found


def test_a_mention_keeps_form_and_capital():
    walk = Tag("MotionType", "walk")
    assert replace_mentions("Walking on, she walks.", walk, ("stroll",)) == (
        "Strolling on, she strolls."
    )
    assert replace_mentions("She walks.", walk, ("walk cycle", "run")) == "She runs."
    assert replace_mentions("She walks.", walk, ("walk cycle",)) == "She walks."
    close = Tag("ShotScale", "Close-Up")
    assert replace_mentions("In a CU.", close, ("long shot",)) == "In a long shot."
    assert replace_mentions("A close-up.", close, ("extreme close-up",)) == "An extreme close-up."
    assert replace_mentions("A close-up.", close, ("MS",)) == "An MS."
    assert replace_mentions("It pans left.", PAN, ("tilt up",)) == "It tilts up."


def test_every_tag_finds_its_own_phrases():
    for term in load_vocabulary().terms:
        for direction in term.directions or (None,):
            tag = Tag(term.field, term.name, term.key[1], direction)
            assert phrases(tag) or term.name == "Other"
            assert all(mentions(f"Here: {phrase}.", tag) for phrase in phrases(tag)), term.name
