"""What is measured of each path that may be a camera's, so that the right one can be chosen.

A number each for how well it explains the clip as it is and without what is fixed to the frame,
where it does, what other paths do there, and what kind of path it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from animatrix_data.procedural.oracles.evidence import Account, Trail, Witness
from animatrix_data.procedural.oracles.registration import WORK_EDGE, Real
from animatrix_data.procedural.oracles.steady import Steady

KINDS = ("still", "slide", "growth", "roll", "free", "jolts")
"""What a path may be."""
GRID = 8
"""Cells along each edge of the maps that are measured, whatever the aspect."""
APART = (3.0, 0.15)
"""The distance, in pixels and as a share of the travel, at which a path is another."""
EVIDENT = 0.5
"""The least evidence in a pair of frames in which a background is seen."""
PARALLEL = 0.97
"""The cosine at which two paths lead the same way."""
SPEEDS = (0.0, 0.5, 0.8, 1.0, 1.25, 2.5, 9.0)
"""Between these ratios to a path's way lie the ways of parallel ones: planes nearer and farther."""
SHORT, FAR = 8.0, 80.0
"""Travels (pixels) below and above which a path is seldom a camera's."""
WON, MOSTLY = 0.05, 0.5
"""How much more contrast agrees with a path than with any other in a cell that it wins, and the
share of what is shown that agrees in one that it explains."""
SIDES = np.array([[1, 1, 1, 1], [1, 1, 0, 0], *[[1, 0.5, 0, 0]] * 4, [0.5, 0, 0, 0], [0, 0, 0, 0]])
"""How much each cell of a half of the frame (from the top; from its edge to the middle) lies where
figures seldom are."""

Measures = dict[str, Real]


@dataclass(frozen=True, eq=False)
class Candidate:
    """A path, its kind, what pairs of frames say of it as they are and without what is fixed to
    them, the evidence of corners for it, and what it is made of if it is steady."""

    trail: Trail
    kind: str
    account: Account
    moving: Account
    followed: float
    steady: Steady | None = None


def measured(candidates: Sequence[Candidate], witness: Witness) -> Measures:
    """Return what is measured of candidates, the still one first: arrays [K] by name."""
    trails = [candidate.trail for candidate in candidates]
    other = differing(trails)
    said: Measures = {}
    for name, judge, accounts in (
        ("all", witness, [candidate.account for candidate in candidates]),
        ("moving", witness.moving, [candidate.moving for candidate in candidates]),
    ):
        told = _evidence(judge, accounts, other, trails) | _places(judge, accounts, other)
        said |= {f"{name}: {key}": values for key, values in told.items()}
    followed = np.array([candidate.followed / 10 for candidate in candidates])
    said |= {f"corners: {key}": values for key, values in _beside(followed, other).items()}
    nature = [_nature(candidate) for candidate in candidates]
    natures = {key: np.array([row[key] for row in nature]) for key in nature[0]}
    # What speaks for a moving path need not speak for a still one, which overlays share.
    stills = {f"still: {key}": values * natures["still"] for key, values in said.items()}
    return natures | said | stills


def differing(trails: Sequence[Trail]) -> NDArray[np.bool_]:
    """Tell of each two paths whether they differ, [K, K]."""

    def differ(a: Trail, b: Trail) -> bool:
        return a.apart(b) > max(APART[0], APART[1] * min(a.travel(), b.travel()))

    return np.array([[differ(a, b) for b in trails] for a in trails])


def _nature(candidate: Candidate) -> Mapping[str, float]:
    """Return what kind of path a candidate is."""
    trail, slides = candidate.trail, float(candidate.kind == "slide")
    moved, travel = trail.moved(), trail.travel()
    slide = complex(moved[int(np.abs(moved).mean(axis=1).argmax())].mean())
    long = max(abs(slide), 1e-9)
    quickest = float(np.abs(np.diff(moved, axis=0)).mean(axis=1).max()) * WORK_EDGE
    return {kind: float(candidate.kind == kind) for kind in KINDS} | {
        "sure": trail.sure,
        "travel": travel / 50,
        "travel, logarithm": float(np.log1p(travel / 4)),
        "far": float(travel > FAR),
        "short": float(travel < SHORT and candidate.kind != "still"),
        "quickest": float(np.log1p(quickest)),
        "oblique": 2 * abs(slide.real * slide.imag) / long**2 * slides,
        "upright": abs(slide.imag) / long * slides,
        "down": float(slide.imag > 0) * slides,
        "growth, logarithm": float(np.log(np.abs(trail.turn[-1]))),
    }


