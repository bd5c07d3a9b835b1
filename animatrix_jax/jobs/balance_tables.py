"""What `animatrix balance` shows on a terminal, 80 columns wide or more."""

from collections.abc import Mapping, Sequence
from itertools import islice

from rich.table import Table

from animatrix_data.sampling.report import QUANTILES, AxisBalance, BalanceReport, Group
from animatrix_jax.evaluation.report import AXIS_NAMES, percent, show

FREQUENT, RAREST = 4, 2
"""How many of the classes of an axis a table names, from each end; the JSON has all."""
NAMED = 5
"""How many clips that are left out are named; the JSON has all."""


def show_balance(report: BalanceReport, title: str) -> None:
    """Print a report."""
    show(_axis_table(report, title), _class_table(report))
    if report.target:
        show(_target_table(report))
    if report.combinations:
        show(_combination_table(report))
    pairs = report.pairs
    if pairs.minimum and (pairs.below_before or pairs.below_after or pairs.absent):
        show(_pair_table(report))
    show(_epoch_table(report))


def left_out_lines(reasons: Mapping[str, str]) -> list[str]:
    """Return a summary of the clips left out, id → what is wrong, and a line for the first few."""
    if not reasons:
        return []
    clips = "1 clip is" if len(reasons) == 1 else f"{len(reasons):,} clips are"
    lines = [f"{clips} left out, with tags that the vocabulary lacks:"]
    lines += [f"  {clip}: {reason}" for clip, reason in islice(reasons.items(), NAMED)]
    more = len(reasons) - NAMED
    return lines + ([f"  and {more:,} more"] if more > 0 else [])


def _table(title: str, texts: Sequence[str], numbers: Sequence[str]) -> Table:
    table = Table(title=title)
    for heading in texts:
        table.add_column(heading)
    for heading in numbers:
        table.add_column(heading, justify="right")
    return table


def _name(axis: AxisBalance) -> str:
    return f"[bold]{axis.axis} {AXIS_NAMES[axis.axis]}"


def _axis_table(report: BalanceReport, title: str) -> Table:
    """Return how uneven every axis is."""
    table = _table(title, ("",), ("classes", "without a label", "Gini before", "after"))
    for axis in report.axes:
        ginis = f"{axis.gini_before:.2f}", f"{axis.gini_after:.2f}"
        table.add_row(_name(axis), str(len(axis.classes)), f"{axis.unlabelled:,}", *ginis)
    return table


def _class_table(report: BalanceReport) -> Table:
    """Return the most frequent classes of every axis, and its rarest."""
    title = "Shares of the most frequent and of the rarest classes"
    table = _table(title, ("",), ("clips", "before", "after", "lift"))
    for axis in report.axes:
        table.add_row(_name(axis))
        first, rest = axis.classes[:FREQUENT], axis.classes[FREQUENT:]
        for group in first:
            table.add_row(*_class_cells(group, report.clips))
        if len(rest) > RAREST:
            table.add_row(f"[dim]… {len(rest) - RAREST} more")
        for group in rest[-RAREST:]:
            table.add_row(*_class_cells(group, report.clips))
        table.add_section()
    return table


def _class_cells(group: Group, clips: int) -> tuple[str, ...]:
    shares = _share(group.clips / clips), _share(group.effective / clips)
    return " · ".join(group.names), f"{group.clips:,}", *shares, f"× {_number(group.lift)}"


def _number(value: float) -> str:
    """Return three digits, or all those before the point."""
    return f"{value:.3g}" if value < 100 else f"{value:,.0f}"


def _share(value: float) -> str:
    return f"{100 * value:.3g} %"


def _target_table(report: BalanceReport) -> Table:
    """Return what a target names: what is wanted of the draws, and what they were and are."""
    table = _table("The target, by share of the draws", ("",), ("wanted", "as found", "drawn"))
    for part in report.target:
        table.add_row(part.name, *map(_share, (part.wanted, part.before, part.after)))
    return table


def _group_rows(table: Table, groups: tuple[Group, ...]) -> None:
    for group in groups:
        cells = f"{group.clips:,}", f"{group.effective:,.1f}", f"× {_number(group.lift)}"
        table.add_row(*group.names, *cells)


def _combination_table(report: BalanceReport) -> Table:
    """Return the rarest combinations across axes and how far they are lifted."""
    found = report.combinations
    assert found is not None
    title = "Rarest combinations of style, motion and camera"
    table = _table(title, ("style", "motion", "camera"), ("clips", "effective", "lift"))
    _group_rows(table, found.rarest)
    table.caption = (
        f"of {found.count:,} combinations {found.ties:,} have {found.fewest}: lifted at least "
        f"× {_number(found.lift_least)}, median × {_number(found.lift_median)}, mean × "
        f"{_number(found.lift_mean)}; × 5 or more: {percent(found.lifted)}"
    )
    return table


def _pair_table(report: BalanceReport) -> Table:
    """Return the pairs of style and content that have fewer clips than the minimum."""
    pairs, owed = report.pairs, report.pairs.minimum * report.clips
    short = tuple(pair for pair in pairs.present if pair.clips < owed or pair.effective < owed)
    title = f"Pairs of style and content below {_number(owed)} effective clips"
    table = _table(title, ("style", "content"), ("clips", "effective", "lift"))
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
    headings = {0.0: "least", 0.5: "median", 1.0: "most"}
    numbers = [headings.get(share, f"{100 * share:g} %") for share in QUANTILES]
    table = _table(f"Effective epochs of a clip in {epochs.samples:,} draws", ("",), numbers)
    table.add_row("before", *[_number(epochs.before)] * len(QUANTILES))
    table.add_row("after", *map(_number, epochs.quantiles))
    table.caption = (
        f"different clips among the draws: {epochs.distinct_before:,.0f} before, "
        f"{epochs.distinct:,.0f} after"
    )
    return table
