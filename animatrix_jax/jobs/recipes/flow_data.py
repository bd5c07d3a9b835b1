"""The clips of a flow run: which are drawn how often, where they are read, how they reach a step.

The data package draws and reads; here stands what needs a model: latents made of frames, states
made of text, numbers made float32, all put on the device ahead of their step.
"""

import sys
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from animatrix_data.pipeline.collate import BadClips
from animatrix_data.pipeline.conditioning import BLOCK, Perturbation
from animatrix_data.pipeline.loader import Loader, LoaderSettings, make_loader
from animatrix_data.pipeline.sources import Feed
from animatrix_data.pipeline.stages import (
    FIRST_RATIO,
    LAST_RATIO,
    SubStage,
    feed_sources,
    make_phases,
)
from animatrix_data.sampling.balance import Target
from animatrix_data.sampling.curriculum import Curriculum, difficulty, difficulty_buckets
from animatrix_data.sampling.selection import (
    I2V,
    Drawing,
    Phase,
    Ratio,
    Selection,
    check_ratio,
)
from animatrix_data.sampling.tiers import SHORTEST, STAGE_TIERS
from animatrix_data.settings import near
from animatrix_jax.jobs.encode import Wanted
from animatrix_jax.jobs.recipes.flow_corpus import (
    Balance,
    CorpusClips,
    Ingredient,
    Weigh,
    even,
    weighing,
)
from animatrix_jax.parallel.batches import BatchPlacement
from animatrix_jax.runtime.model import Model
from animatrix_jax.runtime.tokenizer import make_tokenizer
from animatrix_jax.training.state import Batch

MEMORY_LIMIT = 3 * 2**30
"""Bytes up to which the latents of a corpus are held in memory."""
AHEAD = 2
"""Batches that are on the device, or on their way, before their step."""


@dataclass(frozen=True, kw_only=True)
class FlowData:
    """What a flow experiment says of its clips.

    `cache` is where the latents of `corpus` are, or are put first; None decodes and encodes clips
    as they are drawn. `mixture` are further corpora, each with its share of the blocks; what they
    leave is `corpus`'s. `substages` are progressive resolutions with caches and ratios of their own
    (section 5.1), in place of `cache` and `task_ratio` (T2I : T2V : I2V). `stage` CT, SFT, QT or
    DPO says which tiers are used, a clip shorter than `shortest` seconds being of tier B; the last
    `held_out` of these clips of `corpus` are only measured on. `balance` (section 3.6) or `target`
    (5.3) weigh the clips of each corpus, else all are alike; `curriculum` (5.2) brings difficult
    clips later and lets prompts grow. `text` is encoded live, or cached: `wordings` texts a clip
    where a cache is made, as many as it holds where one is there. `block` samples in a row share
    source and shape. `workers` processes read ahead, 0 for a thread of this one; `on_bad` is the
    loader's. Raises ValueError for what contradicts itself.
    """

    corpus: Path
    cache: Path | None
    vae: Path
    text_encoder: Path
    steps: int
    batch: int
    mixture: tuple[Ingredient, ...] = ()
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
    block: int = BLOCK
    workers: int = 0
    on_bad: str = "skip"

    def __post_init__(self) -> None:
        if self.balance is not None and self.target is not None:
            raise ValueError("clips are weighed by a balance or by a target, not by both")
        if self.stage not in STAGE_TIERS:
            raise ValueError(f"there is no stage {self.stage!r}{near(self.stage, STAGE_TIERS)}")
        if self.held_out < 1:
            raise ValueError(f"held_out must be 1 or more clips, not {self.held_out}")
        if not all(one.share > 0 for one in self.mixture) or not self.share > 0:
            raise ValueError(
                "the shares of a mixture must be above 0 and leave something of the corpus: they "
                f"are {', '.join(f'{one.share:g}' for one in self.mixture)}"
            )
        if self.text == "cached" and None in self.caches:
            raise ValueError("cached text states are kept beside cached latents: give a cache")
        if self.wordings < 1:
            raise ValueError(f"wordings is how many texts a clip has, 1 at least: {self.wordings}")
        for ratio in (self.task_ratio, *(stage.ratio for stage in self.substages)):
            if ratio is not None:
                check_ratio(ratio)
        self._check_length()
        self.loader(0, 0, referenced=False)

    @property
    def share(self) -> float:
        """The share of `corpus` in the blocks."""
        return 1.0 - sum(one.share for one in self.mixture)

    @property
    def stages(self) -> tuple[SubStage | None, ...]:
        """The sub-stages; one None where clips keep their shapes throughout."""
        return self.substages or (None,)

    @property
    def caches(self) -> tuple[Path | None, ...]:
        """The cache of every sub-stage of every corpus, those of `corpus` first in each."""
        found = []
        for stage in self.stages:
            found.append(self.cache if stage is None else stage.cache)
            found += [one.cache_of(stage) for one in self.mixture]
        return tuple(found)

    def loader(
        self,
        seed: int,
        start: int,
        *,
        referenced: bool,
        places: tuple[int, ...] | None = None,
        workers: int | None = None,
    ) -> LoaderSettings:
        """Return how batches are read from sample `start` on; ValueError as it raises."""
        return LoaderSettings(
            self.batch,
            seed,
            self.perturbation,
            block=self.block,
            start=start,
            places=places,
            workers=self.workers if workers is None else workers,
            on_bad=self.on_bad,
            references=referenced,
        )

    def _check_length(self) -> None:
        """Raise ValueError where sub-stages are not as long as the run."""
        lengths, samples = [s.samples for s in self.substages], self.steps * self.batch
        if not lengths:
            return
        if None in lengths[:-1]:
            raise ValueError("only the last sub-stage may leave out its samples")
        known = sum(length for length in lengths if length is not None)
        if known >= samples if lengths[-1] is None else known != samples:
            raise ValueError(
                f"the sub-stages hold {known:,} samples, and {self.steps:,} steps of "
                f"{self.batch} are {samples:,}"
            )


