"""The catalogue: what is written is read, and what is not a catalogue is refused."""

import dataclasses
import string
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from animatrix_data.corpus.catalogue import (
    CATALOGUE_NAME,
    Catalogue,
    ClipRow,
    read_catalogue,
    write_catalogue,
)

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
ROWS = st.builds(
    ClipRow,
    id=st.text(string.ascii_letters + string.digits, min_size=1, max_size=6),
    path=TEXT,
    frames=st.integers(1, 10**6),
    fps=st.floats(0.1, 240),
    height=st.integers(1, 4096),
    width=st.integers(1, 4096),
    digest=TEXT,
    caption=st.none() | TEXT,
    directive=TEXT,
    tags=TEXT,
    content=TEXT,
    tier=st.sampled_from("SAB"),
    style_cluster=st.none() | st.integers(0, 2**40),
    motion_amplitude=st.none() | NUMBER,
    deformation=st.none() | NUMBER,
    era=st.none() | TEXT,
    resolution_tier=st.none() | TEXT,
    truth=st.none() | TEXT,
    seed=st.none() | st.integers(-(2**63), 2**63 - 1),
    source=TEXT,
)


def row(clip_id: str = "a", **changes: object) -> ClipRow:
    values = {"path": "clips/a.mp4", "frames": 17, "fps": 8.0, "height": 64, "width": 48}
    return ClipRow(id=clip_id, digest="0" * 64, **(values | changes))


@settings(max_examples=30, deadline=None)
@given(rows=st.lists(ROWS, max_size=5, unique_by=lambda r: r.id))
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, rows: list[ClipRow]) -> None:
    folder = tmp_path_factory.mktemp("corpus")
    written = write_catalogue(folder, rows)
    found = read_catalogue(folder)
    assert list(found) == rows
    assert found.digest == written.digest
    assert [path.name for path in folder.iterdir()] == [CATALOGUE_NAME]


def test_digest_follows_every_column_and_the_order() -> None:
    changed = [row("a"), row("a", seed=1), row("a", tags="VFX: Rain"), row("a", fps=9.0)]
    digests = {Catalogue(Path("x"), (r, row("b"))).digest for r in changed}
    digests.add(Catalogue(Path("x"), (row("b"), row("a"))).digest)
    assert len(digests) == 5
    assert (
        Catalogue(Path("x"), (row("a"),)).digest == Catalogue(Path("elsewhere"), (row("a"),)).digest
    )


def test_buckets_group_rows_by_shape() -> None:
    rows = (row("a"), row("b", frames=33), row("c"), row("d", height=32))
    buckets = Catalogue(Path("x"), rows).buckets
    assert buckets == {(17, 32, 48): (3,), (17, 64, 48): (0, 2), (33, 64, 48): (1,)}
    assert list(buckets) == sorted(buckets)


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"tier": "C"}, "tiers are S, A, B"), ({"frames": 0}, "positive"), ({"fps": 0.0}, "positive")],
)
def test_rows_are_checked(changes: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        row("a", **changes)


def test_an_id_belongs_to_one_clip(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="two clips with the id 'a'"):
        write_catalogue(tmp_path, [row("a"), row("a")])
    assert not list(tmp_path.iterdir())


def test_what_is_no_catalogue_is_refused(tmp_path: Path) -> None:
    path = tmp_path / CATALOGUE_NAME
    with pytest.raises(ValueError, match="is not a corpus"):
        read_catalogue(tmp_path)
    path.write_bytes(b"PAR1 not really")
    with pytest.raises(ValueError, match="cannot be read"):
        read_catalogue(tmp_path)
    columns = {field.name: [1] for field in dataclasses.fields(ClipRow)}
    pq.write_table(pa.table({k: v for k, v in columns.items() if k != "tier"}), path)
    with pytest.raises(ValueError, match="lacks the column 'tier'"):
        read_catalogue(tmp_path)
    pq.write_table(pa.table(columns | {"frames": ["many"]}), path)
    with pytest.raises(ValueError, match="wrong type"):
        read_catalogue(tmp_path)
