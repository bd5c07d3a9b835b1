"""Selective reading: an oracle that is not sure enough does not answer.

What it still answers is right more often (its risk falls), and fewer clips are answered (so does
its coverage); Geifman and El-Yaniv, 2017, "Selective Classification for Deep Neural Networks".
Thresholds are chosen on clips that nothing is measured on.
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int

from animatrix_jax.runtime.oracle import Accuracy

LEVELS = np.concatenate([[0.0], np.arange(0.3, 0.9, 0.05), np.arange(0.9, 0.995, 0.01)])
"""The thresholds that are tried: few, so that little is chosen by chance."""
SELDOM = 0.5
"""What it costs to be read more seldom than needed, against being wrong more often than the bar
allows by the same share."""
UNREAD = 0.005
"""What each unread clip costs beside that, as a share of its kind."""


def choose_threshold(
    sure: Float[np.ndarray, " N"],
    read: Int[np.ndarray, " N"],
    asked: Int[np.ndarray, " N"],
    kinds: int,
    bar: float,
    needed: float = 0.0,
) -> float:
    """Return how sure an oracle must be of an answer, of whatever kind, for it to count.

    Of the clips that ask for a kind, a share `bar` or more of those that are read should be read
    right, and a share `needed` or more should be read; what lacks in both, over all kinds, is made
    small. `sure` is how sure the oracle is of what it reads of each clip, `read` and `asked` that
    kind and the right one. One threshold for all kinds: one for each would fit the clips on which
    it is chosen, and a kind whose answers go is still read wrongly as others.
    """
    size = np.bincount(asked, minlength=kinds)

    def cost(least: float) -> float:
        kept = sure >= least
        seen = np.bincount(asked[kept], minlength=kinds)
        right = np.bincount(asked[kept & (read == asked)], minlength=kinds)
        wrong = np.where(seen > 0, bar - right / np.maximum(seen, 1), 0.0)
        covered = np.where(size > 0, seen / np.maximum(size, 1), 1.0)
        seldom = np.maximum(needed - covered, 0)
        return float((np.maximum(wrong, 0) + SELDOM * seldom + UNREAD * (1 - covered)).sum())

    return float(min(LEVELS, key=cost))


def with_coverage(read: Accuracy | None, asked: Accuracy) -> Accuracy:
    """Return the accuracy among the clips that are read (None: none is), with their share of all
    that were asked."""
    if read is None:
        return Accuracy(0.0, None, 0, 0.0)
    return replace(read, read=read.clips / asked.clips)
