"""Wilson intervals against published values; chance levels whose value is known exactly."""

import numpy as np
import pytest
from scipy.stats import mannwhitneyu, spearmanr

from animatrix_jax.evaluation.statistics import (
    area_under_curve,
    chance_of,
    permuted_shares,
    proportion,
    rank_correlation,
)


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"),
    [
        (0, 10, 0.0, 0.2775),
        (5, 10, 0.2366, 0.7634),
        (81, 263, 0.2553, 0.3662),
        (10, 10, 0.7225, 1.0),
    ],
)
def test_wilson_intervals(hits: int, trials: int, low: float, high: float) -> None:
    found = proportion(hits, trials)
    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)
    assert found.share == hits / trials


def test_no_trials_say_nothing() -> None:
    found = proportion(0, 0)
    assert (found.low, found.high) == (0.0, 1.0)
    assert np.isnan(found.share)


def test_more_hits_than_trials_are_refused() -> None:
    with pytest.raises(ValueError, match="no proportion"):
        proportion(3, 2)


def table(asked: list[str], read: list[str]) -> np.ndarray:
    return np.array([[a == r for r in read] for a in asked])


def test_a_reading_that_is_always_the_same_is_at_chance_in_every_permutation() -> None:
    shares = permuted_shares(table(["a", "b", "c", "d"] * 3, ["a"] * 12), seed=0)
    np.testing.assert_allclose(shares, 0.25)
    assert chance_of(shares).bound == pytest.approx(0.25)


def test_chance_is_what_the_counts_say() -> None:
    asked, read = ["a"] * 6 + ["b"] * 2, ["a"] * 4 + ["b"] * 4
    chance = chance_of(permuted_shares(table(asked, read), seed=1, permutations=4000))
    expected = (6 * 4 + 2 * 4) / 8**2
    assert chance.mean == pytest.approx(expected, abs=0.01)
    assert chance.bound == pytest.approx(6 / 8)


def test_two_clips_have_two_permutations() -> None:
    shares = permuted_shares(table(["a", "b"], ["a", "b"]), seed=0, permutations=400)
    assert set(shares.tolist()) == {0.0, 1.0}
    assert shares.mean() == pytest.approx(0.5, abs=0.1)


def test_the_seed_decides_the_permutations() -> None:
    matches = table(list("abcdefgh"), list("abcdefgh"))
    assert (permuted_shares(matches, 3, 50) == permuted_shares(matches, 3, 50)).all()
    assert (permuted_shares(matches, 3, 50) != permuted_shares(matches, 4, 50)).any()


def test_chance_needs_as_many_specs_as_clips() -> None:
    with pytest.raises(ValueError, match="square"):
        permuted_shares(np.ones((2, 3), bool), seed=0)


def test_areas_and_ranks_are_scipys() -> None:
    random = np.random.default_rng(0)
    positive, negative = random.integers(2, 9, 30), random.integers(0, 7, 50)
    above = mannwhitneyu(positive, negative).statistic / (30 * 50)
    assert area_under_curve(positive, negative) == pytest.approx(above)
    assert area_under_curve(np.ones(3), np.ones(4)) == 0.5
    with pytest.raises(ValueError, match="positives and negatives"):
        area_under_curve(positive, np.array([]))
    one, other = random.normal(size=40), random.normal(size=40)
    assert rank_correlation(one, other) == pytest.approx(spearmanr(one, other).statistic)
    assert rank_correlation(one, np.ones(40)) == 0.0
