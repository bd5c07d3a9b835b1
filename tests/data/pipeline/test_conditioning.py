"""Modes, kept tags and text: a pure function of (seed, i), and each rule of its own."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from animatrix_data.pipeline.conditioning import (
    CORE_FIELDS,
    HYBRID,
    NO_PERTURBATION,
    PLAIN,
    TAG_ONLY,
    TEXT_ONLY,
    UNCONDITIONAL,
    Conditioned,
    Perturbation,
    Wording,
    block_draws,
    cached_wordings,
    condition,
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
FULL_SPEC = parse_tags(
    "VideoStyle: Shinkai Style, MotionStyle: 2D Daily, MotionType: walk; wave, Emotion: joy, "
    "MotionAmplitude: low, MotionSpeed: low, shot_type: close-up, shot_angle: low angle, "
    "camera_motion: pan left -> tilt up, VFX: Rain"
)
FULL = Directive(FULL_SPEC, "A girl walks in the rain.", "A close-up; pan left, then tilt up.")
OFTEN = Perturbation(0.9, 0.1, 0.0, 0.0, 0.3, 0.9, 0.9, 0.5)
CONFLICT = dataclasses.replace(NO_PERTURBATION, p_conflict=1.0)
CAMERA = ("CameraMotion",)


def same(one: Conditioned, other: Conditioned) -> bool:
    return (one.mode, one.text, one.wording) == (other.mode, other.text, other.wording) and all(
        (getattr(one.tags, name) == getattr(other.tags, name)).all()
        for name in ("values", "order", "mask")
    )


def test_a_sample_has_what_its_block_drew():
    plain = dataclasses.replace(RATES, p_synonym=0.0, p_conflict=0.0)
    for i in range(300):
        draws, row = block_draws(2, i // 64, plain), i % 64
        sample = condition(DIRECTIVE, 2, i, plain)
        assert sample.mode == draws.mode[row]
        dropped = draws.dropped[row, :5] & (sample.mode == HYBRID)
        assert (sample.tags.mask[:5] == ~dropped).all() and not sample.tags.mask[5:].any()
        alone = draws.summary[row] < plain.p_summary_only
        assert sample.text == (DIRECTIVE.summary if alone else DIRECTIVE.text)
        assert (sample.tags.values == tag_arrays(SPEC).values).all()


def test_only_the_hybrid_mode_is_perturbed():
    wordings = cached_wordings(DIRECTIVE, 0, 8, OFTEN)
    rates = dataclasses.replace(OFTEN, p_hybrid=0.4, p_tag=0.2, p_text=0.2, p_none=0.2)
    for i in range(300):
        for texts in (None, wordings):
            sample = condition(DIRECTIVE, 1, i, rates, wordings=texts)
            if sample.mode != HYBRID:
                assert sample.text in (DIRECTIVE.text, DIRECTIVE.summary)
                assert sample.tags.mask.sum() == 5
                assert sample.wording in ((None,) if texts is None else (0, 1))


def test_a_synonym_keeps_the_meaning():
    rates = dataclasses.replace(NO_PERTURBATION, p_synonym=1.0)
    texts = {condition(DIRECTIVE, 0, i, rates).text for i in range(40)}
    assert DIRECTIVE.text not in texts and len(texts) > 5
    named = SPEC.replace("VideoStyle", ())
    assert all(mentions(text, tag) for text in texts for tag in named.tags)


def test_a_conflict_denies_a_tag_that_is_given():
    rates = dataclasses.replace(CONFLICT, p_drop=0.5)
    denied = set()
    for i in range(200):
        sample = condition(DIRECTIVE, 0, i, rates, hidden=CAMERA)
        if sample.mode != HYBRID:  # nothing was left
            continue
        unsaid = [k for k, tag in enumerate(SPEC.tags) if not mentions(sample.text, tag)]
        # The style is not named in the text; every other tag that is not denied stays named.
        put_first = sample.text.startswith("Drawn as ")
        changed = [k for k in unsaid if put_first or SPEC.tags[k].field != "VideoStyle"]
        assert len(changed) == (sample.text != DIRECTIVE.text) and sample.tags.mask[changed].all()
        denied |= set(changed)
        assert put_first or (sample.text == DIRECTIVE.text) == (sample.tags.mask[1:].sum() == 0)
    assert denied == {0, 1, 2, 4}
    assert not mentions(sample.text, SPEC.tags[0])


@pytest.mark.parametrize("texts", [0, 8])
def test_hidden_fields_are_masked_and_never_denied(texts: int):
    wordings = cached_wordings(DIRECTIVE, 0, texts, CONFLICT) if texts else None
    denying = 0
    for i in range(60):
        sample = condition(DIRECTIVE, 0, i, CONFLICT, CAMERA, wordings=wordings)
        assert sample.tags.mask[:5].tolist() == [True, True, True, False, True]
        if wordings is None:
            assert mentions(sample.text, SPEC.tags[3])
            denying += sample.text != DIRECTIVE.text
        else:
            denying += wordings[sample.wording or 0].contradicted not in (None, 3)
    assert denying == 60


def test_a_channel_with_nothing_to_say_is_nulled():
    no_tags, no_text = Directive(ProductionSpec(), "A girl."), Directive(SPEC)
    modes = [[condition(d, 0, i, OFTEN).mode for i in range(60)] for d in (no_tags, no_text)]
    assert set(modes[0]) == {TEXT_ONLY, UNCONDITIONAL}
    assert set(modes[1]) == {TAG_ONLY}
    all_dropped = dataclasses.replace(NO_PERTURBATION, p_drop=1.0)
    assert condition(DIRECTIVE, 0, 0, all_dropped).mode == TEXT_ONLY


def test_complexity_thins_tags_and_shortens_text():
    for complexity, count, text in ((0.0, 4, FULL.summary), (1.0, 8, FULL.text)):
        for i in range(50):
            sample = condition(FULL, 0, i, NO_PERTURBATION, complexity=complexity)
            assert sample.tags.mask.sum() == count and sample.text == text
    counts, alone = [], 0
    for i in range(1000):
        sample = condition(FULL, 0, i, NO_PERTURBATION, complexity=0.3)
        counts.append(int(sample.tags.mask.sum()))
        alone += sample.text == FULL.summary
    assert set(counts) == {5, 6} and abs(np.mean(counts) - 5.2) < 0.08
    assert abs(alone / 1000 - 0.7) < 0.07


def test_thinning_keeps_the_core_and_is_uniform_in_the_rest():
    fields = np.array([tag.field for tag in FULL_SPEC.tags])
    masks = np.stack(
        [condition(FULL, 3, i, NO_PERTURBATION, complexity=0.5).tags.mask for i in range(3000)]
    )[:, : len(fields)]
    assert (masks.sum(1) == 6).all()
    for field in CORE_FIELDS:
        assert masks[:, fields == field].any(1).all()
    # One of the two actions is core; the other stays as often as any tag besides, 3 times of 9.
    rest = masks[:, ~np.isin(fields, CORE_FIELDS)].mean(0)
    assert abs(rest - 3 / 9).max() < 0.04
    assert abs(masks[:, fields == "MotionType"].mean(0) - (1 + 3 / 9) / 2).max() < 0.04
    hidden = condition(FULL, 3, 0, NO_PERTURBATION, CAMERA, 1.0).tags.mask[: len(fields)]
    assert hidden.sum() == 8 and not hidden[fields == "CameraMotion"].any()


def test_the_first_wordings_are_as_written():
    for clip in range(5):
        first, second, *rest = cached_wordings(DIRECTIVE, clip, 20, OFTEN)
        assert (first, second) == (Wording(DIRECTIVE.text, None), Wording(DIRECTIVE.summary, None))
        assert [w.contradicted is not None for w in rest] == [True, True, *[False] * 4] * 3
        for number, wording in enumerate(rest, PLAIN):
            told = SPEC.tags[wording.contradicted or 0]
            assert not mentions(wording.text, told)
            # The summary names neither shot nor camera.
            if number % 2 == 0 and wording.contradicted is None:
                assert all(mentions(wording.text, tag) for tag in SPEC.tags[1:])
    with pytest.raises(ValueError, match="one wording at least, and 0"):
        cached_wordings(DIRECTIVE, 0, 0, RATES)


def test_a_wording_does_not_depend_on_the_count():
    most = cached_wordings(FULL, 7, 9, OFTEN, seed=3)
    assert all(cached_wordings(FULL, 7, count, OFTEN, seed=3) == most[:count] for count in (1, 4))
    assert cached_wordings(FULL, 8, 9, OFTEN, seed=3) != most
    assert cached_wordings(FULL, 7, 9, OFTEN, seed=4) != most


def test_a_denied_tag_is_never_dropped():
    rates = Perturbation(1.0, 0.0, 0.0, 0.0, p_drop=0.9, p_conflict=0.5)
    wordings = cached_wordings(FULL, 0, 16, rates)
    seen = set()
    for i in range(500):
        sample = condition(FULL, 0, i, rates, complexity=0.2, wordings=wordings)
        assert sample.wording is not None and sample.text == wordings[sample.wording].text
        place = wordings[sample.wording].contradicted
        draws = block_draws(0, i // 64, rates)
        assert (place is not None) == draws.conflicting[i % 64]
        assert place is None or sample.tags.mask[place]
        seen.add(sample.wording)
    assert seen == set(range(PLAIN, 16))


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_few_wordings_are_enough(count: int):
    wordings = cached_wordings(DIRECTIVE, 0, count, OFTEN)
    drawn = [condition(DIRECTIVE, 0, i, OFTEN, wordings=wordings).wording for i in range(200)]
    assert set(drawn) == set(range(count))


@given(
    specs(),
    prose(),
    st.integers(0, 2**63),
    st.integers(0, 2**40),
    st.none() | st.floats(0, 1),
    st.integers(0, 7),
)
def test_pure_for_any_directive(
    spec: ProductionSpec,
    text: str,
    seed: int,
    sample: int,
    complexity: float | None,
    count: int,
):
    directive = Directive(spec, text, "A close-up in the rain.")
    found = []
    for _ in range(2):
        block_draws.cache_clear()
        wordings = cached_wordings(directive, sample, count, OFTEN, seed) if count else None
        condition(directive, seed, sample + 1, OFTEN)
        found.append(condition(directive, seed, sample, OFTEN, CAMERA, complexity, wordings))
    first, second = found
    assert same(first, second)
    hidden = [place for place, tag in enumerate(spec.tags) if tag.field in CAMERA]
    assert not (first.tags.mask & ~tag_arrays(spec).mask).any()
    assert not first.tags.mask[hidden].any()
    assert (first.tags.mask.any() or first.mode not in (HYBRID, TAG_ONLY)) and first.text


def test_another_seed_block_size_or_sample_is_another_draw():
    keys = [(0, 0, 64), (1, 0, 64), (0, 1, 64)]
    draws = [block_draws(seed, block, RATES, size) for seed, block, size in keys]
    assert len({draw.phrase.tobytes() for draw in draws}) == 3
    # A row holds what its sample draws, however many follow.
    short = block_draws(0, 0, RATES, 16)
    assert (short.dropped == draws[0].dropped[:16]).all()


@pytest.mark.parametrize(
    ("rates", "message"),
    [({"p_drop": 1.5}, "p_drop is a probability"), ({"p_hybrid": 0.5}, "must be 1")],
)
def test_wrong_rates_are_refused(rates: dict[str, float], message: str):
    with pytest.raises(ValueError, match=message):
        Perturbation(**rates)
