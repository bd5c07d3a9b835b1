"""`animatrix balance`: how a corpus is distributed, and as what the weights of eq. 2 draw it."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
from rich.table import Table

from animatrix_data.corpus.catalogue import TIERS
from animatrix_data.files import check_writable
from animatrix_data.sampling.balance import ALPHA, Pool, balance_weights
from animatrix_data.sampling.curriculum import Curriculum
from animatrix_data.sampling.curriculum_plot import plot_curriculum
from animatrix_data.sampling.plot import check_plot, write_plot
from animatrix_data.sampling.report import (
    QUANTILES,
    BalanceReport,
    Group,
    balance_report,
)
from animatrix_data.sampling.table import ClipTable, read_table
from animatrix_data.settings import near
from animatrix_jax.evaluation.report import AXIS_NAMES, percent, show, write_report

LEADERS = 4
"""How many classes of an axis a table names; the JSON has all."""


def run(
    corpus: str | Path,
    alpha: float = ALPHA,
    minimum: float = Pool.minimum,
    epochs: float | None = None,
    samples: int | None = None,
    tiers: str | None = None,
    out: str | Path | None = None,
    plot: str | Path | None = None,
    curriculum: str | Path | None = None,
) -> BalanceReport:
    """Print what balancing does to the corpus at `corpus`, and return it.

    `alpha` is how far eq. 2 flattens; `minimum` the least share of the draws of every pair of
    style and content; `epochs` the most effective epochs of any clip in `samples` draws (default:
    as many as there are clips). `tiers` (S,A) keeps clips of these tiers. `out` gets the report as
    JSON, `plot` as a picture (.png, .svg, .pdf); `curriculum` gets a picture of what eq. 16 draws
    as training goes on. Raises ValueError with one sentence for no corpus, no clips, a number out
    of range, an unknown tier, or a file that cannot be written.
    """
    for picture in (plot, curriculum):
        if picture is not None:
            check_plot(picture)
    for path in (out, plot, curriculum):
        if path is not None:
            check_writable(path)
    table = _of_tiers(read_table(corpus), tiers, corpus)
    draws = len(table) if samples is None else samples
    if draws < 1:
        raise ValueError(f"samples must be 1 or more, not {draws}")
    pool = Pool(minimum, _most(epochs, draws, len(table)))
    weights = balance_weights(table, alpha, pool)
    report = balance_report(table, weights, draws, minimum)
    _show(report, f"{report.clips:,} clips of {corpus}, alpha {alpha:g}")
    if out is not None:
        asked = {"alpha": alpha, "pool": asdict(pool), "tiers": tiers, "samples": draws}
        write_report(out, {"asked": asked, "report": report})
    if plot is not None:
        write_plot(plot, report)
    if curriculum is not None:
        plot_curriculum(curriculum, table.scores, weights, Curriculum())
    return report


def _of_tiers(table: ClipTable, tiers: str | None, corpus: str | Path) -> ClipTable:
    """Return the clips of some tiers; ValueError for an unknown tier or where none is left."""
    if not len(table):
        raise ValueError(f"the corpus {corpus} has no clips to balance")
    if tiers is None:
        return table
    names = [name.strip().upper() for name in tiers.split(",")]
    for name in names:
        if name not in TIERS:
            raise ValueError(f"there is no tier {name!r}{near(name, TIERS)}")
    kept = np.flatnonzero(np.isin(table.tiers, [TIERS.index(name) for name in names]))
    if not len(kept):
        raise ValueError(
            f"no clip of {corpus} is of tier {' or '.join(names)}: the weights sum to zero"
        )
    return table.take(kept)


def _most(epochs: float | None, samples: int, clips: int) -> float | None:
    """Return effective epochs as a multiple of the average clip's."""
    if epochs is None:
        return None
    if not epochs * clips >= samples:
        raise ValueError(
            f"{clips} clips at {epochs:g} epochs each give fewer than {samples} samples: allow "
            f"{samples / clips:.3g} epochs or more"
        )
    return epochs * clips / samples


