"""What sampling needs to know of a corpus, by column: labels, content, scores, tiers, shapes.

A million clips fit in some fifty megabytes: `read_table` streams the catalogue and never makes an
object per clip; tags are parsed once per distinct item, such as "VideoStyle: Shinkai Style".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from animatrix_data.corpus.catalogue import (
    SCHEMA,
    TIERS,
    Catalogue,
    ClipRow,
    open_catalogue,
    read_batches,
)
from animatrix_data.taxonomy.syntax import print_value
from animatrix_data.taxonomy.tags import ProductionSpec, Tag, parse_tags
from animatrix_data.taxonomy.vocabulary import FIELDS, LEVELS, load_vocabulary

AXES = ("S", "M", "C", "V")
LABEL_FIELDS = ("VideoStyle", "MotionType", "CameraMotion", "VFX")
"""The sub-field that labels a clip on each axis."""
NO_VFX = "none"
"""The class of tagged clips without a VFX."""
UNKNOWN = -1

_COLUMNS = ("id", "frames", "fps", "height", "width", "tags", "content", "tier")
_SCORES = ("style_cluster", "motion_amplitude", "deformation")
_SCHEMA = pa.schema([SCHEMA.field(name) for name in (*_COLUMNS, *_SCORES)])
# A comma in parentheses, as in "(slow, large)", is set aside while a line is split at commas.
_LEVELS_PATTERN, _ASIDE = r"\(([^(),]*),([^(),]*)\)", "\x1f"
_BLANK, _CONTEXT = len(FIELDS), len(FIELDS) + 1

type Members = tuple[str, ...]
"""What a clip shows on one axis: names of values; for the camera, of its dominant movement."""


@dataclass(frozen=True)
class ClipTable:
    """What sampling needs to know of N clips, by column.

    `ids` pyarrow string array [N]. `labels` int16 [N, 4]: the class on each of AXES as an index
    into `names[axis]`, -1 where the clip has no tag there. The classes (a choice that paper eq. 2
    leaves open): S the video style; M the motion type, of several the rarest; C the dominant
    movement of the camera sequence, without its direction; V the rarest VFX, and NO_VFX for a
    tagged clip without one. `content` int16 [N] indexes `contents`. `scores` float32 [N, 3]: style
    cluster, motion amplitude, deformation (paper 5.2), NaN where unknown. `tiers` uint8 [N] indexes
    `corpus.catalogue.TIERS`. `seconds` float32 [N]. `shapes` int32 [N] indexes `shape_sizes`,
    (frames, height, width). `faulty`: the rows whose tags are outside the vocabulary, each with a
    sentence that says why; their labels are -1, and they are not to be drawn.
    """

    ids: pa.StringArray
    labels: np.ndarray
    names: tuple[tuple[str, ...], ...]
    content: np.ndarray
    contents: tuple[str, ...]
    scores: np.ndarray
    tiers: np.ndarray
    seconds: np.ndarray
    shapes: np.ndarray
    shape_sizes: tuple[tuple[int, int, int], ...]
    faulty: Mapping[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    def id(self, row: int) -> str:
        """Return the id of the clip in a row."""
        return str(self.ids[int(row)].as_py())

    def take(self, rows: np.ndarray) -> ClipTable:
        """Return the table of the clips in `rows` (integers), in their order; classes stay."""
        rows = np.asarray(rows, np.int64)
        columns = {name: getattr(self, name)[rows] for name in _ROW_ARRAYS}
        others = {f.name: getattr(self, f.name) for f in fields(self)} | columns
        places = np.flatnonzero(np.isin(rows, list(self.faulty))).tolist()
        faulty = {place: self.faulty[int(rows[place])] for place in places}
        return ClipTable(**others | {"ids": self.ids.take(pa.array(rows)), "faulty": faulty})


_ROW_ARRAYS = ("labels", "content", "scores", "tiers", "seconds", "shapes")


def read_table(folder: str | Path) -> ClipTable:
    """Read the table of the corpus at `folder`, by batches of its clips.parquet.

    Raises ValueError where `read_catalogue` does; a clip whose tags are outside the vocabulary is
    `faulty`.
    """
    with open_catalogue(folder) as file:
        rows = file.metadata.num_rows
    table = build_table(read_batches(folder, _SCHEMA.names), rows)
    ids = table.ids.take(pc.sort_indices(table.ids))
    twice = ids[1:].filter(pc.equal(ids[1:], ids[:-1]))
    if len(twice):
        raise ValueError(f"The corpus {folder} has two clips with the id {twice[0].as_py()!r}.")
    pa.default_memory_pool().release_unused()
    return table


def table_of(catalogue: Catalogue) -> ClipTable:
    """Return the table of a catalogue that is read already, as `read_table` does."""
    columns = {name: [getattr(row, name) for row in catalogue.rows] for name in _SCHEMA.names}
    return build_table([pa.table(columns, schema=_SCHEMA)], len(catalogue))


def dominant_movement(moves: Sequence[Tag]) -> str:
    """Return the name of the movement that a camera sequence is known by.

    It is the one of the largest amplitude (medium where none is said), of equals the first; a
    shake stands for the sequence only where the camera goes nowhere, and a still camera only
    where nothing else happens.
    """

    def size(tag: Tag) -> tuple[bool, bool, int]:
        goes = tag.direction is not None
        return goes, tag.name != "Static", LEVELS.index(tag.amplitude or "medium")

    return max(moves, key=size).name


@dataclass
class _Interned[Value]:
    """Distinct values in order of appearance; `code` gives the index of one."""

    values: dict[Value, int] = field(default_factory=dict)

    def code(self, value: Value) -> int:
        return self.values.setdefault(value, len(self.values))


class _TagReader:
    """Tag lines to codes of members by axis; every distinct item is parsed once.

    `faulty` is that of the table of all lines read so far.
    """

    def __init__(self) -> None:
        self.faulty: dict[int, str] = {}
        self._read = 0
        self.members = tuple(_Interned[Members]() for _ in AXES)
        self._items: dict[str, tuple[int, int]] = {}
        self._lines: dict[str, tuple[int, ...] | str] = {}

    def read(self, lines: pa.StringArray) -> np.ndarray:
        """Return int32 [N, 4]: the code of each clip's members on each axis, -1 for none."""
        aside = pc.replace_substring_regex(lines, _LEVELS_PATTERN, rf"(\1{_ASIDE}\2)")
        items = pc.split_pattern(aside, ",")
        rows = np.repeat(np.arange(len(lines)), np.diff(items.offsets.to_numpy()))
        distinct = items.flatten().dictionary_encode()
        known = [self._item(text) for text in distinct.dictionary.to_pylist()]
        kinds, codes = np.array(known, np.int32).reshape(-1, 2)[distinct.indices.to_numpy()].T
        # Items that need their neighbours, and sub-fields named twice, are read with their line.
        whole = rows[kinds == _CONTEXT]
        seen = np.bincount(rows * (_CONTEXT + 1) + kinds, minlength=len(lines) * (_CONTEXT + 1))
        twice = np.flatnonzero(seen.reshape(-1, _CONTEXT + 1)[:, :_BLANK].max(1, initial=0) > 1)

        found = np.full((len(lines), len(AXES)), UNKNOWN, np.int32)
        found[rows[kinds < _BLANK], -1] = self.members[-1].code((NO_VFX,))
        for axis, name in enumerate(LABEL_FIELDS):
            of_axis = kinds == list(FIELDS).index(name)
            found[rows[of_axis], axis] = codes[of_axis]
        for row in np.union1d(whole, twice).tolist():
            codes_or_fault = self._line(lines[row].as_py())
            if isinstance(codes_or_fault, str):
                self.faulty[self._read + row] = codes_or_fault
                found[row] = UNKNOWN
            else:
                found[row] = codes_or_fault
        self._read += len(lines)
        return found

    def _item(self, text: str) -> tuple[int, int]:
        """Return an item's sub-field (or _BLANK, _CONTEXT) and the code of its members."""
        if text not in self._items:
            self._items[text] = self._parse_item(text.replace(_ASIDE, ","))
        return self._items[text]

    def _parse_item(self, text: str) -> tuple[int, int]:
        if not text.strip():
            return _BLANK, UNKNOWN
        try:
            spec = parse_tags(text)
        except ValueError:
            return _CONTEXT, UNKNOWN  # its line tells what is wrong, or what makes it right
        if ":" not in text or len(spec.fields()) != 1:
            return _CONTEXT, UNKNOWN
        name = spec.fields()[0]
        axis = LABEL_FIELDS.index(name) if name in LABEL_FIELDS else None
        code = UNKNOWN if axis is None else self._code(spec, axis)
        return list(FIELDS).index(name), code

    def _line(self, line: str) -> tuple[int, ...] | str:
        """Return the codes of a line by axis, or what is wrong with it."""
        if line not in self._lines:
            try:
                spec = parse_tags(line)
            except ValueError as error:
                self._lines[line] = str(error)
            else:
                self._lines[line] = tuple(self._code(spec, axis) for axis in range(len(AXES)))
        return self._lines[line]

    def _code(self, spec: ProductionSpec, axis: int) -> int:
        tags = spec.get(LABEL_FIELDS[axis])
        if axis == AXES.index("V") and spec.tags and not tags:
            return self.members[axis].code((NO_VFX,))
        if not tags:
            return UNKNOWN
        if axis == AXES.index("C"):
            return self.members[axis].code((dominant_movement(tags),))
        return self.members[axis].code(tuple(dict.fromkeys(map(print_value, tags))))


