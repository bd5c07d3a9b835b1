"""Answers: tags as short texts."""

from animatrix_data.procedural.oracles import (
    NOTHING,
    answers,
    backwards,
    label_lists,
    mirror,
    movement,
    sampler_labels,
    top,
)
from animatrix_data.taxonomy import parse_tags


def test_camera_answers_carry_their_direction() -> None:
    spec = parse_tags("CameraMotion: pan left (slow) -> static -> pan left, VFX: Rain; Snow")
    assert answers(spec, "CameraMotion") == ("Pan left", "Static")
    assert answers(spec, "VFX") == ("Rain", "Snow")
    assert answers(spec, "ShotScale") == ()


def test_emotions_are_read_by_their_kind() -> None:
    spec = parse_tags("Emotion: anger; shyness")
    assert answers(spec, "Emotion") == ("anger", "shyness")
    assert answers(spec, "Emotion:basic") == ("anger",)
    assert answers(spec, "Emotion:complex") == ("shyness",)
    lists = label_lists([spec, parse_tags("Emotion: fear")], ("Emotion:basic", "Emotion:complex"))
    assert lists == {"Emotion:basic": ("anger", "fear"), "Emotion:complex": (NOTHING, "shyness")}


def test_a_sampler_is_read_in_what_it_asks_for() -> None:
    labels = sampler_labels("rehearsed", ("CameraMotion", "ShotAngle", "VFX", "Emotion:basic"))
    assert set(labels) == {"CameraMotion", "VFX"}, "only what offers a choice"
    assert len(labels["CameraMotion"]) == 10 and "Pan left" in labels["CameraMotion"]
    assert labels["VFX"][0] == NOTHING and len(labels["VFX"]) == 9


def test_movement_drops_the_direction_and_nothing_else() -> None:
    assert [movement(t) for t in ("Pan left", "Static", "Zoom out", "left")] == [
        "Pan", "Static", "Zoom", "left",
    ]  # fmt: skip


def test_mirror_swaps_the_sides_only() -> None:
    pairs = {"Pan left": "Pan right", "Pan right": "Pan left", "Tilt up": "Tilt up"}
    assert {text: mirror(text) for text in pairs} == pairs


def test_label_lists_know_that_an_effect_may_be_absent() -> None:
    specs = [
        parse_tags("VideoStyle: Shinkai Style, ShotScale: Long Shot, VFX: Rain"),
        parse_tags("VideoStyle: Miyazaki Style, ShotScale: Long Shot"),
    ]
    lists = label_lists(specs, ("VFX", "VideoStyle", "ShotScale"))
    assert set(lists) == {"VideoStyle", "VFX"}, "a sub-field without a choice is left out"
    assert lists["VFX"] == (NOTHING, "Rain")
    assert set(lists["VideoStyle"]) == {"Miyazaki Style", "Shinkai Style"}


def test_the_first_of_equal_scores_is_on_top() -> None:
    assert top({"VFX": {"Rain": 0.4, "Snow": 0.4, "none": 0.2}}, "VFX") == "Rain"


def test_a_clip_played_backwards_shows_the_reverse_movement() -> None:
    asked = ("Pan left", "Tilt up", "Zoom in", "Orbit cw", "Rack Focus near", "Static")
    assert [backwards(text) for text in asked] == [
        "Pan right", "Tilt down", "Zoom out", "Orbit ccw", "Rack Focus far", "Static",
    ]  # fmt: skip
    assert all(backwards(backwards(text)) == text for text in asked)
