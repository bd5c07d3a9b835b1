"""The long-tail sampler is as uneven as the paper says, and ties a style to its content."""

from collections import Counter

import pytest

from animatrix_data.procedural import check_drawable, sample_spec, sample_staging
from animatrix_data.procedural.content import Staging, content_class, sample_content
from animatrix_data.procedural.report import corpus_report, describe_plan
from animatrix_data.procedural.sampler.long_tail import EXTREME, LIVELY, ORDINARY
from animatrix_data.taxonomy import ProductionSpec, Tag

COUNT = 4000
SPECS = [sample_spec(seed, "long_tail") for seed in range(COUNT)]
STAGED = [sample_staging(seed, "long_tail", spec) for seed, spec in enumerate(SPECS)]


def test_the_stated_shares_are_met() -> None:
    clips = [
        describe_plan(seed, spec, staging, ())
        for seed, (spec, staging) in enumerate(zip(SPECS, STAGED, strict=True))
    ]
    report = corpus_report(clips)
    assert {share.claim: share.found for share in report.stated if not share.agrees} == {}
    assert report.gini["S"] > 0.4 and report.gini["C"] > 0.4 and report.gini["V"] > 0.4


def test_specs_are_complete_and_drawable() -> None:
    for spec in SPECS[:300]:
        check_drawable(spec)
        assert spec.complete
    assert sample_spec(5, "long_tail") == SPECS[5]


def test_a_style_goes_with_landscapes() -> None:
    classes: dict[str, Counter[str]] = {}
    for seed, (spec, staging) in enumerate(zip(SPECS, STAGED, strict=True)):
        style = spec.get("VideoStyle")[0].name
        place = sample_content(seed, staging).place
        classes.setdefault(style, Counter())[content_class(place)] += 1
    share = {style: seen["landscape"] / seen.total() for style, seen in classes.items()}
    assert share.pop("Shinkai Style") > 0.9
    assert max(share.values()) < 0.5


@pytest.mark.parametrize(
    ("style", "expected"), [("2D Sakuga", {LIVELY}), ("2D Daily", {ORDINARY, EXTREME})]
)
def test_extreme_deformation_is_rare_and_not_sakugas(
    style: str, expected: set[tuple[float, float]]
) -> None:
    spec = ProductionSpec((Tag("MotionStyle", style),))
    staged: list[Staging] = [sample_staging(seed, "long_tail", spec) for seed in range(600)]
    assert {staging.deformation for staging in staged} == expected
