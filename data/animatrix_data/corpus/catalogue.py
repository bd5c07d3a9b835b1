"""The catalogue of a corpus: one row per clip in `clips.parquet`."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from types import UnionType
from typing import get_args, get_origin, get_type_hints

import pyarrow as pa
import pyarrow.parquet as pq

from animatrix_data.files import whole_file

CATALOGUE_NAME = "clips.parquet"
CLIPS_FOLDER = "clips"
TIERS = ("S", "A", "B")
BATCH = 1 << 13
"""Clips read from a catalogue at a time."""


@dataclass(frozen=True)
class ClipRow:
    """One clip of a corpus (paper section 3: the unit of curation, captioning and sampling).

    `path` is relative to the corpus folder. `fps` is frames per second, `height` and `width`
    pixels. `caption` is the structured caption as JSON, `directive` the three-section text,
    `tags` the canonical `<tag>` section. `content` is the genre or content class.
    `style_cluster`, `motion_amplitude` and `deformation` are the curriculum scores (section 5).
    `truth` is JSON of what a procedural clip is known to show, `seed` what drew it; both None
    for footage. `digest` is the SHA-256 of the mp4. `source` says where the clip came from.
    """

    id: str
    path: str
    frames: int
    fps: float
    height: int
    width: int
    digest: str
    caption: str | None = None
    directive: str = ""
    tags: str = ""
    content: str = "unknown"
    tier: str = "B"
    style_cluster: int | None = None
    motion_amplitude: float | None = None
    deformation: float | None = None
    era: str | None = None
    resolution_tier: str | None = None
    truth: str | None = None
    seed: int | None = None
    source: str = ""

    def __post_init__(self) -> None:
        if not self.id:
            raise ValueError(f"A clip row needs an id; the one of {self.path!r} is empty.")
        if min(self.frames, self.height, self.width) < 1 or not self.fps > 0:
            raise ValueError(
                f"Clip {self.id!r} needs positive frames, fps, height and width, not "
                f"{self.frames}, {self.fps:g}, {self.height}, {self.width}."
            )
        if self.tier not in TIERS:
            raise ValueError(
                f"Clip {self.id!r} has tier {self.tier!r}; tiers are {', '.join(TIERS)}."
            )


_ARROW_TYPES = {str: pa.string(), int: pa.int64(), float: pa.float64()}


def _schema() -> pa.Schema:
    hints = get_type_hints(ClipRow)
    columns = []
    for field in fields(ClipRow):
        hint = hints[field.name]
        optional = get_origin(hint) is UnionType
        base = get_args(hint)[0] if optional else hint
        columns.append(pa.field(field.name, _ARROW_TYPES[base], nullable=optional))
    return pa.schema(columns)


SCHEMA = _schema()


@dataclass(frozen=True)
class Catalogue:
    """The clips of one corpus, in the order of its `clips.parquet`.

    Raises ValueError when two rows share an id.
    """

    folder: Path
    rows: tuple[ClipRow, ...]

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for row in self.rows:
            if row.id in seen:
                raise ValueError(f"The corpus {self.folder} has two clips with the id {row.id!r}.")
            seen.add(row.id)

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[ClipRow]:
        return iter(self.rows)

    def __getitem__(self, index: int) -> ClipRow:
        return self.rows[index]

    def clip_path(self, row: ClipRow) -> Path:
        """Return where the clip of `row` lies."""
        return self.folder / row.path

    @property
    def buckets(self) -> dict[tuple[int, int, int], tuple[int, ...]]:
        """Row indices by (frames, height, width), buckets in sorted order."""
        grouped: dict[tuple[int, int, int], list[int]] = {}
        for index, row in enumerate(self.rows):
            grouped.setdefault((row.frames, row.height, row.width), []).append(index)
        return {bucket: tuple(grouped[bucket]) for bucket in sorted(grouped)}

    @property
    def digest(self) -> str:
        """SHA-256 over every column of every row in order: it changes when any of them does."""
        return _digest(tuple(getattr(row, name) for name in SCHEMA.names) for row in self.rows)


def write_catalogue(folder: str | Path, rows: Iterable[ClipRow] | Sequence[ClipRow]) -> Catalogue:
    """Write `rows` as `folder`/clips.parquet and return the catalogue.

    Raises ValueError when two rows share an id, OSError when the folder cannot be written.
    """
    catalogue = Catalogue(Path(folder), tuple(rows))
    columns = {name: [getattr(row, name) for row in catalogue.rows] for name in SCHEMA.names}
    with whole_file(catalogue.folder / CATALOGUE_NAME) as temporary:
        pq.write_table(pa.table(columns, schema=SCHEMA), temporary, compression="zstd")
    return catalogue


def open_catalogue(folder: str | Path) -> pq.ParquetFile:
    """Open the catalogue of the corpus at `folder`, to be read by columns and batches.

    Raises ValueError when there is no corpus, when its catalogue is unreadable, or when a
    column is missing.
    """
    path = Path(folder) / CATALOGUE_NAME
    if not path.is_file():
        raise ValueError(f"{folder} is not a corpus: it holds no {CATALOGUE_NAME}.")
    try:
        # By small reads: a reader of a million rows by batches never holds a column whole.
        file = pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 16)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path} cannot be read as a catalogue.") from error
    missing = [name for name in SCHEMA.names if name not in file.schema_arrow.names]
    if missing:
        raise ValueError(f"{path} is not a catalogue: it lacks the column {missing[0]!r}.")
    return file


def read_batches(folder: str | Path, names: Sequence[str]) -> Iterator[pa.Table]:
    """Yield columns of the catalogue of the corpus at `folder`, some thousand clips at a time.

    Raises ValueError where `open_catalogue` does, when it is damaged, or when a column has the
    wrong type.
    """
    path, schema = Path(folder) / CATALOGUE_NAME, pa.schema([SCHEMA.field(n) for n in names])
    with open_catalogue(folder) as file:
        # Small batches on one thread: decoding ahead would hold more memory than what is made.
        batches = file.iter_batches(BATCH, columns=list(names), use_threads=False)
        while True:
            try:
                batch = next(batches, None)
            except (pa.ArrowException, OSError) as error:
                raise ValueError(f"{path} cannot be read as a catalogue.") from error
            if batch is None:
                return
            try:
                table = pa.Table.from_batches([batch]).select(names).cast(schema)
            except (pa.ArrowException, ValueError) as error:
                raise ValueError(f"{path} has a column of the wrong type ({error}).") from error
            yield table.combine_chunks()


def read_columns(folder: str | Path, names: Sequence[str]) -> pa.Table:
    """Return columns of the catalogue of the corpus at `folder`, all clips; raises as above."""
    schema = pa.schema([SCHEMA.field(name) for name in names])
    return pa.concat_tables([schema.empty_table(), *read_batches(folder, names)]).combine_chunks()


def read_catalogue(folder: str | Path) -> Catalogue:
    """Read the catalogue of the corpus at `folder`, an object a clip; raises as `read_batches`."""
    rows = (
        ClipRow(**record)
        for batch in read_batches(folder, SCHEMA.names)
        for record in batch.to_pylist()
    )
    return Catalogue(Path(folder), tuple(rows))


def first_clip(folder: str | Path) -> ClipRow:
    """Return the first clip of the corpus at `folder`; ValueError where it has none."""
    for batch in read_batches(folder, SCHEMA.names):
        return ClipRow(**batch.slice(0, 1).to_pylist()[0])
    raise ValueError(f"the corpus {folder} holds no clips")


def catalogue_digest(folder: str | Path) -> str:
    """Return the digest of the catalogue at `folder` without an object a clip; raises as above."""
    columns = (
        [column.to_pylist() for column in batch.columns]
        for batch in read_batches(folder, SCHEMA.names)
    )
    return _digest(row for batch in columns for row in zip(*batch, strict=True))


def _digest(rows: Iterable[tuple[object, ...]]) -> str:
    digest = hashlib.sha256()
    for row in rows:
        digest.update(repr(row).encode() + b"\n")
    return digest.hexdigest()
