"""Coarse optical flow of a clip: what moves where, on a 16×16 grid, for oracles that learn."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.uint8]
Grey = NDArray[np.uint8]

GRID = 16
"""Cells along each edge of a flow field, whatever the aspect."""
PAIRS_PER_SECOND = 8
FIELD_EDGE = 128
"""Frames are brought to this many pixels on their shorter edge before flow is read."""
TEXTURE = 400.0
"""The squared gradient (grey levels a pixel) at which flow is worth half of what it can be."""
OUTLIER = 2.0
"""How far (pixels) a point's flow may lie from its cell's mean before it loses weight."""


def flow_engine(preset: int = cv2.DISOPTICAL_FLOW_PRESET_MEDIUM) -> cv2.DISOpticalFlow:
    """Return a dense inverse search flow (Kroeger and others, 2016), which OpenCV implements."""
    return cv2.DISOpticalFlow.create(preset)


def greys(frames: Frames, edge: int) -> list[Grey]:
    """Return frames uint8 [T, H, W, 3] in grey, resized to `edge` pixels on the shorter edge."""
    factor = edge / min(frames.shape[1:3])
    size = (round(frames.shape[2] * factor), round(frames.shape[1] * factor))
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    if size == frames.shape[2:0:-1]:
        return grey
    method = cv2.INTER_CUBIC if factor > 1 else cv2.INTER_AREA
    return [cv2.resize(frame, size, interpolation=method) for frame in grey]


def texture(grey: Grey) -> NDArray[np.float32]:
    """Return how much the flow at each pixel is worth, in [0, 1): the more texture the more."""
    smooth = cv2.GaussianBlur(grey, (0, 0), 1.5).astype(np.float32)
    gx, gy = cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)
    strength = cv2.GaussianBlur(gx * gx + gy * gy, (0, 0), 2.0)
    return strength / (strength + np.float32(TEXTURE))


def flow_field(frames: Frames, fps: float) -> NDArray[np.float32]:
    """Return the coarse flow [P, 16, 16, 3] of frames uint8 [T, H, W, 3].

    Pairs of frames stand 1/8 s apart (one frame where the clip is slower), one pair after
    another: P = (T − 1) // step with step = max(1, round(fps / 8)). A cell holds the mean flow
    (u to the right, v down, in frame heights a pair) of what has texture in it, outliers
    weighing little, and the mean texture in [0, 1] that speaks for it. Rows run down the frame.
    """
    step = max(1, round(fps / PAIRS_PER_SECOND))
    count = (len(frames) - 1) // step
    keys = greys(frames[: count * step + 1 : step], FIELD_EDGE) if count > 0 else []
    engine = flow_engine(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    field = np.empty((max(count, 0), GRID, GRID, 3), np.float32)
    for pair in range(count):
        blank = np.zeros((*keys[pair].shape, 2), np.float32)
        weight = texture(keys[pair]) + np.float32(1e-3)
        flow = engine.calc(keys[pair], keys[pair + 1], blank)
        field[pair] = cells(flow.astype(np.float32, copy=False), weight)
    return field


def cells(
    flow: NDArray[np.float32], weight: NDArray[np.float32], grid: int = GRID
) -> NDArray[np.float32]:
    """Return the robust mean of flow [H, W, 2] (pixels) in each cell, in frame heights, and its
    weight: [grid, grid, 3]."""
    height, width = weight.shape
    trusted: NDArray[np.float32] = weight
    for last in (False, True):
        mean = pooled(flow * trusted[..., None], grid) / pooled(trusted, grid)[..., None]
        if last:
            break
        spread = cv2.resize(mean, (width, height), interpolation=cv2.INTER_NEAREST)
        distance = squared(flow - spread)
        trusted = np.asarray(weight / (1 + distance / OUTLIER**2), np.float32)
    return np.dstack([mean / height, pooled(weight, grid)])


def squared(flow: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the square [...] of how far flow [..., 2] goes."""
    return np.square(flow[..., 0]) + np.square(flow[..., 1])


def pooled(values: NDArray[np.float32], grid: int = GRID) -> NDArray[np.float32]:
    """Return the mean of values [H, W] or [H, W, C] in each cell."""
    mean = cv2.resize(values, (grid, grid), interpolation=cv2.INTER_AREA)
    return np.asarray(mean, np.float32)
