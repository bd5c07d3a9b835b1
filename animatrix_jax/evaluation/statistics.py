"""Intervals and chance levels for counts of hits."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest, rankdata, spearmanr

CONFIDENCE = 0.95
PERMUTATIONS = 1000


@dataclass(frozen=True)
class Proportion:
    """A share of hits among trials with its Wilson 95 % interval."""

    hits: int
    trials: int
    low: float
    high: float

    @property
    def share(self) -> float:
        """Hits per trial; not a number without trials."""
        return self.hits / self.trials if self.trials else float("nan")


def proportion(hits: int, trials: int) -> Proportion:
    """Return the share of hits with Wilson's score interval (the whole of [0, 1] without trials).

    Raises ValueError when there are more hits than trials or fewer than none.
    """
    if not 0 <= hits <= trials:
        raise ValueError(f"{hits} hits among {trials} trials is no proportion")
    if trials == 0:
        return Proportion(0, 0, 0.0, 1.0)
    interval = binomtest(hits, trials).proportion_ci(CONFIDENCE, method="wilson")
    return Proportion(hits, trials, float(interval.low), float(interval.high))


@dataclass(frozen=True)
class Chance:
    """Adherence with the specs permuted among the same clips.

    Its mean, and the bound that 95 % of the permutations stay at or below.
    """

    mean: float
    bound: float


def chance_of(shares: np.ndarray) -> Chance:
    """Return the chance level of the shares that permutations reached, [permutations]."""
    bound = np.quantile(shares, CONFIDENCE, method="inverted_cdf")
    return Chance(float(shares.mean()), float(bound))


def permuted_shares(matches: np.ndarray, seed: int, permutations: int = PERMUTATIONS) -> np.ndarray:
    """Return the share of `matches` under each of some random permutations, [permutations].

    `matches` bool [n, n] says whether spec i is met by clip j's reading; a permutation hands each
    clip one of the specs (its own now and then by luck). Raises ValueError without clips.
    """
    count = len(matches)
    if not count or matches.shape != (count, count):
        raise ValueError(f"matches of specs and clips must be square, not {list(matches.shape)}")
    random = np.random.Generator(np.random.Philox(key=seed))
    clips = np.arange(count)
    return np.array([matches[random.permutation(count), clips].mean() for _ in range(permutations)])


def area_under_curve(positive: np.ndarray, negative: np.ndarray) -> float:
    """Return how often a positive scores above a negative, ties counting half (the ROC's area).

    Raises ValueError where there are none of either.
    """
    if not len(positive) or not len(negative):
        raise ValueError("the area under a curve needs positives and negatives")
    ranks = rankdata(np.concatenate([positive, negative]))[: len(positive)]
    above = ranks.sum() - len(positive) * (len(positive) + 1) / 2
    return float(above / (len(positive) * len(negative)))


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Return Spearman's rank correlation; 0 where one of the two never changes."""
    if len(one) < 2 or np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    return float(spearmanr(one, other).statistic)
