"""The latent cache: what a VAE makes of every clip of a corpus, read at random and fast.

A cache is a folder: `meta.json` (digests and row ids), `done.txt` (a row number a line, added
once the row is on disk), and for each latent shape t×h×w a folder with the zarr3 arrays
`latents` and `reference` [rows, t, h, w, z] (one chunk per clip, 32 chunks to a shard,
uncompressed) and `blank.npy` [t, h, w, z], the encoding of all-zero frames.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorstore as ts

from animatrix_data.files import whole_file

type Bucket = tuple[int, int, int]
"""Latent frames, height and width."""

META_NAME, DONE_NAME = "meta.json", "done.txt"
CLIPS_IN_SHARD = 32
DTYPES = ("float16", "bfloat16")
ARRAYS = ("latents", "reference")


@dataclass(frozen=True)
class LatentMeta:
    """What a cache was made from: digests of the VAE and of the corpus, its clips, its numbers.

    `ids[k]` and `buckets[k]` are the clip id and the latent (t, h, w) of row k; `channels` is
    the latent's last dimension.
    """

    vae_digest: str
    corpus_digest: str
    ids: tuple[str, ...]
    buckets: tuple[Bucket, ...]
    channels: int
    dtype: str = "float16"

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise ValueError(f"Latents are kept as {' or '.join(DTYPES)}, not {self.dtype!r}.")
        if len(self.ids) != len(self.buckets) or not self.ids:
            raise ValueError(
                f"A latent cache needs one bucket per clip and a clip at least, not "
                f"{len(self.ids)} clips and {len(self.buckets)} buckets."
            )


class LatentCache:
    """Latents and reference latents of the clips of a corpus; rows are numbered as in the corpus.

    Made by `create` or `open`. Safe to read from several threads, and picklable: another process
    opens the arrays for itself. One process writes at a time.
    """

    def __init__(self, path: Path, meta: LatentMeta, memory_limit: int = 0) -> None:
        self.path, self.meta, self._memory_limit = path, meta, memory_limit
        self._handles: dict[tuple[Bucket, str], Any] = {}
        self._memory: dict[tuple[Bucket, str], np.ndarray] = {}
        positions: dict[Bucket, int] = {}
        # Row -> place in its bucket's array: the count of earlier rows of that bucket.
        self._place = np.zeros(len(meta.ids), np.int64)
        for row, bucket in enumerate(meta.buckets):
            self._place[row] = positions.setdefault(bucket, 0)
            positions[bucket] += 1
        self._sizes = positions
        self._row_of = {clip: row for row, clip in enumerate(meta.ids)}
        self._done = self._read_done()
        if self.complete and 0 < self.nbytes <= memory_limit:
            self._load()

    @classmethod
    def create(cls, path: str | Path, meta: LatentMeta) -> "LatentCache":
        """Make an empty cache at `path`, or take up an unfinished one made from the same `meta`.

        Raises ValueError when `path` holds a cache made from anything else, or other files.
        """
        path = Path(path)
        if (path / META_NAME).exists():
            cache = cls.open(path, meta.vae_digest, meta.corpus_digest)
            if cache.meta != meta:
                raise ValueError(f"{path} holds a latent cache of another shape or order of clips.")
            return cache
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise ValueError(f"{path} already exists and is not an empty folder.")
        with whole_file(path / META_NAME) as temporary:
            temporary.write_text(json.dumps(asdict(meta)))
        return cls(path, meta)

    @classmethod
    def open(
        cls,
        path: str | Path,
        vae_digest: str | None = None,
        corpus_digest: str | None = None,
        memory_limit: int = 0,
    ) -> "LatentCache":
        """Open the cache at `path`, in memory if it is complete and within `memory_limit` bytes.

        Raises ValueError when there is no cache, or when it was made by another VAE than
        `vae_digest` or from another corpus than `corpus_digest`.
        """
        path = Path(path)
        try:
            record = json.loads((path / META_NAME).read_text())
            record["ids"] = tuple(record["ids"])
            record["buckets"] = tuple(tuple(bucket) for bucket in record["buckets"])
            meta = LatentMeta(**record)
        except FileNotFoundError as error:
            raise ValueError(f"{path} is not a latent cache: it holds no {META_NAME}.") from error
        except (TypeError, KeyError, json.JSONDecodeError) as error:
            raise ValueError(f"{path / META_NAME} cannot be read.") from error
        for what, asked, found in (
            ("by another VAE", vae_digest, meta.vae_digest),
            ("from another corpus", corpus_digest, meta.corpus_digest),
        ):
            if asked is not None and asked != found:
                raise ValueError(
                    f"The latent cache {path} was made {what} ({found[:12]}, not {asked[:12]}): "
                    "encode the corpus again."
                )
        return cls(path, meta, memory_limit)

    def __len__(self) -> int:
        return len(self.meta.ids)

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "meta": self.meta, "memory_limit": self._memory_limit}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    @property
    def buckets(self) -> tuple[Bucket, ...]:
        """The latent shapes (t, h, w) of the cache, sorted."""
        return tuple(sorted(self._sizes))

    @property
    def nbytes(self) -> int:
        """Bytes of all latents and reference latents."""
        clip = sum(n * int(np.prod(bucket)) for bucket, n in self._sizes.items())
        return clip * self.meta.channels * 2 * len(ARRAYS)

    @property
    def complete(self) -> bool:
        """Whether every row and every blank is written."""
        blanks = all((self.path / _name(b) / "blank.npy").exists() for b in self._sizes)
        return blanks and bool(self._done.all())

    @property
    def remaining(self) -> np.ndarray:
        """Row numbers not written yet, ascending: what a resumed encoding has still to do."""
        return np.flatnonzero(~self._done)

    @property
    def blank(self) -> np.ndarray:
        """`blank_for` of the one bucket; ValueError where the cache has several."""
        if len(self._sizes) != 1:
            raise ValueError(f"The latent cache {self.path} has several buckets: use blank_for.")
        return self.blank_for(self.buckets[0])

    def row_of(self, clip_id: str) -> int:
        """Return the row of a clip. Raises ValueError for an id that is not in the cache."""
        if clip_id not in self._row_of:
            raise ValueError(f"The latent cache {self.path} has no clip {clip_id!r}.")
        return self._row_of[clip_id]

    def blank_for(self, bucket: Bucket) -> np.ndarray:
        """Return the encoding of all-zero frames, float32 [t, h, w, z].

        Raises ValueError when it was not written.
        """
        file = self.path / _name(bucket) / "blank.npy"
        if not file.exists():
            raise ValueError(f"The latent cache {self.path} has no blank for {_name(bucket)}.")
        return np.load(file)

    def write_blank(self, bucket: Bucket, blank: np.ndarray) -> None:
        """Write the encoding of all-zero frames, [t, h, w, z], of one bucket."""
        self._check_shape(blank.shape, (*bucket, self.meta.channels), "blank")
        with (
            whole_file(self.path / _name(bucket) / "blank.npy") as temporary,
            temporary.open("wb") as stream,
        ):
            np.save(stream, blank.astype(np.float32))

    def write(self, rows: Sequence[int], latents: np.ndarray, reference: np.ndarray) -> None:
        """Write `rows` of one bucket: latents and reference latents [rows, t, h, w, z].

        Whole shards (32 consecutive rows of a bucket) are fastest. Raises ValueError for rows of
        several buckets, wrong shapes and values that are not finite.
        """
        numbers = np.asarray(rows, np.int64)
        shapes = {self.meta.buckets[row] for row in numbers}
        if len(shapes) != 1:
            raise ValueError(f"Rows are written a bucket at a time, not {sorted(shapes)} at once.")
        (bucket,) = shapes
        for name, values in zip(ARRAYS, (latents, reference), strict=True):
            self._check_shape(values.shape, (len(numbers), *bucket, self.meta.channels), name)
            kept = values.astype(ts.dtype(self.meta.dtype).numpy_dtype)
            if not np.isfinite(kept.astype(np.float32)).all():
                raise ValueError(f"The {name} of rows {numbers[0]}… are not finite.")
            self._array(bucket, name)[self._place[numbers]].write(kept).result()
        with (self.path / DONE_NAME).open("a") as stream:
            stream.write("".join(f"{row}\n" for row in numbers))
        self._done[numbers] = True

    def read(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the latents and the reference latents of one row, float32 [t, h, w, z]."""
        latents, reference = self.read_many([row])
        return latents[0], reference[0]

    def read_many(self, rows: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """Return latents and reference latents of rows of one bucket, float32 [rows, t, h, w, z].

        Raises ValueError for rows of several buckets or not written yet.
        """
        numbers = np.asarray(rows, np.int64)
        shapes = {self.meta.buckets[row] for row in numbers}
        if len(shapes) != 1:
            raise ValueError(f"Rows are read a bucket at a time, not {sorted(shapes)} at once.")
        missing = numbers[~self._done[numbers]]
        if missing.size:
            raise ValueError(f"Row {missing[0]} of the latent cache {self.path} is not written.")
        (bucket,) = shapes
        places = self._place[numbers]
        if self._memory:
            found = [self._memory[bucket, name][places] for name in ARRAYS]
        else:
            # Both reads are under way before either is waited for.
            futures = [self._array(bucket, name)[places].read() for name in ARRAYS]
            found = [future.result() for future in futures]
        latents, reference = (np.asarray(values).astype(np.float32) for values in found)
        return latents, reference

    def _check_shape(self, found: Sequence[int], wanted: Sequence[int], name: str) -> None:
        if tuple(found) != tuple(wanted):
            raise ValueError(f"{name} must be {list(wanted)}, not {list(found)}.")

    def _read_done(self) -> np.ndarray:
        done = np.zeros(len(self), bool)
        file = self.path / DONE_NAME
        if file.exists():
            text = file.read_text()
            # A line without its end was cut short by a crash: that row is not done.
            numbers = text[: text.rfind("\n") + 1].split()
            done[[int(number) for number in numbers]] = True
            if not text.endswith("\n"):
                file.write_text("".join(f"{number}\n" for number in numbers))
        return done

    def _load(self) -> None:
        keys = [(bucket, name) for bucket in self._sizes for name in ARRAYS]
        futures = [self._array(bucket, name).read() for bucket, name in keys]
        self._memory = {k: f.result() for k, f in zip(keys, futures, strict=True)}

    def _array(self, bucket: Bucket, name: str) -> Any:
        key = (bucket, name)
        if key not in self._handles:
            shape = (*bucket, self.meta.channels)
            self._handles[key] = ts.open(
                _spec(
                    self.path / _name(bucket) / name, self._sizes[bucket], shape, self.meta.dtype
                ),
                open=True,
                create=True,
            ).result()
        return self._handles[key]


def _name(bucket: Bucket) -> str:
    return "x".join(str(side) for side in bucket)


def _spec(path: Path, rows: int, shape: tuple[int, ...], dtype: str) -> Mapping[str, Any]:
    raw = {"name": "bytes", "configuration": {"endian": "little"}}
    sharding = {
        "name": "sharding_indexed",
        "configuration": {"chunk_shape": [1, *shape], "codecs": [raw]},
    }
    return {
        "driver": "zarr3",
        "kvstore": {"driver": "file", "path": str(path)},
        "metadata": {
            "shape": [rows, *shape],
            "chunk_grid": {
                "name": "regular",
                "configuration": {"chunk_shape": [CLIPS_IN_SHARD, *shape]},
            },
            "data_type": dtype,
            "fill_value": 0,
            "codecs": [sharding],
        },
    }
