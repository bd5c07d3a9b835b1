"""One corpus of a flow run: its clips of the stage, how they are weighed, what reads them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa

from animatrix_data.corpus.catalogue import catalogue_digest
from animatrix_data.corpus.clip_files import ClipFiles
from animatrix_data.pipeline.buckets import Shape
from animatrix_data.pipeline.sources import ClipTexts, DecodedFrames, Feed
from animatrix_data.pipeline.stages import SubStage
from animatrix_data.sampling.balance import ALPHA, Pool, Target, balance_weights, target_weights
from animatrix_data.sampling.table import ClipTable, read_table
from animatrix_data.sampling.tiers import split_stage, stage_rows
from animatrix_data.settings import naming
from animatrix_jax.jobs import encode
from animatrix_jax.jobs.encode import Wanted

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
    decoded and encoded as they are drawn. A corpus of stills gives images alone; with sub-stages it
    needs buckets of one frame (`frames = (1, 17)`).
    """

    corpus: Path
    share: float
    cache: Path | None = None

    def cache_of(self, stage: SubStage | None) -> Path | None:
        """Return where the latents of a sub-stage are (None: of the clips' own shapes)."""
        if self.cache is None or stage is None:
            return self.cache
        return self.cache / stage.name


class CorpusClips:
    """The clips of one corpus that serve a stage, by column: no object a clip.

    `rows` are those to train on, `held_out` the last, which are only measured on; a clip whose tags
    the vocabulary lacks is in neither, but in `faulty`, by id with what is wrong. Raises ValueError
    for a corpus that cannot be trained on, with its folder.
    """

    def __init__(self, folder: Path, stage: str, shortest: float, held_out: int) -> None:
        self.folder, self.table = folder, read_table(folder)
        with naming(folder):
            self.rows, self.held_out = split_stage(self.table, stage, held_out, shortest)
            chosen = stage_rows(self.table, stage, shortest).tolist()
        faulty = self.table.faulty
        self.faulty = {self.table.id(row): faulty[row] for row in chosen if row in faulty}

    @property
    def used(self) -> np.ndarray:
        """All rows of the stage."""
        return np.concatenate([self.rows, self.held_out])

    @cached_property
    def digest(self) -> str:
        """The digest of the catalogue."""
        return catalogue_digest(self.folder)

    @cached_property
    def texts(self) -> ClipTexts:
        """The clips' words, shared by the feeds of all sub-stages."""
        return ClipTexts.read(self.folder)

    @cached_property
    def files(self) -> ClipFiles:
        """The clips' files, shared by the feeds of all sub-stages."""
        return ClipFiles.read(self.folder)

    def check(
        self, wanted: Wanted, stage: SubStage | None, cache: Path | None, weigh: Weigh, last: bool
    ) -> None:
        """Raise ValueError where the clips of a sub-stage cannot be read or weighed.

        Nothing is encoded; in the `last` sub-stage the held-out clips are looked at as well.
        """
        name = self._name(stage)
        with naming(name):
            shapes, _ = self._shapes(wanted)
            fits = np.array([shape is not None for shape in shapes])
            rows = self.rows[fits[self.rows]]
            if not len(rows):
                raise ValueError(f"none of the {len(self.rows)} clips to train on can be used")
            weigh(self.table.take(rows))
            if last and len(self.held_out) and not fits[self.held_out].any():
                raise ValueError(f"none of the {len(self.held_out)} held-out clips can be used")
        if cache is not None:
            encode.check_kept(cache, self.digest, wanted)

    def feed(
        self,
        wanted: Wanted,
        stage: SubStage | None,
        cache: Path | None,
        difficulty: np.ndarray | None,
        memory_limit: int,
    ) -> Feed:
        """Return what reads the clips of a sub-stage; a cache that is not there is encoded.

        `difficulty` is D(b) of every clip, or None; a cache of at most `memory_limit` bytes is held
        in memory. Raises ValueError as `check` does.
        """
        name = self._name(stage)
        if cache is None:
            shapes, left_out = self._shapes(wanted)
            return Feed(name, self.texts, DecodedFrames(self.files, shapes, left_out), difficulty)
        reader = encode.kept(self.folder, cache, self.digest, wanted, memory_limit)
        text = reader.meta.text if wanted.wordings else None
        wordings, seed = (text.wordings, text.seed) if text else (0, 0)
        return Feed(name, self.texts, reader, difficulty, wordings, seed)

    def left_out(self, feed: Feed) -> dict[str, str]:
        """Return the clips of the stage that a feed never gives, by id with the reason."""
        skipped, ids = feed.reader.skipped, self.table.ids.take(pa.array(self.used)).to_pylist()
        return self.faulty | {clip: skipped[clip] for clip in ids if clip in skipped}

    def _name(self, stage: SubStage | None) -> str:
        return str(self.folder) if stage is None else f"{self.folder} at {stage.name}"

    def _shapes(self, wanted: Wanted) -> tuple[list[Shape | None], dict[str, str]]:
        w = wanted
        return encode.fit_clips(self.table, w.vae.vae_config, w.edge, w.frames, w.stride)

    def weights(self, rows: np.ndarray, weigh: Weigh, feed: Feed) -> np.ndarray:
        """Return the weights of all clips [N], 0 but for those of `rows` that can be read."""
        own, whole = rows[feed.readable[rows]], np.zeros(len(self.table))
        if len(own):
            whole[own] = weigh(self.table.take(own))
        return whole
