"""Torn rows, found without anything learnt: bands of a picture that have slid sideways.

Rows that touch are nearly alike. Where they are not, but would be if one slid by some pixels (and
came in again at the other side), the picture is torn between them; nothing that is drawn, moved or
deformed looks so along a whole row.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

SLIDES = (0.03, 0.3)
"""How far (frame widths) a row is slid at least and at most."""
EDGES = 4
"""Between how many pairs of rows a picture is torn: two bands have as many edges."""
FRAMES = 8
"""How many frames are looked at, at most."""
HALF = 10.0
"""The grey levels of misfit that a slide must explain to be half of the way to a sure tear."""


def tear_score(frames: NDArray[np.uint8]) -> float:
    """Return how surely the rows of a clip uint8 [T, H, W, 3] are torn, in [0, 1).

    Of each frame the mean of what slides explain at the `EDGES` edges that they explain best; of
    the clip the median, since a tear stays.
    """
    which = np.linspace(0, len(frames) - 1, min(FRAMES, len(frames))).round().astype(int)
    gain = float(np.median([np.sort(slide_gain(frames[t]))[-EDGES:].mean() for t in which]))
    return gain / (gain + HALF)


def slide_gain(frame: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return by how many grey levels each row [H − 1] of a frame uint8 [H, W, 3] fits the next
    better when that one is slid; not below 0."""
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.float32)
    upper, lower, width = grey[:-1], grey[1:], grey.shape[1]
    twice = np.concatenate([lower, lower], axis=1)
    first, last = (round(share * width) for share in SLIDES)
    slides = [way % width for k in range(max(first, 1), last + 1) for way in (k, -k)]
    best = np.min([np.abs(upper - twice[:, s : s + width]).mean(axis=1) for s in slides], axis=0)
    return np.maximum(np.abs(upper - lower).mean(axis=1) - best, 0).astype(np.float32)