class FlowClips:
    """The clips of a run, ready to be drawn: latents are encoded first where a cache is asked for.

    Text states have at most `text_length` tokens, and the sides of sub-stages' buckets are
    multiples of `stride` pixels; batches go where `placement` says, with references where the
    model has any (`referenced`). Raises ValueError for a corpus that cannot be trained on, before
    anything is encoded where that can be told.
    """

    def __init__(
        self,
        settings: FlowData,
        seed: int,
        vae: Model,
        text: Model,
        *,
        text_length: int,
        stride: int,
        placement: BatchPlacement,
        referenced: bool,
    ) -> None:
        self._settings, self._seed = settings, seed
        self._vae, self._text, self._text_length = vae, text, text_length
        self._placement, self._referenced = placement, referenced
        self._blank = cache(vae.blank_reference)
        self._bad, self._stride = BadClips(), stride
        self._gather()

    def _gather(self) -> None:
        """Find the clips, what reads them, and how they are drawn."""
        s = self._settings
        corpora = [CorpusClips(s.corpus, s.stage, s.shortest, s.held_out)]
        corpora += [CorpusClips(one.corpus, s.stage, s.shortest, 0) for one in s.mixture]
        self._corpora = corpora
        self.held_out = len(corpora[0].held_out)
        weigh, last = weighing(s.balance, s.target), s.stages[-1]
        for (stage, own), folder in zip(self._all, s.caches, strict=True):
            own.check(self._wanted(stage), stage, folder, weigh, stage is last)
        buckets, levels = _levels(corpora, s.curriculum)
        # A worker process opens its own: there the memory of this one would be of no use.
        limit = 0 if s.workers else MEMORY_LIMIT
        hard = levels * len(s.stages)
        self._feeds = [
            own.feed(self._wanted(stage), stage, folder, difficult, limit)
            for (stage, own), folder, difficult in zip(self._all, s.caches, hard, strict=True)
        ]
        for feed, (_, own) in zip(self._feeds, self._all, strict=True):
            self._bad.leave_out(own.left_out(feed))
        self._selection: Drawing = self._to_train(weigh, buckets)
        self._measured = self._feeds[-len(corpora)]
        self._held_out_selection: Drawing = self._to_measure(corpora[0])

    @property
    def digests(self) -> dict[str, str]:
        """The digests of `corpus` and of the further corpora of the mixture, by number."""
        names = ["corpus", *(f"mixture_{k}" for k in range(1, len(self._corpora)))]
        return {name: own.digest for name, own in zip(names, self._corpora, strict=True)}

    @property
    def _all(self) -> list[tuple[SubStage | None, CorpusClips]]:
        """Every corpus in every sub-stage, in the order of the feeds."""
        return [(stage, own) for stage in self._settings.stages for own in self._corpora]

    def _wanted(self, stage: SubStage | None) -> Wanted:
        """Return what the caches of a sub-stage must hold."""
        s = self._settings
        return Wanted(
            self._vae,
            self._text,
            None if stage is None else stage.edge,
            None if stage is None else stage.counts,
            self._stride,
            s.wordings if s.text == "cached" else 0,
            self._text_length,
            s.perturbation,
        )

    def train(self, start: int) -> Iterator[Batch]:
        """Yield the batches of step `start`, `start` + 1, … on the device, made ahead of use.

        What could not be read is named on stderr when the iterator is closed.
        """
        s = self._settings
        loader = self._loader(self._selection, self._feeds, start * s.batch, s.workers)
        waiting: deque[Batch] = deque()
        try:
            for batch in loader:
                # The device works on these while the step runs.
                waiting.append(self._ready(batch, self._selection))
                if len(waiting) > AHEAD:
                    yield waiting.popleft()
        finally:
            loader.close()
            for line in self._bad.lines():
                print(line, file=sys.stderr)

    def measure(self, count: int) -> Iterator[Batch]:
        """Return `count` batches of the held-out clips, the same at every call, videos alone."""
        return self._some(self._held_out_selection, count)

    def _some(self, selection: Drawing, count: int) -> Iterator[Batch]:
        """Yield the first `count` batches of a selection of the measured clips."""
        loader = self._loader(selection, [self._measured], 0, workers=0)
        try:
            for _ in range(count):
                yield self._ready(next(loader), selection)
        finally:
            loader.close()

    def _loader(self, selection: Drawing, feeds: list[Feed], start: int, workers: int) -> Loader:
        s = self._settings
        loader = s.loader(
            self._seed,
            start,
            referenced=self._referenced,
            places=self._placement.places,
            workers=workers,
        )
        tokenize = None
        if s.text == "live":
            tokenizer = self._text.card.tokenizer
            tokenize = make_tokenizer(tokenizer, self._text_length, self._text.folder)
        return make_loader(selection, feeds, loader, tokenize, self._text_length, self._bad)

    def _to_train(self, weigh: Weigh, buckets: list[np.ndarray | None]) -> Selection:
        """Return the selection of the clips to train on."""
        s, count = self._settings, len(self._corpora)
        weights = [
            own.weights(own.rows, weigh, feed)
            for (_, own), feed in zip(self._all, self._feeds, strict=True)
        ]
        sources = feed_sources(self._feeds, weights, buckets * len(s.stages))
        drawn = [sources[start : start + count] for start in range(0, len(sources), count)]
        shares = (s.share, *(one.share for one in s.mixture))
        phases: tuple[Phase, ...] = (Phase(None, s.task_ratio, drawn[0], shares),)
        if s.substages:
            phases = make_phases(s.substages, drawn, FIRST_RATIO, LAST_RATIO, shares)
        samples = s.steps * s.batch
        return Selection(
            phases, self._seed, curriculum=s.curriculum, samples=samples, block=s.block
        )

    def _to_measure(self, corpus: CorpusClips) -> Selection:
        """Return the selection of the held-out clips at the last sub-stage."""
        s = self._settings
        ratio = (s.substages[-1].ratio or LAST_RATIO) if s.substages else s.task_ratio
        videos = (0.0, *ratio[1:]) if sum(ratio[1:]) else ratio
        weights = corpus.weights(corpus.held_out, even, self._measured)
        if not weights.any():
            raise ValueError(
                f"none of the {len(corpus.held_out)} held-out clips of {corpus.folder} can be read "
                f"as {self._measured.name} is: hold out more"
            )
        sources = feed_sources([self._measured], [weights], [None])
        return Selection([Phase(None, videos, sources)], self._seed, block=s.block)

    def _ready(self, batch: Batch, selection: Drawing) -> Batch:
        """Return a selection's batch on the device as the step takes it; nothing waits for it."""
        batch = dict(batch)
        if "text_ids" in batch:
            batch["text"] = self._text.encode_ids(batch.pop("text_ids"))
        if "frames" in batch:
            batch |= self._encode(batch.pop("frames"), batch["task"])
        placed: Batch = jax.tree.map(self._placement.put, batch)
        for name in {"latents", "reference", "text"} & set(batch):
            # As it is kept, half as many bytes go to the device; there it is made float32.
            placed[name] = placed[name].astype(jnp.float32)
        return placed

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


def _levels(
    corpora: list[CorpusClips], curriculum: Curriculum | None
) -> tuple[list[np.ndarray | None], list[np.ndarray | None]]:
    """Return every clip's difficulty bucket and D(b), by the quantiles of all clips of the stage.

    Lists of arrays [N], one a corpus; of None without a curriculum.
    """
    if curriculum is None:
        return [None] * len(corpora), [None] * len(corpora)
    scores = np.concatenate([corpus.table.scores[corpus.used] for corpus in corpora])
    found = difficulty_buckets(scores, curriculum.quantiles)
    hard = difficulty(curriculum.quantiles)
    buckets: list[np.ndarray | None] = []
    levels: list[np.ndarray | None] = []
    start = 0
    for corpus in corpora:
        own = np.zeros(len(corpus.table), np.int32)
        own[corpus.used] = found[start : start + len(corpus.used)]
        start += len(corpus.used)
        buckets.append(own)
        levels.append(hard[own].astype(np.float32))
    return buckets, levels
