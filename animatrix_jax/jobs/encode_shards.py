"""The work of `animatrix encode`: clips read ahead, encoded on all devices, written by shards.

A shard of the cache (up to 32 clips) is on disk whole or encoded again, in the same batches. While
the devices work on one batch, threads decode the next clips and one writes the shard before.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from animatrix_data.corpus.clip_files import ClipFiles
from animatrix_data.corpus.latent_meta import TextMeta
from animatrix_data.corpus.latents import LatentCache, Shard
from animatrix_data.pipeline.buckets import Bucket, Shape, fit_frames
from animatrix_data.pipeline.conditioning import Perturbation
from animatrix_data.pipeline.sources import ClipTexts
from animatrix_data.progress import Ticker, ticking
from animatrix_jax.runtime.model import Model
from animatrix_jax.runtime.tokenizer import make_tokenizer
from animatrix_jax.runtime.video import Tiling

MOST_THREADS = 8
TEXTS_AT_ONCE = 32


@dataclass(frozen=True)
class Devices:
    """The devices of this host: `replicated` puts a copy on each, `shared` a part of a batch."""

    count: int
    replicated: NamedSharding
    shared: NamedSharding

    @classmethod
    def local(cls) -> "Devices":
        """Return all that this process has."""
        devices = jax.local_devices()
        mesh = jax.make_mesh(
            (len(devices),), ("data",), axis_types=(AxisType.Auto,), devices=devices
        )
        return cls(
            len(devices),
            NamedSharding(mesh, PartitionSpec()),
            NamedSharding(mesh, PartitionSpec("data")),
        )

    def whole(self, batch: int) -> int:
        """Return `batch` rounded up to a multiple of the devices."""
        return -(-batch // self.count) * self.count


@dataclass(frozen=True)
class Wordings:
    """Which texts a clip has: `count` of `cached_wordings` by these rates and this seed."""

    count: int
    rates: Perturbation
    seed: int

    @property
    def said(self) -> str:
        """What of the rates changes the texts."""
        conflicts = "with" if self.rates.p_conflict else "without"
        return f"synonyms at {self.rates.p_synonym:g}, {conflicts} conflicts"


class Clip(NamedTuple):
    """One clip as it is encoded: frames uint8 [T, H, W, 3] and its texts."""

    frames: np.ndarray
    texts: tuple[str, ...]


@dataclass(frozen=True)
class ClipReader:
    """Reads clips of a corpus: decoded, checked against the catalogue, fitted to their shapes.

    `shapes` is what every row is encoded as; with `fits` that is a bucket of a sub-stage.
    """

    files: ClipFiles
    shapes: tuple[Shape | None, ...]
    fits: bool
    texts: ClipTexts
    words: Wordings

    def read(self, row: int) -> Clip | str:
        """Return the clip of a row, or why it cannot be used."""
        try:
            # Words first: they are checked even where none are encoded, and cost no decoding.
            self.texts(row)
            texts: tuple[str, ...] = ()
            if self.words.count:
                found = self.texts.wordings(row, *self._words())
                texts = tuple(wording.text for wording in found)
            return Clip(self._frames(row), texts)
        except (ValueError, OSError) as error:
            return " ".join(str(error).split()).removeprefix(f"clip {self.files.ids[row]!r}: ")

    def _words(self) -> tuple[int, Perturbation, int]:
        return self.words.count, self.words.rates, self.words.seed

    def _frames(self, row: int) -> np.ndarray:
        frames, shape = self.files.frames(row), self.shapes[row]
        assert shape is not None, "a clip without a shape is in no shard"
        return fit_frames(frames, Bucket(*shape)) if self.fits else frames


class TextStates:
    """Encodes texts into the states of their real tokens."""

    def __init__(self, model: Model, length: int, words: Wordings, devices: Devices) -> None:
        self.meta = TextMeta(
            model.text_digest, words.count, length, model.text_config.dim, words.said, words.seed
        )
        self._model, self._devices = model, devices
        self._tokenize = make_tokenizer(model.card.tokenizer, length, model.folder)

    def __call__(self, texts: Sequence[tuple[str, ...]]) -> list[list[np.ndarray]]:
        """Return the states [L, width] of every text of every clip."""
        distinct = list(dict.fromkeys(text for own in texts for text in own))
        batch, states = self._devices.whole(TEXTS_AT_ONCE), dict[str, np.ndarray]()
        for start in range(0, len(distinct), batch):
            some = distinct[start : start + batch]
            ids = self._tokenize(some + [""] * (batch - len(some)))
            placed: Any = jax.device_put(ids, self._devices.shared)
            found = np.asarray(self._model.encode_ids(placed))
            lengths = (ids != 0).sum(axis=-1)
            states |= {text: found[k, : lengths[k]] for k, text in enumerate(some)}
        return [[states[text] for text in own] for own in texts]


@dataclass
class ShardEncoder:
    """Encodes shards of a cache; `batch` clips go through the VAE at once, shared by `devices`."""

    cache: LatentCache
    reader: ClipReader
    model: Model
    states: TextStates | None
    devices: Devices
    batch: int
    tiling: Tiling | None

    def run(self, shards: Sequence[Shard], strict: bool, retry: bool) -> None:
        """Encode what is left of `shards`, with `retry` also what was skipped of them.

        Clips that cannot be used are skipped; with `strict` the first raises ValueError.
        """
        self._blanks(shards)
        wanted = set(self.cache.remaining.tolist())
        if retry:
            wanted |= {self.cache.row_of(clip) for clip in self.cache.skipped}
        work = [kept for shard in shards if (kept := [row for row in shard.rows if row in wanted])]
        if not work:
            return
        rows = [row for kept in work for row in kept]
        with (
            _threads(min(MOST_THREADS, os.cpu_count() or 1)) as readers,
            _threads(1) as writer,
            ticking("Encoding", len(rows)) as ticker,
        ):
            clips = _read_ahead(readers, self.reader.read, rows, 2 * self._whole)
            written: Future[None] | None = None
            for kept in work:
                job = self._encode(zip(kept, islice(clips, len(kept)), strict=True), strict, ticker)
                if written is not None:
                    written.result()
                written = writer.submit(job)
            if written is not None:
                written.result()

    @property
    def _whole(self) -> int:
        return self.devices.whole(self.batch)

    def _blanks(self, shards: Iterable[Shard]) -> None:
        """Write the blanks of buckets whose first shard is among `shards`."""
        first = {shard.bucket: shard for shard in reversed(self.cache.shards)}
        for shard in shards:
            if first[shard.bucket] == shard and not self.cache.has_blank(shard.bucket):
                shape = self.reader.shapes[shard.rows[0]]
                assert shape is not None
                blank = self.model.blank_reference(shape[0], shape[1], shape[2], self.tiling)
                self.cache.write_blank(shard.bucket, np.asarray(blank))

    def _encode(
        self, clips: Iterable[tuple[int, Clip | str]], strict: bool, ticker: Ticker
    ) -> Callable[[], None]:
        """Encode the clips of one shard; return what writes them."""
        rows: list[int] = []
        reasons: dict[int, str] = {}
        texts: list[tuple[str, ...]] = []
        waiting: list[np.ndarray] = []
        done: list[Any] = []

        def start() -> None:
            done.append(self._start(waiting))
            waiting.clear()
            # One batch behind: the devices are at work on this one while the last is fetched.
            if len(done) > 1:
                done[-2] = _fetch(done[-2])

        for row, clip in clips:
            ticker.advance()
            if isinstance(clip, str):
                if strict:
                    raise ValueError(f"clip {self.reader.files.ids[row]!r}: {clip}")
                reasons[row] = clip
                continue
            rows.append(row)
            texts.append(clip.texts)
            waiting.append(clip.frames)
            if len(waiting) == self._whole:
                start()
        if waiting:
            start()
        states = self.states(texts) if self.states else None
        parts = [_fetch(part) for part in done]

        def write() -> None:
            if rows:
                latents, reference = (np.concatenate(each) for each in zip(*parts, strict=True))
                self.cache.write(rows, latents[: len(rows)], reference[: len(rows)], states)
            if reasons:
                self.cache.skip(reasons)

        return write

    def _start(self, clips: Sequence[np.ndarray]) -> tuple[jax.Array, jax.Array]:
        # A short last batch is padded, so that one shape is compiled a bucket.
        frames = np.stack([*clips, *[clips[0]] * (self._whole - len(clips))])
        placed = jax.device_put(frames, self.devices.shared)
        return (
            self.model.encode_video(placed, self.tiling),
            self.model.encode_reference(placed, None, self.tiling),
        )


def _fetch(part: Sequence[Any]) -> list[np.ndarray]:
    return [np.asarray(array) for array in part]


@contextmanager
def _threads(count: int) -> Iterator[Executor]:
    """Yield an executor that, when left, drops what it has not begun."""
    executor = ThreadPoolExecutor(count)
    try:
        yield executor
    finally:
        executor.shutdown(cancel_futures=True)


def _read_ahead[Item](
    executor: Executor, read: Callable[[int], Item], rows: Iterable[int], ahead: int
) -> Iterator[Item]:
    """Yield what `read` returns for every row in order, at most `ahead` begun before asked for."""
    waiting: deque[Future[Item]] = deque()
    for row in rows:
        waiting.append(executor.submit(read, row))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
