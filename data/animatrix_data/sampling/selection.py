"""Selection: which clip sample i shows, as a pure function of (seed, i) (paper 3.6, 5.1, 5.2).

A block of successive samples is all images or all video, comes from one source, has one shape
(frames, height, width) and one progress τ. Within its source, P_τ(x) ∝ w_τ(b(x)) · w_x is drawn
exactly: first the block's shape by its mass, then for every sample a difficulty bucket of that
shape by its mass, then a clip in the bucket by cumulative weight. Progress is counted in samples.
"""

from __future__ import annotations

import functools
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from animatrix_data.sampling.curriculum import Curriculum, schedule
from animatrix_data.sampling.randomness import block_generator
from animatrix_data.sampling.shelves import Shelves, Source, pick

T2I, T2V, I2V = range(3)
TASKS = ("T2I", "T2V", "I2V")
CACHED_BLOCKS = 128
"""Blocks that a selection remembers: those whose samples are being built."""

type Ratio = tuple[float, float, float]


@dataclass(frozen=True)
class Phase:
    """A sub-stage of training: its length, its task ratio T2I : T2V : I2V, its sources.

    `samples` is None for a phase that goes on to the end; a block belongs to the phase of its
    first sample. `shares` are the proportions in which `sources` give blocks of images, and those
    without stills blocks of video; neither they nor the ratio need to add up to 1. Raises
    ValueError for a phase without samples or sources, for a ratio or shares that are no
    proportions, and for video where all sources are stills.
    """

    samples: int | None
    ratio: Ratio
    sources: tuple[Source, ...]
    shares: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        if self.samples is not None and self.samples < 1:
            raise ValueError(f"a phase needs samples, and one of {self.samples} is given")
        if not self.sources:
            raise ValueError("a phase needs a source to draw from, and one without any is given")
        check_ratio(self.ratio)
        names = ", ".join(source.name for source in self.sources)
        _check_proportions(self.shares, f"shares of {names}", len(self.sources))
        if sum(self.ratio[1:]) and not _video_shares(self).any():
            raise ValueError(f"a phase with video in its ratio draws from stills alone: {names}")


@dataclass(frozen=True, eq=False)
class Block:
    """What the samples of one block are; `clips` and `tasks` int64 [block] are rows and task ids.

    `phase` is the place of its phase, `source` a place in `Selection.sources`, whose rows `clips`
    are; `shape` is a number of `Source.shapes`, `tau` the progress in [0, 1].
    """

    phase: int
    source: int
    shape: int
    images: bool
    tau: float
    clips: np.ndarray
    tasks: np.ndarray


class Chosen(NamedTuple):
    """What one sample is; the fields are those of `Block`.

    `conditioned` is the sample by whose number its conditions are drawn, None for its own.
    """

    source: int
    clip: int
    task: int
    shape: int
    images: bool
    tau: float
    conditioned: int | None = None


class Drawing(Protocol):
    """What the loader asks: which clip of which source a sample shows. It can be pickled."""

    sources: tuple[str, ...]

    def __call__(self, index: int) -> Chosen:
        """Return what sample `index` is."""

    def redraw(self, index: int, attempt: int) -> Chosen:
        """Return what it is where the clips of `attempt` draws (≥ 1) cannot be used."""


