"""Selective reading: a threshold that leaves what is right, chosen on other clips."""

import numpy as np

from animatrix_jax.evaluation.selective import choose_threshold, with_coverage
from animatrix_jax.runtime.oracle import Accuracy


def test_what_is_right_often_enough_is_all_read() -> None:
    read = asked = np.array([0, 1, 1])
    assert choose_threshold(np.array([0.2, 0.3, 0.9]), read, asked, 2, 1.0) == 0.0


def test_of_each_kind_enough_is_right() -> None:
    rng = np.random.default_rng(0)
    asked = rng.integers(0, 3, 600)
    sure = rng.uniform(0.3, 1.0, 600)
    # The less sure, the more often another kind is read.
    read = np.where(rng.uniform(size=600) < sure, asked, rng.integers(0, 3, 600))
    kept = sure >= choose_threshold(sure, read, asked, 3, 0.9)
    for kind in range(3):
        assert np.mean((read == asked)[kept & (asked == kind)]) >= 0.9
    assert 0.2 < kept.mean() < 0.9


def test_more_is_read_where_more_is_needed() -> None:
    # Four of sixteen of kind 1 are read as 0, more surely than most of kind 0.
    asked = np.array([0] * 6 + [1] * 16)
    read = np.array([0] * 10 + [1] * 12)
    sure = np.array([0.4] * 4 + [0.95] * 2 + [0.7] * 4 + [0.9] * 12)
    assert 0.7 < choose_threshold(sure, read, asked, 2, 1.0) <= 0.9
    assert choose_threshold(sure, read, asked, 2, 1.0, needed=1.0) <= 0.4


def test_coverage_stands_beside_accuracy() -> None:
    asked = Accuracy(0.8, None, 10)
    assert with_coverage(Accuracy(1.0, None, 4), asked) == Accuracy(1.0, None, 4, 0.4)
    assert with_coverage(None, asked) == Accuracy(0.0, None, 0, 0.0)
