"""Weights that even out the long tail: eq. 2, the style–content pool, a quality-tuning target.

Weights are shares of the draws: float64 [N], summing to 1. What a class or a pair of them gets is
told in effective clips too, N times its share: as many unweighted clips would be drawn as often.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from animatrix_data.sampling.table import AXES, LABEL_FIELDS, UNKNOWN, ClipTable
from animatrix_data.settings import near
from animatrix_data.taxonomy.vocabulary import fold, load_vocabulary

ALPHA = 0.7
"""How far eq. 2 flattens, as the paper sets it."""
UNKNOWN_CONTENT = "unknown"
"""The content of clips whose content nobody knows: they are of no (style, content) pair."""

_TOLERANCE, _ROUNDS = 1e-7, 5000


@dataclass(frozen=True)
class Pool:
    """The cross-product pool (paper 3.6): what every (style, content) pair is owed.

    `minimum` is the least share of all draws that each pair with a clip gets; the default, 1 in
    2000, is what 500 of a million unweighted clips have. `most` bounds repetition: no clip is drawn
    more than `most` times as often as without weights, so that S draws from N clips show it at most
    `most` * S / N times (its effective epochs); None for no bound. Where both cannot be, the bound
    holds, and the clips of the pair are all drawn as often as it allows. Raises ValueError for a
    minimum outside [0, 1) or a `most` below 1.
    """

    minimum: float = 1 / 2000
    most: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.minimum < 1:
            raise ValueError(
                f"the minimum is a share of all draws, from 0 to below 1, not {self.minimum:g}"
            )
        if self.most is not None and not self.most >= 1:
            raise ValueError(
                f"a clip can be held to 1 or more times the average draws, not to {self.most:g}"
            )


@dataclass(frozen=True)
class Combination:
    """A share of the draws for the clips that combine classes of several axes (paper 5.3).

    On an axis with names a clip has one of them; an axis without any may show what it will.
    """

    share: float
    S: tuple[str, ...] = ()
    M: tuple[str, ...] = ()
    C: tuple[str, ...] = ()
    V: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " with ".join(" or ".join(getattr(self, axis)) for axis in AXES if self.named(axis))

    def named(self, axis: str) -> tuple[str, ...]:
        """Return the names on an axis."""
        return tuple(getattr(self, axis))


@dataclass(frozen=True)
class Target:
    """The target distribution of quality tuning (paper 5.3), as far as it is said.

    S, M, C, V: the shares of the draws that classes of an axis get, by name; a name is a class of
    the table, another wording of it, or a category of the vocabulary ("Combat and Power"), whose
    classes share it. The rest of an axis goes to its other clips. Within what is said, clips keep
    the proportions that eq. 2 gives with `alpha`.
    """

    S: Mapping[str, float] = field(default_factory=dict)
    M: Mapping[str, float] = field(default_factory=dict)
    C: Mapping[str, float] = field(default_factory=dict)
    V: Mapping[str, float] = field(default_factory=dict)
    combinations: tuple[Combination, ...] = ()
    alpha: float = ALPHA


def balance_weights(table: ClipTable, alpha: float = ALPHA, pool: Pool | None = None) -> np.ndarray:
    """Return the weights of eq. 2, w = (1 / (n_s n_m n_c n_v))^alpha, lifted by the pool.

    The counts are those of the clip's class on each axis. A clip without a label on an axis has,
    in place of n^-alpha, its mean over the clips with one: not knowing neither lifts nor lowers.
    alpha = 0 gives every clip the same weight; alpha = 1 divides by the product of the marginals,
    which evens every axis out only where the axes are independent. Raises ValueError for an empty
    table, an alpha outside [0, 1], or minimums that are together more than all draws.
    """
    if not len(table):
        raise ValueError("there are no clips to balance")
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha lies between 0 (as found) and 1 (flattest), not at {alpha:g}")
    logs = np.zeros(len(table))
    for axis in range(len(AXES)):
        logs += _log_factors(table.labels[:, axis], alpha)
    logs -= logs.max()
    weights = np.exp(logs, out=logs)
    weights /= weights.sum()
    return weights if pool is None else _pooled(table, weights, pool)


def _log_factors(labels: np.ndarray, alpha: float) -> np.ndarray:
    """Return log n^-alpha of every clip's class on one axis."""
    counts = np.bincount(labels + 1)[1:]
    factors = np.maximum(counts, 1) ** -alpha
    # The last entry is what label -1 finds.
    known = float(counts @ factors / counts.sum()) if counts.sum() else 1.0
    return np.log(np.append(factors, known))[labels]


