"""The clips of a flow run: which are drawn how often, where they are read, how they reach a step.

The data package draws and reads; here stands what needs a model: latents made of frames, states
made of text, numbers made float32, all put on the device ahead of their step.
"""

import sys
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from animatrix_data.corpus.catalogue import Catalogue, read_catalogue
from animatrix_data.corpus.latents import LatentCache
from animatrix_data.pipeline.collate import BadClips
from animatrix_data.pipeline.conditioning import Perturbation
from animatrix_data.pipeline.loader import Loader, LoaderSettings, make_loader
from animatrix_data.pipeline.sources import ClipTexts, DecodedFrames, Feed
from animatrix_data.pipeline.stages import (
    FIRST_RATIO,
    LAST_RATIO,
    SubStage,
    feed_sources,
    make_phases,
)
from animatrix_data.sampling.balance import ALPHA, Pool, Target, balance_weights, target_weights
from animatrix_data.sampling.curriculum import Curriculum, difficulty, difficulty_buckets
from animatrix_data.sampling.selection import I2V, Phase, Ratio, Selection
from animatrix_data.sampling.shelves import Source
from animatrix_data.sampling.table import ClipTable, table_of
from animatrix_data.sampling.tiers import SHORTEST, stage_rows
from animatrix_jax.jobs import encode
from animatrix_jax.runtime.model import Model
from animatrix_jax.runtime.tokenizer import make_tokenizer
from animatrix_jax.training.state import Batch

MEMORY_LIMIT = 3 * 2**30
"""Bytes up to which the latents of a corpus are held in memory."""
AHEAD = 2
"""Batches that are on the device, or on their way, before their step."""


@dataclass(frozen=True)
class Balance:
    """How the long tail is evened out: eq. 2 with `alpha`, then the (style, content) pool.

    `minimum` is the least share of the draws of every pair, `most` the bound on repetition
    (`sampling.balance.Pool`); without either there is no pool.
    """

    alpha: float = ALPHA
    minimum: float | None = None
    most: float | None = None

    def weights(self, table: ClipTable) -> np.ndarray:
        """Return the weights of the clips of `table`."""
        pool = None
        if self.minimum is not None or self.most is not None:
            pool = Pool(self.minimum or 0.0, self.most)
        return balance_weights(table, self.alpha, pool)


@dataclass(frozen=True, kw_only=True)
class FlowData:
    """What a flow experiment says of its clips.

    `cache` is where the latents of `corpus` are, or are put first; None decodes and encodes clips
    as they are drawn. `substages` are progressive resolutions with caches and ratios of their own
    (section 5.1), in place of `cache` and `task_ratio` (T2I : T2V : I2V). `stage` CT, SFT, QT or
    DPO says which tiers are used, a clip shorter than `shortest` seconds being of tier B; the last
    `held_out` of these clips are only measured on. `balance` (section 3.6) or `target` (5.3) weigh
    clips, else all are alike; `curriculum` (5.2) brings difficult clips later and lets prompts
    grow. `text` is encoded live, or cached: `wordings` texts a clip, encoded once. `workers`
    processes read ahead, 0 for a thread of this one; `on_bad` is the loader's.
    """

    corpus: Path
    cache: Path | None
    vae: Path
    text_encoder: Path
    steps: int
    batch: int
    substages: tuple[SubStage, ...] = ()
    task_ratio: Ratio = LAST_RATIO
    stage: str = "CT"
    shortest: float = SHORTEST
    held_out: int = 64
    perturbation: Perturbation = Perturbation()
    balance: Balance | None = None
    target: Target | None = None
    curriculum: Curriculum | None = None
    text: Literal["live", "cached"] = "live"
    wordings: int = 8
    workers: int = 0
    on_bad: str = "skip"

    def __post_init__(self) -> None:
        if self.balance is not None and self.target is not None:
            raise ValueError("clips are weighed by a balance or by a target, not by both")

    @property
    def all_substages(self) -> tuple[SubStage | None, ...]:
        """The sub-stages; one None where clips keep their shapes throughout."""
        return self.substages or (None,)


