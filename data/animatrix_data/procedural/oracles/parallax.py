"""What moves how in a clip, cell by cell: flow over two spans, sharpness, colour.

A camera's movement is told from others by how fast near things, far things and the figure move
against each other, which a coarse grid of flow shows; a focus that is racked moves nothing and
changes what is sharp. Long spans see slow things better than short ones, which see fast ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from animatrix_data.procedural.oracles.flow import (
    FIELD_EDGE,
    Frames,
    cells,
    flow_engine,
    greys,
    pooled,
    squared,
    texture,
)

Floats = NDArray[np.float32]
Halves = NDArray[np.float16]

FINE = 32
"""Cells along each edge of what is seen, whatever the aspect."""
SPAN = 0.5
"""Seconds that the long flow spans; it starts anew in the middle of each span."""
SHORT = ("u", "v", "weight", "spread", "sharpness", "change")
LEAST_WEIGHT = 1e-3


@dataclass(frozen=True)
class Parallax:
    """What moves how in a clip of T frames.

    short: [T − 1, 32, 32, 6], from each frame to the next: flow (u to the right, v down, in frame
    heights), the texture in [0, 1] that speaks for it, and the logarithms of how far it spreads
    within the cell, of the frame's detail and of what the flow does not explain (pixels, grey
    levels). long: [S, 32, 32, 3], flow and texture over half a second, which start a quarter of a
    second apart. colours: uint8 [T, 32, 32, 3], the mean colour of each cell.
    """

    short: Halves
    long: Halves
    colours: NDArray[np.uint8]


def long_spans(frames: int, fps: float) -> tuple[range, int]:
    """Return where a clip's long spans start and how many frames they take; ValueError where it is
    too short for one."""
    span = max(2, round(SPAN * fps))
    if frames <= span:
        raise ValueError(f"a clip must have {span + 1} frames or more to be read, not {frames}")
    return range(0, frames - span, max(1, span // 2)), span


def parallax(frames: Frames, fps: float) -> Parallax:
    """Return what moves how in frames uint8 [T, H, W, 3]; ValueError for a clip that is too short.

    The long flow starts from the short ones, one laid on the other.
    """
    starts, span = long_spans(len(frames), fps)
    keys = greys(frames, FIELD_EDGE)
    engine = flow_engine()
    weights = [texture(key) + np.float32(LEAST_WEIGHT) for key in keys[:-1]]
    blank = np.zeros((*keys[0].shape, 2), np.float32)
    flows = [
        engine.calc(a, b, blank.copy()).astype(np.float32, copy=False) for a, b in pairwise(keys)
    ]
    short = [_short(*of) for of in zip(keys, keys[1:], flows, weights, strict=False)]
    long = []
    for start in starts:
        guess = _laid(flows[start : start + span])
        flow = engine.calc(keys[start], keys[start + span], guess).astype(np.float32, copy=False)
        long.append(cells(flow, weights[start], FINE))
    colours = [cv2.resize(f, (FINE, FINE), interpolation=cv2.INTER_AREA) for f in frames]
    return Parallax(
        np.stack(short).astype(np.float16), np.stack(long).astype(np.float16), np.stack(colours)
    )


def _short(
    before: NDArray[np.uint8], after: NDArray[np.uint8], flow: Floats, weight: Floats
) -> Floats:
    """Return what is said of a pair of frames [32, 32, 6]."""
    height, width = before.shape
    moved = cells(flow, weight, FINE)
    mean = cv2.resize(
        moved[..., :2] * np.float32(height), (width, height), interpolation=cv2.INTER_NEAREST
    )
    missed = cv2.absdiff(_moved(after, flow), before).astype(np.float32)
    said = (
        pooled(squared(flow - mean), FINE),
        pooled(np.abs(cv2.Laplacian(before, cv2.CV_32F)), FINE),
        pooled(missed, FINE),
    )
    return np.dstack([moved, *map(np.log1p, said)])


def _moved(picture: NDArray[Any], flow: Floats) -> NDArray[Any]:
    """Return what of a picture [H, W, …] each pixel sees at the end of its flow."""
    height, width = flow.shape[:2]
    there = _here(height, width) + flow
    return cv2.remap(
        picture, there[..., 0], there[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )


@cache
def _here(height: int, width: int) -> Floats:
    """Return where each pixel lies [H, W, 2], x first."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    return np.stack([x, y], axis=-1)


def _laid(flows: list[Floats]) -> Floats:
    """Return the flow over several pairs of frames, one after another."""
    whole = flows[0].copy()
    for flow in flows[1:]:
        whole = whole + np.asarray(_moved(flow, whole), np.float32)
    return whole