def pair_codes(table: ClipTable) -> np.ndarray:
    """Return int32 [N]: style * len(contents) + content of every clip, -1 where either is unknown.

    The style is the class on axis S.
    """
    styles = table.labels[:, 0].astype(np.int32)
    unknown = styles == UNKNOWN
    if UNKNOWN_CONTENT in table.contents:
        unknown |= table.content == table.contents.index(UNKNOWN_CONTENT)
    return np.where(unknown, np.int32(-1), styles * len(table.contents) + table.content)


def _pooled(table: ClipTable, weights: np.ndarray, pool: Pool) -> np.ndarray:
    """Return the nearest weights (in relative entropy) with every pair's minimum and the bound.

    They are min(cap, max(a, a_pair) * w): one scale for all clips, a larger one for those of a
    pair that falls short.
    """
    # The clips of no pair come first, and have no minimum.
    groups = pair_codes(table) + 1
    order = np.lexsort((weights, groups))
    present, starts = np.unique(groups[order], return_index=True)
    cap = min(1.0, (pool.most or np.inf) / len(table))
    curves = [_Curve.of(weights[rows][::-1], cap) for rows in np.split(order, starts[1:])]
    floors = np.where(present > 0, np.minimum(pool.minimum, [c.totals[-1] for c in curves]), 0.0)
    if floors.sum() > 1:
        raise ValueError(
            f"{np.count_nonzero(present)} (style, content) pairs cannot each have "
            f"{pool.minimum:g} of the draws: the minimum can be at most "
            f"{1 / np.count_nonzero(present):.3g}"
        )
    least = np.array([curve.scale(floor) for curve, floor in zip(curves, floors, strict=True)])
    scales = np.maximum(_common_scale(curves, least), least)
    lifted = np.minimum(cap, scales[np.searchsorted(present, groups)] * weights)
    return lifted / lifted.sum()


@dataclass(frozen=True)
class _Curve:
    """What a group of clips gets in all, sum of min(cap, scale * w), as its scale grows.

    It is linear between the scales at which one clip more is held by the cap.
    """

    scales: np.ndarray
    totals: np.ndarray

    @classmethod
    def of(cls, falling: np.ndarray, cap: float) -> _Curve:
        scales = cap / falling
        below = np.maximum(falling.sum() - np.cumsum(falling), 0.0)
        totals = np.arange(1, len(falling) + 1) * cap + scales * below
        return cls(np.append(0.0, scales), np.append(0.0, np.maximum.accumulate(totals)))

    def total(self, scale: float) -> float:
        return float(np.interp(scale, self.scales, self.totals))

    def scale(self, total: float) -> float:
        return float(np.interp(total, self.totals, self.scales))


def _common_scale(curves: list[_Curve], least: np.ndarray) -> float:
    """Return the scale at which the groups, each at its least scale or this, get 1 in all."""
    low, high = 0.0, max(float(curve.scales[-1]) for curve in curves)
    while low < (middle := 0.5 * (low + high)) < high:
        scales = np.maximum(middle, least)
        total = sum(curve.total(scale) for curve, scale in zip(curves, scales, strict=True))
        low, high = (middle, high) if total < 1 else (low, middle)
    return high


def target_weights(table: ClipTable, target: Target) -> np.ndarray:
    """Return the weights nearest to eq. 2's (in relative entropy) that meet a target.

    They are found by iterative proportional fitting (raking): what is asked is met within 1e-7.
    Raises ValueError with one sentence for an empty table, a name that is no class, shares outside
    [0, 1] or summing to more than 1, a share for what no clip has, and for parts of a target that
    contradict one another.
    """
    weights, parts = balance_weights(table, target.alpha), _parts(table, target)
    if not parts:
        return weights
    # Clips that are alike to every part are scaled alike: rake these cells, not the clips.
    keys = np.zeros(len(table), np.int64)
    for part in parts:
        keys = keys * len(part.shares) + part.codes
    _, first, cells = np.unique(keys, return_index=True, return_inverse=True)
    before = np.bincount(cells, weights)
    after = _rake(before, [part.of(first) for part in parts])
    return np.asarray(weights * (after / before)[cells])


@dataclass(frozen=True)
class Asked:
    """One thing that a target names: the share of the draws that is wanted, and those it has.

    `before` is its share without weights, `after` with them.
    """

    name: str
    wanted: float
    before: float
    after: float


def asked_shares(table: ClipTable, target: Target, weights: np.ndarray) -> tuple[Asked, ...]:
    """Return what `weights` (float64 [N], of any sum) give to all that a target names.

    Raises ValueError as `target_weights` does for the target's names and shares.
    """
    even = np.full(len(table), 1 / len(table))
    asked = []
    for part in _parts(table, target):
        before, after = part.found(even), part.found(weights / weights.sum())
        for place in part.named:
            share = float(part.shares[place])
            asked.append(Asked(part.names[place], share, float(before[place]), float(after[place])))
    return tuple(asked)


