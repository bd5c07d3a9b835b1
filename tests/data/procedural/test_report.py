"""A report counts what its clips carry and compares it with what the paper states."""

import pytest

from animatrix_data.procedural.report import Described, Share, corpus_report
from animatrix_data.taxonomy import parse_tags


def clip(tags: str, content: str = "town", deformation: float | None = 0.1) -> Described:
    return Described(parse_tags(tags), content, deformation)


CLIPS = [
    clip("VideoStyle: Shinkai Style, MotionType: talk, camera_motion: static", "landscape"),
    clip("VideoStyle: Miyazaki Style, MotionType: run, camera_motion: pan left", "town", 0.9),
    clip("VideoStyle: Shinkai Style, MotionStyle: sakuga, camera_motion: static -> pan left"),
    clip("VideoStyle: 2D Flat Cartoon, shot_angle: dutch, camera_motion: static", "school", None),
]


def test_stated_shares_are_counted() -> None:
    found = {share.claim: share.found for share in corpus_report(CLIPS).stated}
    assert found == {
        "digitally produced": 0.5,
        "classic cel-shaded": 0.25,
        "dialogue and daily acting": 0.25,
        "sakuga and extreme deformation": 0.5,
        "static shots and simple pans": 0.5,
        "dolly zoom, rack focus, dutch angle": 0.25,
    }


def test_a_bound_is_met_from_below_only() -> None:
    assert (
        Share("M", "", 0.45, False, 0.465).agrees and not Share("M", "", 0.45, False, 0.48).agrees
    )
    assert Share("M", "", 0.05, True, 0.04).agrees and not Share("M", "", 0.05, True, 0.055).agrees


def test_tables_hold_every_clip() -> None:
    report = corpus_report(CLIPS)
    assert report.content["Shinkai Style"] == {"landscape": 1, "town": 1}
    assert report.marginals["CameraMotion"]["Static"] == 3
    assert report.marginals["VFX"]["Rain"] == 0
    assert report.deformation == (0, 2, 0, 0, 0, 0, 0, 0, 0, 1) and report.motion_amplitude == ()
    with pytest.raises(ValueError, match="no clips"):
        corpus_report([])
