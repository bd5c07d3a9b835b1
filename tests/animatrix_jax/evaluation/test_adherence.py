"""Adherence on made-up readings whose outcome is known."""

import pytest

from animatrix_data.procedural.oracles import Reading
from animatrix_data.taxonomy import parse_tags
from animatrix_jax.evaluation.adherence import measure_adherence


def seen(**tops: str) -> Reading:
    """A reading whose top answers are these."""
    return {name: {text: 0.9, "something else": 0.1} for name, text in tops.items()}


SPECS = [
    parse_tags("VideoStyle: Shinkai Style, CameraMotion: pan left, VFX: Rain; Snow"),
    parse_tags("VideoStyle: Miyazaki Style, CameraMotion: pan right, VFX: Snow"),
    parse_tags("VideoStyle: Shinkai Style, CameraMotion: static -> zoom in"),
    parse_tags("VideoStyle: Miyazaki Style, CameraMotion: tilt up"),
]
READINGS = [
    seen(VideoStyle="Shinkai Style", CameraMotion="Pan left", VFX="Snow"),
    seen(VideoStyle="Miyazaki Style", CameraMotion="Pan left", VFX="none"),
    seen(VideoStyle="Shinkai Style", CameraMotion="Zoom in", VFX="none"),
    seen(VideoStyle="Shinkai Style", CameraMotion="Tilt up", VFX="Rain"),
]
KNOWN = {"VideoStyle": 0.99, "CameraMotion": 0.9, "CameraMovement": 0.95, "VFX": 0.5}


def test_hits_are_counted_among_the_clips_that_ask() -> None:
    report = measure_adherence(SPECS, READINGS, KNOWN)
    counts = {e.name: (e.found.hits, e.found.trials) for e in report.sub_fields}
    assert counts == {
        "VideoStyle": (3, 4),
        "CameraMotion": (3, 4),
        "VFX": (1, 2),
        "CameraMovement": (4, 4),
    }


def test_answers_that_the_oracle_misreads_are_not_asked_about() -> None:
    report = measure_adherence(
        SPECS, READINGS, KNOWN, unmeasured={"VFX": ["Snow"], "CameraMotion": ["Tilt up"]}
    )
    counts = {e.name: (e.found.hits, e.found.trials) for e in report.sub_fields}
    assert counts["VFX"] == (1, 1), "the clip that asks for rain too still counts"
    assert counts["CameraMotion"] == (2, 3)


def test_a_clip_that_is_not_read_is_no_hit_and_no_miss() -> None:
    readings = [{**READINGS[0]}, *READINGS[1:]]
    del readings[0]["CameraMotion"]
    report = measure_adherence(SPECS, readings, KNOWN)
    for name, counts in (("CameraMotion", (2, 3, 1)), ("CameraMovement", (3, 3, 1))):
        entry = report.sub_field(name)
        assert (entry.found.hits, entry.found.trials, entry.unread) == counts
    assert report.sub_field("VideoStyle").unread == 0 and report.axis("C").unread == 1


def test_parts_of_a_sub_field_are_measured_apart() -> None:
    spec = parse_tags("Emotion: anger; shyness")
    reading = {"Emotion:basic": {"anger": 1.0}, "Emotion:complex": {"pride": 1.0}}
    report = measure_adherence([spec], [reading], {})
    assert [(e.name, e.axis, e.found.hits) for e in report.sub_fields] == [
        ("Emotion:basic", "M", 1), ("Emotion:complex", "M", 0),
    ]  # fmt: skip


def test_chance_is_exact_where_all_permutations_agree() -> None:
    specs = [parse_tags(f"VideoStyle: {s}") for s in ("Shinkai Style", "Miyazaki Style") * 4]
    readings = [seen(VideoStyle="Shinkai Style")] * 8
    entry = measure_adherence(specs, readings, {}, permutations=20).sub_field("VideoStyle")
    assert entry.chance.mean == entry.chance.bound == entry.found.share == 0.5


def test_an_axis_pools_what_its_oracles_can_measure() -> None:
    report = measure_adherence(SPECS, READINGS, KNOWN)
    assert {entry.axis for entry in report.axes} == {"S", "C"}, "VFX is read too badly"
    assert not report.sub_field("VFX").measured
    camera = report.axis("C")
    assert (camera.found.hits, camera.found.trials) == (3, 4), "movement alone is not pooled"
    assert camera.accuracy == pytest.approx(0.9)


def test_an_unknown_accuracy_is_taken_as_good_enough() -> None:
    report = measure_adherence(SPECS, READINGS, {"VideoStyle": None})
    assert report.sub_field("VideoStyle").measured
    assert report.axis("S").accuracy is None


def test_a_sub_field_that_nobody_asks_for_is_left_out() -> None:
    report = measure_adherence(SPECS, [seen(VideoStyle="Shinkai Style")] * 4, KNOWN)
    assert [entry.name for entry in report.sub_fields] == ["VideoStyle"]
    with pytest.raises(KeyError):
        report.sub_field("MotionType")


def test_readings_must_fit_the_specs() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        measure_adherence(SPECS, READINGS[:2], KNOWN)
