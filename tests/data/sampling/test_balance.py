"""Weights: eq. 2, the pool's minimum and bound, the target of quality tuning."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import LinearConstraint, minimize

from animatrix_data.sampling.balance import (
    Combination,
    Pool,
    Target,
    asked_shares,
    balance_weights,
    pair_codes,
    target_weights,
)
from animatrix_data.sampling.synthetic import long_tail_table
from animatrix_data.sampling.table import ClipTable
from animatrix_data.statistics import gini
from animatrix_data.taxonomy.vocabulary import load_vocabulary
from tests.data.sampling.tables import TABLES, random_table

ALPHAS = st.floats(0, 1)
POOLS = st.builds(Pool, st.floats(0, 0.15), st.none() | st.floats(1, 20))


def pair_totals(table: ClipTable, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    codes = pair_codes(table)
    known = codes >= 0
    counts = np.bincount(codes[known])
    return counts, np.bincount(codes[known], weights[known])


@given(table=TABLES)
def test_alpha_zero_gives_the_corpus_as_it_is(table: ClipTable) -> None:
    np.testing.assert_allclose(balance_weights(table, 0.0), 1 / len(table))


@given(seed=st.integers(0, 1000), alpha=ALPHAS)
def test_weights_are_equation_2(seed: int, alpha: float) -> None:
    table = random_table(40, seed, missing=0.0)
    found = balance_weights(table, alpha)
    counts = [np.bincount(column)[column] for column in table.labels.T]
    expected = (1.0 / np.prod(counts, axis=0, dtype=float)) ** alpha
    np.testing.assert_allclose(found, expected / expected.sum(), rtol=1e-9)


@given(table=TABLES, alpha=ALPHAS)
def test_a_rarer_class_never_weighs_less(table: ClipTable, alpha: float) -> None:
    weights = balance_weights(table, alpha)
    assert weights.sum() == pytest.approx(1)
    for axis in range(4):
        others = np.delete(table.labels, axis, axis=1)
        labels = table.labels[:, axis]
        counts = np.bincount(labels + 1)[labels + 1]
        alike = (others[:, None] == others[None]).all(-1)
        known = (labels >= 0)[:, None] & (labels >= 0)[None]
        rarer = counts[:, None] <= counts[None]
        pairs = np.argwhere(alike & known & rarer)
        assert np.all(weights[pairs[:, 0]] >= weights[pairs[:, 1]] * (1 - 1e-12))


def test_not_knowing_neither_lifts_nor_lowers() -> None:
    table = random_table(200, 0, missing=0.0)
    labels = table.labels.copy()
    labels[:, 1:] = -1
    labels[:20, 0] = -1
    weights = balance_weights(replace(table, labels=labels), 0.8)
    assert weights[:20].sum() == pytest.approx(20 / 200)


@given(table=TABLES, alpha=ALPHAS, pool=POOLS, seed=st.integers(0, 99))
def test_the_order_of_the_clips_does_not_matter(
    table: ClipTable, alpha: float, pool: Pool, seed: int
) -> None:
    order = np.random.default_rng(seed).permutation(len(table))
    np.testing.assert_allclose(
        balance_weights(table.take(order), alpha, pool),
        balance_weights(table, alpha, pool)[order],
        rtol=1e-9,
    )


@given(table=TABLES, alpha=ALPHAS, pool=POOLS)
def test_every_pair_has_its_minimum_and_no_clip_passes_the_bound(
    table: ClipTable, alpha: float, pool: Pool
) -> None:
    weights = balance_weights(table, alpha, pool)
    assert weights.sum() == pytest.approx(1)
    cap = (pool.most or np.inf) / len(table)
    assert weights.max() <= cap * (1 + 1e-9)
    counts, totals = pair_totals(table, weights)
    owed = np.minimum(pool.minimum, np.where(counts > 0, np.maximum(counts, 1) * cap, 0))
    assert np.all(totals >= owed * (1 - 1e-9))


def test_the_pool_changes_the_weights_no_more_than_it_must() -> None:
    """Against SciPy: the distribution nearest in relative entropy under the same constraints."""
    table, pool = random_table(25, 3), Pool(0.12, 2.5)
    start = balance_weights(table, 0.7)
    found = balance_weights(table, 0.7, pool)
    codes, cap = pair_codes(table), 2.5 / 25
    rows = [(codes == code).astype(float) for code in np.unique(codes[codes >= 0])]
    owed = [min(0.12, row.sum() * cap) for row in rows]
    best = minimize(
        lambda p: float(p @ np.log(np.maximum(p, 1e-300) / start)),
        found * 0 + 1 / 25,
        jac=lambda p: np.log(np.maximum(p, 1e-300) / start) + 1,
        bounds=[(1e-12, cap)] * 25,
        constraints=[LinearConstraint(np.ones((1, 25)), 1, 1), LinearConstraint(rows, owed)],
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 500},
    )
    assert not np.allclose(found, start, atol=1e-3)
    np.testing.assert_allclose(found, best.x, atol=1e-4)


def test_the_long_tail_is_evened_out_as_the_paper_says() -> None:
    table = long_tail_table(30_000)
    before = np.bincount(table.labels[:, 1])
    assert gini(before) == pytest.approx(0.71, abs=0.02)
    weights = balance_weights(table, 0.7, Pool())
    assert gini(np.bincount(table.labels[:, 1], weights)) <= 0.38
    counts, totals = pair_totals(table, weights)
    assert totals[counts > 0].min() >= 1 / 2000 - 1e-9
    simple = np.isin(np.array(table.names[2])[table.labels[:, 2]], ("Static", "Pan"))
    assert simple.mean() == pytest.approx(0.6, abs=0.02)


SHARES = st.lists(st.floats(0.05, 1), min_size=4, max_size=4)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 500), styles=SHARES, motions=SHARES, alpha=ALPHAS)
def test_target_marginals_are_reached(
    seed: int, styles: list[float], motions: list[float], alpha: float
) -> None:
    table = random_table(400, seed, missing=0.0)
    assume(all(len(np.unique(table.labels[:, axis])) == len(table.names[axis]) for axis in (0, 1)))
    pairs = np.unique(table.labels[:, :2], axis=0)
    assume(len(pairs) == 12)  # every joint cell is there, so any marginals can be met
    asked = [dict(zip(table.names[axis][:2], np.array(s[:2]) / sum(s), strict=True))
             for axis, s in ((0, styles), (1, motions))]  # fmt: skip
    weights = target_weights(table, Target(S=asked[0], M=asked[1], alpha=alpha))
    assert weights.min() >= 0 and weights.sum() == pytest.approx(1)
    for axis in (0, 1):
        found = dict(zip(table.names[axis], np.bincount(table.labels[:, axis], weights),
                         strict=True))  # fmt: skip
        for name, share in asked[axis].items():
            assert found[name] == pytest.approx(share, abs=1e-6)
    # Clips that the target does not tell apart keep the proportions of eq. 2.
    plain = balance_weights(table, alpha)
    alike = (table.labels[:, :2] == table.labels[0, :2]).all(1)
    np.testing.assert_allclose(weights[alike] / weights[0], plain[alike] / plain[0], rtol=1e-9)


def test_a_combination_and_a_category_get_their_share() -> None:
    table = long_tail_table(20_000)
    fight = Combination(0.1, M=("Combat and Power",), C=("dolly zoom", "Rack Focus"))
    target = Target(M={"Combat and Power": 0.3}, combinations=(fight,))
    weights = target_weights(table, target)
    terms = load_vocabulary().of_field("MotionType")
    fights = [term.name for term in terms if term.category == "Combat and Power"]
    combat = np.isin(np.array(table.names[1])[table.labels[:, 1]], fights)
    moves = np.array(table.names[2])[table.labels[:, 2]]
    assert weights[combat].sum() == pytest.approx(0.3, abs=1e-6)
    both = combat & np.isin(moves, ("Dolly Zoom", "Rack Focus"))
    assert weights[both].sum() == pytest.approx(0.1, abs=1e-6)
    # What is told of a target are the shares of all that it names, whatever the weights sum to.
    motion, pair = asked_shares(table, target, 7 * weights)
    assert (motion.name, motion.wanted, pair.wanted) == ("M 'Combat and Power'", 0.3, 0.1)
    assert pair.name == "Combat and Power with dolly zoom or Rack Focus"
    assert (motion.before, pair.before) == pytest.approx((combat.mean(), both.mean()))
    assert (motion.after, pair.after) == pytest.approx((0.3, 0.1), abs=1e-6)


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (Target(S={"Shinkay Style": 0.1}), "'Shinkay Style' is no class.*Shinkai Style"),
        (Target(S={"Live Action": 0.1}), "cannot be met: 0.1 is for S 'Live Action'.*no clip"),
        (Target(M={"walk": 0.7, "talk": 0.7}), "axis M sum to 1.4, more than 1"),
        (Target(M={"walk": -0.1}), "M 'walk' must be from 0 to 1, not -0.1"),
        (Target(V={"Rain": 0.0, "none": 0.0}), "1 is for the rest of axis V"),
        (Target(M={"cast": 0.1, "Combat and Power": 0.2}), "names M 'cast' twice"),
        (Target(combinations=(Combination(0.1),)), "names no class"),
        (
            Target(M={"cast": 0.1}, combinations=(Combination(0.2, M=("cast",)),)),
            "contradict one another",
        ),
    ],
)
def test_a_target_that_cannot_be_met_is_refused(target: Target, words: str) -> None:
    table = random_table(300, 1, missing=0.0)
    with pytest.raises(ValueError, match=words):
        target_weights(table, target)


@pytest.mark.parametrize(
    ("alpha", "minimum", "most", "words"),
    [
        (1.5, 0.0, None, "alpha lies between 0"),
        (float("nan"), 0.0, None, "alpha lies between 0"),
        (0.7, 0.4, None, "pairs cannot each have 0.4 of the draws: the minimum can be at most"),
        (0.7, 1.0, None, "the minimum is a share"),
        (0.7, 0.0, 0.5, "1 or more times"),
    ],
)
def test_what_cannot_be_is_refused(
    alpha: float, minimum: float, most: float | None, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        balance_weights(random_table(100, 2), alpha, Pool(minimum, most))


def test_no_clips_cannot_be_balanced() -> None:
    with pytest.raises(ValueError, match="there are no clips to balance"):
        balance_weights(random_table(0, 0))
