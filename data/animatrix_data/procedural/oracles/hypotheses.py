"""Whole paths of a camera that may explain a clip, and the evidence in its pixels for each.

Corners in one pair of frames do not tell a background from a figure or from an overlay that is
fixed to the frame; a whole clip does. Three kinds of path are tried: none at all, steady ones (a
slide, a growth about the middle of the frame or a roll about it, eased, which may end early and
hold; found by the votes of corners for their extent), and freely registered ones (see
`registration`). Each is judged by how well frames that stand apart agree, patch by patch, when
one is laid on the other as the path says.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from animatrix_data.procedural.oracles.flow import Grey
from animatrix_data.procedural.oracles.registration import (
    GAPS,
    PROBES,
    WORK_EDGE,
    Complex,
    Pair,
    Real,
    Tracker,
    background_prior,
    inlying,
    joined,
    register,
    settled,
)

Plane = NDArray[np.float32]

SPANS = ((2, 2), (4, 4), (8, 4), (16, 8))
"""Frames between the ends of the pairs that are compared, and between one pair and the next, in a
clip of 33 frames; others are compared over the same shares of their time."""
EVERY, MIDDLE = slice(None), slice(-3, -1)
"""All of the spans, and those in which paths are made better."""
BLUR, CONTRAST = 2.5, 2.0
"""Sigma (pixels) of the neighbourhood to whose contrast a pixel is brought, and the contrast (grey
levels) below which it is taken for noise."""
PATCH, CELL = 9, 16
"""Sides (pixels) of the patches that are compared, and of the cells in which they are counted."""
FAINT = 0.05
"""The contrast (as a share) that is added to a patch's, so that flat patches agree with nothing."""
EVIDENT = 0.5
"""The least evidence in a pair of frames in which a background is seen."""
OVERLAP = 0.4
"""The least share of a frame that another is said to show: evidence is for what both show."""
NEUTRAL = 0.2
"""The prior at which a cell speaks neither for nor against a background."""
STILL, STILLNESS = 0.7, 0.9
"""A path that moves less than this many pixels between two frames is still there, and what the
evidence for that is worth: overlays and grain that are fixed to the frame show it too."""
CORNERS, CORNER_NEUTRAL = 0.05, 0.25
"""What a corner that is tracked is worth beside a cell, and the prior at which it is worth none."""
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
KEPT, STRIDES = 4, (4.0, 2.0, 1.0)
"""Steady paths that are made better, and the steps (pixels) in which they are."""
FREE = (0.22, 0.9)
"""What evidence for a freely registered path is worth if it sways, and if it travels or jolts."""
STRAIGHT, JOLTED = (0.4, 0.8), (1.5, 1.8)
"""Shares of a path's way, below the first of which it sways and above the second of which it does
not: how far apart its places lie, and the sum of its changes of velocity."""
WIDE, NEAR = (16.0, 8.0, 4.0, 2.0, 1.0), 0.4
"""How far (pixels) corners may have moved between frames for a path that begins with none, and
the distance (as a share of the travel) at which two paths are nearly the same."""
RIVAL = 0.85
"""No movement is a guess where a path that moves has this share of its evidence: what is fixed to
the frame, and backgrounds that are plain, are found still whether the camera moves or not."""
ARM = 45.0
"""Pixels from the middle where a growth or a roll is measured as a step."""


@dataclass(frozen=True)
class Trail:
    """Where the background of the first frame is seen in each, [T]: a point p (from the centre) at
    turn · p + shift, as complex numbers x + iy in frame heights; `sure` is how far it is a path
    that cameras take, from 0 for what sways to 1."""

    turn: Complex
    shift: Complex
    sure: float = 1.0


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


