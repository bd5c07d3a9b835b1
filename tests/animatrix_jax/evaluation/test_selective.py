"""Selective reading: thresholds that leave what is right, chosen on other clips."""

import numpy as np

from animatrix_jax.evaluation.selective import choose_thresholds, with_coverage
from animatrix_jax.runtime.oracle import Accuracy


def test_what_is_right_often_enough_is_all_read() -> None:
    read = asked = np.array([0, 1, 1])
    least = choose_thresholds(np.array([0.2, 0.3, 0.9]), read, asked, 2, 1.0)
    np.testing.assert_array_equal(least, [0, 0])


def test_of_each_kind_enough_is_right() -> None:
    rng = np.random.default_rng(0)
    asked = rng.integers(0, 3, 600)
    sure = rng.uniform(0.3, 1.0, 600)
    # The less sure, the more often another kind is read.
    read = np.where(rng.uniform(size=600) < sure, asked, rng.integers(0, 3, 600))
    least = choose_thresholds(sure, read, asked, 3, 0.9)
    kept = sure >= least[read]
    for kind in range(3):
        assert np.mean((read == asked)[kept & (asked == kind)]) >= 0.9
    assert 0.2 < kept.mean() < 0.9


def test_more_is_read_where_more_is_needed() -> None:
    # Four of sixteen of kind 1 are read as 0, more surely than most of kind 0.
    asked = np.array([0] * 6 + [1] * 16)
    read = np.array([0] * 10 + [1] * 12)
    sure = np.array([0.4] * 4 + [0.95] * 2 + [0.7] * 4 + [0.9] * 12)
    careful = choose_thresholds(sure, read, asked, 2, 1.0)
    needed = choose_thresholds(sure, read, asked, 2, 1.0, needed=1.0)
    assert 0.7 < careful[0] <= 0.95 and needed[0] <= 0.4 and careful[1] == needed[1] == 0.0


def test_the_cheapest_answers_go_first() -> None:
    # Kind 1 is misread twice as 0, among many right ones, and once as 2, below all right ones.
    read = np.array([0, 0, 0, 0, 2, 2, 1])
    asked = np.array([0, 0, 0, 1, 1, 2, 1])
    sure = np.array([0.5, 0.6, 0.7, 0.9, 0.4, 0.8, 0.9])
    least = choose_thresholds(sure, read, asked, 3, 0.5)
    assert 0.4 < least[2] < 0.8 and least[0] == least[1] == 0.0


def test_a_kind_that_is_never_right_is_never_read() -> None:
    least = choose_thresholds(np.array([0.9, 0.8]), np.array([1, 0]), np.array([0, 0]), 2, 0.9)
    assert least[1] > 0.9 and least[0] == 0.0


def test_coverage_stands_beside_accuracy() -> None:
    asked = Accuracy(0.8, None, 10)
    assert with_coverage(Accuracy(1.0, None, 4), asked) == Accuracy(1.0, None, 4, 0.4)
    assert with_coverage(None, asked) == Accuracy(0.0, None, 0, 0.0)
