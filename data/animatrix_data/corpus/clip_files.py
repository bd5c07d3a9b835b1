"""The files of a corpus' clips, decoded and held against what its catalogue says of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from animatrix_data.corpus.catalogue import SCHEMA, ClipRow, read_columns
from animatrix_data.corpus.video import DecodeLimits, decode_video, stream_video
from animatrix_data.files import digest_file

COLUMNS = ("id", "path", "digest", "frames", "height", "width")


class ClipFiles:
    """Where the N clips of a corpus lie, by column; read from any thread, picklable.

    `ids` are the clips' ids. A file's SHA-256 is compared once in every process that reads it.
    """

    def __init__(self, folder: str | Path, clips: pa.Table) -> None:
        self.folder, self._clips = Path(folder), clips
        self.ids: tuple[str, ...] = tuple(clips["id"].to_pylist())
        self._compared: set[int] = set()

    @classmethod
    def read(cls, folder: str | Path) -> ClipFiles:
        """Read those of the corpus at `folder`; raises ValueError as `read_catalogue` does."""
        return cls(folder, read_columns(folder, COLUMNS))

    @classmethod
    def of(cls, folder: str | Path, rows: Iterable[ClipRow]) -> ClipFiles:
        """Return those of `rows` of the corpus at `folder`."""
        records = [{name: getattr(row, name) for name in COLUMNS} for row in rows]
        schema = pa.schema([SCHEMA.field(name) for name in COLUMNS])
        return cls(folder, pa.Table.from_pylist(records, schema))

    def __len__(self) -> int:
        return len(self.ids)

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self.folder, "clips": self._clips}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["folder"], state["clips"])  # type: ignore[misc]

    def path(self, row: int) -> Path:
        """Return where a clip lies."""
        return self.folder / str(self._clips["path"][row].as_py())

    def frames(self, row: int, count: int | None = None) -> np.ndarray:
        """Return the first `count` frames of a clip (None: all), uint8 [count, H, W, 3].

        Raises ValueError or OSError where the file is missing, holds fewer frames or no video, or
        is not what the catalogue says.
        """
        path = self.path(row)
        said = tuple(self._clips[name][row].as_py() for name in ("frames", "height", "width"))
        if count is None:
            frames = decode_video(path, DecodeLimits(max_frames=said[0])).frames
        else:
            stream = itertools.islice(stream_video(path, DecodeLimits()), count)
            found = [convert() for _, convert in stream]
            if len(found) < count:
                raise ValueError(f"{path} has {len(found)} frames, and {count} are needed")
            frames = np.stack(found)
        wanted = said if count is None else (count, *said[1:])
        if frames.shape[:3] != wanted:
            raise ValueError(
                f"{path} has {_named(frames.shape)}, and its catalogue says {_named(wanted)}"
            )
        self._compare(row, path)
        return frames

    def _compare(self, row: int, path: Path) -> None:
        """Raise ValueError where a file's bytes are others: a decoder hides much damage."""
        if row in self._compared:
            return
        digest = self._clips["digest"][row].as_py()
        if digest and digest_file(path) != digest:
            raise ValueError(f"{path} has other bytes than its catalogue says (SHA-256)")
        self._compared.add(row)


def _named(shape: Sequence[int]) -> str:
    return f"{shape[0]} frames of {shape[1]}x{shape[2]}"
