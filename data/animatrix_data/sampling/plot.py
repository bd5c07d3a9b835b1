"""A picture of a balance report: axes, rarest combinations, pairs and repetition."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from animatrix_data.files import whole_file
from animatrix_data.sampling.report import BalanceReport, Group

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PAPER, INK, SOFT, LINE, ACCENT, BAR = (
    "#fbfaf7", "#24242b", "#6c6b75", "#e3e0d8", "#b5472f", "#93a9cc",
)  # fmt: skip
"""The palette of the demo's page."""
AXIS_TITLES = {"S": "Style", "M": "Motion", "C": "Camera", "V": "VFX"}
FORMATS = (".png", ".svg", ".pdf")

STYLE: Any = {
    "figure.facecolor": PAPER,
    "axes.facecolor": PAPER,
    "savefig.facecolor": PAPER,
    "svg.fonttype": "none",
    "svg.hashsalt": "balance",
    "font.size": 10,
    "axes.titlesize": 11.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 20,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.edgecolor": LINE,
    "axes.grid": True,
    "axes.grid.axis": "x",
    "axes.axisbelow": True,
    "grid.color": LINE,
    "text.color": INK,
    "axes.labelcolor": SOFT,
    "xtick.color": SOFT,
    "ytick.color": INK,
    "ytick.left": False,
    "xtick.bottom": False,
    "xtick.minor.bottom": False,
}


def check_plot(path: str | Path) -> None:
    """Raise ValueError unless the name ends as a picture that can be written."""
    if Path(path).suffix.lower() not in FORMATS:
        raise ValueError(f"a plot ends in {', '.join(FORMATS)}, not as {Path(path).name!r} does")


def write_plot(path: str | Path, report: BalanceReport) -> None:
    """Draw a report as a png, svg or pdf; ValueError for another ending."""
    import matplotlib

    check_plot(path)
    matplotlib.use("agg")
    from matplotlib import pyplot
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    layout = ConstrainedLayoutEngine(w_pad=0.25, h_pad=0.2, rect=(0, 0, 1, 0.94))
    with pyplot.rc_context(STYLE):
        figure, panels = pyplot.subplots(2, 2, figsize=(14, 10), layout=layout)
        figure.text(
            0.015, 0.975, f"{report.clips:,} clips as found and as drawn", fontsize=15, va="top"
        )
        _key(figure)
        _draw_gini(panels[0, 0], report)
        _draw_combinations(panels[0, 1], report)
        _draw_pairs(panels[1, 0], report)
        _draw_epochs(panels[1, 1], report)
        with whole_file(path) as temporary:
            figure.savefig(temporary, dpi=130)
        pyplot.close(figure)


def _key(figure: Any) -> None:
    from matplotlib.lines import Line2D

    marks = [
        Line2D([], [], marker="o", linestyle="", color=colour, markersize=7)
        for colour in (BAR, ACCENT)
    ]
    figure.legend(
        marks, ["as found", "as drawn"], loc="upper right", ncols=2, frameon=False,
        bbox_to_anchor=(0.99, 0.985),
    )  # fmt: skip


def _dumbbells(axes: Axes, before: list[float], after: list[float], names: list[str]) -> None:
    """Draw rows from the top: where each stood, where it stands, and its name."""
    places = np.arange(len(names))
    axes.hlines(places, before, after, color=LINE, linewidth=3, zorder=1)
    axes.plot(before, places, "o", color=BAR, markersize=7, zorder=2)
    axes.plot(after, places, "o", color=ACCENT, markersize=7, zorder=3)
    axes.set_yticks(places, names)
    axes.set_ylim(len(names) - 0.4, -0.6)


