"""The balance report against counts made by hand, and its picture."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from animatrix_data.sampling.balance import Pool, balance_weights
from animatrix_data.sampling.plot import write_plot
from animatrix_data.sampling.report import balance_report
from animatrix_data.sampling.table import ClipTable
from animatrix_data.statistics import gini
from tests.data.sampling.tables import TABLES, random_table


def test_without_weights_nothing_changes() -> None:
    table = random_table(150, 0)
    report = balance_report(table, np.full(150, 0.3), 300, 0.02)
    for axis in report.axes:
        assert axis.gini_before == pytest.approx(axis.gini_after)
        assert all(group.lift == pytest.approx(1) for group in axis.classes)
    assert report.combinations is not None and report.combinations.lift_mean == pytest.approx(1)
    assert report.pairs.below_before == report.pairs.below_after > 0
    assert report.epochs.quantiles == pytest.approx([2.0] * 8)
    assert report.epochs.distinct == pytest.approx(report.epochs.distinct_before)
    assert report.epochs.distinct == pytest.approx(150 * (1 - (1 - 1 / 150) ** 300))


@settings(deadline=None)
@given(table=TABLES, alpha=st.floats(0, 1), samples=st.integers(1, 10**7))
def test_a_report_accounts_for_every_clip(table: ClipTable, alpha: float, samples: int) -> None:
    weights = balance_weights(table, alpha, Pool(0.05))
    report = balance_report(table, weights, samples, 0.05)
    for place, axis in enumerate(report.axes):
        assert sum(group.clips for group in axis.classes) + axis.unlabelled == len(table)
        known = table.labels[:, place] >= 0
        effective = sum(group.effective for group in axis.classes)
        assert effective == pytest.approx(weights[known].sum() * len(table))
        clips = np.bincount(table.labels[known, place])
        assert axis.gini_before == pytest.approx(gini(clips[clips > 0]))
    assert report.pairs.below_after == 0
    assert sum(report.epochs.counts) == len(table)
    assert report.epochs.quantiles[-1] == pytest.approx(weights.max() * samples)
    assert 0 < report.epochs.distinct <= report.epochs.distinct_before * (1 + 1e-6)


def test_the_rarest_combination_is_the_rarest() -> None:
    table = random_table(80, 4, missing=0.0)
    weights = balance_weights(table, 0.7)
    found = balance_report(table, weights, 80, 0.0).combinations
    assert found is not None
    rows, places, clips = np.unique(
        table.labels[:, :3], axis=0, return_inverse=True, return_counts=True
    )
    lifts = np.bincount(places.reshape(-1), weights) * 80 / clips
    assert (found.count, found.fewest) == (len(rows), clips.min())
    tied = lifts[clips == clips.min()]
    assert found.ties == len(tied)
    assert found.lift_median == pytest.approx(np.median(tied))
    first = found.rarest[0]
    assert first.clips == clips.min() and first.lift == pytest.approx(tied.min())
    labels = [names.index(name) for names, name in zip(table.names, first.names, strict=False)]
    assert lifts[(rows == labels).all(1)] == pytest.approx(first.lift)


def test_absent_pairs_are_named() -> None:
    table = random_table(60, 1, missing=0.0)
    keep = ~((table.labels[:, 0] == 0) & (table.content == 1))
    part = table.take(np.flatnonzero(keep))
    pairs = balance_report(part, np.ones(len(part)), 1, 0.0).pairs
    assert ("2D Japanese Anime", "school") in pairs.absent
    assert not any(content == "unknown" for _, content in pairs.absent)


@pytest.mark.parametrize("ending", [".png", ".svg"])
@pytest.mark.parametrize("missing", [0.1, 1.0])
def test_a_picture_is_drawn(tmp_path: Path, ending: str, missing: float) -> None:
    table = random_table(50, 2, missing)
    path = tmp_path / f"report{ending}"
    write_plot(path, balance_report(table, balance_weights(table), 100, 0.05))
    assert path.stat().st_size > 5000


def test_what_cannot_be_told_is_refused(tmp_path: Path) -> None:
    table = random_table(5, 0)
    with pytest.raises(ValueError, match="sum to zero"):
        balance_report(table, np.zeros(5), 10, 0.0)
    with pytest.raises(ValueError, match="samples must be 1 or more"):
        balance_report(table, np.ones(5), 0, 0.0)
    with pytest.raises(ValueError, match="no clips"):
        balance_report(random_table(0, 0), np.ones(0), 10, 0.0)
    with pytest.raises(ValueError, match=r"ends in \.png"):
        write_plot(tmp_path / "a.txt", balance_report(table, np.ones(5), 10, 0.0))
