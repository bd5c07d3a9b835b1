"""Preference pairs of a corpus: a winner and a loser a row, in `pairs.parquet` (section 5.4)."""

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from animatrix_data.corpus.catalogue import read_columns
from animatrix_data.files import whole_file

PAIRS_NAME = "pairs.parquet"
TASKS = ("T2V", "I2V")
SOURCES = ("judge", "truth", "expert")
SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("winner", pa.string(), nullable=False),
        pa.field("loser", pa.string(), nullable=False),
        pa.field("task", pa.string(), nullable=False),
        pa.field("margin", pa.float64(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
    ]
)


@dataclass(frozen=True)
class PairRow:
    """One pair: of two clips of a corpus the preferred one and the other, by id.

    Their words and tags are the winner's. `task` is I2V where both begin with the same picture,
    else T2V. `margin` is how much more the winner is worth (eq. 17's scale), NaN where nobody has
    said; `source` is who preferred it. Raises ValueError for what no pair can be.
    """

    id: str
    winner: str
    loser: str
    task: str
    margin: float
    source: str

    def __post_init__(self) -> None:
        if not (self.id and self.winner and self.loser):
            raise ValueError(f"a pair needs an id, a winner and a loser; {self.id!r} lacks one")
        if self.winner == self.loser:
            raise ValueError(f"pair {self.id!r} sets clip {self.winner!r} against itself")
        if self.task not in TASKS:
            raise ValueError(f"pair {self.id!r} has task {self.task!r}: it is T2V or I2V")
        if self.source not in SOURCES:
            raise ValueError(
                f"pair {self.id!r} has source {self.source!r}: it is one of {', '.join(SOURCES)}"
            )
        if not (math.isnan(self.margin) or 0 < self.margin < math.inf):
            raise ValueError(f"pair {self.id!r} has margin {self.margin:g}: it must be above 0")


@dataclass(frozen=True)
class Pairs:
    """The pairs of a corpus, in order, and the rows of their clips in its catalogue.

    `winners` and `losers` are places of clips.
    """

    rows: tuple[PairRow, ...]
    winners: tuple[int, ...]
    losers: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def digest(self) -> str:
        """SHA-256 over every column of every pair in order."""
        digest = hashlib.sha256()
        for row in self.rows:
            digest.update(repr(astuple(row)).encode() + b"\n")
        return digest.hexdigest()


def write_pairs(folder: str | Path, rows: Sequence[PairRow]) -> Path:
    """Write `rows` as `folder`/pairs.parquet, whole or not at all, and return its path.

    Raises ValueError when two pairs share an id, OSError when the folder cannot be written.
    """
    _check_ids(rows, folder)
    columns = {name: [getattr(row, name) for row in rows] for name in SCHEMA.names}
    path = Path(folder) / PAIRS_NAME
    with whole_file(path) as temporary:
        pq.write_table(pa.table(columns, schema=SCHEMA), temporary, compression="zstd")
    return path


def read_pairs(folder: str | Path) -> Pairs:
    """Read the pairs of the corpus at `folder`.

    Raises ValueError, in a sentence, where there are none or they cannot be read, for a pair that
    cannot be, that names a clip which the corpus lacks, or whose clips have different shapes.
    """
    path = Path(folder) / PAIRS_NAME
    if not path.is_file():
        raise ValueError(
            f"{folder} holds no {PAIRS_NAME}: `animatrix pairs {folder}` makes one of its ratings"
        )
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path} cannot be read as a table of pairs") from error
    missing = [name for name in SCHEMA.names if name not in table.column_names]
    if missing:
        raise ValueError(f"{path} is no table of pairs: it lacks the column {missing[0]!r}")
    try:
        table = table.select(SCHEMA.names).cast(SCHEMA)
    except (pa.ArrowException, ValueError) as error:
        raise ValueError(f"{path} has a column of the wrong type ({error})") from error
    try:
        rows = tuple(PairRow(**record) for record in table.to_pylist())
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    if not rows:
        raise ValueError(f"{path} holds no pairs")
    _check_ids(rows, folder)
    return _located(folder, rows)


def _check_ids(rows: Iterable[PairRow], folder: str | Path) -> None:
    twice = [name for name, count in Counter(row.id for row in rows).items() if count > 1]
    if twice:
        raise ValueError(f"{Path(folder) / PAIRS_NAME} has two pairs with the id {twice[0]!r}")


def _located(folder: str | Path, rows: tuple[PairRow, ...]) -> Pairs:
    """Return pairs with the places of their clips, these held against the catalogue."""
    clips = read_columns(folder, ("id", "frames", "height", "width"))
    place = {clip: row for row, clip in enumerate(clips["id"].to_pylist())}
    sides = [clips[name].to_pylist() for name in ("frames", "height", "width")]
    shapes = list(zip(*sides, strict=True))
    for row in rows:
        for clip in (row.winner, row.loser):
            if clip not in place:
                raise ValueError(f"pair {row.id!r} names clip {clip!r}, which {folder} lacks")
        won, lost = (shapes[place[clip]] for clip in (row.winner, row.loser))
        if won != lost:
            raise ValueError(
                f"the clips of pair {row.id!r} have different shapes: {_shape(won)} and "
                f"{_shape(lost)}"
            )
    return Pairs(
        rows,
        tuple(place[row.winner] for row in rows),
        tuple(place[row.loser] for row in rows),
    )


def _shape(shape: tuple[int, ...]) -> str:
    return f"{shape[0]} frames of {shape[1]}x{shape[2]}"