class FlowClips:
    """The clips of a run, ready to be drawn: latents are encoded first where a cache is asked for.

    `text_length` is the encoder's; batches are laid out for `experts`, with references where the
    model has any (`referenced`). Raises ValueError for a corpus that cannot be trained on.
    """

    def __init__(
        self,
        settings: FlowData,
        seed: int,
        vae: Model,
        text: Model,
        text_length: int,
        experts: int,
        referenced: bool,
    ) -> None:
        self._settings, self._seed = settings, seed
        self._vae, self._text, self._text_length = vae, text, text_length
        self._experts, self._referenced = experts, referenced
        self._catalogue, self._bad = read_catalogue(settings.corpus), BadClips()
        self._table = table_of(self._catalogue)
        self._train_rows, self._held_out_rows = split_rows(self._table, settings)
        self._buckets, self._difficulty = self._levels()
        self._blank = cache(vae.blank_reference)
        words = ClipTexts(self._catalogue)
        self._feeds = [self._feed(words, stage) for stage in settings.all_substages]

    @property
    def catalogue(self) -> Catalogue:
        """The corpus."""
        return self._catalogue

    @property
    def held_out(self) -> int:
        """How many clips are only measured on."""
        return len(self._held_out_rows)

    def train(self, start: int) -> Iterator[Batch]:
        """Yield the batches of step `start`, `start` + 1, … on the device, made ahead of use.

        What could not be read is named on stderr when the iterator is closed.
        """
        loader = self._loader(self._selection, self._feeds, start * self._settings.batch)
        waiting: deque[Batch] = deque()
        try:
            for batch in loader:
                # Nothing here waits for the device: it works on these while the step runs.
                waiting.append(self._ready(batch))
                if len(waiting) > AHEAD:
                    yield waiting.popleft()
        finally:
            loader.close()
            for line in self._bad.lines():
                print(line, file=sys.stderr)

    def measure(self, count: int) -> Iterator[Batch]:
        """Yield `count` batches of the held-out clips, the same at every call, videos alone."""
        loader = self._loader(self._held_out_selection, self._feeds[-1:], 0, workers=0)
        try:
            for _ in range(count):
                yield self._ready(next(loader))
        finally:
            loader.close()

    def _loader(
        self, selection: Selection, feeds: list[Feed], start: int, workers: int | None = None
    ) -> Loader:
        s = self._settings
        loader = LoaderSettings(
            s.batch,
            self._seed,
            s.perturbation,
            start=start,
            workers=s.workers if workers is None else workers,
            on_bad=s.on_bad,
            references=self._referenced,
        )
        tokenize = None
        if s.text == "live":
            tokenizer = self._text.card.tokenizer
            tokenize = make_tokenizer(tokenizer, self._text_length, self._text.folder)
        return make_loader(selection, feeds, loader, tokenize, self._text_length, self._bad)

    @cached_property
    def _selection(self) -> Selection:
        s = self._settings
        sources = self._sources(self._train_rows, self._weigh, self._feeds)
        phases: tuple[Phase, ...] = (Phase(None, s.task_ratio, sources[:1]),)
        if s.substages:
            phases = make_phases(s.substages, sources, FIRST_RATIO, LAST_RATIO)
        return Selection(phases, self._seed, curriculum=s.curriculum, samples=s.steps * s.batch)

    @cached_property
    def _held_out_selection(self) -> Selection:
        s = self._settings
        ratio = (s.substages[-1].ratio or LAST_RATIO) if s.substages else s.task_ratio
        videos = (0.0, *ratio[1:]) if sum(ratio[1:]) else ratio
        sources = self._sources(self._held_out_rows, _even, self._feeds[-1:])
        return Selection([Phase(None, videos, sources)], self._seed)

    def _weigh(self, table: ClipTable) -> np.ndarray:
        s = self._settings
        if s.balance is not None:
            return s.balance.weights(table)
        return _even(table) if s.target is None else target_weights(table, s.target)

    def _sources(
        self, rows: np.ndarray, weigh: Callable[[ClipTable], np.ndarray], feeds: list[Feed]
    ) -> tuple[Source, ...]:
        """Return the feeds as sources of which `rows` alone are drawn, if they can be read."""
        weights = []
        for feed in feeds:
            own = rows[feed.readable[rows]]
            whole = np.zeros(len(self._table))
            if len(own):
                whole[own] = weigh(self._table.take(own))
            weights.append(whole)
        return feed_sources(feeds, weights, [self._buckets] * len(feeds))

    def _levels(self) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Return every clip's difficulty bucket and D(b), by the quantiles of the stage's clips."""
        if self._settings.curriculum is None:
            return None, None
        quantiles = self._settings.curriculum.quantiles
        buckets = np.zeros(len(self._table), np.int32)
        rows = np.concatenate([self._train_rows, self._held_out_rows])
        buckets[rows] = difficulty_buckets(self._table.scores[rows], quantiles)
        return buckets, difficulty(quantiles)[buckets].astype(np.float32)

    def _feed(self, words: ClipTexts, stage: SubStage | None) -> Feed:
        s, name = self._settings, str(self._settings.corpus)
        folder = s.cache if stage is None else stage.cache
        edge, frames = (None, None) if stage is None else (stage.edge, stage.frames)
        if edge is not None:
            name = f"{name} at {edge} px, {frames} frames"
        if folder is None:
            if s.text == "cached":
                raise ValueError("cached text states are kept beside cached latents: give a cache")
            shapes, _ = encode.fit_clips(self._catalogue, self._vae, edge, frames)
            return Feed(name, words, DecodedFrames(self._catalogue, shapes), self._difficulty)
        wordings = s.wordings if s.text == "cached" else 0
        encode.run(
            s.corpus,
            s.vae,
            folder,
            edge=edge,
            frames=frames,
            wordings=wordings,
            text_encoder=s.text_encoder if wordings else None,
            text_length=self._text_length if wordings else None,
            rates=s.perturbation,
        )
        reader = LatentCache.open(folder, memory_limit=MEMORY_LIMIT)
        reader.check_complete()
        return Feed(name, words, reader, self._difficulty, wordings)

    def _ready(self, batch: Batch) -> Batch:
        """Return a batch on the device as the step takes it; nothing waits for it."""
        batch = dict(batch)
        if "text_ids" in batch:
            batch["text"] = self._text.encode_ids(batch.pop("text_ids"))
        if "frames" in batch:
            batch |= self._encode(batch.pop("frames"), batch["task"])
        for name in {"latents", "reference", "text"} & set(batch):
            # As it is kept, half as many bytes go to the device; there it is made float32.
            batch[name] = jax.device_put(batch[name]).astype(jnp.float32)

        def lay_out(x: jax.Array) -> jax.Array:
            return jax.device_put(x.reshape(self._experts, -1, *x.shape[2:]))

        return jax.tree.map(lay_out, batch)

    def _encode(self, frames: np.ndarray, task: np.ndarray) -> Batch:
        """Return the latents and the reference latents of frames [E, b, T, H, W, 3]."""
        flat = jnp.asarray(frames.reshape(-1, *frames.shape[2:]))
        latents = self._vae.encode_video(flat)
        shape = (*task.shape, *latents.shape[1:])
        made = {"latents": latents.reshape(shape)}
        if self._referenced:
            reference = jnp.broadcast_to(self._blank(*frames.shape[2:5]), latents.shape)
            if (task == I2V).any():
                given = jnp.asarray(task.reshape(-1, 1, 1, 1, 1) == I2V)
                reference = jnp.where(given, self._vae.encode_reference(flat), reference)
            made["reference"] = reference.reshape(shape)
        return made


def split_rows(table: ClipTable, settings: FlowData) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of the stage's clips: those to train on, and the last, held out."""
    rows = stage_rows(table, settings.stage, settings.shortest)
    if not 0 < settings.held_out < len(rows):
        raise ValueError(
            f"held_out {settings.held_out} leaves nothing of the {len(rows)} clips of stage "
            f"{settings.stage} in {settings.corpus} to train on"
        )
    return rows[: -settings.held_out], rows[-settings.held_out :]


def _even(table: ClipTable) -> np.ndarray:
    return np.ones(len(table))
