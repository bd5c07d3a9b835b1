"""The three-section directive: print and parse are inverse, mistakes get one sentence."""

import pytest
from hypothesis import given

from animatrix_data.taxonomy import Directive, ProductionSpec, parse_directive, print_directive

from .strategies import prose, specs

PAPER = """<tag> VideoStyle: Shinkai Style, MotionStyle: 2D Daily,MotionAmplitude: low, \
shot_type: medium shot,shot_angle: eye level, camera_motion: static<summary> A blonde woman \
stands still at a fantasy harbor.<description> A woman with long hair stands in the frame."""


@given(specs(), prose(), prose())
def test_parse_undoes_print(spec: ProductionSpec, summary: str, description: str):
    directive = Directive(spec, summary, description)
    text = print_directive(directive)
    assert parse_directive(text) == directive
    assert print_directive(parse_directive(text)) == text


def test_the_papers_example():
    directive = parse_directive(PAPER)
    assert print_directive(directive).splitlines() == [
        "<tag> VideoStyle: Shinkai Style, MotionStyle: 2D Daily, MotionAmplitude: low, "
        "shot_type: medium shot, shot_angle: eye level, camera_motion: static",
        "<summary> A blonde woman stands still at a fantasy harbor.",
        "<description> A woman with long hair stands in the frame.",
    ]
    assert directive.text == (
        "A blonde woman stands still at a fantasy harbor. "
        "A woman with long hair stands in the frame."
    )


def test_sections_may_close_be_absent_or_come_in_any_order():
    assert parse_directive("<Summary>a\nb</summary> <tag></tag>") == Directive(
        ProductionSpec(), "a\nb"
    )
    assert Directive(ProductionSpec(), "", "only this").text == "only this"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "none found"),
        ("a girl runs", "none found"),
        ("Here it is: <tag> VFX: Rain", "starts with <tag>, and this one with 'Here it is:'"),
        ("<tag> VFX: Rain <summary> a <summary> b", "one <summary> section"),
        ("<tag> VFX: Rane <summary> a", "near it are Rain"),
    ],
)
def test_mistakes_get_one_sentence(text: str, message: str):
    with pytest.raises(ValueError, match=message) as error:
        parse_directive(text)
    assert "\n" not in str(error.value)
