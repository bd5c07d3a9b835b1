"""Steady paths of a camera, found by the votes of corners for their extent.

Such a path is a slide, a growth about the middle of the frame or a roll about it, eased, which may
end early and hold.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np

from animatrix_data.procedural.oracles.evidence import Trail
from animatrix_data.procedural.oracles.registration import GAPS, Pair, Real, Tracker

LENGTHS = (1.0, 0.7, 0.4)
"""The shares of a clip's time that a steady path takes."""
BIN, BINS = 3.0, 81
"""Votes for a slide are counted in squares of this many pixels, so many across and down."""
GROWTH_BIN, GROWTH_BINS = 0.03, 121
PEAKS = 3
"""Extents taken from one count of votes."""
LEAST, FARTHEST = 2.0, 110.0
"""A path that travels less (pixels) is none, nor one that travels farther, as rain does; two steady
ones that differ by less are one."""
ARM = 45.0
"""Pixels from the middle where a growth or a roll is measured as a step."""


@dataclass(frozen=True)
class Steady:
    """A path of one kind ("slide", "growth", "roll"), the share of the time that it takes, and its
    extent: pixels as x + iy, a logarithm, or radians times i."""

    kind: str
    length: float
    extent: complex

    def trail(self, count: int, height: int) -> Trail:
        """Return the path over so many frames of a height."""
        progress = eased(count, self.length)
        if self.kind == "slide":
            shift = np.asarray(self.extent * progress / height, np.complex128)
            return Trail(np.ones(count, np.complex128), shift)
        return Trail(np.exp(self.extent * progress), np.zeros(count, np.complex128))

    def travel(self) -> float:
        """Return how far the path moves the picture, in pixels."""
        return abs(self.extent) * (1.0 if self.kind == "slide" else ARM)

    def same(self, other: Steady) -> bool:
        """Return whether another path is hardly different."""
        apart = replace(self, extent=self.extent - other.extent).travel()
        return (self.kind, self.length) == (other.kind, other.length) and apart < LEAST

    def beside(self, step: float) -> Iterator[Steady]:
        """Return the paths whose extents differ by a step in pixels."""
        ways: dict[str, tuple[complex, ...]] = {"slide": (1, -1, 1j, -1j), "growth": (1, -1),
                                                "roll": (1j, -1j)}  # fmt: skip
        unit = step if self.kind == "slide" else step / ARM
        return (replace(self, extent=self.extent + unit * way) for way in ways[self.kind])


def eased(count: int, length: float) -> Real:
    """Return a mostly linear ease from 0 to 1 over a share of the frames, which then holds."""
    time = np.clip(np.arange(count) / (max(count - 1, 1) * length), 0, 1)
    return np.asarray(0.7 * time + 0.3 * time * time * (3 - 2 * time))


def steady_paths(tracker: Tracker) -> list[Steady]:
    """Return the distinct steady paths that most of a clip's corners vote for."""
    count = len(tracker.frames)
    found = [
        ((first, first + gap), pair)
        for gap, stride in GAPS
        for first in range(0, count - gap, stride)
        if (pair := tracker.pair(first, first + gap)) is not None
    ]
    if not found:
        return []
    pairs = [pair for _, pair in found]
    here, there, prior = (np.concatenate([getattr(pair, name) for pair in pairs])
                          for name in ("here", "there", "prior"))  # fmt: skip
    ends = np.repeat([ends for ends, _ in found], [len(pair.here) for pair in pairs], axis=0).T
    corners = Pair(here, there, np.maximum(prior - 0.15, 0))
    paths: list[Steady] = []
    for length in LENGTHS:
        progress = eased(count, length)
        made = progress[ends[1]] - progress[ends[0]]
        paths += _slides(corners, made, length)
        paths += _turns(corners, made, length)
    distinct: list[Steady] = []
    for path in paths:
        if LEAST <= path.travel() <= FARTHEST and not any(map(path.same, distinct)):
            distinct.append(path)
    return distinct


def _slides(corners: Pair, made: Real, length: float) -> list[Steady]:
    """Return the slides that corners vote for; `made` is the share of it between their frames."""
    told = made > 0.06
    votes = (corners.there - corners.here)[told] / made[told]
    weights = corners.prior[told] * np.minimum(made[told] / 0.2, 1)
    edge = BIN * BINS / 2
    counts, *_ = np.histogram2d(votes.real, votes.imag, BINS, ((-edge, edge),) * 2, weights=weights)
    extents = [complex(x, y) * BIN for x, y in _peaks(counts)]
    moved, paths = corners.there - corners.here, []
    for extent in extents:
        for width in (3.0, 2.0, 1.5, 1.0):
            near = corners.prior / (1 + np.abs(moved - extent * made) ** 2 / width**2) ** 2
            extent = (near * made * moved).sum() / ((near * made * made).sum() + 1e-3)
        paths.append(Steady("slide", length, complex(extent)))
    return paths


def _turns(corners: Pair, made: Real, length: float) -> list[Steady]:
    """Return the growths and rolls about the middle that corners vote for."""
    radius = np.abs(corners.here)
    told = (made > 0.06) & (radius > 25)
    near = Pair(corners.here[told], corners.there[told], corners.prior[told])
    radius, made = radius[told], made[told]
    logs, paths = np.log(near.there / near.here), []
    for kind, unit in (("growth", 1.0), ("roll", 1j)):
        seen, off = (logs.real, logs.imag) if kind == "growth" else (logs.imag, logs.real)
        weights = near.prior * np.minimum(made / 0.2, 1) * radius * (np.abs(off) * radius < 3)
        edge = GROWTH_BIN * GROWTH_BINS / 2
        counts, _ = np.histogram(seen / made, GROWTH_BINS, (-edge, edge), weights=weights)
        for _, place in _peaks(counts[None]):
            extent = place * GROWTH_BIN
            for width in (3.0, 2.0, 1.5, 1.0):
                missed = np.abs(near.there - np.exp(unit * extent * made) * near.here)
                agree = near.prior * radius**2 / (1 + missed**2 / width**2) ** 2
                extent = (agree * made * seen).sum() / ((agree * made * made).sum() + 1e-3)
            paths.append(Steady(kind, length, complex(unit * extent)))
    return paths


def _peaks(counts: Real) -> list[tuple[int, int]]:
    """Return where, from the middle, most votes of a count [rows, columns] lie."""
    smooth = cv2.GaussianBlur(counts.astype(np.float32), (0, 0), 1.0)
    rows, columns = smooth.shape
    peaks, at = [], (rows // 2, columns // 2)
    for reach in (1, *[3] * PEAKS):
        near = tuple(slice(max(n - reach, 0), n + reach + 1) for n in at)
        smooth[near] = 0
        row, column = np.unravel_index(int(smooth.argmax()), smooth.shape)
        at = int(row), int(column)
        peaks.append((at[0] - rows // 2, at[1] - columns // 2))
    return peaks[:PEAKS]
