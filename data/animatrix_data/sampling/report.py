"""What weights do to a corpus: its axes, rarest combinations, pairs and repetition (paper 3.6)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from animatrix_data.sampling.balance import (
    UNKNOWN_CONTENT,
    Asked,
    Target,
    asked_shares,
    pair_codes,
)
from animatrix_data.sampling.table import AXES, ClipTable
from animatrix_data.statistics import gini

COMBINED = (0, 1, 2)
"""The axes whose combinations are told: style, motion, camera, as in the paper's example."""
RAREST = 12
"""How many combinations a report names."""
QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0)
BINS_PER_DECADE = 5


@dataclass(frozen=True)
class Group:
    """Clips that share a class or several: how many, and as how many the weights count them.

    `effective` is N times their share of the draws; `lift` is how many times as often as without
    weights they are drawn.
    """

    names: tuple[str, ...]
    clips: int
    effective: float

    @property
    def lift(self) -> float:
        """How many times as often as without weights."""
        return self.effective / self.clips


@dataclass(frozen=True)
class AxisBalance:
    """One axis: its classes from the most frequent, clips without a label, Gini coefficients.

    The Gini is over the classes that occur (0: even, towards 1: all in one).
    """

    axis: str
    classes: tuple[Group, ...]
    unlabelled: int
    gini_before: float
    gini_after: float


@dataclass(frozen=True)
class Combinations:
    """Combinations of style, motion and camera that occur, and what becomes of the rarest.

    `rarest` names some of them. Those with the fewest clips, `fewest` each, are `ties` in number:
    `lift_least`, `lift_median` and `lift_mean` are theirs; `lifted` is the share of them that is
    drawn at least five times as often as without weights.
    """

    count: int
    fewest: int
    ties: int
    lift_least: float
    lift_median: float
    lift_mean: float
    lifted: float
    rarest: tuple[Group, ...]


@dataclass(frozen=True)
class Pairs:
    """(style, content) pairs, each with its clips, from the rarest; names are (style, content).

    `minimum` is the share of the draws that each is to have. `below_before` and `below_after`
    count those that fall short; `absent` have no clip, and no weight can lift them.
    """

    minimum: float
    present: tuple[Group, ...]
    absent: tuple[tuple[str, str], ...]
    below_before: int
    below_after: int


@dataclass(frozen=True)
class Epochs:
    """How often clips are drawn in `samples` draws: effective epochs, samples * weight.

    Without weights every clip has `before`. `quantiles` after, by QUANTILES; `edges` and `counts`
    are a histogram with logarithmic bins; `distinct` is how many different clips are expected among
    the draws, and `distinct_before` how many without weights.
    """

    samples: int
    before: float
    quantiles: tuple[float, ...]
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    distinct: float
    distinct_before: float


@dataclass(frozen=True)
class BalanceReport:
    """What weights do to a corpus of `clips` clips, and to what a target names, if there is one."""

    clips: int
    axes: tuple[AxisBalance, ...]
    combinations: Combinations | None
    pairs: Pairs
    epochs: Epochs
    target: tuple[Asked, ...] = ()


def balance_report(
    table: ClipTable,
    weights: np.ndarray,
    samples: int,
    minimum: float,
    target: Target | None = None,
) -> BalanceReport:
    """Return what weights (shares of the draws, float64 [N]) do to a corpus.

    samples: draws that effective epochs are counted over; minimum: the share of the draws that a
    (style, content) pair is to have; target: what the weights are to meet. Raises ValueError for an
    empty table, fewer than one draw, weights that sum to zero, or names that are no classes.
    """
    if not len(table):
        raise ValueError("there are no clips to report on")
    if samples < 1:
        raise ValueError(f"samples must be 1 or more, not {samples}")
    if not weights.sum() > 0:
        raise ValueError("the weights of all clips sum to zero: none could be drawn")
    weights = weights / weights.sum()
    axes = tuple(_axis(table, weights, axis) for axis in range(len(AXES)))
    return BalanceReport(
        clips=len(table),
        axes=axes,
        combinations=_combinations(table, weights),
        pairs=_pairs(table, weights, minimum),
        epochs=_epochs(weights, samples),
        target=() if target is None else asked_shares(table, target, weights),
    )


