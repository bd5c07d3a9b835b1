"""Plain numbers of each frame and of its change from those before, for oracles that learn.

They see what a few frames at low resolution hide: exact repeats, rows out of place, outlines that
come and go, colours that change hands. All of them are the same for a mirrored clip.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from animatrix_data.procedural.oracles.flow import FIELD_EDGE

Frames = NDArray[np.uint8]
Floats = NDArray[np.float32]
Numbers = NDArray[np.floating[Any]]

STATISTICS = 22
"""How many numbers a frame has."""
SHIFTS = 5
"""How far (pixels) a row is moved to fit the row above it."""
REPEAT, STILL, DARK, LINE = 6, 1.0, 45, 25
"""Grey levels: of a pixel's change, of a cell's, of what is dark, of a line below its ground."""


def frame_statistics(frames: Frames) -> Floats:
    """Return the statistics [T, S] of frames uint8 [T, H, W, 3], each of the order of 1.

    Of each frame: its change from one and two frames before, how far rows stand out of place,
    the energy of its detail, its dark and its lines, brightness and saturation, and how its
    colours' histogram differs from that of neighbours, of the first and of the last frame.
    """
    small = _at_edge(frames)
    grey = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in small])
    numbers = [*_changes(grey), *_rows(grey), *_detail(grey), *_tones(small, grey)]
    numbers += _colours(small)
    return np.stack(numbers, axis=1).astype(np.float32)


def _at_edge(frames: Frames) -> Frames:
    """Return frames reduced to `FIELD_EDGE` pixels on their shorter edge where it is longer."""
    edge = min(frames.shape[1:3])
    if edge <= FIELD_EDGE:
        return frames
    size = tuple(round(n * FIELD_EDGE / edge) for n in frames.shape[2:0:-1])
    return np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in frames])


def _lagged(values: NDArray[np.generic], lag: int) -> NDArray[np.generic]:
    """Return the values `lag` frames before each (the first one's before there were any)."""
    return values[np.maximum(np.arange(len(values)) - lag, 0)]


def _changes(grey: NDArray[np.uint8]) -> list[Numbers]:
    pairs = [cv2.absdiff(a, b) for a, b in zip(_lagged(grey, 1), grey, strict=True)]
    small = [cv2.resize(d.astype(np.float32), (8, 8), interpolation=cv2.INTER_AREA) for d in pairs]
    apart, cells = np.stack(pairs), np.stack(small)
    further = [cv2.absdiff(a, b).mean() for a, b in zip(_lagged(grey, 2), grey, strict=True)]
    return [
        np.log1p(apart.mean(axis=(1, 2))),
        np.log1p(cells.max(axis=(1, 2))),
        4 * (apart > REPEAT).mean(axis=(1, 2)),
        (cells > STILL).mean(axis=(1, 2)),
        np.log1p(np.array(further)),
    ]


def _rows(grey: NDArray[np.uint8]) -> list[Numbers]:
    """Return how much a row differs from the one above it, against its neighbours and against
    the frame before, and how much of that a shift along the row would mend."""
    above, below = grey[:, :-1], grey[:, 1:]
    jumps = _absolute(above, below)
    around = np.maximum(np.roll(jumps, 1, axis=1), np.roll(jumps, -1, axis=1))
    before = _lagged(jumps, 1)
    before = np.maximum(before, np.maximum(np.roll(before, 1, axis=1), np.roll(before, -1, axis=1)))
    inner = slice(SHIFTS, grey.shape[2] - SHIFTS)
    still = _absolute(above[..., inner], below[..., inner])
    moved = [
        _absolute(above[..., inner], below[..., inner.start + s : inner.stop + s])
        for s in (*range(-SHIFTS, -1), *range(2, SHIFTS + 1))
    ]
    gain = still - np.minimum.reduce(moved)
    return [
        np.log1p(np.maximum(jumps - around, 0).max(axis=1)),
        np.log1p(np.maximum(jumps - before, 0).max(axis=1)),
        np.log1p(np.maximum(gain, 0).max(axis=1)),
    ]


def _absolute(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> Floats:
    """Return the mean absolute difference of rows, [T, rows]."""
    apart = cv2.absdiff(np.ascontiguousarray(a), np.ascontiguousarray(b))
    return np.asarray(apart.mean(axis=-1), np.float32)


def _detail(grey: NDArray[np.uint8]) -> list[Numbers]:
    energy = np.stack([np.abs(cv2.Laplacian(frame, cv2.CV_32F)) for frame in grey])
    ground = np.stack([cv2.blur(frame, (5, 5)) for frame in grey])
    height, width = grey.shape[1:]
    inside = np.s_[:, height // 4 : -height // 4, width // 4 : -width // 4]
    middle = energy[inside].mean(axis=(1, 2))
    rim = (energy.mean(axis=(1, 2)) * 4 - middle) / 3
    lines = cv2.subtract(ground, grey) > LINE
    return [
        np.log1p(energy.mean(axis=(1, 2))),
        np.log((1 + middle) / (1 + rim)),
        4 * lines.mean(axis=(1, 2)),
        4 * lines[inside].mean(axis=(1, 2)),
    ]


def _tones(frames: Frames, grey: NDArray[np.uint8]) -> list[Numbers]:
    saturation = []
    for frame in frames:
        red, green, blue = cv2.split(frame)
        most, least = (f(f(red, green), blue) for f in (cv2.max, cv2.min))
        saturation.append(cv2.mean(cv2.subtract(most, least))[0])
    return [
        4 * (grey < DARK).mean(axis=(1, 2)),
        grey.mean(axis=(1, 2)) / 64,
        grey.std(axis=(1, 2)) / 64,
        np.array(saturation) / 64,
    ]


def _colours(frames: Frames) -> list[Numbers]:
    """Return how the histogram of colours differs from other frames', whole and in the middle."""
    width = frames.shape[2]
    whole, middle = _histograms(frames), _histograms(frames[:, :, width // 4 : -width // 4])
    return [
        _apart(whole, _lagged(whole, 1)),
        _apart(whole, _lagged(whole, 4)),
        _apart(whole, whole[:1]),
        _apart(whole, whole[-1:]),
        _apart(middle, _lagged(middle, 1)),
        _apart(middle, middle[:1]),
    ]


def _histograms(frames: Frames) -> Floats:
    levels = (frames >> 5).astype(np.int64)
    index = (levels[..., 0] << 6) | (levels[..., 1] << 3) | levels[..., 2]
    counts = [np.bincount(frame.ravel(), minlength=512) for frame in index]
    return np.asarray(np.stack(counts) / index[0].size, np.float32)


def _apart(a: NDArray[np.generic], b: NDArray[np.generic]) -> Floats:
    return np.asarray(2 * np.abs(np.asarray(a) - np.asarray(b)).sum(axis=1), np.float32)