def build_table(batches: Iterable[pa.Table], clips: int) -> ClipTable:
    """Return the table of the rows of batches with a catalogue's columns; they are `clips` in all.

    Raises ValueError for a clip that cannot be, naming it, and for more than 32,767 contents; a
    clip whose tags are outside the vocabulary is `faulty`.
    """
    reader, contents, shapes = _TagReader(), _Interned[str](), _Interned[tuple[int, int, int]]()
    ids: list[pa.Array] = []
    # Written in place: parts joined at the end would be held twice.
    codes: np.ndarray = np.empty((clips, len(AXES)), np.int32)
    content, tiers = np.empty(clips, np.int16), np.empty(clips, np.uint8)
    scores = np.empty((clips, len(_SCORES)), np.float32)
    seconds, shape_codes = np.empty(clips, np.float32), np.empty(clips, np.int32)
    start = 0
    for batch in batches:
        batch = batch.select(_SCHEMA.names).combine_chunks()
        _check(batch)
        part = {name: batch[name].combine_chunks() for name in _SCHEMA.names}
        rows = slice(start, start := start + len(batch))
        ids.append(part["id"])
        codes[rows] = reader.read(part["tags"])
        content[rows] = _codes(part["content"], contents.code)
        for place, name in enumerate(_SCORES):
            scores[rows, place] = part[name].cast(pa.float64()).to_numpy(zero_copy_only=False)
        tiers[rows] = _codes(part["tier"], TIERS.index)
        seconds[rows] = part["frames"].to_numpy() / part["fps"].to_numpy()
        shape_codes[rows] = _shape_codes(part, shapes)
    assert start == clips, f"{clips} clips were announced, and {start} came"
    if len(contents.values) > np.iinfo(content.dtype).max:
        raise ValueError(f"{len(contents.values)} classes of content are more than can be told")
    labels, names = _labels(codes, reader)
    content, content_names = _sorted(content, contents)
    shape_codes, shape_sizes = _sorted(shape_codes, shapes)
    return ClipTable(
        ids=pa.concat_arrays(ids) if ids else pa.array([], pa.string()),
        labels=labels,
        names=names,
        content=content,
        contents=content_names,
        scores=scores,
        tiers=tiers,
        seconds=seconds,
        shapes=shape_codes,
        shape_sizes=shape_sizes,
        faulty=reader.faulty,
    )