class Witness:
    """The frames of a clip, ready to tell how well they agree with a path."""

    def __init__(self, tracker: Tracker) -> None:
        frames, self._tracker = tracker.plain, tracker
        self.height, self.width = frames[0].shape
        self.count = len(frames)
        self._fine = [_levelled(grey, tracker.enlarged) for grey in frames]
        self._strength = [_patch(fine * fine) for fine in self._fine]
        rows, columns = (max(round(edge / CELL), 1) for edge in frames[0].shape)
        y, x = np.mgrid[:rows, :columns]
        self._places = ((x + 0.5) / columns - 0.5) * self.width + 1j * (
            ((y + 0.5) / rows - 0.5) * self.height
        )
        self._prior = background_prior(self._places / self.height) - NEUTRAL

    @cached_property
    def spans(self) -> list[list[tuple[int, int]]]:
        """The pairs of frames that are compared, by how far they stand apart."""
        unit = (self.count - 1) / 32
        spans = {}
        for gap, stride in SPANS:
            apart, step = (max(1, round(n * unit)) for n in (gap, stride))
            spans[apart] = [(t, t + apart) for t in range(0, self.count - apart, step)]
        return list(spans.values())

    def evidence(self, trail: Trail, spans: slice = EVERY) -> Real:
        """Return the evidence for a path, one number for each pair of frames."""
        return np.array([self._agreement(trail, *e) for span in self.spans[spans] for e in span])

    def total(self, evidence: Real) -> float:
        """Return the evidence of all pairs: distant frames tell more, and theirs weighs more."""
        counts = np.array([len(span) for span in self.spans])
        return float(np.repeat(np.sqrt(counts.max() / counts), counts) @ evidence)

    def followed(self, trail: Trail) -> float:
        """Return the evidence of corners that are tracked over several frames."""
        total = 0.0
        for gap, stride in GAPS[1:]:
            for first in range(0, self.count - gap, stride):
                pair = self._tracker.pair(first, first + gap)
                if pair is not None:
                    by, to = self._between(trail, first, first + gap)
                    agree = inlying(pair, np.array([by]), np.array([to]), 0.8)[0]
                    total += float(agree @ (pair.prior - CORNER_NEUTRAL)) * _worth(by, to)
        return CORNERS * total

    def _between(self, trail: Trail, first: int, second: int) -> tuple[complex, complex]:
        """Return the similarity (in pixels) of a path from one frame to another."""
        by = trail.turn[second] / trail.turn[first]
        return complex(by), complex(trail.shift[second] - by * trail.shift[first]) * self.height

    def _agreement(self, trail: Trail, first: int, second: int) -> float:
        """Return how well two frames agree where a background is likely, less where it is not."""
        by, to = self._between(trail, first, second)
        middle = complex(self.width - 1, self.height - 1) / 2
        off = middle + to - by * middle
        matrix = np.array([[by.real, -by.imag, off.real], [by.imag, by.real, off.imag]])
        size = (self.width, self.height)
        fine = cv2.warpAffine(self._fine[second], matrix, size,
                              flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)  # fmt: skip
        there = cv2.warpAffine(self._strength[second], matrix, size,
                               flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP)  # fmt: skip
        here = self._strength[first]
        alike = np.maximum(_patch(self._fine[first] * fine), 0)
        alike *= alike
        alike /= (here + np.float32(FAINT)) * (there + np.float32(FAINT))
        agreed = np.maximum(alike * alike * alike * np.minimum(here, there), 0)
        cells = cv2.resize(agreed, self._prior.shape[::-1], interpolation=cv2.INTER_AREA)
        # The root counts where patches agree more than how many: a background is all around.
        total = float((self._prior * np.sqrt(cells)).sum())
        seen = by * self._places + to
        inside = (np.abs(seen.real) < self.width / 2) & (np.abs(seen.imag) < self.height / 2)
        return total / max(float(inside.mean()), OVERLAP) * _worth(by, to)


def _worth(by: complex, to: complex) -> float:
    """Return what evidence for a similarity is worth."""
    return STILLNESS if float(np.abs((by - 1) * PROBES + to).mean()) < STILL else 1.0


def _levelled(grey: Grey, enlarged: float) -> Plane:
    """Return a frame without its shades, everywhere of about the same contrast.

    One that was enlarged is smoothed by as much, lest the traces of its pixels seem to stand still.
    """
    plane: Plane = grey.astype(np.float32)
    if enlarged > 1:
        plane = np.asarray(cv2.GaussianBlur(plane, (0, 0), 0.5 * enlarged), np.float32)
    plane = np.asarray(plane - cv2.GaussianBlur(plane, (0, 0), BLUR), np.float32)
    spread = cv2.GaussianBlur(plane * plane, (0, 0), BLUR)
    return np.asarray(plane / np.sqrt(spread + np.float32(CONTRAST**2)), np.float32)


