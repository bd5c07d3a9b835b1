"""The evidence in a clip's pixels for a camera's path, and how much of the picture it explains.

A path is judged by how well frames that stand apart agree, patch by patch, when one is laid on the
other as the path says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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
    Real,
    Tracker,
    background_prior,
    inlying,
)

Plane = NDArray[np.float32]

SPANS = ((2, 2), (4, 4), (8, 4), (16, 8))
"""Frames between the ends of the pairs that are compared, and between one pair and the next, in a
clip of 33 frames; others are compared over the same shares of their time."""
EVERY = slice(None)
"""All of the spans."""
BLUR, CONTRAST = 2.5, 2.0
"""Sigma (pixels) of the neighbourhood to whose contrast a pixel is brought, and the contrast (grey
levels) below which it is taken for noise."""
PATCH, CELL = 9, 16
"""Sides (pixels) of the patches that are compared, and of the cells in which they are counted."""
FAINT = 0.05
"""The contrast (as a share) that is added to a patch's, so that flat patches agree with nothing."""
OVERLAP = 0.4
"""The least share of a frame that another is said to show: evidence is for what both show."""
NEUTRAL = 0.2
"""The prior at which a cell speaks neither for nor against a background."""
STILL, STILLNESS = 0.7, 0.9
"""A path that moves less than this many pixels between two frames is still there, and what the
evidence for that is worth: overlays and grain that are fixed to the frame show it too."""
CORNERS, CORNER_NEUTRAL = 0.05, 0.25
"""What a corner that is tracked is worth beside a cell, and the prior at which it is worth none."""


@dataclass(frozen=True)
class Placed:
    """Where the background lies in each frame relative to the first, [T]: shift of the picture's
    centre in pixels, logarithm of its growth, radians."""

    dx: Real
    dy: Real
    log_scale: Real
    roll: Real


@dataclass(frozen=True)
class Trail:
    """Where the background of the first frame is seen in each, [T]: a point p (from the centre) at
    turn · p + shift, as complex numbers x + iy in frame heights; `sure` is how far it is a path
    that cameras take, from 0 for what sways to 1."""

    turn: Complex
    shift: Complex
    sure: float = 1.0

    def moved(self) -> Complex:
        """Return how far the probes move [T, N], in frame heights."""
        return self.shift[:, None] + (self.turn[:, None] - 1) * PROBES / WORK_EDGE

    def placed(self, height: int) -> Placed:
        """Return the path on frames of a height."""
        return Placed(self.shift.real * height, self.shift.imag * height,
                      np.log(np.abs(self.turn)), np.unwrap(np.angle(self.turn)))  # fmt: skip

    def travel(self) -> float:
        """Return how far the picture moves, in pixels."""
        return float(np.abs(self.moved()).mean(axis=1).max()) * WORK_EDGE

    def apart(self, other: Trail) -> float:
        """Return how far another path lies from this, in pixels."""
        return float(np.abs(self.moved() - other.moved()).mean(axis=1).max()) * WORK_EDGE


@dataclass(frozen=True)
class Account:
    """What each pair of frames says of a path, by cells [P, R, C]: the contrast that agrees, all
    that both show, whether both show the cell at all; and [P] what that is worth."""

    agreed: Plane
    shown: Plane
    inside: NDArray[np.bool_]
    worth: Real


