"""A steady path of a camera made exact on whole frames (Lucas and Kanade, over a clip at once)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from animatrix_data.procedural.oracles.registration import background_prior
from animatrix_data.procedural.oracles.steady import ARM, Steady, eased

Plane = NDArray[np.float32]

SMOOTH, NOISE = 0.8, 0.5
"""Sigma (pixels) by which frames are smoothed, and the difference at which a pixel loses weight."""
NEUTRAL = 0.15
"""The prior below which a pixel has no say."""
ROUNDS, MOST = 4, 1.5
"""How often a path is made better, and by how many pixels at most each time."""
LEAST = 0.05
"""The least share of a path's way between two frames that tell of it."""


class Refiner:
    """The frames of a clip without their shades, ready to make steady paths exact."""

    def __init__(self, frames: Sequence[Plane], pairs: Sequence[tuple[int, int]]) -> None:
        smooth = {t: cv2.GaussianBlur(frames[t], (0, 0), SMOOTH) for e in pairs for t in e}
        self._pairs, self._count = pairs, len(frames)
        self._planes = {
            t: np.dstack([plane, *(cv2.Scharr(plane, cv2.CV_32F, *way) / 32
                                   for way in ((1, 0), (0, 1)))])
            for t, plane in smooth.items()
        }  # fmt: skip
        height, width = frames[0].shape
        y, x = np.mgrid[:height, :width]
        self._places = (x - (width - 1) / 2) + 1j * (y - (height - 1) / 2)
        self._say = np.maximum(background_prior(self._places / height) - NEUTRAL, 0)

    def refined(self, path: Steady) -> Steady:
        """Return the path near another at which frames agree best, laid on each other."""
        ways = {"slide": (1, 1j), "growth": (1,), "roll": (1j,)}[path.kind]
        unit = 1.0 if path.kind == "slide" else ARM
        progress = eased(self._count, path.length)
        for _ in range(ROUNDS):
            normal, target = 1e-3 * np.eye(len(ways)), np.zeros(len(ways))
            for first, second in self._pairs:
                made = float(progress[second] - progress[first])
                if made > LEAST:
                    slopes, missed, say = self._told(path, made, first, second, ways)
                    normal += np.einsum("ayx,byx,yx->ab", slopes, slopes, say, optimize=True)
                    target += np.einsum("ayx,yx->a", slopes, missed * say, optimize=True)
            step = np.linalg.solve(normal, target)
            step *= min(1.0, MOST / unit / max(float(np.abs(step).max()), 1e-9))
            path = replace(path, extent=path.extent + complex(step @ np.array(ways)))
        return path

    def _told(
        self, path: Steady, made: float, first: int, second: int, ways: tuple[complex, ...]
    ) -> tuple[Plane, Plane, Plane]:
        """Return how a pair's difference changes with the extent, it, and what it is worth."""
        slide = path.kind == "slide"
        by, to = (1 + 0j, path.extent * made) if slide else (np.exp(path.extent * made), 0j)
        height, width = self._say.shape
        middle = complex(width - 1, height - 1) / 2
        off = middle + to - by * middle
        matrix = np.array([[by.real, -by.imag, off.real], [by.imag, by.real, off.imag]])
        there = cv2.warpAffine(self._planes[second], matrix, (width, height),
                               flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)  # fmt: skip
        moved = np.full_like(self._places, made) if slide else made * (by * self._places)
        turned = [moved * way for way in ways]
        slopes = np.stack([there[..., 1] * t.real + there[..., 2] * t.imag for t in turned])
        missed = np.asarray(self._planes[first][..., 0] - there[..., 0], np.float32)
        seen = by * self._places + to
        inside = (np.abs(seen.real) < width / 2 - 1) & (np.abs(seen.imag) < height / 2 - 1)
        say = self._say * inside / (1 + (missed / NOISE) ** 2) ** 2
        return slopes.astype(np.float32), missed, say.astype(np.float32)