def _check(batch: pa.Table) -> None:
    """Raise the ValueError that the first impossible row of a batch gives as a `ClipRow`."""
    sizes = [batch[name].to_numpy() for name in ("frames", "height", "width")]
    bad = (np.min(sizes, 0) < 1) | ~(batch["fps"].to_numpy() > 0)
    bad |= ~np.isin(batch["tier"].to_numpy(), TIERS)
    bad |= pc.equal(batch["id"], "").to_numpy()
    for row in np.flatnonzero(bad)[:1]:
        ClipRow(**batch.slice(row, 1).to_pylist()[0], path="", digest="")


def _codes(column: pa.Array, code: Callable[[Any], int]) -> np.ndarray:
    """Return the codes of a column of values."""
    distinct = column.dictionary_encode()
    codes: np.ndarray = np.array([code(v) for v in distinct.dictionary.to_pylist()], np.int32)
    return codes[distinct.indices.to_numpy()]


def _shape_codes(part: dict[str, pa.Array], shapes: _Interned[tuple[int, int, int]]) -> np.ndarray:
    """Return the codes of the shapes (frames, height, width) of a batch."""
    sides = [part[name].dictionary_encode() for name in ("frames", "height", "width")]
    counts = [len(side.dictionary) for side in sides]
    flat = np.zeros(len(sides[0]), np.int64)
    for side, count in zip(sides, counts, strict=True):
        flat = flat * count + side.indices.to_numpy()
    different, places = np.unique(flat, return_inverse=True)
    found = []
    for place in different.tolist():
        at = np.unravel_index(place, counts)
        frames, height, width = (
            side.dictionary[int(k)].as_py() for side, k in zip(sides, at, strict=True)
        )
        found.append(shapes.code((frames, height, width)))
    return np.array(found, np.int32)[places]