class Witness:
    """The frames of a clip, ready to tell how well they agree with a path."""

    def __init__(self, tracker: Tracker, planes: Sequence[Plane] | None = None) -> None:
        frames, self._tracker = tracker.plain, tracker
        self.height, self.width = frames[0].shape
        self.count = len(frames)
        self.fine = planes or [_levelled(grey, tracker.enlarged) for grey in frames]
        self._strength = [_patch(fine * fine) for fine in self.fine]
        rows, columns = (max(round(edge / CELL), 1) for edge in frames[0].shape)
        y, x = np.mgrid[:rows, :columns]
        self._places = ((x + 0.5) / columns - 0.5) * self.width + 1j * (
            ((y + 0.5) / rows - 0.5) * self.height
        )
        self._prior = background_prior(self._places / self.height) - NEUTRAL

    @cached_property
    def moving(self) -> Witness:
        """The same frames without what is fixed to them: overlays, a figure that is followed."""
        common = np.median(np.stack(self.fine), axis=0).astype(np.float32)
        return Witness(self._tracker, [plane - common for plane in self.fine])

    @cached_property
    def spans(self) -> list[list[tuple[int, int]]]:
        """The pairs of frames that are compared, by how far they stand apart."""
        unit = (self.count - 1) / 32
        spans = {}
        for gap, stride in SPANS:
            apart, step = (max(1, round(n * unit)) for n in (gap, stride))
            spans[apart] = [(t, t + apart) for t in range(0, self.count - apart, step)]
        return list(spans.values())

    @property
    def screen(self) -> slice:
        """The span by which many paths are looked through: the longest but one, if there is one."""
        place = max(len(self.spans) - 2, 0)
        return slice(place, place + 1)

    def account(self, trail: Trail, spans: slice = EVERY) -> Account:
        """Return what each pair of frames says of a path, cell by cell."""
        ends = [e for span in self.spans[spans] for e in span]
        rows: list[tuple[Plane, Plane, NDArray[np.bool_], float]] = []
        for first, second in ends:
            by, to = self._between(trail, first, second)
            cells = self._cells(by, to, first, second)
            rows.append((*cells, self._inside(by, to), _worth(by, to)))
        agreed, shown, inside, worth = (np.array(part) for part in zip(*rows, strict=True))
        return Account(agreed, shown, inside, worth)

    def evidence(self, account: Account) -> Real:
        """Return the evidence for a path in each pair of frames, [P].

        It is how well they agree where a background is likely, less where it is not.
        """
        # The root counts where patches agree more than how many: a background is all around.
        total = np.einsum("pyx,yx->p", np.sqrt(account.agreed), self._prior)
        inside = account.inside.mean(axis=(1, 2))
        return np.asarray(total / np.maximum(inside, OVERLAP) * account.worth)

    def total(self, evidence: Real) -> float:
        """Return the evidence of all pairs: distant frames tell more, and theirs weighs more."""
        return float(self.shares @ evidence)

    @cached_property
    def shares(self) -> Real:
        """What each pair's say is worth: a span's together as much as the root of their number."""
        counts = np.array([len(span) for span in self.spans])
        return np.asarray(np.repeat(np.sqrt(counts.max() / counts), counts), np.float64)

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

    def explained(self, account: Account) -> float:
        """Return the share of what could agree, where a background is likely, that does."""
        weight = np.maximum(self._prior, 0) * account.inside
        weight = weight * self.shares[:, None, None]
        found, visible = (
            (weight * np.sqrt(part)).sum() for part in (account.agreed, account.shown)
        )
        return float(found / max(visible, 1e-9))

    def _inside(self, by: complex, to: complex) -> NDArray[np.bool_]:
        """Return which cells of a frame another shows, too."""
        seen = by * self._places + to
        return (np.abs(seen.real) < self.width / 2) & (np.abs(seen.imag) < self.height / 2)

    def _cells(self, by: complex, to: complex, first: int, second: int) -> tuple[Plane, Plane]:
        """Return the contrast of each cell that agrees between frames, and all that both show."""
        middle = complex(self.width - 1, self.height - 1) / 2
        off = middle + to - by * middle
        matrix = np.array([[by.real, -by.imag, off.real], [by.imag, by.real, off.imag]])
        size = (self.width, self.height)
        fine = cv2.warpAffine(self.fine[second], matrix, size,
                              flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)  # fmt: skip
        there = cv2.warpAffine(self._strength[second], matrix, size,
                               flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP)  # fmt: skip
        here = self._strength[first]
        alike = np.maximum(_patch(self.fine[first] * fine), 0)
        alike *= alike
        alike /= (here + np.float32(FAINT)) * (there + np.float32(FAINT))
        shown = np.minimum(here, there)
        agreed = np.asarray(alike * alike * alike * shown, np.float32)
        return self._pooled(agreed), self._pooled(shown)

    def _pooled(self, plane: Plane) -> Plane:
        """Return the mean of each cell, which is never below zero."""
        size = self._prior.shape[::-1]
        return np.maximum(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), np.float32(0))


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
