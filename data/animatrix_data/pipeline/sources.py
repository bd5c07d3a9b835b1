"""What samples are read from: cached latents or decoded frames, and every clip's own words."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import pyarrow as pa

from animatrix_data.corpus.catalogue import SCHEMA, ClipRow, read_columns
from animatrix_data.corpus.clip_files import ClipFiles
from animatrix_data.pipeline.buckets import Bucket, Shape, fit_frames
from animatrix_data.pipeline.conditioning import Perturbation, Wording, cached_wordings
from animatrix_data.taxonomy import Directive, parse_directive, parse_tags, tag_arrays

TEXT_COLUMNS = ("id", "directive", "tags")


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

    @property
    def skipped(self) -> dict[str, str]:
        """Clip ids that are not read, and why."""

    def frames(self, row: int, count: int) -> np.ndarray:
        """Return the first `count` frames of a row, uint8 [count, H, W, 3]."""


@dataclass(frozen=True)
class FrameRows:
    """The rows of a frame reader."""

    ids: tuple[str, ...]
    buckets: tuple[Shape | None, ...]


class DecodedFrames:
    """Frames decoded from a corpus as they are asked for, fitted to the shape of their row.

    `shapes` are the clips' buckets or own shapes, None for a clip that is never drawn; `skipped`
    says of some clips, by id, why they cannot be used. Reading raises ValueError and OSError as
    `ClipFiles.frames` does.
    """

    def __init__(
        self,
        files: ClipFiles,
        shapes: Sequence[Shape | None],
        skipped: Mapping[str, str] | None = None,
    ) -> None:
        self._files, self.skipped = files, dict(skipped or {})
        self.meta = FrameRows(files.ids, tuple(shapes))

    def frames(self, row: int, count: int) -> np.ndarray:
        """Return the first `count` frames of a row, uint8 [count, H, W, 3]."""
        bucket = self.meta.buckets[row]
        assert bucket is not None, "a clip without a bucket is never drawn"
        return fit_frames(self._files.frames(row, count), Bucket(count, *bucket[1:]))


class ClipTexts:
    """The directives of a corpus' clips, as compact columns; parsed when they are asked for."""

    def __init__(self, clips: pa.Table) -> None:
        self._columns = [
            clips[name].cast(pa.large_string()).combine_chunks() for name in TEXT_COLUMNS
        ]
        self._remember()

    @classmethod
    def read(cls, folder: str | Path) -> ClipTexts:
        """Read those of the corpus at `folder`; raises ValueError as `read_catalogue` does."""
        return cls(read_columns(folder, TEXT_COLUMNS))

    @classmethod
    def of(cls, rows: Sequence[ClipRow]) -> ClipTexts:
        """Return those of `rows`."""
        columns = {name: [getattr(row, name) for row in rows] for name in TEXT_COLUMNS}
        return cls(pa.table(columns, pa.schema([SCHEMA.field(name) for name in TEXT_COLUMNS])))

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
        """Bool [N]: which rows have a shape and are not skipped."""
        meta, skipped = self.reader.meta, self.reader.skipped
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