@dataclass(frozen=True)
class _Part:
    """One thing asked: clips (or cells) fall into classes, each with a name and a share.

    `named` are the places of those that the target names; the others are the rest.
    """

    codes: np.ndarray
    names: tuple[str, ...]
    shares: np.ndarray
    named: range

    def of(self, rows: np.ndarray) -> _Part:
        return _Part(self.codes[rows], self.names, self.shares, self.named)

    def found(self, masses: np.ndarray) -> np.ndarray:
        return np.bincount(self.codes, masses, minlength=len(self.shares))


def _parts(table: ClipTable, target: Target) -> list[_Part]:
    """Return what a target asks for, axis by axis, then its combinations."""
    parts = [_axis_part(table, axis, getattr(target, axis)) for axis in AXES
             if getattr(target, axis)]  # fmt: skip
    return parts + [_combination_part(table, combination) for combination in target.combinations]


def _axis_part(table: ClipTable, axis: str, shares: Mapping[str, float]) -> _Part:
    place = AXES.index(axis)
    owners = np.full(len(table.names[place]) + 1, len(shares))  # the last: clips without a label
    for number, (name, share) in enumerate(shares.items()):
        _check_share(f"{axis} {name!r}", share)
        classes = _classes(table, axis, name)
        if taken := np.flatnonzero(owners[classes] < len(shares)).tolist():
            again = table.names[place][classes[taken[0]]]
            raise ValueError(f"the target names {axis} {again!r} twice")
        owners[classes] = number
    rest = 1 - sum(shares.values())
    if rest < -1e-9:
        raise ValueError(f"the target's shares on axis {axis} sum to {1 - rest:g}, more than 1")
    names = (*(f"{axis} {name!r}" for name in shares), f"the rest of axis {axis}")
    all_shares = np.array([*shares.values(), rest if rest > 1e-9 else 0.0])
    part = _Part(owners[table.labels[:, place]], names, all_shares, range(len(shares)))
    return _checked(part)


def _combination_part(table: ClipTable, combination: Combination) -> _Part:
    named = [axis for axis in AXES if combination.named(axis)]
    if not named:
        raise ValueError("a combination of the target names no class")
    _check_share(str(combination), combination.share)
    inside = np.ones(len(table), bool)
    for axis in named:
        classes = [_classes(table, axis, name) for name in combination.named(axis)]
        inside &= np.isin(table.labels[:, AXES.index(axis)], np.concatenate(classes))
    shares = np.array([1 - combination.share, combination.share])
    names = (f"all but {combination}", str(combination))
    return _checked(_Part(inside.astype(np.int64), names, shares, range(1, 2)))


def _check_share(name: str, share: float) -> None:
    if not 0 <= share <= 1:
        raise ValueError(f"the target's share of {name} must be from 0 to 1, not {share:g}")


def _checked(part: _Part) -> _Part:
    """Return a part; ValueError where no clip has what it gives a share to."""
    clips = np.bincount(part.codes, minlength=len(part.shares))
    for name, share in zip(part.names, part.shares, strict=True):
        if share > 0 and not clips[part.names.index(name)]:
            raise ValueError(
                f"the target cannot be met: {share:g} is for {name}, and no clip has it"
            )
    return part


def _classes(table: ClipTable, axis: str, name: str) -> np.ndarray:
    """Return the classes of an axis that a name stands for, maybe none that a clip has."""
    place = AXES.index(axis)
    names, terms = table.names[place], load_vocabulary().of_field(LABEL_FIELDS[place])
    meant = {other for other in names if fold(other) == fold(name)}
    meant = meant or {term.name for term in terms if name in (*term.wordings, term.category)}
    if not meant:
        known = {*names, *(text for term in terms for text in (term.name, term.category) if text)}
        raise ValueError(
            f"the target's {axis} {name!r} is no class of that axis{near(name, known)}"
        )
    found = [n for n, other in enumerate(names) if {other, other.rpartition("/")[2]} & meant]
    return np.array(found, int)


def _rake(masses: np.ndarray, parts: list[_Part]) -> np.ndarray:
    """Return the masses scaled until every part finds its shares."""
    masses = masses.copy()
    for _ in range(_ROUNDS):
        for part in parts:
            found = part.found(masses)
            masses *= np.divide(part.shares, found, np.zeros_like(found), where=found > 0)[
                part.codes
            ]
        off = [np.abs(part.found(masses) - part.shares) for part in parts]
        if max(gaps.max() for gaps in off) <= _TOLERANCE:
            return masses / masses.sum()
    worst = int(np.argmax([gaps.max() for gaps in off]))
    part, place = parts[worst], int(off[worst].argmax())
    raise ValueError(
        f"the target cannot be met: its parts contradict one another, and {part.names[place]} "
        f"comes to {part.found(masses)[place]:.3g} of the draws where {part.shares[place]:.3g} is "
        "asked"
    )
