"""Progressive sub-stages: from small and short to large and long, in one run (paper 5.1).

A sub-stage has its own resolution and frame count, hence its own latents, and its own mixture of
images and videos; the list of them becomes the phases that a `Selection` draws from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from animatrix_data.pipeline.buckets import Shape
from animatrix_data.pipeline.sources import Feed
from animatrix_data.sampling.selection import Phase, Ratio, moving_ratio
from animatrix_data.sampling.shelves import Source

FIRST_RATIO: Ratio = (0.5, 0.3, 0.2)
LAST_RATIO: Ratio = (0.2, 0.4, 0.4)
"""T2I : T2V : I2V at the lowest and at the highest resolution."""


@dataclass(frozen=True)
class SubStage:
    """A stretch of training at one resolution.

    It lasts `samples` (None, the last alone: to the end). Clips are fitted to buckets of `edge`
    pixels and `frames` 4n+1, of several the most that they fill (`buckets.make_buckets`). Latents
    are read from `cache`, or with None made from decoded frames on the way. `ratio` is
    T2I : T2V : I2V; None moves it evenly from `FIRST_RATIO` to `LAST_RATIO` along the list. Raises
    ValueError for sizes that are none.
    """

    samples: int | None
    edge: int
    frames: int | tuple[int, ...]
    cache: Path | None = None
    ratio: Ratio | None = None

    def __post_init__(self) -> None:
        if self.samples is not None and self.samples < 1:
            raise ValueError(f"a sub-stage needs samples, and one of {self.samples} is given")
        if self.edge < 1:
            raise ValueError(f"a sub-stage has an edge in pixels, not {self.edge}")
        wrong = [count for count in self.counts if count < 1 or count % 4 != 1]
        if wrong or not self.counts:
            found = wrong[0] if wrong else "none"
            raise ValueError(f"a sub-stage has 4n+1 frames (1, 5, 9, …), not {found}")

    @property
    def counts(self) -> tuple[int, ...]:
        """The frame counts of its buckets."""
        return (self.frames,) if isinstance(self.frames, int) else self.frames

    @property
    def name(self) -> str:
        """Edge and frames, as a folder or a source is called."""
        return f"{self.edge}x{'-'.join(map(str, self.counts))}"


def make_phases(
    stages: Sequence[SubStage],
    sources: Sequence[Sequence[Source]],
    first: Ratio,
    last: Ratio,
    shares: tuple[float, ...] = (1.0,),
) -> tuple[Phase, ...]:
    """Return the phases of a list of sub-stages, each of which draws from `sources` of its own.

    The ratio of those that give none moves from `first` to `last`; `shares` are those of every
    sub-stage's sources. Raises ValueError where there are not as many lists of sources as
    sub-stages, and as `Phase` does.
    """
    if len(stages) != len(sources):
        raise ValueError(f"{len(stages)} sub-stages cannot draw from {len(sources)} sources")
    moving = moving_ratio(first, last, len(stages)) if stages else ()
    return tuple(
        Phase(stage.samples, stage.ratio or ratio, tuple(own), shares)
        for stage, ratio, own in zip(stages, moving, sources, strict=True)
    )


def feed_sources(
    feeds: Sequence[Feed],
    weights: Sequence[np.ndarray],
    difficulty: Sequence[np.ndarray | None],
) -> tuple[Source, ...]:
    """Return the feeds as the selection sees them, their shapes numbered alike.

    `weights` float [N] and `difficulty` int [N] (or None) belong to each feed's rows. Clips without
    a bucket and those that an encoder skipped are never drawn.
    """
    numbers: dict[Shape | None, int] = {}
    sources = []
    for feed, own, buckets in zip(feeds, weights, difficulty, strict=True):
        meta = feed.reader.meta
        shapes = np.full(len(feed.texts), -1, np.int32)
        for row in np.flatnonzero(feed.readable):
            shapes[row] = numbers.setdefault(meta.buckets[row], len(numbers))
        stills = all(shape is None or shape[0] == 1 for shape in meta.buckets)
        weight = np.asarray(own, np.float64)
        sources.append(Source(feed.name, weight, shapes, buckets, stills))
    return tuple(sources)
