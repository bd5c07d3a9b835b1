"""The dataset `animatrix_clips`: a corpus folder as ArrayRecord shards of TensorFlow Datasets."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds

from animatrix_data.corpus.catalogue import TIERS, Catalogue, ClipRow, read_catalogue
from animatrix_data.sampling.table import table_of
from animatrix_data.sampling.tiers import SHORTEST, effective_tiers, sound_rows
from animatrix_data.settings import near
from animatrix_data.tfds.examples import clip_features, encode_clip

SHARD_BYTES = 2**28
_DIGITS = 16
_DESCRIPTION = (
    "Anime clips with their production tags (style, motion, camera, visual effects), directives, "
    "structured captions and curriculum scores: an animatrix corpus, in the order of its catalogue."
)

type Examples = Iterator[tuple[int, dict[str, Any]]]


@dataclasses.dataclass(eq=False)
class CorpusConfig(tfds.core.BuilderConfig):
    """What one prepared dataset is made of; its name tells it from every other.

    The clips of `tiers`, of which none shorter than `shortest` seconds is above B, are taken in the
    catalogue's order, and the last `held_out` of them make the split of that name, as in training;
    those whose tags are wrong are in neither split.
    `digest` is the corpus', whose first 16 digits, the tiers, the number held out and a `shortest`
    other than the paper's 4 s are the name.
    """

    corpus: Path = Path()
    digest: str = ""
    tiers: tuple[str, ...] = TIERS
    held_out: int = 64
    shortest: float = SHORTEST


def corpus_config(
    corpus: str | Path,
    tiers: Sequence[str] = TIERS,
    held_out: int = 64,
    shortest: float = SHORTEST,
) -> CorpusConfig:
    """Return the config of a corpus folder.

    Raises ValueError when there is no corpus, a tier is unknown, or nothing is left to train on.
    """
    for tier in tiers:
        if tier not in TIERS:
            raise ValueError(f"there is no tier {tier!r}{near(tier, TIERS)}")
    tiers = tuple(tier for tier in TIERS if tier in tiers)
    catalogue = read_catalogue(corpus)
    count = len(_rows(catalogue, tiers, shortest)[0])
    if not 0 <= held_out < count:
        raise ValueError(
            f"held_out {held_out} leaves nothing of the {count} clips of tiers "
            f"{', '.join(tiers)} in {corpus} to train on (shorter than {shortest:g} s is tier B)"
        )
    ending = "" if shortest == SHORTEST else f"-{shortest:g}s"
    return CorpusConfig(
        name=f"{catalogue.digest[:_DIGITS]}-{''.join(tiers)}-{held_out}{ending}",
        description=f"Corpus {catalogue.digest}, tiers {', '.join(tiers)}, {held_out} held out.",
        corpus=Path(corpus).absolute(),
        digest=catalogue.digest,
        tiers=tiers,
        held_out=held_out,
        shortest=shortest,
    )


def _rows(
    catalogue: Catalogue, tiers: Sequence[str], shortest: float
) -> tuple[list[ClipRow], dict[str, str]]:
    """Return the clips of tiers, but for those whose tags are wrong: these by id, with why."""
    table = table_of(catalogue)
    wanted = [TIERS.index(tier) for tier in tiers]
    rows = np.flatnonzero(np.isin(effective_tiers(table, shortest), wanted))
    clips = [catalogue[row] for row in sound_rows(table, rows).tolist()]
    faulty = rows[np.isin(rows, list(table.faulty))].tolist()
    return clips, {table.id(row): f"clip {table.id(row)!r}: {table.faulty[row]}" for row in faulty}


# Not a GeneratorBasedBuilder: past 1,000 MiB that one spills to disk through TensorFlow.
class Builder(tfds.core.ShardBasedBuilder):
    """Prepares and reads a corpus of any size; a shard is held in memory, never the whole.

    `corpus` is the corpus folder; `tiers`, `held_out` and `shortest` say which clips make the
    splits `train` and `held_out` (`CorpusConfig`; 0 makes no such split); `config` stands for the
    four of them when a builder is made again from its state. The version is that of the features
    and of how clips are split. A clip that cannot be used is left out, named in a warning at the
    end, and kept with its reason in `info.metadata["skipped"]`. Raises ValueError as
    `corpus_config` does, and when no corpus is named; preparing raises it when the corpus has
    changed or all clips of a split are unusable.
    """

    VERSION = tfds.core.Version("1.1.0")
    RELEASE_NOTES: ClassVar[dict[str, str]] = {
        "1.0.0": "Every column of the catalogue, the mp4's bytes and the tag arrays.",
        "1.1.0": "Short clips count as of tier B, and clips with wrong tags are in no split.",
    }

    def __init__(
        self,
        *,
        corpus: str | Path | None = None,
        tiers: Sequence[str] = TIERS,
        held_out: int = 64,
        shortest: float = SHORTEST,
        config: CorpusConfig | str | None = None,
        file_format: str = "array_record",
        **kwargs: Any,
    ) -> None:
        if corpus is not None:
            config = corpus_config(corpus, tiers, held_out, shortest)
        if not isinstance(config, CorpusConfig):
            asked = "" if config is None else f" or data_dir a prepared {config!r}"
            raise ValueError(
                "animatrix_clips is made of a corpus and none is named: builder_kwargs needs "
                f"{{'corpus': FOLDER}}{asked}"
            )
        super().__init__(config=config, file_format=file_format, **kwargs)

    def _create_builder_config(self, builder_config: CorpusConfig, version: Any) -> CorpusConfig:
        # Configs are made of corpora, none is listed: TFDS would warn of every one.
        return builder_config

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=_DESCRIPTION,
            features=clip_features(),
            disable_shuffling=True,
            metadata=tfds.core.MetadataDict(corpus=self.builder_config.digest, skipped={}),
        )

    def as_dataset(self, split: Any = None, *, decoders: Any = None, **options: Any) -> Any:
        """Return the data sources of `as_data_source`: what `tfds.load` gives.

        ArrayRecord has no tf.data reader. Raises ValueError for options of tf.data.
        """
        given = [name for name, value in options.items() if value not in (None, False)]
        if given:
            raise ValueError(
                f"{given[0]} is an option of tf.data, which animatrix_clips does not use: batch "
                "and shuffle the data source, for instance with grain.MapDataset.source"
            )
        return self.as_data_source(split, decoders=decoders)

    def _shard_iterators_per_split(
        self, dl_manager: Any
    ) -> dict[str, list[Callable[[], Examples]]]:
        config: CorpusConfig = self.builder_config
        catalogue = read_catalogue(config.corpus)
        if catalogue.digest != config.digest:
            raise ValueError(f"the corpus {config.corpus} has changed since the builder was made")
        rows, faulty = _rows(catalogue, config.tiers, config.shortest)
        self.info.metadata["skipped"].update(faulty)
        start = len(rows) - config.held_out
        splits = {"train": rows[:start], "held_out": rows[start:]}
        return {name: self._shards(catalogue, part) for name, part in splits.items() if part}

    def _shards(
        self, catalogue: Catalogue, rows: Sequence[ClipRow]
    ) -> list[Callable[[], Examples]]:
        paths = (catalogue.clip_path(row) for row in rows)
        size = sum(path.stat().st_size for path in paths if path.is_file())
        count = min(max(1, math.ceil(size / SHARD_BYTES)), len(rows))
        edges = [len(rows) * place // count for place in range(count + 1)]
        return [
            functools.partial(self._examples, catalogue, rows[first:last])
            for first, last in itertools.pairwise(edges)
        ]

    def _examples(self, catalogue: Catalogue, rows: Sequence[ClipRow]) -> Examples:
        for place, row in enumerate(rows):
            try:
                yield place, encode_clip(catalogue, row)
            except ValueError as error:
                self.info.metadata["skipped"][row.id] = str(error)

    def _download_and_prepare(self, *args: Any, **kwargs: Any) -> None:
        skipped: dict[str, str] = self.info.metadata["skipped"]
        skipped.clear()
        super()._download_and_prepare(*args, **kwargs)
        reasons = "; ".join(skipped.values())
        for name, split in self.info.splits.items():
            if not split.num_examples:
                raise ValueError(f"no clip of the split {name!r} can be used: {reasons}")
        if skipped:
            count = len(skipped) + self.info.splits.total_num_examples
            warnings.warn(f"{len(skipped)} of {count} clips left out: {reasons}", stacklevel=2)
