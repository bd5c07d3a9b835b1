"""A picture of the curriculum: what of a corpus is drawn as training goes on (paper 5.2)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from animatrix_data.files import whole_file
from animatrix_data.sampling.curriculum import (
    FEWEST_TAGS,
    MOST_TAGS,
    Curriculum,
    difficulty,
    drawn_shares,
    prompt_complexity,
)
from animatrix_data.sampling.plot import ACCENT, BAR, INK, PAPER, SOFT, STYLE, check_plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SCORES = ("style cluster", "motion amplitude", "deformation")
BANDS = 5
"""How many bands of difficulty the picture tells apart."""
THIN = 0.06
"""The share of the draws below which a band has no room for its name."""
PROGRESS = np.linspace(0, 1, 201)
GOOD = "#2f7d5b"
"""The demo page's colour of what is right, here of the third line."""


def plot_curriculum(
    path: str | Path, buckets: np.ndarray, weights: np.ndarray, curriculum: Curriculum
) -> None:
    """Draw what is drawn of clips with difficulty `buckets` int [N] and static `weights` [N].

    It shows the shares of the draws by difficulty, the mean quantile of each score beside the one
    without a curriculum, and how many tags and full texts prompts have. Raises ValueError where
    nothing can be drawn, and unless `path` ends in .png, .svg or .pdf.
    """
    import matplotlib

    check_plot(path)
    matplotlib.use("agg")
    from matplotlib import pyplot

    shares = drawn_shares(buckets, weights, curriculum, PROGRESS)
    plain = np.bincount(buckets, weights, minlength=shares.shape[1])
    style: Any = STYLE | {"axes.spines.left": True, "axes.edgecolor": SOFT, "axes.grid": False}
    with pyplot.rc_context(style):
        figure, panels = pyplot.subplots(1, 3, figsize=(12, 3.6), width_ratios=(1.25, 1, 1))
        _draw_bands(panels[0], shares, curriculum)
        _draw_scores(panels[1], shares, plain / plain.sum(), curriculum)
        _draw_prompts(panels[2], shares, curriculum)
        for axes in panels:
            axes.set_xlim(0, 1)
            axes.set_xlabel("progress τ")
        figure.tight_layout(w_pad=2.5)
        with whole_file(path) as temporary:
            figure.savefig(temporary, dpi=150)
        pyplot.close(figure)


def _draw_bands(axes: Axes, shares: np.ndarray, curriculum: Curriculum) -> None:
    """The shares of the draws by difficulty, stacked, easy at the bottom."""
    from matplotlib.colors import LinearSegmentedColormap

    hard = difficulty(curriculum.quantiles)
    # A difficulty at an edge, such as 0.2, belongs to the band above it whatever its rounding.
    bands = np.minimum(np.floor(hard * BANDS + 1e-9).astype(int), BANDS - 1)
    stacked = [shares[:, bands == band].sum(axis=1) for band in range(BANDS)]
    ramp = LinearSegmentedColormap.from_list("difficulty", ["#dfe6f1", BAR, "#d3a08f", ACCENT])
    colours = [ramp(band / (BANDS - 1)) for band in range(BANDS)]
    axes.stackplot(PROGRESS, stacked, colors=colours, edgecolor=PAPER, linewidth=0.6)
    floors = np.cumsum([np.zeros(len(PROGRESS)), *stacked[:-1]], axis=0)
    for band, (floor, share) in enumerate(zip(floors, stacked, strict=True)):
        # A band is named at the end, or at the start where it has become too thin by then.
        place, side = (-6, "right") if share[-6] > THIN else (5, "left")
        if share[place] > THIN:
            label = f"D {band / BANDS:.1f}–{(band + 1) / BANDS:.1f}"
            colour = PAPER if band == BANDS - 1 else INK
            middle = floor[place] + share[place] / 2
            axes.text(PROGRESS[place], middle, label, ha=side, va="center", color=colour)
    axes.set_ylim(0, 1)
    axes.yaxis.set_major_formatter("{x:.0%}")
    axes.set_title("Draws by difficulty")


def _draw_scores(axes: Axes, shares: np.ndarray, plain: np.ndarray, curriculum: Curriculum) -> None:
    """The mean quantile of each score among what is drawn, dotted without a curriculum."""
    quantiles = curriculum.quantiles
    cube = (quantiles,) * 3
    places = np.stack(np.unravel_index(np.arange(quantiles**3), cube)) + 1
    for name, place, colour in zip(SCORES, places, (INK, ACCENT, GOOD), strict=True):
        axes.plot(PROGRESS, shares @ place, color=colour, linewidth=2, label=name)
        axes.axhline(plain @ place, color=colour, linewidth=1, linestyle=":")
    axes.plot([], [], color=SOFT, linewidth=1, linestyle=":", label="balance alone")
    axes.set_ylim(1, quantiles)
    axes.set_yticks(range(1, quantiles + 1))
    axes.legend(frameon=False, fontsize=8.5, loc="lower right")
    axes.set_title("Mean quantile drawn")


def _draw_prompts(axes: Axes, shares: np.ndarray, curriculum: Curriculum) -> None:
    """Tags a prompt and the share of full texts: on average, and of the easiest and hardest."""
    hard = difficulty(curriculum.quantiles)
    full = prompt_complexity(PROGRESS[:, None], hard)
    ends = prompt_complexity(PROGRESS[:, None], np.array([0.0, 1.0]))
    span = MOST_TAGS - FEWEST_TAGS
    axes.fill_between(PROGRESS, *(FEWEST_TAGS + span * ends).T, color=BAR, alpha=0.3, linewidth=0)
    mean = FEWEST_TAGS + span * (shares * full).sum(axis=1)
    axes.plot(PROGRESS, mean, color=ACCENT, linewidth=2)
    axes.text(0.03, FEWEST_TAGS + span * 0.62, "hardest", color=SOFT, fontsize=8.5)
    axes.text(0.97, FEWEST_TAGS + span * 0.36, "easiest", color=SOFT, fontsize=8.5, ha="right")
    axes.set_ylim(FEWEST_TAGS, MOST_TAGS)
    axes.set_title("Tags a prompt")
    beside = axes.twinx()
    beside.set_ylim(0, 1)
    beside.spines["right"].set_visible(True)
    beside.yaxis.set_major_formatter("{x:.0%}")
    beside.set_ylabel("with the full text")
