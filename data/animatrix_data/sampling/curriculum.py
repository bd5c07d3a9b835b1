"""The curriculum: from physically plain to artistically extreme clips (paper 5.2, eq. 16).

Three scores of a clip, style cluster, motion amplitude and deformation, each fall into one of Q
quantile buckets; the three together are its difficulty bucket b = (q_k Q + q_m) Q + q_d. As the
progress τ runs from 0 to 1, the weight of a bucket rises along a sigmoid, the easy ones' first.
"""

import math
from dataclasses import dataclass

import numpy as np

FEWEST_TAGS, MOST_TAGS = 4, 8
"""About how many production tags a prompt has at the start and at the end (section 5.2)."""


@dataclass(frozen=True)
class Curriculum:
    """The sigmoid schedule of eq. 16: slope γ, offset β, and Q quantile buckets a score.

    Raises ValueError for a slope that is negative or not finite, an offset that is not finite, or
    fewer than two quantiles.
    """

    gamma: float = 10.0
    beta: float = 0.1
    quantiles: int = 5

    def __post_init__(self) -> None:
        if not (math.isfinite(self.gamma) and self.gamma >= 0):
            raise ValueError(f"the curriculum's slope gamma must be ≥ 0, and {self.gamma} is given")
        if not math.isfinite(self.beta):
            raise ValueError(f"the curriculum's offset beta must be finite, not {self.beta}")
        _check_quantiles(self.quantiles)


def difficulty_buckets(scores: np.ndarray, quantiles: int) -> np.ndarray:
    """Return the flat difficulty buckets int32 [N], each in [0, Q³), of `scores` float [N, 3].

    A score's bucket is the quantile of the middle of all clips that have the same score, so equal
    scores share a bucket and a score that all clips share says nothing: its bucket, like that of
    an unknown score (NaN), is the middle one, Q // 2. Raises ValueError for scores of another
    shape or fewer than two quantiles.
    """
    _check_quantiles(quantiles)
    scores = np.asarray(scores)
    if scores.ndim != 2 or scores.shape[1] != 3:
        raise ValueError(f"a clip has three curriculum scores, and their shape is {scores.shape}")
    flat = np.zeros(len(scores), np.int32)
    for column in scores.T:
        flat = flat * quantiles + _quantile_buckets(column, quantiles)
    return flat


def difficulty(quantiles: int) -> np.ndarray:
    """Return D(b) of eq. 16, float64 [Q³]: the mean of a bucket's three places, each in [0, 1].

    Raises ValueError for fewer than two quantiles.
    """
    _check_quantiles(quantiles)
    places = np.arange(quantiles) / (quantiles - 1)
    total = places[:, None, None] + places[:, None] + places
    return total.ravel() / 3


def schedule(tau: float | np.ndarray, curriculum: Curriculum) -> np.ndarray:
    """Return w_τ(b) = σ(γ(τ − D(b) + β)) of eq. 16: float64 [Q³], or [T, Q³] for `tau` [T]."""
    ahead = np.asarray(tau, np.float64)[..., None] - difficulty(curriculum.quantiles)
    # In this form a weight far down the sigmoid stays above 0, and no exponential overflows.
    return np.exp(-np.logaddexp(0, -curriculum.gamma * (ahead + curriculum.beta)))


def drawn_shares(
    buckets: np.ndarray, weights: np.ndarray, curriculum: Curriculum, taus: np.ndarray
) -> np.ndarray:
    """Return what share of the draws each difficulty bucket has, float64 [T, Q³], as τ runs.

    `buckets` int [N] and `weights` float [N] are the clips'; `taus` [T] the progress. Raises
    ValueError where nothing can be drawn.
    """
    masses = np.bincount(buckets, weights, minlength=curriculum.quantiles**3)
    drawn = schedule(taus, curriculum) * masses
    totals = drawn.sum(axis=1, keepdims=True)
    if not (totals > 0).all():
        raise ValueError("the weights under the curriculum sum to zero: nothing can be drawn")
    return drawn / totals


def prompt_complexity(tau: float | np.ndarray, difficulty: float | np.ndarray) -> np.ndarray:
    """Return how full a prompt is, c = (τ + D) / 2 clipped to [0, 1], with D as in `difficulty`.

    Section 5.2 couples prompts to visual difficulty without a formula; this is ours.
    """
    return np.clip((np.asarray(tau, np.float64) + difficulty) / 2, 0, 1)


def tags_wanted(complexity: float | np.ndarray, uniform: float | np.ndarray) -> np.ndarray:
    """Return how many tags a prompt shall have, int64: 4 + 4c on average, so 4 to 8.

    `complexity` is c in [0, 1], `uniform` a random number in [0, 1); both broadcast.
    """
    span = MOST_TAGS - FEWEST_TAGS
    more = np.floor(span * np.asarray(complexity, np.float64) + uniform).astype(np.int64)
    return FEWEST_TAGS + np.minimum(more, span)


def full_text_wanted(complexity: float | np.ndarray, uniform: float | np.ndarray) -> np.ndarray:
    """Return whether a prompt has its description too, bool: with probability c, else its summary.

    Arguments as in `tags_wanted`.
    """
    return np.asarray(uniform) < complexity


def _check_quantiles(quantiles: int) -> None:
    if quantiles < 2:
        raise ValueError(f"a curriculum needs at least 2 quantiles, and {quantiles} is given")


def _quantile_buckets(scores: np.ndarray, quantiles: int) -> np.ndarray:
    """The quantile int32 [N] of each of `scores` [N] among those that are known."""
    buckets = np.full(len(scores), quantiles // 2, np.int32)
    known = np.flatnonzero(~np.isnan(scores))
    if not len(known):
        return buckets
    order = known[np.argsort(scores[known], kind="stable")]
    ranked = scores[order]
    starts = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]]))
    ends = np.append(starts[1:], len(ranked))
    # Twice the middle rank of a run of equal scores: whole numbers, so no rounding at the edges.
    middles = quantiles * (starts + ends) // (2 * len(ranked))
    buckets[order] = np.repeat(middles, ends - starts)
    return buckets