def _patch(plane: Plane) -> Plane:
    return np.asarray(cv2.boxFilter(plane, -1, (PATCH, PATCH)), np.float32)


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


def explain(tracker: Tracker) -> tuple[Trail, float]:
    """Return the path that explains a clip best, and how well its background is seen, in [0, 1].

    That is the share of the pairs of frames with evidence for it, less where it sways.
    """
    witness = Witness(tracker)
    count, height = witness.count, witness.height
    still = Trail(np.ones(count, np.complex128), np.zeros(count, np.complex128))
    steady = steady_paths(tracker)
    said = [witness.total(witness.evidence(path.trail(count, height))) for path in steady]
    order = np.argsort(said)[::-1][:KEPT]
    better = [_improved(witness, steady[k]).trail(count, height) for k in order]
    begun = joined(tracker, still.turn, still.shift, WIDE)
    free = [_weighed(Trail(*settled(tracker, *p))) for p in (register(tracker), begun)]
    trails = [still, *better, *free]
    told = [witness.evidence(trail) for trail in trails]
    sums = [witness.total(e) + witness.followed(t) for e, t in zip(told, trails, strict=True)]
    worth = [1.0] * (len(trails) - 2) + [float(np.interp(t.sure, (0, 1), FREE)) for t in free]
    counted = [min(s, s * w) for s, w in zip(sums, worth, strict=True)]
    best = int(np.argmax(counted))
    if best == 0:
        moving = [s for s, trail in zip(counted, trails, strict=True) if _travel(trail) > LEAST]
        rivalled = max(moving, default=0.0) > RIVAL * counted[0]
        return still, 0.0 if rivalled else _seen(still, told[0])
    # What is nearly the same path may follow the frames more closely.
    near = [k for k in range(1, len(trails)) if _apart(trails[k], trails[best]) < NEAR]
    winner = trails[best]
    fitted = Trail(*joined(tracker, winner.turn, winner.shift), winner.sure)
    closer = witness.evidence(fitted)
    trails, told = [*trails, fitted], [*told, closer]
    sums.append(witness.total(closer) + witness.followed(fitted))
    best = max((*near, len(trails) - 1), key=lambda k: sums[k])
    return trails[best], _seen(trails[best], told[best])


def _travel(trail: Trail) -> float:
    """Return how far a path moves the picture, in pixels."""
    return float(np.abs(_moved(trail)).mean(axis=1).max()) * WORK_EDGE


def _seen(trail: Trail, evidence: Real) -> float:
    return trail.sure * float((evidence > EVIDENT).mean())


def _apart(path: Trail, other: Trail) -> float:
    """Return how far a path lies from another, as a share of the other's travel."""
    apart = np.abs(_moved(path) - _moved(other)).mean(axis=1).max()
    return float(apart / max(np.abs(_moved(other)).mean(axis=1).max(), 1e-9))


def _moved(trail: Trail) -> Complex:
    """Return how far the probes move [T, N], in frame heights."""
    return trail.shift[:, None] + (trail.turn[:, None] - 1) * PROBES / WORK_EDGE


def _improved(witness: Witness, path: Steady) -> Steady:
    """Return a steady path near another for which there is the most evidence."""

    def said(path: Steady) -> float:
        return float(witness.evidence(path.trail(witness.count, witness.height), MIDDLE).sum())

    best = said(path)
    for step in STRIDES:
        for other in path.beside(step):
            if (score := said(other)) > best:
                best, path = score, other
    return path


def _weighed(trail: Trail) -> Trail:
    """Return a freely registered path with how sure it is: a camera travels one way, or jolts.

    What sways smoothly to and fro is more often a head that fills the frame.
    """
    moved = _moved(trail)
    steps = np.abs(np.diff(moved, axis=0)).mean(axis=1)
    way = max(float(steps.sum()), 1e-9)
    reach = float(np.abs(moved[:, None] - moved[None]).mean(axis=2).max()) / way
    jolts = float(np.abs(np.diff(moved, 2, axis=0)).mean(axis=1).sum()) / way
    sure = max(float(np.interp(reach, STRAIGHT, (0, 1))), float(np.interp(jolts, JOLTED, (0, 1))))
    return replace(trail, sure=sure if _travel(trail) < FARTHEST else 0.0)
