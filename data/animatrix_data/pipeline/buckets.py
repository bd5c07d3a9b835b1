"""Buckets of aspect, resolution and frame count: the few shapes that clips are fitted to (5.1).

All buckets of one edge have the same area, so that a step costs the same in each: the area of the
first aspect at that short side, as 720 px means 720×1280 in Wan. Sides are whole strides.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from animatrix_data.corpus.ingest import crop_box, fit

ASPECTS = ("16:9", "4:3", "1:1", "3:4", "9:16")
UPSCALE = 1.25

type Shape = tuple[int, int, int]
"""Frames, height and width of a clip."""


class Bucket(NamedTuple):
    """One shape of training: `frames` 4n+1, `height` and `width` in pixels."""

    frames: int
    height: int
    width: int

    def __str__(self) -> str:
        return f"{self.height}x{self.width}x{self.frames}"


def make_buckets(
    edge: int,
    frames: int | Sequence[int],
    aspects: Sequence[str] = ASPECTS,
    stride: int = 16,
) -> tuple[Bucket, ...]:
    """Return the buckets of every frame count (4n+1) and aspect (width:height).

    `edge` is the short side, in pixels, of the first aspect, whose area all aspects share; sides
    are rounded to `stride` (the VAE's times the patch). Raises ValueError for another frame count,
    an aspect that is none, or an edge that holds no stride.
    """
    counts = (frames,) if isinstance(frames, int) else tuple(frames)
    wrong = [count for count in counts if count < 1 or count % 4 != 1]
    if wrong or not counts:
        raise ValueError(f"a bucket has 4n+1 frames (1, 5, 9, …), not {wrong[0] if wrong else 0}")
    if stride < 1 or edge < stride:
        raise ValueError(f"an edge of {edge} px holds no stride of {stride} px")
    ratios = [_ratio(aspect) for aspect in aspects]
    if not ratios:
        raise ValueError("buckets need an aspect at least, such as 16:9")
    area = edge * edge * max(ratios[0], 1 / ratios[0])
    sides = [
        (_whole(math.sqrt(area / ratio), stride), _whole(math.sqrt(area * ratio), stride))
        for ratio in ratios
    ]
    return tuple(dict.fromkeys(Bucket(count, *side) for count in counts for side in sides))


def _ratio(aspect: str) -> float:
    try:
        width, height = (float(side) for side in aspect.split(":"))
        if width > 0 and height > 0:
            return width / height
    except ValueError:
        pass
    raise ValueError(f"an aspect is WIDTH:HEIGHT, as in 16:9, not {aspect!r}")


def _whole(side: float, stride: int) -> int:
    return max(1, round(side / stride)) * stride


def _assign(shape: Shape, buckets: Sequence[Bucket], upscale: float) -> tuple[int, str]:
    """Return the bucket's place and an empty text, or −1 and why there is none."""
    frames, height, width = shape
    fitting = [place for place, bucket in enumerate(buckets) if bucket.frames <= frames]
    if not fitting:
        least = min(bucket.frames for bucket in buckets)
        return -1, f"shorter than {least} frames"

    def distance(place: int) -> tuple[float, int]:
        bucket = buckets[place]
        ratio = (bucket.width * height) / (bucket.height * width)
        return round(abs(math.log(ratio)), 9), -bucket.frames

    place = min(fitting, key=distance)
    if max(buckets[place].height / height, buckets[place].width / width) > upscale:
        return -1, f"smaller than 1/{upscale:g} of its bucket"
    return place, ""


@dataclass(frozen=True)
class Assigned:
    """Which bucket each of N clips is fitted to, and what is left out.

    `places` int32 [N] are places in `buckets`, −1 for none; `left_out` the rows of each reason.
    """

    buckets: tuple[Bucket, ...]
    places: np.ndarray
    left_out: dict[str, np.ndarray]


def assign_clips(
    shapes: np.ndarray,
    shape_sizes: Sequence[Shape],
    buckets: Sequence[Bucket],
    upscale: float = UPSCALE,
) -> Assigned:
    """Assign N clips at once, by the distinct shapes that they have (`ClipTable`'s columns).

    `shapes` int [N] are places in `shape_sizes`. A clip goes to the nearest bucket in aspect, then
    the longest, of those with no more frames than it has, unless that would enlarge it more than
    `upscale` times. Raises ValueError when no clip fits.
    """
    found = [_assign(shape, buckets, upscale) for shape in shape_sizes]
    by_shape = np.array([place for place, _ in found], np.int32)
    places = by_shape[np.asarray(shapes)] if len(shapes) else np.zeros(0, np.int32)
    left_out = {}
    for reason in dict.fromkeys(why for _, why in found if why):
        of_reason = [number for number, (_, why) in enumerate(found) if why == reason]
        rows = np.flatnonzero(np.isin(shapes, of_reason))
        if rows.size:
            left_out[reason] = rows
    if not (places >= 0).any():
        named = ", ".join(map(str, buckets))
        raise ValueError(f"no clip fits any of the buckets {named}: {'; '.join(left_out)}")
    return Assigned(tuple(buckets), places, left_out)


def fit_frames(frames: np.ndarray, bucket: Bucket) -> np.ndarray:
    """Return the first `bucket.frames` frames of a clip, uint8 [T, H, W, 3], at the bucket's size.

    The largest centred part of the bucket's aspect is kept, so that the smaller way fills it.
    Raises ValueError for a clip of fewer frames.
    """
    if len(frames) < bucket.frames:
        raise ValueError(f"{len(frames)} frames do not fill a bucket of {bucket.frames}")
    size = (bucket.height, bucket.width)
    box = crop_box(frames.shape[1], frames.shape[2], 1.0, size)
    if frames.shape[1:3] == size:
        return frames[: bucket.frames]
    return np.stack([fit(frame, box, size) for frame in frames[: bucket.frames]])
