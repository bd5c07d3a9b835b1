"""The table of pairs: what is written is read, and what no pair can be gets one sentence."""

from dataclasses import asdict, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from animatrix_data.corpus.catalogue import ClipRow, write_catalogue
from animatrix_data.corpus.pairs import PAIRS_NAME, SCHEMA, PairRow, read_pairs, write_pairs

ROW = PairRow("a>b", "a", "b", "I2V", 0.5, "truth")
OTHER = PairRow("b>c", "b", "c", "T2V", float("nan"), "expert")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a corpus of three clips of one shape and one of another."""
    rows = [ClipRow(name, f"{name}.mp4", 5, 8.0, 32, 32, "0") for name in "abc"]
    write_catalogue(tmp_path, [*rows, ClipRow("wide", "wide.mp4", 5, 8.0, 32, 64, "0")])
    return tmp_path


def test_pairs_are_read_as_they_were_written(folder: Path) -> None:
    write_pairs(folder, [ROW, OTHER])
    found = read_pairs(folder)
    assert found.rows[0] == ROW and found.rows[1].id == "b>c"
    assert (found.winners, found.losers) == ((0, 1), (1, 2))
    again = found.digest
    write_pairs(folder, [ROW, OTHER])
    assert read_pairs(folder).digest == again
    write_pairs(folder, [replace(ROW, task="T2V"), OTHER])
    assert read_pairs(folder).digest != again
    assert sorted(path.name for path in folder.iterdir()) == ["clips.parquet", PAIRS_NAME]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"id": ""}, "needs an id, a winner and a loser"),
        ({"loser": "a"}, "pair 'a>b' sets clip 'a' against itself"),
        ({"task": "T2I"}, "has task 'T2I': it is T2V or I2V"),
        ({"source": "guess"}, "has source 'guess': it is one of judge, truth, expert"),
        ({"margin": -1.0}, "has margin -1: it must be above 0"),
        ({"margin": float("inf")}, "has margin inf"),
        ({"loser": "d"}, "pair 'a>b' names clip 'd', which .* lacks"),
        ({"loser": "wide"}, "different shapes: 5 frames of 32x32 and 5 frames of 32x64"),
        ({"id": "b>c"}, "has two pairs with the id 'b>c'"),
    ],
)
def test_a_pair_that_cannot_be_is_refused(folder: Path, change: dict, sentence: str) -> None:
    records = [asdict(ROW) | change, asdict(OTHER)]
    pq.write_table(pa.Table.from_pylist(records, SCHEMA), folder / PAIRS_NAME)
    with pytest.raises(ValueError, match=sentence):
        read_pairs(folder)


def test_what_is_no_table_of_pairs_is_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"holds no pairs.parquet: `animatrix pairs"):
        read_pairs(folder)
    path = folder / PAIRS_NAME
    path.write_bytes(b"torn")
    with pytest.raises(ValueError, match="cannot be read as a table of pairs"):
        read_pairs(folder)
    pq.write_table(pa.table({"id": ["a"]}), path)
    with pytest.raises(ValueError, match="it lacks the column 'winner'"):
        read_pairs(folder)
    columns = {name: ["a"] for name in SCHEMA.names}
    pq.write_table(pa.table(columns), path)
    with pytest.raises(ValueError, match="has a column of the wrong type"):
        read_pairs(folder)
    write_pairs(folder, [])
    with pytest.raises(ValueError, match=r"holds no pairs$"):
        read_pairs(folder)
    with pytest.raises(ValueError, match="has two pairs with the id 'a>b'"):
        write_pairs(folder, [ROW, ROW])
