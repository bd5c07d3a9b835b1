"""Selective reading: an oracle that is not sure enough does not answer.

What it still answers is right more often (its risk falls), and fewer clips are answered (so does
its coverage); Geifman and El-Yaniv, 2017, "Selective Classification for Deep Neural Networks".
Thresholds are chosen on clips that nothing is measured on.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int

from animatrix_jax.runtime.oracle import Accuracy

LEVELS = np.concatenate([[0.0], np.arange(0.3, 0.9, 0.05), np.arange(0.9, 1.0, 0.02), [1.01]])
"""The thresholds that are tried: few, so that little is chosen by chance. Above 1 none counts."""
STARTS = (0.0, 0.6, 0.7, 0.8, 0.9)
"""The thresholds, common to all kinds, that the choice begins at."""
SELDOM = 0.5
"""What it costs to be read more seldom than needed, against being wrong more often than the bar
allows by the same share."""
UNREAD = 0.005
"""What each unread clip costs beside that, as a share of its kind."""


def choose_thresholds(
    sure: Float[np.ndarray, " N"],
    read: Int[np.ndarray, " N"],
    asked: Int[np.ndarray, " N"],
    kinds: int,
    bar: float,
    needed: float = 0.0,
) -> Float[np.ndarray, " kinds"]:
    """Return how sure an oracle must be of each kind of answer for it to count.

    Of the clips that ask for a kind, a share `bar` or more of those that are read should be read
    right, and a share `needed` or more should be read; what lacks in both is made small, kind by
    kind, from several thresholds common to all. `sure` is how sure the oracle is of what it reads
    of each clip, `read` and `asked` that kind and the right one. All answers of a kind may go.
    """
    counts = np.zeros((kinds, len(LEVELS), kinds))
    for level, least in enumerate(LEVELS):
        np.add.at(counts, (read[sure >= least], level, asked[sure >= least]), 1)
    size = np.maximum(np.bincount(asked, minlength=kinds), 1)

    def cost(chosen: np.ndarray) -> float:
        kept = counts[np.arange(kinds), chosen]
        seen = kept.sum(axis=0)
        right = np.where(seen > 0, np.diag(kept) / np.maximum(seen, 1), 1.0)
        covered = seen / size
        wrong, seldom = np.maximum(bar - right, 0), np.maximum(needed - covered, 0)
        # Of thresholds that leave the same, the lower.
        lower = 1e-9 * float(chosen.sum())
        return float((wrong + SELDOM * seldom + UNREAD * (1 - covered)).sum()) + lower

    found = []
    for start in STARTS:
        chosen = np.full(kinds, int(np.abs(LEVELS - start).argmin()))
        found.append(_descended(chosen, cost))
    return LEVELS[min(found, key=cost)]


def _descended(chosen: np.ndarray, cost: Callable[[np.ndarray], float]) -> np.ndarray:
    """Return levels changed one kind after another for as long as that lowers the cost."""
    least = cost(chosen)
    while True:
        before = least
        for kind in range(len(chosen)):
            for level in range(len(LEVELS)):
                tried = chosen.copy()
                tried[kind] = level
                if (value := cost(tried)) < least:
                    chosen, least = tried, value
        if least == before:
            return chosen


def with_coverage(read: Accuracy | None, asked: Accuracy) -> Accuracy:
    """Return the accuracy among the clips that are read (None: none is), with their share of all
    that were asked."""
    if read is None:
        return Accuracy(0.0, None, 0, 0.0)
    return replace(read, read=read.clips / asked.clips)
