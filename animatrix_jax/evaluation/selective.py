"""Selective reading: an oracle that is not sure enough does not answer.

What it still answers is right more often (its risk falls), and fewer clips are answered (so does
its coverage); Geifman and El-Yaniv, 2017, "Selective Classification for Deep Neural Networks".
Thresholds are chosen on clips that nothing is measured on.
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float, Int

from animatrix_jax.runtime.oracle import Accuracy


def choose_thresholds(
    sure: Float[np.ndarray, " N"],
    read: Int[np.ndarray, " N"],
    asked: Int[np.ndarray, " N"],
    kinds: int,
    bar: float,
) -> Float[np.ndarray, " kinds"]:
    """Return how sure an oracle must be of each kind of answer for it to count.

    Of the clips that are then read, those that ask for a kind are read right in a share `bar` or
    more, and so are those that are read as it. `sure` is how sure the oracle is of what it reads of
    each clip, `read` and `asked` that kind and the right one. Greedy: while a kind falls short, the
    threshold is raised that takes a wrong answer of this kind at the price of the fewest right
    ones. All answers of a kind may go.
    """
    least = np.zeros(kinds)
    while True:
        kept = sure >= least[read]
        wrong = kept & (read != asked)
        short = _shortest(read, asked, kept, kinds, bar)
        if short is None:
            return least
        rivals = np.flatnonzero(wrong & ((read == short) | (asked == short)))
        prices = [
            np.sum(kept & (read == read[i]) & (read == asked) & (sure <= sure[i])) for i in rivals
        ]
        cheapest = rivals[np.lexsort((sure[rivals], prices))[0]]
        least[read[cheapest]] = np.nextafter(sure[cheapest], np.inf)


def _shortest(
    read: Int[np.ndarray, " N"],
    asked: Int[np.ndarray, " N"],
    kept: Bool[np.ndarray, " N"],
    kinds: int,
    bar: float,
) -> int | None:
    """Return the kind that is read right least often among what is kept; None if all are often
    enough."""
    right = kept & (read == asked)
    shares = np.ones(kinds)
    for kind in range(kinds):
        for of in (read, asked):
            count = int(np.sum(kept & (of == kind)))
            if count:
                shares[kind] = min(shares[kind], np.sum(right & (of == kind)) / count)
    least = int(shares.argmin())
    return least if shares[least] < bar else None


def with_coverage(read: Accuracy | None, asked: Accuracy) -> Accuracy:
    """Return the accuracy among the clips that are read (None: none is), with their share of all
    that were asked."""
    if read is None:
        return Accuracy(0.0, None, 0, 0.0)
    return replace(read, read=read.clips / asked.clips)
