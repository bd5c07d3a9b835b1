"""Random numbers by (seed, block, purpose): counter-based, so that nothing depends on order.

A block is a run of successive samples, and one generator gives the numbers of all of them: sample
i uses row i % block of what is drawn, whoever draws it, and in whatever order.
"""

import numpy as np

from animatrix_data.settings import near

PURPOSES = {
    "block": 0,
    "mode": 3,
    "drop": 4,
    "synonym": 5,
    "conflict": 6,
    "summary": 7,
    "density": 8,
    "wording": 9,
    "redraw": 10,
}
"""What a draw is for, and its number in the Philox key: no number is ever another purpose's."""


def block_generator(seed: int, block: int, purpose: str) -> np.random.Generator:
    """Return the random numbers of (seed, block, purpose); streams never overlap.

    Raises ValueError for a negative block or an unknown purpose.
    """
    if purpose not in PURPOSES:
        raise ValueError(f"no random numbers are for {purpose!r}{near(purpose, PURPOSES)}")
    if block < 0:
        raise ValueError(f"blocks are counted from 0, and {block} is asked for")
    key = np.array([seed % 2**64, PURPOSES[purpose]], np.uint64)
    counter = np.array([0, block, 0, 0], np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=counter))
