"""Eq. 16: quantile buckets with ties and gaps, the sigmoid, and prompts that grow with both."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from animatrix_data.sampling.curriculum import (
    Curriculum,
    difficulty,
    difficulty_buckets,
    drawn_shares,
    full_text_wanted,
    prompt_complexity,
    schedule,
    tags_wanted,
)

QUANTILES = st.integers(2, 7)
# Few values, so that many are equal, and unknown ones among them.
COLUMN = st.lists(st.sampled_from([0.0, -0.0, 0.25, 1.0, 3.0, np.nan]), min_size=1, max_size=40)


def places(flat: np.ndarray, quantiles: int) -> np.ndarray:
    """The three quantiles [N, 3] of flat buckets."""
    return np.stack(np.unravel_index(flat, (quantiles,) * 3), axis=1)


@given(COLUMN, QUANTILES)
def test_a_score_falls_in_the_quantile_of_the_middle_of_its_equals(column, quantiles):
    scores = np.stack([column, column[::-1], np.full(len(column), 2.0)], axis=1)
    found = places(difficulty_buckets(scores, quantiles), quantiles)
    known = [score for score in column if not np.isnan(score)]
    for score, place in zip(column, found[:, 0], strict=True):
        below, equal = sum(k < score for k in known), sum(k == score for k in known)
        # A place is the quantile in which the middle of the clips with this score stands.
        middle = (2 * below + equal) * quantiles // (2 * len(known)) if known else 0
        assert place == (quantiles // 2 if np.isnan(score) else middle)
    assert (found[::-1, 1] == found[:, 0]).all()
    assert (found[:, 2] == quantiles // 2).all()


@given(arrays(np.float64, (60, 3), elements=st.floats(-5, 5), unique=True), st.sampled_from([2, 5]))
def test_quantiles_of_distinct_scores_are_equal_and_ordered(scores, quantiles):
    found = places(difficulty_buckets(scores, quantiles), quantiles)
    for column, place in zip(scores.T, found.T, strict=True):
        assert (np.bincount(place, minlength=quantiles) == len(scores) // quantiles).all()
        assert (np.diff(place[np.argsort(column)]) >= 0).all()


def test_difficulty_is_the_mean_of_the_three_places():
    found = difficulty(5)
    assert found.shape == (125,)
    assert (found[0], found[124], found[62]) == (0, 1, 0.5)
    easy_style_hard_motion = (0 * 5 + 4) * 5 + 2
    assert found[easy_style_hard_motion] == pytest.approx((0 + 1 + 0.5) / 3)
    assert difficulty_buckets(np.array([[0, 9, 5], [9, 0, 5]]), 2).tolist() == [0b011, 0b101]


@pytest.mark.parametrize("gamma", [0.0, 3.0, 10.0, 1e5])
def test_schedule_is_the_sigmoid_of_eq_16(gamma):
    curriculum = Curriculum(gamma, 0.2, 3)
    taus = np.linspace(0, 1, 7)
    found = schedule(taus, curriculum)
    with np.errstate(over="ignore"):
        wanted = 1 / (1 + np.exp(-gamma * (taus[:, None] - difficulty(3) + 0.2)))
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-300)
    assert (np.diff(found, axis=0) >= 0).all()
    np.testing.assert_array_equal(found[2], schedule(taus[2], curriculum))


def test_easy_clips_come_first_and_all_come_in():
    start, end = schedule(0.0, Curriculum()), schedule(1.0, Curriculum())
    assert start[0] > 5000 * start[124]
    assert end[124] > 0.7 * end[0]


def test_shares_of_draws_are_those_of_eq_16_times_the_weights():
    random = np.random.default_rng(0)
    curriculum, taus = Curriculum(quantiles=2), np.array([0.0, 0.6])
    buckets, weights = random.integers(0, 7, 50), random.random(50)
    found = drawn_shares(buckets, weights, curriculum, taus)
    clips = schedule(taus, curriculum)[:, buckets] * weights
    for bucket in range(8):
        wanted = clips[:, buckets == bucket].sum(axis=1) / clips.sum(axis=1)
        np.testing.assert_allclose(found[:, bucket], wanted, rtol=1e-12)
    with pytest.raises(ValueError, match="sum to zero"):
        drawn_shares(buckets, 0 * weights, curriculum, taus)


def test_prompts_grow_from_four_tags_to_eight():
    assert prompt_complexity([0, 0.5, 1, 1], [0, 0.5, 1, 2]).tolist() == [0, 0.5, 1, 1]
    uniform = (np.arange(1000) + 0.5) / 1000
    for complexity in (0.0, 0.3, 0.5, 0.9, 1.0):
        counts = tags_wanted(complexity, uniform)
        assert counts.mean() == pytest.approx(4 + 4 * complexity, abs=1e-3)
        assert np.ptp(counts) <= 1
        assert full_text_wanted(complexity, uniform).mean() == pytest.approx(complexity, abs=1e-3)
    assert tags_wanted(1.0, np.nextafter(1, 0)) == 8 and tags_wanted(0.0, 0.0) == 4
    assert not full_text_wanted(0.0, 0.0) and full_text_wanted(1.0, np.nextafter(1, 0))


@pytest.mark.parametrize(
    ("mistake", "sentence"),
    [
        (lambda: Curriculum(gamma=-1.0), "slope gamma must be ≥ 0"),
        (lambda: Curriculum(gamma=float("nan")), "slope gamma must be ≥ 0"),
        (lambda: Curriculum(beta=float("inf")), "offset beta must be finite"),
        (lambda: Curriculum(quantiles=1), "at least 2 quantiles"),
        (lambda: difficulty_buckets(np.zeros((4, 2)), 5), "three curriculum scores"),
    ],
)
def test_mistakes_are_named(mistake, sentence):
    with pytest.raises(ValueError, match=sentence):
        mistake()