def _evidence(
    judge: Witness,
    accounts: Sequence[Account],
    other: NDArray[np.bool_],
    trails: Sequence[Trail],
) -> Measures:
    """Return the evidence for paths, beside that for others and for those that are parallel."""
    evidence = np.array([judge.evidence(account) for account in accounts])
    shares = judge.shares / judge.shares.sum()
    total = evidence @ shares
    explained = np.array([judge.explained(account) for account in accounts])
    measures = {f"evidence{key}": values for key, values in _beside(total, other).items()}
    measures |= {f"explained{key}": 5 * values for key, values in _beside(explained, other).items()}
    measures["evident"] = (evidence > EVIDENT) @ shares
    measures["for"] = (evidence > 0) @ shares
    moved = np.array([trail.moved().ravel() for trail in trails])
    size = np.maximum(np.linalg.norm(moved, axis=1), 1e-9)
    cosine = (moved.conj() @ moved.T).real / size[:, None] / size
    ratio = size / size[:, None]
    for low, high in pairwise(SPEEDS):
        among = other & (cosine > PARALLEL) & (ratio >= low) & (ratio < high)
        measures[f"parallel to {high}"] = np.where(among, total, 0).max(axis=1)
    return measures


def _places(judge: Witness, accounts: Sequence[Account], other: NDArray[np.bool_]) -> Measures:
    """Return where paths explain what is seen, alone or not."""
    sizes = [len(span) for span in judge.spans]
    near = sum(sizes[: (len(sizes) + 1) // 2])
    parts: list[tuple[Real, ...]] = []
    for account in accounts:
        found = np.sqrt(account.agreed) * account.inside * account.worth[:, None, None]
        shown = np.sqrt(account.shown) * account.inside
        parts.append((_grid(found[:near]), _grid(found[near:] if len(sizes) > 1 else found),
                      _grid(shown)))  # fmt: skip
    close, distant, shown = (np.array(part) for part in zip(*parts, strict=True))
    agreed = (close + distant) / 2
    best = np.where(other[:, :, None, None], agreed, 0).max(axis=1)
    share = agreed / (shown + 0.05)
    measures: Measures = {}
    for name, maps in (("near", close), ("distant", distant), ("share", share)):
        measures |= _halves(name, maps)
    for name, maps in (
        ("alone", np.maximum(agreed - best, 0)),
        ("lost", np.maximum(best - agreed, 0)),
        ("shown", shown),
        ("won", (agreed - best > WON).astype(float)),
        ("mostly", (share > MOSTLY).astype(float)),
    ):
        measures |= _regions(name, maps)
    return measures


def _beside(values: Real, other: NDArray[np.bool_]) -> Measures:
    """Return values [K] themselves, and beside the best of other paths' and the still path's."""
    best = np.where(other, values, 0).max(axis=1)
    return {
        "": values,
        ", logarithm": np.log1p(np.maximum(values, 0)),
        ", lead": values - best,
        ", ratio": np.clip(values / np.maximum(best, 1e-3), 0, 2),
        ", beyond still": values - values[0],
    }


def _grid(planes: NDArray[np.float64]) -> Real:
    """Return the mean of planes [P, R, C] over pairs, on a grid that is always the same."""
    plane = planes.mean(axis=0).astype(np.float32)
    return np.asarray(cv2.resize(plane, (GRID, GRID), interpolation=cv2.INTER_AREA), np.float64)


def _halves(name: str, maps: Real) -> Measures:
    """Return maps [K, 8, 8] folded about the middle, in pairs of rows."""
    folded = ((maps + maps[:, :, ::-1]) / 2)[:, :, : GRID // 2]
    paired = folded.reshape(len(maps), GRID // 2, 2, GRID // 2).mean(axis=2)
    return {f"{name} {row} {column}": paired[:, row, column]
            for row in range(GRID // 2) for column in range(GRID // 2)}  # fmt: skip


def _regions(name: str, maps: Real) -> Measures:
    """Return the means of maps [K, 8, 8] over parts of the frame."""
    sides = np.concatenate([SIDES, SIDES[:, ::-1]], axis=1)
    top, floor = np.zeros((2, GRID, GRID))
    top[:2], floor[6:] = 1, 1
    parts = {"sides": sides, "middle": 1 - sides, "top": top, "floor": floor}
    return {f"{name} {part}": (maps * weights).sum(axis=(1, 2)) / weights.sum()
            for part, weights in parts.items()}  # fmt: skip