class Selection:
    """The map from sample indices to clips: pure, picklable, safe to call from threads.

    `samples` is the length over which τ runs from 0 to 1 (default: all phases together; without an
    end, τ is 1 throughout). Past its last phase a selection goes on as in it. `sources` are the
    names of the sources in the order in which the phases name them first; one `Source` in several
    phases is one. A selection holds 12 bytes for each clip that can be drawn.
    Raises ValueError for phases after an endless one, a curriculum without an end, and a source
    of which nothing can be drawn or whose columns are wrong, with the clip's number.
    """

    def __init__(
        self,
        phases: Sequence[Phase],
        seed: int,
        *,
        curriculum: Curriculum | None = None,
        samples: int | None = None,
        block: int = 64,
    ) -> None:
        if block < 1:
            raise ValueError(f"a block needs samples, and one of {block} is asked for")
        self._seed, self._block, self._curriculum = seed, block, curriculum
        self._starts, total = _starts(phases)
        self._samples = total if samples is None else samples
        if curriculum is not None and self._samples is None:
            raise ValueError("a curriculum needs the number of samples that it runs over")
        if self._samples is not None and self._samples < 1:
            raise ValueError(f"τ runs over samples, and {self._samples} of them are given")
        distinct = {id(source): source for phase in phases for source in phase.sources}
        self.sources = tuple(source.name for source in distinct.values())
        self._shelves = [Shelves(source, curriculum) for source in distinct.values()]
        places = {key: place for place, key in enumerate(distinct)}
        self._mixtures = [
            _Mixture(phase, tuple(places[id(source)] for source in phase.sources))
            for phase in phases
        ]
        self._check_start()
        self._remember()

    def draw(self, block_number: int) -> Block:
        """Return block `block_number`; its arrays are read-only.

        Raises ValueError for a negative number.
        """
        return self._cached(block_number)

    def __call__(self, index: int) -> Chosen:
        """Return what sample `index` is."""
        number, row = divmod(index, self._block)
        block = self._cached(number)
        return Chosen(
            block.source,
            int(block.clips[row]),
            int(block.tasks[row]),
            block.shape,
            block.images,
            block.tau,
        )

    def redraw(self, index: int, attempt: int) -> Chosen:
        """Return what sample `index` is where the clips of `attempt` draws (≥ 1) cannot be used.

        Only the clip is another, drawn from the same distribution over the same source and shape.
        """
        number, row = divmod(index, self._block)
        block = self._cached(number)
        form = block_generator(self._seed, number, "block").random(3)[2]
        uniform = block_generator(self._seed, number, "redraw").random((attempt, self._block, 2))
        to_bucket, to_clip = uniform[-1, row]
        shelves, weights = self._shelves[block.source], self._weights(block.tau)
        _, clips = shelves.draw(weights, form, np.array([to_bucket]), np.array([to_clip]))
        return self(index)._replace(clip=int(clips[0]))

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_cached"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._remember()

    def _remember(self) -> None:
        self._cached = functools.lru_cache(maxsize=CACHED_BLOCKS)(self._draw)

    def _draw(self, number: int) -> Block:
        random = block_generator(self._seed, number, "block")
        kind, origin, form = random.random(3)
        to_bucket, to_clip, to_task = random.random((3, self._block))
        first = number * self._block
        phase = bisect_right(self._starts, first) - 1
        mixture, tau = self._mixtures[phase], self._progress(first)
        images = bool(kind < mixture.images)
        edges = mixture.image_edges if images else mixture.video_edges
        source = mixture.places[int(pick(edges, origin))]
        shape, clips = self._shelves[source].draw(self._weights(tau), form, to_bucket, to_clip)
        tasks = np.where(to_task < mixture.plain, T2V, I2V)
        if images:
            tasks = np.full(self._block, T2I)
        clips.flags.writeable = tasks.flags.writeable = False
        return Block(phase, source, shape, images, tau, clips, tasks)

    def _progress(self, first: int) -> float:
        return 1.0 if self._samples is None else min(1.0, first / self._samples)

    def _weights(self, tau: float) -> np.ndarray | None:
        return None if self._curriculum is None else schedule(tau, self._curriculum)

    def _check_start(self) -> None:
        """Raise ValueError where the curriculum leaves nothing; weights only rise from there on."""
        for start, mixture in zip(self._starts, self._mixtures, strict=True):
            tau = self._progress(start)
            for place in mixture.places:
                if not self._shelves[place].mass(self._weights(tau)) > 0:
                    assert self._curriculum is not None
                    raise ValueError(
                        f"a curriculum with gamma {self._curriculum.gamma:g} and beta "
                        f"{self._curriculum.beta:g} leaves nothing of source "
                        f"{self.sources[place]!r} to draw at τ = {tau:g}"
                    )


def moving_ratio(first: Ratio, last: Ratio, phases: int) -> tuple[Ratio, ...]:
    """Return the task ratio of each of `phases` sub-stages, moving evenly from `first` to `last`.

    Section 5.1 moves T2I : T2V : I2V from 0.5 : 0.3 : 0.2 to 0.2 : 0.4 : 0.4. One phase has
    `first`. Raises ValueError for ratios that are no proportions, or no phases.
    """
    if phases < 1:
        raise ValueError(f"a ratio moves along phases, and {phases} of them are given")
    for ratio in (first, last):
        check_ratio(ratio)
    steps = np.linspace(0, 1, phases)[:, None]
    # Divided first, so that 5 : 3 : 2 moves as 0.5 : 0.3 : 0.2 does.
    begin, end = (np.array(ratio, np.float64) / sum(ratio) for ratio in (first, last))
    rows = (1 - steps) * begin + steps * end
    return tuple((float(row[0]), float(row[1]), float(row[2])) for row in rows)


class _Mixture:
    """A phase as a block draws from it: places of its sources, cumulative shares, task shares."""

    def __init__(self, phase: Phase, places: tuple[int, ...]) -> None:
        self.places = places
        self.image_edges = np.cumsum(np.asarray(phase.shares, np.float64))
        self.video_edges = np.cumsum(_video_shares(phase))
        images, plain, referenced = phase.ratio
        self.images = images / (images + plain + referenced)
        self.plain = plain / (plain + referenced) if plain + referenced else 0.0


def _video_shares(phase: Phase) -> np.ndarray:
    """The shares of a phase's sources in its blocks of video."""
    moving = [not source.stills for source in phase.sources]
    return np.asarray(phase.shares, np.float64) * moving


def _starts(phases: Sequence[Phase]) -> tuple[list[int], int | None]:
    """The first sample of every phase, and the samples of all (None without an end)."""
    if not phases:
        raise ValueError("a selection needs a phase, and none is given")
    starts, end = [], 0
    for place, phase in enumerate(phases):
        starts.append(end)
        if phase.samples is None:
            if place + 1 < len(phases):
                raise ValueError(
                    f"phase {place + 1} of {len(phases)} goes on to the end: only the last phase "
                    "may leave out its samples"
                )
            return starts, None
        end += phase.samples
    return starts, end


def check_ratio(ratio: Ratio) -> None:
    """Raise ValueError for a task ratio T2I : T2V : I2V that is no proportions."""
    _check_proportions(ratio, "task ratio T2I : T2V : I2V", len(TASKS))


def _check_proportions(values: Sequence[float], what: str, count: int) -> None:
    numbers = np.asarray(values, np.float64)
    shown = ", ".join(f"{value:g}" for value in numbers.ravel())
    if numbers.shape != (count,):
        raise ValueError(f"the {what} must be {count} numbers, and ({shown}) is given")
    if not (np.isfinite(numbers).all() and (numbers >= 0).all() and numbers.sum() > 0):
        raise ValueError(f"the {what} must be numbers ≥ 0, not all 0, and ({shown}) is given")
