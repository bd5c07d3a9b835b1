"""Steady paths of a camera that whole frames vote for: what corners lose when it is fast.

How alike two frames are when one is slid over the other is told for all slides at once by their
correlation, and for all growths and rolls about the middle by that of their polar pictures, in
which these are slides. A steady path says how far each pair of frames is apart, so that a vote for
its extent is a sum over pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import fft

from animatrix_data.procedural.oracles.registration import background_prior
from animatrix_data.procedural.oracles.steady import (
    FARTHEST,
    LEAST,
    LENGTHS,
    Steady,
    eased,
)

Plane = NDArray[np.float32]
Ends = tuple[int, int]

COARSE = 2
"""Pixels of a frame to a pixel of the correlations."""
SLIDES, TURNS = 5, 3
"""Extents taken from the votes for slides of one length, and for its growths and its rolls."""
REACH, TURN_REACH = 56, 40
"""The farthest slide that is voted for, in coarse pixels, and the farthest growth or roll, in
cells of the polar picture."""
NEAR = 3
"""Cells about a peak in which there is no other."""
RADII, ANGLES, INNER = 48, 128, 9.0
"""Cells of a polar picture outwards and around, and the radius (pixels) at which it begins."""
NEUTRAL = 0.15
"""The prior below which a pixel has no say."""
OVERLAP = 0.35
"""The least share of a picture that another is said to show: likeness is of what both show."""


@dataclass(frozen=True)
class Sheet:
    """Pictures [T] of a clip in which a kind of path is a slide, and what each pixel's say is
    worth."""

    pictures: Sequence[Plane]
    weights: Plane
    reach: int

    def likeness(self, pairs: Sequence[Ends]) -> list[Plane]:
        """Return how alike each pair of pictures is when the second is slid back, [2R+1, 2R+1]."""
        edges = [cv2.getOptimalDFTSize(edge + self.reach) for edge in self.weights.shape]
        size = edges[0], edges[1]
        plain = {t: fft.rfft2(self.pictures[t], size) for t in {t for e in pairs for t in e}}
        said = {t: fft.rfft2(self.pictures[t] * self.weights, size) for t in plain}
        ones, say = fft.rfft2(self.weights * 0 + 1, size), fft.rfft2(self.weights, size)
        shared = self._near(fft.irfft2(say.conj() * ones + ones.conj() * say, size))
        shared = np.maximum(shared / shared[self.reach, self.reach], OVERLAP)
        alike = []
        for a, b in pairs:
            both = said[a].conj() * plain[b] + plain[a].conj() * said[b]
            alike.append((self._near(fft.irfft2(both, size)) / shared).astype(np.float32))
        return alike

    def _near(self, whole: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the slides within reach, from up and left to down and right."""
        span = 2 * self.reach + 1
        return np.roll(whole, (self.reach, self.reach), (0, 1))[:span, :span]


def voted(frames: Sequence[Plane], spans: Sequence[Sequence[Ends]]) -> list[Steady]:
    """Return the steady paths that frames [H, W] without their shades vote for.

    `spans` are the pairs of frames that vote; those of one span together as much as the root of
    their number.
    """
    pairs = [ends for span in spans for ends in span]
    weight = np.repeat([len(span) ** -0.5 for span in spans], [len(span) for span in spans])
    flat, polar = _flat(frames), _polar(frames)
    height, width = frames[0].shape
    outward = np.log(min(height, width) / 2 / INNER) / RADII
    around = 2 * np.pi / ANGLES
    slid, turned = flat.likeness(pairs), polar.likeness(pairs)
    paths = []
    for length in LENGTHS:
        progress = eased(len(frames), length)
        made = np.array([progress[b] - progress[a] for a, b in pairs])
        votes = _votes(slid, made, weight)
        for down, across in _peaks(votes, SLIDES):
            paths.append(Steady("slide", length, COARSE * complex(across, down)))
        votes = _votes(turned, made, weight)
        middle = polar.reach
        for _, place in _peaks(votes[middle : middle + 1], TURNS):
            paths.append(Steady("growth", length, complex(place * outward)))
        for place, _ in _peaks(votes[:, middle : middle + 1], TURNS):
            paths.append(Steady("roll", length, 1j * place * around))
    return [path for path in paths if LEAST <= path.travel() <= FARTHEST]


def _flat(frames: Sequence[Plane]) -> Sheet:
    height, width = (max(edge // COARSE, 1) for edge in frames[0].shape)
    small = [
        np.asarray(cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA), np.float32)
        for frame in frames
    ]
    y, x = np.mgrid[:height, :width]
    places = ((x + 0.5) - width / 2) / height + 1j * ((y + 0.5) / height - 0.5)
    return Sheet(small, _say(places), REACH)


def _polar(frames: Sequence[Plane]) -> Sheet:
    """Return frames about their middle, the logarithm of the radius across, the angle down."""
    height, width = frames[0].shape
    outer = min(height, width) / 2
    radii = INNER * (outer / INNER) ** ((np.arange(RADII) + 0.5) / RADII)
    angles = 2 * np.pi * (np.arange(ANGLES) + 0.5) / ANGLES
    places = radii[None] * np.exp(1j * angles[:, None])
    maps = ((places.real + (width - 1) / 2).astype(np.float32),
            (places.imag + (height - 1) / 2).astype(np.float32))  # fmt: skip
    smooth = (cv2.GaussianBlur(frame, (0, 0), 1.0) for frame in frames)
    pictures = [np.asarray(cv2.remap(frame, *maps, cv2.INTER_LINEAR), np.float32)
                for frame in smooth]  # fmt: skip
    area = (radii / outer) ** 2
    return Sheet(pictures, (_say(places / height) * area).astype(np.float32), TURN_REACH)


def _say(places: NDArray[np.complex128]) -> Plane:
    return np.maximum(background_prior(places) - NEUTRAL, 0).astype(np.float32)


def _votes(alike: Sequence[Plane], made: NDArray[np.float64], weight: NDArray[np.float64]) -> Plane:
    """Return the votes for each extent: pairs of frames are apart by a share `made` of it."""
    total = np.zeros_like(alike[0])
    span = len(total)
    middle = (span - 1) / 2
    for table, share, worth in zip(alike, made, weight, strict=True):
        if share < 0.03:
            continue
        off = middle * (1 - share)
        matrix = np.array([[share, 0, off], [0, share, off]])
        total += float(worth) * cv2.warpAffine(
            table, matrix, (span, span), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        )
    return total


def _peaks(votes: Plane, most: int) -> list[tuple[int, int]]:
    """Return where, from the middle (down, across), most votes lie."""
    votes = votes.copy()
    rows, columns = votes.shape
    peaks: list[tuple[int, int]] = []
    at = rows // 2, columns // 2
    for _ in range(most + 1):
        near = tuple(slice(max(n - NEAR, 0), n + NEAR + 1) for n in at)
        votes[near] = -np.inf
        row, column = np.unravel_index(int(votes.argmax()), votes.shape)
        at = int(row), int(column)
        peaks.append((at[0] - rows // 2, at[1] - columns // 2))
    return peaks[:most]
