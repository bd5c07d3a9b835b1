"""Statistics that several rooms report."""

from collections.abc import Sequence

import numpy as np


def gini(counts: Sequence[float] | np.ndarray) -> float:
    """Return the Gini coefficient of some counts: half their relative mean absolute difference."""
    values = np.sort(np.asarray(counts, float))
    total = values.sum()
    if total == 0:
        return 0.0
    ranks = np.arange(1, len(values) + 1)
    return float((2 * ranks - len(values) - 1) @ values / (len(values) * total))