def _axis(table: ClipTable, weights: np.ndarray, axis: int) -> AxisBalance:
    labels, names = table.labels[:, axis] + 1, table.names[axis]
    clips = np.bincount(labels, minlength=len(names) + 1)
    effective = np.bincount(labels, weights, minlength=len(names) + 1) * len(table)
    order = 1 + np.argsort(-clips[1:], kind="stable")
    classes = tuple(
        Group((names[place - 1],), int(clips[place]), float(effective[place]))
        for place in order.tolist()
        if clips[place]
    )
    return AxisBalance(
        axis=AXES[axis],
        classes=classes,
        unlabelled=int(clips[0]),
        gini_before=gini([group.clips for group in classes]),
        gini_after=gini([group.effective for group in classes]),
    )


def _combinations(table: ClipTable, weights: np.ndarray) -> Combinations | None:
    """Return the combinations of clips with a label on every combined axis; None without any."""
    sizes = [len(table.names[axis]) for axis in COMBINED]
    known = (table.labels[:, COMBINED] >= 0).all(1)
    if not known.any():
        return None
    labels = table.labels[known][:, COMBINED].astype(np.int64)
    codes, clips = np.ravel_multi_index(labels.T, sizes), np.bincount(
        np.ravel_multi_index(labels.T, sizes), minlength=int(np.prod(sizes))
    )  # fmt: skip
    effective = np.bincount(codes, weights[known], minlength=len(clips)) * len(table)
    present = np.flatnonzero(clips)
    lifts = effective[present] / clips[present]
    # Of equally rare ones the least lifted first: what is named hides nothing.
    order = present[np.lexsort((lifts, clips[present]))]
    fewest = int(clips[order[0]])
    tied = lifts[clips[present] == fewest]
    return Combinations(
        count=len(present),
        fewest=fewest,
        ties=len(tied),
        lift_least=float(tied.min()),
        lift_median=float(np.median(tied)),
        lift_mean=float(tied.mean()),
        lifted=float(np.mean(tied >= 5)),
        rarest=tuple(
            Group(_names(table, code, sizes), int(clips[code]), float(effective[code]))
            for code in _spread(order, len(tied))
        ),
    )


def _spread(order: np.ndarray, ties: int) -> list[int]:
    """Return places of the rarest, spread evenly over the lifts where more are tied than told."""
    if ties <= RAREST:
        return order[:RAREST].tolist()
    return order[np.linspace(0, ties - 1, RAREST).round().astype(int)].tolist()


def _names(table: ClipTable, code: int, sizes: list[int]) -> tuple[str, ...]:
    places = np.unravel_index(code, sizes)
    return tuple(table.names[axis][place] for axis, place in zip(COMBINED, places, strict=True))


def _pairs(table: ClipTable, weights: np.ndarray, minimum: float) -> Pairs:
    codes, contents = pair_codes(table), table.contents
    known, size = codes >= 0, len(table.names[0]) * len(contents)
    clips = np.bincount(codes[known], minlength=size)
    shares = np.bincount(codes[known], weights[known], minlength=size)
    styled = clips.reshape(-1, len(contents)).any(1)
    names = [(style, content) for style in table.names[0] for content in contents]
    present = [
        Group(names[code], int(clips[code]), float(shares[code]) * len(table))
        for code in np.argsort(clips, kind="stable").tolist()
        if clips[code]
    ]
    absent = tuple(
        names[code]
        for code in np.flatnonzero(clips == 0).tolist()
        if styled[code // len(contents)] and names[code][1] != UNKNOWN_CONTENT
    )
    owed = minimum * len(table) * (1 - 1e-9)
    return Pairs(
        minimum=minimum,
        present=tuple(present),
        absent=absent,
        below_before=sum(pair.clips < owed for pair in present),
        below_after=sum(pair.effective < owed for pair in present),
    )


def _epochs(weights: np.ndarray, samples: int) -> Epochs:
    epochs, before = weights * samples, samples / len(weights)
    drawn = epochs[epochs > 0]
    low, high = (np.log10(edge) * BINS_PER_DECADE for edge in (drawn.min(), drawn.max()))
    edges = 10 ** (np.arange(np.floor(low), np.floor(high) + 2) / BINS_PER_DECADE)
    return Epochs(
        samples=samples,
        before=before,
        quantiles=tuple(np.quantile(epochs, QUANTILES).tolist()),
        edges=tuple(edges.tolist()),
        counts=tuple(np.histogram(drawn, edges)[0].tolist()),
        # 1 - (1 - p)^samples; log1p keeps the digits where p is tiny.
        distinct=float(-np.expm1(samples * np.log1p(-np.minimum(weights, 1 - 1e-16))).sum()),
        distinct_before=float(len(weights) * -np.expm1(samples * np.log1p(-1 / len(weights))))
        if len(weights) > 1
        else 1.0,
    )
