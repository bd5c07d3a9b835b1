"""The table of a corpus: the same by stream and by catalogue, and labels as decided."""

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from animatrix_data.corpus.catalogue import CATALOGUE_NAME, SCHEMA, ClipRow, write_catalogue
from animatrix_data.sampling.table import AXES, ClipTable, read_table, table_of
from animatrix_data.taxonomy.tags import parse_tags

LINES = (
    "",
    "VideoStyle: Shinkai Style, MotionType: walk; talk, camera_motion: static -> pan left (slow, "
    "large) -> push in (fast), VFX: Rain; Snow",
    "VideoStyle: Shinkai Style, MotionType: walk, talk, VFX: Rain",
    "MotionType: walk, VideoStyle: Miyazaki Style, MotionType: talk",
    "camera_motion: pan left (slow, small) -> tilt up (fast, large)",
    "camera_motion: shake -> static, Emotion: joy",
    "walk, VFX: Snow",
)


def row(number: int, tags: str, **changes: object) -> ClipRow:
    values = {"frames": 17, "fps": 8.0, "height": 64, "width": 48} | changes
    return ClipRow(id=f"clip-{number}", path="", digest="", tags=tags, **values)  # type: ignore[arg-type]


def class_names(table: ClipTable, index: int) -> list[str | None]:
    labels = table.labels[index].tolist()
    return [n[k] if k >= 0 else None for n, k in zip(table.names, labels, strict=True)]


def same(one: ClipTable, other: ClipTable) -> None:
    assert one.ids.equals(other.ids)
    assert (one.names, one.contents, one.shape_sizes) == (
        other.names,
        other.contents,
        other.shape_sizes,
    )
    assert one.faulty == other.faulty
    for name in ("labels", "content", "scores", "tiers", "seconds", "shapes"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), strict=True)


def test_labels_are_the_decided_ones(tmp_path: Path) -> None:
    table = table_of(write_catalogue(tmp_path, [row(i, line) for i, line in enumerate(LINES)]))
    assert [class_names(table, i) for i in range(len(LINES))] == [
        [None, None, None, None],
        ["Shinkai Style", "talk", "Pan", "Rain"],
        ["Shinkai Style", "talk", None, "Rain"],
        ["Miyazaki Style", "talk", None, "none"],
        [None, None, "Tilt", "none"],
        [None, None, "Shake", "none"],
        [None, "walk", None, "Snow"],
    ]


@settings(max_examples=25, deadline=None)
@given(
    lines=st.lists(st.sampled_from(LINES), min_size=1, max_size=12),
    group=st.integers(1, 5),
)
def test_the_stream_gives_what_the_catalogue_gives(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], group: int
) -> None:
    folder = tmp_path_factory.mktemp("corpus")
    rows = [
        row(i, line, content="ab"[i % 2], tier="SAB"[i % 3], height=64 - i % 2, style_cluster=None
            if i % 2 else i) for i, line in enumerate(lines)
    ]  # fmt: skip
    catalogue = write_catalogue(folder, rows)
    path = folder / CATALOGUE_NAME
    pq.write_table(pq.read_table(path), path, row_group_size=group)
    table = read_table(folder)
    same(table, table_of(catalogue))
    for i, line in enumerate(lines):
        spec = parse_tags(line)
        shown = {tag.name for tag in spec.tags} | {"none"}
        assert {name for name in class_names(table, i) if name} <= shown
        assert table.id(i) == f"clip-{i}"
        assert table.shape_sizes[table.shapes[i]] == (17, 64 - i % 2, 48)
        assert table.contents[table.content[i]] == "ab"[i % 2]
        assert np.isnan(table.scores[i, 0]) == bool(i % 2)
    assert (table.labels >= 0)[:, AXES.index("V")].tolist() == [bool(line) for line in lines]


def test_rows_can_be_taken(tmp_path: Path) -> None:
    table = table_of(write_catalogue(tmp_path, [row(i, line) for i, line in enumerate(LINES)]))
    taken = table.take(np.array([4, 1]))
    assert [taken.id(0), taken.id(1)] == ["clip-4", "clip-1"]
    np.testing.assert_array_equal(taken.labels, table.labels[[4, 1]])
    assert len(table.take(np.array([], int))) == 0


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("VideoStyle: Shinkay Style", "near it are Shinkai Style"),
        ("MotionType: walk, dreamy nonsense", "dreamy nonsense"),
        ("VideoStyle: Shinkai Style, VideoStyle: Miyazaki Style", "one value"),
        ("camera_motion: pan left (slow, large, odd)", "must end with"),
    ],
)
def test_a_clip_with_wrong_tags_is_faulty(tmp_path: Path, line: str, words: str) -> None:
    lines = [LINES[1], line, LINES[2], line]
    catalogue = write_catalogue(tmp_path, [row(i, text) for i, text in enumerate(lines)])
    path = tmp_path / CATALOGUE_NAME
    pq.write_table(pq.read_table(path), path, row_group_size=1)
    table = read_table(tmp_path)
    same(table, table_of(catalogue))
    assert list(table.faulty) == [1, 3]
    assert re.search(words, table.faulty[3]) and "clip-" not in table.faulty[3]
    assert (table.labels[[1, 3]] == -1).all() and (table.labels[0] >= 0).all()
    # What only faulty clips show is no class.
    assert table.names[0] == ("Shinkai Style",)
    assert table.take(np.array([3, 2, 0, 1])).faulty == {0: table.faulty[3], 3: table.faulty[1]}
    assert table.take(np.array([0, 2])).faulty == {}


def test_an_impossible_catalogue_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is not a corpus"):
        read_table(tmp_path)
    write_catalogue(tmp_path, [row(0, ""), row(1, "")])
    path = tmp_path / CATALOGUE_NAME
    good = pq.read_table(path)

    def with_column(name: str, values: list[object]) -> None:
        place = SCHEMA.get_field_index(name)
        pq.write_table(good.set_column(place, SCHEMA.field(name), pa.array(values)), path)

    for name, values, words in (
        ("tier", ["A", "Z"], "Clip 'clip-1' has tier 'Z'"),
        ("frames", [0, 17], "Clip 'clip-0' needs positive frames"),
        ("fps", [8.0, float("nan")], "Clip 'clip-1' needs positive frames"),
        ("id", ["twin", "twin"], "two clips with the id 'twin'"),
        ("id", ["", "b"], "needs an id"),
    ):
        with_column(name, values)
        with pytest.raises(ValueError, match=words):
            read_table(tmp_path)


def test_a_column_of_another_type_names_its_file(tmp_path: Path) -> None:
    write_catalogue(tmp_path, [row(0, ""), row(1, "")])
    path = tmp_path / CATALOGUE_NAME
    good = pq.read_table(path)
    for name, values in (("frames", ["17", "many"]), ("id", ["a", None]), ("tags", [[1], [2]])):
        place = good.schema.get_field_index(name)
        pq.write_table(good.set_column(place, name, pa.array(values)), path)
        with pytest.raises(ValueError, match=f"{path} has a column of the wrong type"):
            read_table(tmp_path)


def test_an_empty_corpus_has_an_empty_table(tmp_path: Path) -> None:
    catalogue = write_catalogue(tmp_path, [])
    same(read_table(tmp_path), table_of(catalogue))
    assert len(read_table(tmp_path)) == 0