def _draw_gini(axes: Axes, report: BalanceReport) -> None:
    shown = [axis for axis in report.axes if axis.classes]
    before, after = ([getattr(a, f"gini_{when}") for a in shown] for when in ("before", "after"))
    names = [f"{AXIS_TITLES[axis.axis]}\n{len(axis.classes)} classes" for axis in shown]
    _dumbbells(axes, before, after, names)
    for place, values in enumerate(zip(before, after, strict=True)):
        left, right = sorted(values)
        for value, shift, side in ((left, -8, "right"), (right, 8, "left")):
            axes.annotate(
                f"{value:.2f}", (value, place), (shift, 0), textcoords="offset points",
                ha=side, va="center", color=SOFT, fontsize=9,
            )  # fmt: skip
    axes.set_xlim(0, 1.02)
    axes.set_title("How uneven each axis is")
    axes.set_xlabel("Gini coefficient (0: every class as often)")


def _draw_combinations(axes: Axes, report: BalanceReport) -> None:
    found = report.combinations
    axes.set_title("The rarest styles × motions × cameras")
    if found is None:
        _say_none(axes, "no clip has all three labels")
        return
    names = [" · ".join(group.names) for group in found.rarest]
    _draw_groups(axes, found.rarest, names)
    for place, group in enumerate(found.rarest):
        axes.annotate(
            f"×{group.lift:.3g}", (max(group.effective, group.clips), place), (8, 0),
            textcoords="offset points", va="center", color=SOFT, fontsize=9,
        )  # fmt: skip
    axes.margins(x=0.15)
    axes.set_xlabel(
        f"effective clips\nof {found.count:,} combinations {found.ties:,} have {found.fewest}: "
        f"median lift ×{found.lift_median:.3g}"
    )


def _draw_pairs(axes: Axes, report: BalanceReport) -> None:
    pairs, shown = report.pairs, report.pairs.present[:14]
    axes.set_title("The rarest pairs of style and content")
    if not shown:
        _say_none(axes, "no clip has both a style and a content")
        return
    _draw_groups(axes, shown, [" · ".join(pair.names) for pair in shown])
    owed = pairs.minimum * report.clips
    if owed > 0:
        axes.axvline(owed, color=INK, linewidth=1, linestyle=(0, (4, 3)), zorder=0)
        axes.annotate(
            f"minimum {owed:,.3g}", (owed, 1), (0, 3), xycoords=("data", "axes fraction"),
            textcoords="offset points", ha="center", color=INK, fontsize=9,
        )  # fmt: skip
    axes.set_xlabel(
        f"effective clips\nbelow the minimum: {pairs.below_before} of {len(pairs.present)} as "
        f"found, {pairs.below_after} as drawn; {len(pairs.absent)} without a clip"
    )


def _draw_groups(axes: Axes, groups: tuple[Group, ...], names: list[str]) -> None:
    _log_scale(axes)
    before, after = [float(g.clips) for g in groups], [g.effective for g in groups]
    _dumbbells(axes, before, after, names)
    axes.tick_params(axis="y", labelsize=8.5)


def _log_scale(axes: Axes) -> None:
    """Make the horizontal axis logarithmic, with plain numbers."""
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.6g}")
    axes.xaxis.set_minor_formatter(lambda value, _: "")


def _draw_epochs(axes: Axes, report: BalanceReport) -> None:
    epochs = report.epochs
    shares = np.array(epochs.counts) / report.clips
    edges = np.array(epochs.edges)
    axes.bar(edges[:-1], shares, np.diff(edges), align="edge", color=ACCENT, edgecolor=PAPER)
    axes.axvline(epochs.before, color=BAR, linewidth=3)
    axes.annotate(
        f"every clip {epochs.before:.3g}\nas found", (epochs.before, 1), (6, -4),
        xycoords=("data", "axes fraction"), textcoords="offset points", va="top", color=SOFT,
        fontsize=9,
    )  # fmt: skip
    _log_scale(axes)
    axes.set_ylim(0, max(shares.max() * 1.2, 0.05))
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
    axes.set_title("How often a clip is drawn")
    axes.set_xlabel(
        f"effective epochs in {epochs.samples:,} draws\n{epochs.distinct:,.0f} different clips "
        f"among them, {epochs.distinct_before:,.0f} as found"
    )
    axes.set_ylabel("clips")


def _say_none(axes: Axes, words: str) -> None:
    axes.set_axis_off()
    axes.text(0, 0.9, words, transform=axes.transAxes, color=SOFT)
