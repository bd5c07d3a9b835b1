"""Modes, dropped tags and rewritten text: the asked rates, and a pure function of (seed, i)."""

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, chisquare

from animatrix_data.pipeline.conditioning import (
    HYBRID,
    NO_PERTURBATION,
    PURPOSES,
    TAG_ONLY,
    TEXT_ONLY,
    UNCONDITIONAL,
    Perturbation,
    condition,
    draw_mode,
    generator,
    pick,
)
from animatrix_data.pipeline.wording import mentions
from animatrix_data.taxonomy import Directive, ProductionSpec, parse_tags, tag_arrays

from ..taxonomy.strategies import prose, specs

RATES = Perturbation()
SPEC = parse_tags(
    "VideoStyle: Shinkai Style, MotionType: walk, shot_type: close-up, "
    "camera_motion: pan left (slow), VFX: Rain"
)
DIRECTIVE = Directive(SPEC, "A girl walks in the rain.", "A close-up; pan left.")
COUNT = 2000
HYBRID_ALWAYS = dataclasses.replace(NO_PERTURBATION, p_summary_only=0.0)


def unlikely(hits: int, trials: int, rate: float) -> bool:
    return binomtest(hits, trials, rate).pvalue < 1e-4


def test_modes_have_the_rates_of_equation_12():
    counts = np.bincount([draw_mode(5, i, RATES) for i in range(COUNT)], minlength=4)
    assert chisquare(counts, np.array(RATES.modes) * COUNT).pvalue > 1e-4


def test_perturbations_have_their_rates_inside_the_hybrid_mode():
    plain = Perturbation(p_drop=0.0, p_synonym=0.0, p_conflict=0.0, p_summary_only=0.0)
    for name, rate in (("p_conflict", 0.05), ("p_synonym", 0.1)):
        rates = dataclasses.replace(plain, **{name: rate})
        samples = [condition(DIRECTIVE, 1, i, rates) for i in range(COUNT)]
        hybrid = [s for s in samples if s.mode == HYBRID]
        changed = sum(s.text != DIRECTIVE.text for s in hybrid)
        # Four of the five tags are named in the text; a synonym rewrites each on its own.
        expected = rate if name == "p_conflict" else 1 - (1 - rate) ** 4
        assert not unlikely(changed, len(hybrid), expected), name
        assert all(s.text == DIRECTIVE.text for s in samples if s.mode != HYBRID)


def test_tags_are_dropped_one_by_one_inside_the_hybrid_mode():
    samples = [condition(DIRECTIVE, 2, i, RATES) for i in range(COUNT)]
    hybrid = np.stack([s.tags.mask[:5] for s in samples if s.mode == HYBRID])
    for tag in range(5):
        assert not unlikely(int((~hybrid[:, tag]).sum()), len(hybrid), 0.15)
    assert abs(np.corrcoef(hybrid.T)[np.triu_indices(5, 1)]).max() < 0.1
    others = [s for s in samples if s.mode != HYBRID]
    assert all(s.tags.mask.sum() == 5 for s in others)
    values = tag_arrays(SPEC).values
    assert all((s.tags.values == values).all() for s in samples)


def test_the_summary_stands_alone_as_often_as_asked():
    texts = [condition(DIRECTIVE, 3, i, NO_PERTURBATION).text for i in range(5)]
    assert set(texts) == {DIRECTIVE.text}
    rates = dataclasses.replace(NO_PERTURBATION, p_summary_only=0.5)
    alone = [condition(DIRECTIVE, 3, i, rates).text == DIRECTIVE.summary for i in range(COUNT)]
    assert not unlikely(sum(alone), COUNT, 0.5)


def test_a_synonym_keeps_the_meaning():
    rates = dataclasses.replace(HYBRID_ALWAYS, p_synonym=1.0)
    texts = {condition(DIRECTIVE, 0, i, rates).text for i in range(40)}
    assert DIRECTIVE.text not in texts and len(texts) > 5
    named = SPEC.replace("VideoStyle", ())
    assert all(mentions(text, tag) for text in texts for tag in named.tags)


def test_a_conflict_names_a_rival_and_keeps_the_tag():
    rates = dataclasses.replace(HYBRID_ALWAYS, p_conflict=1.0)
    named = SPEC.replace("VideoStyle", ())
    for i in range(40):
        sample = condition(DIRECTIVE, 0, i, rates)
        assert sample.text != DIRECTIVE.text
        assert (sample.tags.values == tag_arrays(SPEC).values).all() and sample.tags.mask[:5].all()
        unnamed = [tag for tag in named.tags if not mentions(sample.text, tag)]
        assert len(unnamed) == 1 or sample.text.endswith(DIRECTIVE.text)


def test_a_conflict_the_text_does_not_speak_of_is_put_first():
    rates = dataclasses.replace(HYBRID_ALWAYS, p_conflict=1.0)
    directive = Directive(parse_tags("VideoStyle: Shinkai Style"), "A girl.")
    text = condition(directive, 0, 0, rates).text
    assert text.startswith("Drawn as ") and text.endswith(" A girl.")
    assert not mentions(text, directive.spec.tags[0])


def test_hidden_fields_are_masked_in_every_mode():
    for i in range(20):
        mask = condition(DIRECTIVE, 0, i, RATES, hidden=("CameraMotion",)).tags.mask
        assert not mask[3]


def test_a_channel_with_nothing_to_say_is_nulled():
    no_tags, no_text = Directive(ProductionSpec(), "A girl."), Directive(SPEC)
    modes = [[condition(d, 0, i, RATES).mode for i in range(60)] for d in (no_tags, no_text)]
    assert set(modes[0]) == {TEXT_ONLY, UNCONDITIONAL}
    assert set(modes[1]) == {TAG_ONLY, UNCONDITIONAL}


@given(specs(), prose(), st.integers(0, 2**63), st.integers(0, 2**40))
def test_pure_for_any_directive(spec: ProductionSpec, text: str, seed: int, sample: int):
    if len(spec.tags) > 24:
        return
    often = Perturbation(0.9, 0.1, 0.0, 0.0, 0.3, 0.9, 0.9, 0.5)
    directive = Directive(spec, text, "A close-up in the rain.")
    first, second = (condition(directive, seed, sample, often) for _ in range(2))
    assert first.text == second.text and first.mode == second.mode
    assert (first.tags.mask == second.tags.mask).all()
    assert not (first.tags.mask & ~tag_arrays(spec).mask).any()


def test_streams_do_not_meet():
    keys = itertools.product((0, 1), (0, 1, 2**33), PURPOSES)
    draws = {tuple(generator(*key).integers(2**63, size=4)) for key in keys}
    assert len(draws) == 2 * 3 * len(PURPOSES)


def test_pick_never_takes_what_weighs_nothing():
    random = generator(0, 0, "clip")
    assert {pick(random, (0.0, 1.0, 0.0, 2.0, 0.0)) for _ in range(200)} == {1, 3}


@pytest.mark.parametrize(
    ("rates", "message"),
    [({"p_drop": 1.5}, "p_drop is a probability"), ({"p_hybrid": 0.5}, "must be 1")],
)
def test_wrong_rates_are_refused(rates: dict[str, float], message: str):
    with pytest.raises(ValueError, match=message):
        Perturbation(**rates)