def _sorted[Value](
    codes: np.ndarray, interned: _Interned[Value]
) -> tuple[np.ndarray, tuple[Value, ...]]:
    """Return codes into the sorted values, and these: nothing depends on the clips' order."""
    values = sorted(interned.values)  # type: ignore[type-var]
    place = {value: index for index, value in enumerate(values)}
    moved = np.array([place[value] for value in interned.values], codes.dtype)
    return (moved[codes] if len(moved) else codes), tuple(values)


def _labels(codes: np.ndarray, reader: _TagReader) -> tuple[np.ndarray, tuple[Members, ...]]:
    """Return int16 labels [N, 4] and the names by axis: of several members, the rarest labels."""
    labels = np.full(codes.shape, UNKNOWN, np.int16)
    names = []
    for axis, interned in enumerate(reader.members):
        sets = list(interned.values)
        clips = np.bincount(codes[:, axis] + 1, minlength=len(sets) + 1)[1:]
        counts: dict[str, int] = {}
        for members, count in zip(sets, clips.tolist(), strict=True):
            for name in members:
                counts[name] = counts.get(name, 0) + count
        order = _canonical(axis)
        chosen = [min(members, key=lambda n: (counts[n], order[n])) for members in sets]
        used = {name for name, count in zip(chosen, clips, strict=True) if count}
        classes = sorted(used, key=order.__getitem__)
        place = {name: index for index, name in enumerate(classes)}
        # The last entry is what code -1 finds.
        lookup = np.array([place.get(name, UNKNOWN) for name in chosen] + [UNKNOWN], np.int16)
        labels[:, axis] = lookup[codes[:, axis]]
        names.append(tuple(classes))
    return labels, tuple(names)


def _canonical(axis: int) -> dict[str, int]:
    """Return the place of every class of an axis in the vocabulary's order, NO_VFX last."""
    terms = load_vocabulary().of_field(LABEL_FIELDS[axis])
    if axis == AXES.index("C"):
        return {term.name: term.id for term in terms}
    tags = [Tag(term.field, term.name, term.category if axis == 3 else None) for term in terms]
    return {print_value(tag): tag.term.id for tag in tags} | {NO_VFX: 1 << 30}