def _show(report: BalanceReport, title: str) -> None:
    show(_axis_table(report, title))
    if report.combinations:
        show(_combination_table(report))
    if report.pairs.below_before or report.pairs.below_after or report.pairs.absent:
        show(_pair_table(report))
    show(_epoch_table(report))


def _axis_table(report: BalanceReport, title: str) -> Table:
    """Return the Gini of every axis and its most and least frequent classes."""
    table = Table(
        "", "classes", "Gini before", "after", "most frequent: before → after", "rarest",
        "no label", title=title,
    )  # fmt: skip
    for axis in report.axes:
        ends = axis.classes[:LEADERS], axis.classes[LEADERS:][-1:]
        cells = ["\n".join(_share(group, report.clips) for group in some) for some in ends]
        table.add_row(
            f"[bold]{axis.axis} {AXIS_NAMES[axis.axis]}",
            str(len(axis.classes)),
            f"{axis.gini_before:.2f}",
            f"{axis.gini_after:.2f}",
            *cells,
            str(axis.unlabelled),
        )
    return table


def _share(group: Group, clips: int) -> str:
    before, after = percent(group.clips / clips), percent(group.effective / clips)
    return f"{' · '.join(group.names)} {before} → {after}"


def _group_rows(table: Table, groups: tuple[Group, ...]) -> None:
    for group in groups:
        cells = f"{group.clips:,}", f"{group.effective:,.1f}", f"× {group.lift:.3g}"
        table.add_row(*group.names, *cells)


def _combination_table(report: BalanceReport) -> Table:
    """Return the rarest combinations across axes and how far they are lifted."""
    found = report.combinations
    assert found is not None
    table = Table(title="Rarest combinations of style, motion and camera")
    for heading in ("style", "motion", "camera"):
        table.add_column(heading)
    for heading in ("clips", "effective clips", "lift"):
        table.add_column(heading, justify="right")
    _group_rows(table, found.rarest)
    table.caption = (
        f"of {found.count:,} combinations {found.ties:,} have {found.fewest}: lifted at least "
        f"× {found.lift_least:.3g}, median × {found.lift_median:.3g}, mean × "
        f"{found.lift_mean:.3g}; × 5 or more: {percent(found.lifted)}"
    )
    return table


def _pair_table(report: BalanceReport) -> Table:
    """Return the pairs of style and content that have fewer clips than the minimum."""
    pairs, owed = report.pairs, report.pairs.minimum * report.clips
    short = tuple(pair for pair in pairs.present if pair.clips < owed or pair.effective < owed)
    table = Table(title=f"Pairs of style and content below {owed:,.3g} effective clips")
    for heading in ("style", "content"):
        table.add_column(heading)
    for heading in ("clips", "effective clips", "lift"):
        table.add_column(heading, justify="right")
    _group_rows(table, short)
    absent = ", ".join(" · ".join(names) for names in pairs.absent)
    table.caption = (
        f"of {len(pairs.present)} pairs with a clip {pairs.below_before} are below it before, "
        f"{pairs.below_after} after; without a clip: {absent or 'none'}"
    )
    return table


def _epoch_table(report: BalanceReport) -> Table:
    """Return how often clips are drawn."""
    epochs = report.epochs
    table = Table(title=f"Effective epochs of a clip in {epochs.samples:,} draws")
    headings = {0.0: "least", 0.5: "median", 1.0: "most"}
    table.add_column("")
    for share in QUANTILES:
        table.add_column(headings.get(share, f"{100 * share:g} %"), justify="right")
    table.add_row("before", *[f"{epochs.before:.3g}"] * len(QUANTILES))
    table.add_row("after", *(f"{value:.3g}" for value in epochs.quantiles))
    table.caption = (
        f"different clips among the draws: {epochs.distinct_before:,.0f} before, "
        f"{epochs.distinct:,.0f} after"
    )
    return table
