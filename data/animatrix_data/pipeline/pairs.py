"""Preference pairs through the loader: a pair is read as one clip, the winner's frames first.

A *place* is a (pair, draw): row pair·draws + draw. A pair's conditions, its sigma and its noise are
fixed by the draw (decision 10), so that what a reference model makes of a place is known once and
for all. Each place therefore has its conditions drawn as the sample of its own number.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import pyarrow as pa

from animatrix_data.corpus.pairs import TASKS, Pairs
from animatrix_data.pipeline.buckets import Shape
from animatrix_data.pipeline.conditioning import Perturbation, Wording
from animatrix_data.pipeline.sources import ClipTexts, Feed, FrameRows, Rows
from animatrix_data.pipeline.stages import feed_sources
from animatrix_data.sampling.selection import I2V, T2V, Chosen, Phase, Selection
from animatrix_data.taxonomy import Directive

VIDEOS = (0.0, 1.0, 0.0)
"""T2I : T2V : I2V of a selection whose tasks the pairs say."""


class Places:
    """The places of pairs, `draws` each: which clips they show, as what.

    `tasks` int64 [pairs] are task ids.
    """

    def __init__(self, pairs: Pairs, draws: int) -> None:
        if draws < 1:
            raise ValueError(f"draws is how many of sigma and noise a pair has, not {draws}")
        self.pairs, self.draws = pairs, draws
        tasks = {TASKS[0]: T2V, TASKS[1]: I2V}
        self.tasks = np.array([tasks[row.task] for row in pairs.rows], np.int64)

    def __len__(self) -> int:
        return len(self.pairs) * self.draws

    def pair_and_draw(self, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the pair and the draw of places, each uint32 of their shape."""
        pair, draw = np.divmod(place, self.draws)
        return pair.astype(np.uint32), draw.astype(np.uint32)

    def rows_of(self, pairs: np.ndarray) -> np.ndarray:
        """Return the places of some pairs, int64, all draws of each."""
        return (np.asarray(pairs)[:, None] * self.draws + np.arange(self.draws)).ravel()

    def show(self, chosen: Chosen) -> Chosen:
        """Return a sample that was given a place: its pair's task, its place's conditions."""
        task = int(self.tasks[chosen.clip // self.draws])
        return chosen._replace(task=task, conditioned=chosen.clip)

    def feed(self, clips: Feed) -> Feed:
        """Return what reads the places, from what reads the corpus' clips.

        Raises ValueError where a clip of a pair cannot be read, naming both.
        """
        reader = (PairFrames if clips.gives_frames else PairLatents)(self, clips)
        return Feed(
            clips.name,
            PairTexts(self, clips.texts),
            reader,
            None,
            clips.wordings,
            clips.wording_seed,
        )


class PairTexts(ClipTexts):
    """The words of places: the winner's."""

    def __init__(self, places: Places, texts: ClipTexts) -> None:
        self._places, self._texts = places, texts

    def __getstate__(self) -> dict[str, object]:
        return vars(self)

    def __setstate__(self, state: dict[str, object]) -> None:
        vars(self).update(state)

    def __len__(self) -> int:
        return len(self._places)

    @property
    def ids(self) -> pa.Array:
        """The pairs' ids, a draw each."""
        return pa.array(_ids(self._places))

    def __call__(self, row: int) -> Directive:
        """Return the winner's directive; raises ValueError as `ClipTexts`."""
        return self._texts(self._winner(row))

    def wordings(self, row: int, count: int, rates: Perturbation, seed: int) -> tuple[Wording, ...]:
        """Return the winner's `count` texts, as they were made for its states."""
        return self._texts.wordings(self._winner(row), count, rates, seed)

    def _winner(self, row: int) -> int:
        return self._places.pairs.winners[row // self._places.draws]


class _PairReader:
    """What latents and frames of places have in common: their rows."""

    def __init__(self, places: Places, clips: Feed) -> None:
        self._places, self._clips = places, clips
        self.skipped: dict[str, str] = {}
        _check_readable(places.pairs, clips)

    @cached_property
    def meta(self) -> Rows:
        """The places, of twice as many frames as their clips have."""
        buckets, found = self._clips.reader.meta.buckets, list[Shape | None]()
        for winner in self._places.pairs.winners:
            shape = buckets[winner]
            assert shape is not None, "clips of pairs were held to be readable"
            found += [(2 * shape[0], *shape[1:])] * self._places.draws
        return FrameRows(tuple(_ids(self._places)), tuple(found))

    def _both(self, row: int) -> tuple[int, int]:
        pairs, pair = self._places.pairs, row // self._places.draws
        return pairs.winners[pair], pairs.losers[pair]


class PairLatents(_PairReader):
    """Cached latents of places, [2t, h, w, z]: the winner's, then the loser's."""

    def read_latents(self, row: int) -> np.ndarray:
        """Return the latents of both clips."""
        return np.concatenate([self._clips.latents.read_latents(clip) for clip in self._both(row)])

    def read_reference(self, row: int) -> np.ndarray:
        """Return the winner's reference latents, twice."""
        reference = self._clips.latents.read_reference(self._both(row)[0])
        return np.concatenate([reference, reference])

    def text(self, row: int, wording: int) -> np.ndarray:
        """Return the text states of one of the winner's wordings."""
        return self._clips.latents.text(self._both(row)[0], wording)

    def blank_for(self, bucket: Shape) -> np.ndarray:
        """Return the encoding of a clip of all-zero frames, twice."""
        blank = self._clips.latents.blank_for((bucket[0] // 2, *bucket[1:]))
        return np.concatenate([blank, blank])


class PairFrames(_PairReader):
    """Decoded frames of places, [2T, H, W, 3]: the winner's, then the loser's."""

    def frames(self, row: int, count: int) -> np.ndarray:
        """Return the first `count` / 2 frames of both clips."""
        read = self._clips.frames.frames
        return np.concatenate([read(clip, count // 2) for clip in self._both(row)])


class PairSelection(Selection):
    """The selection of places, all of `rows` as often; else as `Selection`, whose seed decides."""

    def __init__(self, places: Places, feed: Feed, rows: np.ndarray, seed: int, block: int) -> None:
        weights = np.zeros(len(places))
        weights[rows] = 1.0
        super().__init__(
            [Phase(None, VIDEOS, feed_sources([feed], [weights], [None]))], seed, block=block
        )
        self._places = places

    def __call__(self, index: int) -> Chosen:
        """Return what sample `index` is."""
        return self._places.show(super().__call__(index))

    def first(self, samples: int) -> np.ndarray:
        """Return the places int64 [samples] of the first samples, in order."""
        blocks = range(-(-samples // self._block))
        return np.concatenate([self.draw(number).clips for number in blocks])[:samples]


class PlaceSequence:
    """Places one after another, for each expert its own, as a selection that the loader takes.

    Sample i is of expert i mod `experts`. `rows` are each expert's places; a batch of `batch`
    samples has one shape, and where an expert has not enough of it, its last or any of the shape
    comes again. After the end it starts anew.
    """

    def __init__(self, places: Places, feed: Feed, rows: Sequence[np.ndarray], batch: int) -> None:
        self.sources: tuple[str, ...] = (feed.name,)
        self._places, self._batch = places, batch
        buckets, each = feed.reader.meta.buckets, batch // len(rows)
        shapes = sorted({buckets[row] for own in rows for row in own.tolist()} - {None})
        parts = []
        for shape in shapes:
            of_shape = [own[[buckets[row] == shape for row in own.tolist()]] for own in rows]
            anything = next(own for own in of_shape if len(own))[-1:]
            length = -(-max(map(len, of_shape)) // each) * each
            parts.append([_padded(own, length, anything) for own in of_shape])
        self._order = np.concatenate(parts, axis=1) if parts else np.zeros((len(rows), 0), int)

    @property
    def batches(self) -> int:
        """How many batches hold them all."""
        return self._order.size // self._batch

    def __call__(self, index: int) -> Chosen:
        """Return what sample `index` is."""
        column, expert = divmod(index % self._order.size, len(self._order))
        row = int(self._order[expert, column])
        return self._places.show(Chosen(0, row, T2V, 0, images=False, tau=1.0))

    def redraw(self, index: int, attempt: int) -> Chosen:
        """Return the same: nothing stands for a place but itself."""
        return self(index)


def _padded(rows: np.ndarray, length: int, anything: np.ndarray) -> np.ndarray:
    """Return rows [length], the last one repeated."""
    last = rows[-1:] if len(rows) else anything
    return np.concatenate([rows, np.repeat(last, length - len(rows))])


def split_pairs(pairs: Pairs, held_out: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs to train on and the last `held_out`, to measure on, as places in the table.

    A pair that shares a clip with a held-out one is in neither. Raises ValueError where nothing is
    left to train on.
    """
    first = len(pairs) - held_out
    clips = {clip for k in range(max(first, 0), len(pairs)) for clip in _clips(pairs, k)}
    rows = [k for k in range(max(first, 0)) if not clips & set(_clips(pairs, k))]
    if not rows:
        raise ValueError(
            f"held_out {held_out} leaves nothing of the {len(pairs)} pairs to train on: those that "
            "share a clip with them are left out, too"
        )
    return np.array(rows, np.int64), np.arange(first, len(pairs))


def _clips(pairs: Pairs, pair: int) -> tuple[int, int]:
    return pairs.winners[pair], pairs.losers[pair]


def _ids(places: Places) -> list[str]:
    return [row.id for row in places.pairs.rows for _ in range(places.draws)]


def _check_readable(pairs: Pairs, clips: Feed) -> None:
    """Raise ValueError for a pair whose clips cannot be read, or come in different shapes."""
    meta, readable, skipped = clips.reader.meta, clips.readable, clips.reader.skipped
    for row, winner, loser in zip(pairs.rows, pairs.winners, pairs.losers, strict=True):
        for clip in (winner, loser):
            if not readable[clip]:
                name = meta.ids[clip]
                why = skipped.get(name, "it has no shape")
                raise ValueError(f"clip {name!r} of pair {row.id!r} cannot be read: {why}")
        if meta.buckets[winner] != meta.buckets[loser]:
            raise ValueError(f"the clips of pair {row.id!r} are read in different shapes")
