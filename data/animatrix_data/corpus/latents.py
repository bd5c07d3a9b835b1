"""The latent cache: what a VAE makes of every clip of a corpus, read at random and fast.

A cache is a folder:
    meta.json         digests, row ids, shapes, and what else it was made from
    done-*.jsonl      a line for rows once they are on disk or skipped, a file a process
    <t>x<h>x<w>/      the rows of one latent shape
        latents/      zarr3 [rows, t, h, w, z]: a chunk a clip, 32 chunks to a shard, uncompressed
        reference/    the same of every clip's first frame followed by zeros
        text/         zarr3 [rows, wordings, length, width], stored where there are tokens
        blank.npy     [t, h, w, z], the encoding of all-zero frames
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import tensorstore as ts

from animatrix_data.corpus.latent_arrays import (
    CLIPS_IN_SHARD,
    LATENTS,
    REFERENCE,
    TEXT,
    bucket_name,
    numpy_dtype,
    open_latents,
    open_text,
)
from animatrix_data.corpus.latent_meta import (
    META_NAME,
    Bucket,
    check_digest,
    check_same,
    read_meta,
    write_meta,
)
from animatrix_data.corpus.latent_meta import LatentMeta as LatentMeta
from animatrix_data.corpus.latent_progress import Progress
from animatrix_data.corpus.text_states import write_texts
from animatrix_data.files import whole_file

PICTURES = (LATENTS, REFERENCE)

type Texts = Sequence[Sequence[np.ndarray]]
"""Of every row, of every wording, the states of its real tokens [L, width]."""


@dataclass(frozen=True)
class Shard:
    """The unit of encoding: up to 32 rows of one bucket that share a file of each array."""

    bucket: Bucket
    rows: tuple[int, ...]


class LatentCache:
    """Latents, reference latents and text states of the clips of a corpus.

    Rows are numbered as in the corpus. Made by `create` or `open`. Safe to read from several
    threads, and picklable: another process opens the arrays for itself, on disk. Each process
    that writes has a `writer` name of its own and rows of its own (whole shards are fastest).
    """

    def __init__(
        self, path: Path, meta: LatentMeta, memory_limit: int = 0, writer: str = "0-of-1"
    ) -> None:
        self.path, self.meta, self._writer = path, meta, writer
        self._dtype = numpy_dtype(meta.dtype)
        self._handles: dict[tuple[Bucket, str], Any] = {}
        self._memory: dict[tuple[Bucket, str], np.ndarray] = {}
        self._blanks: dict[Bucket, np.ndarray] = {}
        members: dict[Bucket, list[int]] = {}
        # Row -> place in its bucket's arrays: the count of earlier rows of that bucket.
        self._place = np.full(len(meta.ids), -1, np.int64)
        for row, bucket in enumerate(meta.buckets):
            if bucket is not None:
                rows = members.setdefault(bucket, [])
                self._place[row] = len(rows)
                rows.append(row)
        self._members = members
        self._row_of: dict[str, int] = {}
        self._progress = Progress(path, len(meta.ids), meta.text.wordings if meta.text else 0)
        if self.complete and 0 < self.nbytes <= memory_limit:
            self._load()

    @classmethod
    def create(cls, path: str | Path, meta: LatentMeta, writer: str = "0-of-1") -> "LatentCache":
        """Make an empty cache at `path`, or take up an unfinished one made from the same `meta`.

        Raises ValueError when `path` holds a cache made from anything else, or other files.
        """
        path = Path(path)
        if not (path / META_NAME).exists():
            # What another process of this cache has begun to write starts with a point.
            taken = path.exists() and (not path.is_dir() or any(path.glob("[!.]*")))
            if taken and not (path / META_NAME).exists():
                raise ValueError(f"{path} already exists and is not an empty folder.")
            write_meta(path, meta, writer)
        found = read_meta(path)
        check_same(path, meta, found)
        cache = cls(path, found, writer=writer)
        cache._progress.repair(writer)
        return cache

    @classmethod
    def open(
        cls,
        path: str | Path,
        vae_digest: str | None = None,
        corpus_digest: str | None = None,
        memory_limit: int = 0,
        text_digest: str | None = None,
    ) -> "LatentCache":
        """Open the cache at `path`, in memory if it is complete and within `memory_limit` bytes.

        Raises ValueError when there is no cache, or when it was made by another VAE than
        `vae_digest`, from another corpus than `corpus_digest`, or its text states by another
        encoder than `text_digest` or not at all.
        """
        path = Path(path)
        meta = read_meta(path)
        check_digest(path, "by another VAE", vae_digest, meta.vae_digest)
        check_digest(path, "from another corpus", corpus_digest, meta.corpus_digest)
        if text_digest is not None:
            if meta.text is None:
                raise ValueError(f"The latent cache {path} holds no text states: encode with some.")
            check_digest(path, "by another text encoder", text_digest, meta.text.digest)
        return cls(path, meta, memory_limit)

    def __len__(self) -> int:
        return len(self.meta.ids)

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["path"], read_meta(state["path"]))  # type: ignore[misc]

    @property
    def buckets(self) -> tuple[Bucket, ...]:
        """The latent shapes (t, h, w) of the cache, sorted."""
        return tuple(sorted(self._members))

    @property
    def shards(self) -> tuple[Shard, ...]:
        """All rows that can be encoded, by shard, in one order for all processes."""
        return tuple(
            Shard(bucket, tuple(self._members[bucket][start : start + CLIPS_IN_SHARD]))
            for bucket in self.buckets
            for start in range(0, len(self._members[bucket]), CLIPS_IN_SHARD)
        )

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays in memory."""
        text = self.meta.text
        states = text.wordings * text.length * text.width if text else 0
        numbers = sum(
            len(rows) * (len(PICTURES) * int(np.prod(bucket)) * self.meta.channels + states)
            for bucket, rows in self._members.items()
        )
        return numbers * self._dtype.itemsize

    @property
    def complete(self) -> bool:
        """Whether every blank is written, and every row written or skipped."""
        return all(map(self.has_blank, self._members)) and not len(self.remaining)

    @property
    def remaining(self) -> np.ndarray:
        """Row numbers neither written nor skipped, ascending: what encoding has still to do."""
        left = ~self._progress.done & (self._place >= 0)
        left[list(self._progress.skipped)] = False
        return np.flatnonzero(left)

    @property
    def skipped(self) -> dict[str, str]:
        """Clips that are not in the cache, and why, by id in the order of rows."""
        reasons = self._progress.skipped
        found = dict(self.meta.left_out) | {self.meta.ids[row]: reasons[row] for row in reasons}
        return {clip: found[clip] for clip in self.meta.ids if clip in found} if found else {}

    def check_complete(self) -> None:
        """Raise ValueError where clips are missing, with their count and what goes on."""
        if not self.complete:
            raise ValueError(self._unfinished())

    def row_of(self, clip_id: str) -> int:
        """Return the row of a clip. Raises ValueError for an id that is not in the cache."""
        if not self._row_of:
            self._row_of = {clip: row for row, clip in enumerate(self.meta.ids)}
        if clip_id not in self._row_of:
            raise ValueError(f"The latent cache {self.path} has no clip {clip_id!r}.")
        return self._row_of[clip_id]

    def has_blank(self, bucket: Bucket) -> bool:
        """Whether the blank of a bucket is written."""
        return self._blank_file(bucket).exists()

    def blank_for(self, bucket: Bucket) -> np.ndarray:
        """Return the encoding of all-zero frames, [t, h, w, z] in the cache's dtype.

        Raises ValueError when it was not written.
        """
        if bucket not in self._blanks:
            if not self.has_blank(bucket):
                raise ValueError(
                    f"The latent cache {self.path} has no blank for {bucket_name(bucket)}."
                )
            self._blanks[bucket] = np.load(self._blank_file(bucket)).astype(self._dtype)
        return self._blanks[bucket]

    def read(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the latents and the reference latents of one row, like `read_latents`."""
        # Both reads are under way before either is waited for.
        latents, reference = (self._start(name, row) for name in PICTURES)
        return self._wait(row, latents), self._wait(row, reference)

    def read_latents(self, row: int) -> np.ndarray:
        """Return the latents of one row, [t, h, w, z] in the cache's dtype.

        Raises ValueError with the clip's id for a row that was skipped or is not written yet.
        """
        return self._wait(row, self._start(LATENTS, row))

    def read_reference(self, row: int) -> np.ndarray:
        """Return the reference latents of one row, like `read_latents`."""
        return self._wait(row, self._start(REFERENCE, row))

    def text(self, row: int, wording: int) -> np.ndarray:
        """Return the states of the real tokens of one wording of a row, [L, width].

        Raises ValueError for a cache without that wording, and as `read_latents` does.
        """
        count = self._progress.lengths.shape[1]
        if not 0 <= wording < count:
            raise ValueError(
                f"The latent cache {self.path} holds {count} wordings a clip: there is no "
                f"{wording}."
            )
        return self._wait(row, self._start(TEXT, row, wording))

    def write_blank(self, bucket: Bucket, blank: np.ndarray) -> None:
        """Write the encoding of all-zero frames, [t, h, w, z], of one bucket."""
        self._check_shape(blank.shape, (*bucket, self.meta.channels), "blank")
        with (
            whole_file(self._blank_file(bucket)) as temporary,
            temporary.open("wb") as stream,
        ):
            np.save(stream, blank.astype(np.float32))

    def write(
        self,
        rows: Sequence[int],
        latents: np.ndarray,
        reference: np.ndarray,
        texts: Texts | None = None,
    ) -> None:
        """Write `rows` of one bucket: latents and reference latents [rows, t, h, w, z], texts.

        Raises ValueError for rows of several buckets, wrong shapes, values that are not finite,
        and texts that the cache does not hold or lacks.
        """
        bucket, numbers = self._one_bucket(rows)
        places = self._place[numbers]
        pictures: dict[str, np.ndarray] = {}
        lengths: np.ndarray | None = None
        for name, values in zip(PICTURES, (latents, reference), strict=True):
            self._check_shape(values.shape, (len(numbers), *bucket, self.meta.channels), name)
            pictures[name] = self._kept(values, f"{name} of rows {numbers[0]}…")
        if (texts is None) != (self.meta.text is None):
            raise ValueError(f"The latent cache {self.path} is written with texts or without.")
        # Of one transaction, each file is written once, whatever the number of chunks in it.
        with ts.Transaction() as transaction:
            for name, kept in pictures.items():
                self._array(bucket, name, create=True).with_transaction(transaction)[places] = kept
            if texts is not None:
                assert self.meta.text is not None
                states = [
                    [self._kept(text, f"texts of row {row}") for text in own]
                    for row, own in zip(numbers, texts, strict=True)
                ]
                array = self._array(bucket, TEXT, create=True).with_transaction(transaction)
                lengths = write_texts(array, self.meta.text, places, states)
        self._progress.add_done(self._writer, numbers.tolist(), lengths)

    def skip(self, reasons: Mapping[int, str]) -> None:
        """Record rows that cannot be encoded, each with its reason."""
        self._progress.add_skipped(self._writer, reasons)

    def _kept(self, values: np.ndarray, name: str) -> np.ndarray:
        kept = np.asarray(values).astype(self._dtype, copy=False)
        if not np.isfinite(kept).all():
            raise ValueError(f"The {name} are not finite.")
        return kept

    def _check_shape(self, found: Sequence[int], wanted: Sequence[int], name: str) -> None:
        if tuple(found) != tuple(wanted):
            raise ValueError(f"{name} must be {list(wanted)}, not {list(found)}.")

    def _one_bucket(self, rows: Sequence[int]) -> tuple[Bucket, np.ndarray]:
        numbers = np.asarray(rows, np.int64)
        shapes = {self.meta.buckets[row] for row in numbers}
        if len(shapes) != 1:
            raise ValueError(f"Rows are written a bucket at a time, not {len(shapes)} at once.")
        (bucket,) = shapes
        if bucket is None:
            self._refuse(int(numbers[0]))
        return bucket, numbers

    def _start(self, name: str, row: int, wording: int | None = None) -> Any:
        """Return what is kept of a row, or the future of reading it."""
        if not self._progress.done[row]:
            self._refuse(row)
        bucket = self.meta.buckets[row]
        assert bucket is not None
        place: Any = int(self._place[row])
        if wording is not None:
            place = (place, wording, slice(0, int(self._progress.lengths[row, wording])))
        if self._memory:
            return self._memory[bucket, name][place]
        try:
            return self._array(bucket, name)[place].read()
        except ValueError as error:
            raise self._lost(row, error) from error

    def _wait(self, row: int, found: Any) -> np.ndarray:
        """Return what `_start` found of a row; ValueError where its file is lost or damaged."""
        if isinstance(found, np.ndarray):
            return found
        try:
            return found.result()
        except ValueError as error:
            raise self._lost(row, error) from error

    def _lost(self, row: int, error: ValueError) -> ValueError:
        kind = str(error).partition(":")[0]
        return ValueError(
            f"Clip {self.meta.ids[row]!r} is lost from the latent cache {self.path} ({kind}): "
            "encode into another folder."
        )

    def _refuse(self, row: int) -> NoReturn:
        clip = self.meta.ids[row]
        reason = self._progress.skipped.get(row) or self.meta.left_out.get(clip)
        if reason is not None:
            raise ValueError(f"Clip {clip!r} is not in the latent cache {self.path}: {reason}")
        raise ValueError(f"Clip {clip!r} is not encoded yet: {self._unfinished()}")

    def _unfinished(self) -> str:
        left = len(self.remaining)
        return (
            f"The latent cache {self.path} lacks {left} of its {len(self)} clips; "
            f"`{self.meta.command or 'animatrix encode'}` goes on."
        )

    def _load(self) -> None:
        """Read all that is written into memory; nothing where a part of it is lost."""
        memory = {}
        try:
            for bucket, members in self._members.items():
                rows = [row for row in members if self._progress.done[row]]
                for name in PICTURES:
                    memory[bucket, name] = self._loaded(bucket, name, rows)
                if self.meta.text:
                    memory[bucket, TEXT] = self._loaded_texts(bucket, rows)
        except ValueError:
            # Read from disk, each row says for itself whether it is there.
            return
        self._memory = memory

    def _loaded(self, bucket: Bucket, name: str, rows: Sequence[int]) -> np.ndarray:
        shape = (len(self._members[bucket]), *bucket, self.meta.channels)
        whole, places = np.zeros(shape, self._dtype), self._place[rows]
        if rows:
            whole[places] = self._array(bucket, name)[places].read().result()
        return whole

    def _loaded_texts(self, bucket: Bucket, rows: Sequence[int]) -> np.ndarray:
        text = self.meta.text
        assert text is not None
        shape = (len(self._members[bucket]), text.wordings, text.length, text.width)
        whole = np.zeros(shape, self._dtype)
        found = [(row, w, self._start(TEXT, row, w)) for row in rows for w in range(text.wordings)]
        for row, wording, states in found:
            own = states.result()
            whole[self._place[row], wording, : len(own)] = own
        return whole

    def _blank_file(self, bucket: Bucket) -> Path:
        return self.path / bucket_name(bucket) / "blank.npy"

    def _array(self, bucket: Bucket, name: str, create: bool = False) -> Any:
        key = (bucket, name)
        if key not in self._handles:
            path, rows = self.path / bucket_name(bucket) / name, len(self._members[bucket])
            dtype = self.meta.dtype
            if name == TEXT:
                assert self.meta.text is not None
                array = open_text(path, rows, self.meta.text, dtype, create=create)
            else:
                shape = (*bucket, self.meta.channels)
                array = open_latents(path, rows, shape, dtype, create=create)
            self._handles[key] = array
        return self._handles[key]
