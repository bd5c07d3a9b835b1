"""What samples are read from: cached latents or decoded frames, and every clip's own words."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import pyarrow as pa

from animatrix_data.corpus.catalogue import Catalogue, ClipRow
from animatrix_data.corpus.video import DecodeLimits, stream_video
from animatrix_data.pipeline.buckets import Bucket, fit_frames
from animatrix_data.pipeline.conditioning import Perturbation, Wording, cached_wordings
from animatrix_data.taxonomy import Directive, parse_directive, parse_tags, tag_arrays

type Shape = tuple[int, int, int]


class Rows(Protocol):
    """What a reader says of its rows: clip ids, and shapes (None: the clip fits no bucket)."""

    @property
    def ids(self) -> tuple[str, ...]:
        """The clip id of every row."""

    @property
    def buckets(self) -> tuple[Shape | None, ...]:
        """The shape of every row: latent (t, h, w), or pixels (T, H, W) of a frame reader."""


class LatentSource(Protocol):
    """Where latents come from; `corpus.latents.LatentCache` is one. It can be pickled."""

    @property
    def meta(self) -> Rows:
        """Its rows."""

    @property
    def skipped(self) -> dict[str, str]:
        """Clip ids that are not there, and why."""

    def read_latents(self, row: int) -> np.ndarray:
        """Return the latents of a row, [t, h, w, z] in the numbers that are kept."""

    def read_reference(self, row: int) -> np.ndarray:
        """Return the reference latents of a row, like its latents."""

    def text(self, row: int, wording: int) -> np.ndarray:
        """Return the text states of one of a row's wordings, [L, D], its real tokens alone."""

    def blank_for(self, bucket: Shape) -> np.ndarray:
        """Return the encoding of all-zero frames, [t, h, w, z] in the numbers of the latents."""


class FrameSource(Protocol):
    """Decoded video in place of latents, to be encoded where the step runs. It can be pickled."""

    @property
    def meta(self) -> Rows:
        """Its rows; the shapes are those of the frames (T, H, W)."""

    def frames(self, row: int, count: int) -> np.ndarray:
        """Return the first `count` frames of a row, uint8 [count, H, W, 3]."""


@dataclass(frozen=True)
class FrameRows:
    """The rows of a frame reader."""

    ids: tuple[str, ...]
    buckets: tuple[Shape | None, ...]


class DecodedFrames:
    """Frames decoded from a corpus as they are asked for, fitted to the shape of their row.

    `shapes` are the clips' buckets or own shapes, None for a clip that is never drawn. Reading
    raises ValueError where a clip is missing, cannot be decoded, or is too short.
    """

    def __init__(self, catalogue: Catalogue, shapes: Sequence[Shape | None]) -> None:
        self._folder = catalogue.folder
        self._paths = pa.array([row.path for row in catalogue], pa.string())
        self.meta = FrameRows(tuple(row.id for row in catalogue), tuple(shapes))

    def frames(self, row: int, count: int) -> np.ndarray:
        """Return the first `count` frames of a row, uint8 [count, H, W, 3]."""
        bucket = self.meta.buckets[row]
        assert bucket is not None, "a clip without a bucket is never drawn"
        path = Path(self._folder) / self._paths[row].as_py()
        limits = DecodeLimits()
        found = [convert() for _, convert in itertools.islice(stream_video(path, limits), count)]
        if len(found) < count:
            raise ValueError(f"{path} has {len(found)} frames, and {count} are needed")
        return fit_frames(np.stack(found), Bucket(count, *bucket[1:]))


class ClipTexts:
    """The directives of a corpus' clips, as compact columns; parsed when they are asked for."""

    def __init__(self, clips: Iterable[ClipRow]) -> None:
        rows = [(row.id, row.directive, row.tags) for row in clips]
        columns = list(zip(*rows, strict=True)) or [(), (), ()]
        self._columns = [pa.array(column, pa.large_string()) for column in columns]
        self._remember()

    def __getstate__(self) -> dict[str, Any]:
        return {"_columns": self._columns}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._columns = state["_columns"]
        self._remember()

    def _remember(self) -> None:
        self._parse = functools.lru_cache(maxsize=65536)(self._read)
        self._reword = functools.lru_cache(maxsize=8192)(self._wordings)

    def __len__(self) -> int:
        return len(self._columns[0])

    @property
    def ids(self) -> pa.Array:
        """The clip ids, in order."""
        return self._columns[0]

    def __call__(self, row: int) -> Directive:
        """Return the directive of clip `row`; raises ValueError as `read_directive` does."""
        return self._parse(row)

    def wordings(self, row: int, count: int, rates: Perturbation, seed: int) -> tuple[Wording, ...]:
        """Return the `count` texts of clip `row` as `conditioning.cached_wordings` makes them."""
        return self._reword(row, count, rates, seed)

    def _wordings(
        self, row: int, count: int, rates: Perturbation, seed: int
    ) -> tuple[Wording, ...]:
        return cached_wordings(self(row), row, count, rates, seed)

    def _read(self, row: int) -> Directive:
        return read_directive(*(column[row].as_py() for column in self._columns))


def read_directive(clip: str, directive: str, tags: str) -> Directive:
    """Return a clip's directive, or its tags without prose where it has none.

    Raises ValueError naming the clip when its text is wrong or holds too many tags.
    """
    try:
        found = parse_directive(directive) if directive.strip() else Directive(parse_tags(tags))
        tag_arrays(found.spec)
    except ValueError as error:
        raise ValueError(f"clip {clip!r}: {error}") from None
    return found


@dataclass(frozen=True, eq=False)
class Feed:
    """One source of the selection: its rows' words, and what reads their pictures.

    Row k of `texts` and of `reader` is clip k of the source of the same place in the selection;
    `difficulty` float [N] is its D(b) (eq. 16) where the prompts are to grow with it, else None.
    `wordings` texts of every clip were drawn by `wording_seed` for the text states that a latent
    reader keeps; 0 where it keeps none.
    Raises ValueError where they are not rows of the same clips.
    """

    name: str
    texts: ClipTexts
    reader: LatentSource | FrameSource
    difficulty: np.ndarray | None = None
    wordings: int = 0
    wording_seed: int = 0

    def __post_init__(self) -> None:
        ids = self.reader.meta.ids
        if len(ids) != len(self.texts):
            raise ValueError(
                f"{self.name} has {len(self.texts)} clips, and what reads them {len(ids)}"
            )
        for clip, own in zip(self.texts.ids, ids, strict=True):
            if clip.as_py() != own:
                raise ValueError(f"clip {clip.as_py()!r} of {self.name} has not been encoded")

    @cached_property
    def readable(self) -> np.ndarray:
        """Bool [N]: which rows have a shape and were not skipped by an encoder."""
        meta, skipped = self.reader.meta, getattr(self.reader, "skipped", {})
        rows = zip(meta.ids, meta.buckets, strict=True)
        return np.array([shape is not None and clip not in skipped for clip, shape in rows], bool)

    @property
    def gives_frames(self) -> bool:
        """Whether pixels are read, and not latents."""
        return hasattr(self.reader, "frames")

    @property
    def latents(self) -> LatentSource:
        """The reader of a feed that gives latents."""
        return cast(LatentSource, self.reader)

    @property
    def frames(self) -> FrameSource:
        """The reader of a feed that gives frames."""
        return cast(FrameSource, self.reader)
