"""One corpus of a flow run: its clips of the stage, how they are weighed, what reads them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from animatrix_data.corpus.clip_files import ClipFiles
from animatrix_data.pipeline.conditioning import Perturbation
from animatrix_data.pipeline.sources import ClipTexts, DecodedFrames, Feed
from animatrix_data.pipeline.stages import SubStage
from animatrix_data.sampling.balance import ALPHA, Pool, Target, balance_weights, target_weights
from animatrix_data.sampling.table import ClipTable, read_table
from animatrix_data.sampling.tiers import split_stage, stage_rows
from animatrix_jax.jobs import encode
from animatrix_jax.runtime.model import Model

MEMORY_LIMIT = 3 * 2**30
"""Bytes up to which the latents of a corpus are held in memory."""

type Weigh = Callable[[ClipTable], np.ndarray]


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


def weighing(balance: Balance | None, target: Target | None) -> Weigh:
    """Return how clips are weighed: by a balance, by a target, or all alike."""
    if balance is not None:
        return balance.weights
    if target is not None:
        return lambda table: target_weights(table, target)
    return even


def even(table: ClipTable) -> np.ndarray:
    """Return the same weight for every clip."""
    return np.ones(len(table))


@dataclass(frozen=True, kw_only=True)
class Ingredient:
    """A further corpus that a run draws from: its `share` of the blocks, and its latents' cache.

    With sub-stages `cache` is a folder of caches, `<edge>x<frames>` each; with None clips are
    decoded and encoded as they are drawn. A corpus of stills gives images alone.
    """

    corpus: Path
    share: float
    cache: Path | None = None

    def cache_of(self, stage: SubStage | None) -> Path | None:
        """Return where the latents of a sub-stage are (None: of the clips' own shapes)."""
        if self.cache is None or stage is None:
            return self.cache
        return self.cache / stage.name


@dataclass(frozen=True)
class Reading:
    """How clips become latents and text states: the networks, and what caches must hold.

    `wordings` texts a clip are kept beside its latents, 0 for none; `stride` is what the sides of
    buckets are multiples of, in pixels.
    """

    vae: Model
    text: Model
    text_length: int
    wordings: int
    rates: Perturbation
    stride: int


class CorpusClips:
    """The clips of one corpus that serve a stage, by column: no object a clip.

    `rows` are those to train on, `held_out` the last, which are only measured on; a clip whose tags
    the vocabulary lacks is in neither, but in `faulty`, by id with what is wrong. Raises ValueError
    for a corpus that cannot be trained on.
    """

    def __init__(self, folder: Path, stage: str, shortest: float, held_out: int) -> None:
        self.folder, self.table = folder, read_table(folder)
        self.rows, self.held_out = split_stage(self.table, stage, held_out, shortest)
        chosen = stage_rows(self.table, stage, shortest).tolist()
        faulty = self.table.faulty
        self.faulty = {self.table.id(row): faulty[row] for row in chosen if row in faulty}

    @property
    def used(self) -> np.ndarray:
        """All rows of the stage."""
        return np.concatenate([self.rows, self.held_out])

    def feed(
        self,
        reading: Reading,
        stage: SubStage | None,
        cache: Path | None,
        difficulty: np.ndarray | None,
    ) -> Feed:
        """Return what reads the clips of a sub-stage; a cache that is not there is encoded.

        `difficulty` is D(b) of every clip, or None. Raises ValueError as `encode.kept` does.
        """
        edge, frames = (None, None) if stage is None else (stage.edge, stage.counts)
        name = str(self.folder) if stage is None else f"{self.folder} at {stage.name}"
        words = ClipTexts.read(self.folder)
        if cache is None:
            config, stride = reading.vae.vae_config, reading.stride
            shapes, left_out = encode.fit_clips(self.table, config, edge, frames, stride)
            files = ClipFiles.read(self.folder)
            return Feed(name, words, DecodedFrames(files, shapes, left_out), difficulty)
        reader = encode.kept(
            self.folder,
            reading.vae.folder,
            cache,
            edge=edge,
            frames=frames,
            stride=reading.stride,
            wordings=reading.wordings,
            text_encoder=reading.text.folder,
            text_length=reading.text_length,
            rates=reading.rates,
            memory_limit=MEMORY_LIMIT,
        )
        text = reader.meta.text if reading.wordings else None
        wordings, seed = (text.wordings, text.seed) if text else (0, 0)
        return Feed(name, words, reader, difficulty, wordings, seed)

    def weights(self, rows: np.ndarray, weigh: Weigh, feed: Feed) -> np.ndarray:
        """Return the weights of all clips [N], 0 but for those of `rows` that can be read."""
        own, whole = rows[feed.readable[rows]], np.zeros(len(self.table))
        if len(own):
            whole[own] = weigh(self.table.take(own))
        return whole
