"""Statistics against values worked out by hand."""

import pytest

from animatrix_data.statistics import gini


@pytest.mark.parametrize(
    ("counts", "expected"), [([4, 4, 4], 0.0), ([0, 0, 9], 2 / 3), ([1, 3], 0.25), ([0, 0], 0.0)]
)
def test_gini(counts: list[float], expected: float) -> None:
    assert gini(counts) == pytest.approx(expected)
