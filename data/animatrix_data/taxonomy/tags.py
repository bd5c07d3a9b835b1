"""Tags, the production specification they make, and both as arrays (paper 3.3, 4.1, A.1).

A tag is a value of a sub-field; a `ProductionSpec` is a clip's coordinate in S×M×C×V, whole or in
part; `parse_tags` and `print_tags` are its text form, the `<tag>` section of a directive.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable

import numpy as np

from animatrix_data.taxonomy import syntax
from animatrix_data.taxonomy.vocabulary import (
    AXES,
    DIRECTIONS,
    FIELDS,
    LEVELS,
    Term,
    find_field,
    fold,
    load_vocabulary,
)

MAX_TAGS = 24
VALUE_COUNT = len(load_vocabulary().terms)
"""Number of value ids; they run from 1, so an embedding table has VALUE_COUNT + 1 rows."""
AXIS_IDS = {axis: number for number, axis in enumerate(AXES, start=1)}
LEVEL_IDS = {level: number for number, level in enumerate(LEVELS, start=1)}

_STILL = ("Static", "Shake")
_MANY = ("MotionType", "CameraMotion", "VFX")
_MANDATORY = tuple(field for field in FIELDS if field not in ("Emotion", "VFX"))


@dataclasses.dataclass(frozen=True)
class Tag:
    """One canonical tag: (sub-field, name), the category of a VFX, the attributes of a movement.

    Any spelling and alias is accepted and made canonical, what an alias implies included
    (`Tag("CameraMotion", "pull out")` is Push out). `amplitude` and `speed` are low, medium, high.
    Raises ValueError for an unknown field, value, direction or level, and for a camera movement
    that lacks its direction or has attributes it cannot have.
    """

    field: str
    name: str
    category: str | None = None
    direction: str | None = None
    amplitude: str | None = None
    speed: str | None = None

    def __post_init__(self) -> None:
        field = find_field(self.field)
        term = load_vocabulary().lookup(field, self.name, self.category)
        values = {"direction": self.direction, "amplitude": self.amplitude, "speed": self.speed}
        for alias, attribute, value in term.implied:
            if fold(alias) == fold(self.name):
                if values[attribute] not in (None, value):
                    raise ValueError(
                        f"{self.name!r} means {attribute} {value}, not {values[attribute]}"
                    )
                values[attribute] = value
        _check_attributes(term, values)
        canonical = {"field": field, "name": term.name, "category": term.key[1], **values}
        for attribute_name, canonical_value in canonical.items():
            object.__setattr__(self, attribute_name, canonical_value)

    @property
    def term(self) -> Term:
        """The vocabulary's entry."""
        return _term(self.field, self.category, self.name)

    @property
    def axis(self) -> str:
        """S, M, C or V."""
        return FIELDS[self.field]

    def __str__(self) -> str:
        return syntax.print_value(self)


def _check_attributes(term: Term, values: dict[str, str | None]) -> None:
    given = {key: value for key, value in values.items() if value is not None}
    if term.field != "CameraMotion" or term.name in _STILL:
        if given:
            raise ValueError(f"{term.field} {term.name!r} takes no {next(iter(given))}")
        return
    choices = ", ".join(term.directions)
    if values["direction"] is None:
        raise ValueError(f"camera movement {term.name!r} needs a direction: {choices}")
    if values["direction"] not in term.directions:
        raise ValueError(
            f"camera movement {term.name!r} has no direction {values['direction']!r}: "
            f"its directions are {choices}"
        )
    for key in ("amplitude", "speed"):
        if values[key] not in (None, *LEVELS):
            raise ValueError(f"{key} {values[key]!r} is none of {', '.join(LEVELS)}")


@functools.cache
def _term(field: str, category: str | None, name: str) -> Term:
    return load_vocabulary().lookup(field, name, category)


@dataclasses.dataclass(frozen=True)
class ProductionSpec:
    """A clip's tags, whole or in part, in canonical order.

    Tags are sorted by sub-field and value; camera movements keep their order, which is their order
    in time; a tag given twice counts once (a movement may recur). Raises ValueError when a
    sub-field that takes one value has two, or two basic or two complex emotions are given.
    """

    tags: tuple[Tag, ...] = ()

    def __post_init__(self) -> None:
        camera = [tag for tag in self.tags if tag.field == "CameraMotion"]
        others = {tag: None for tag in self.tags if tag.field != "CameraMotion"}
        order = {field: place for place, field in enumerate(FIELDS)}
        tags = sorted([*others, *camera], key=lambda tag: (order[tag.field], _sort_id(tag)))
        _check_exclusive(tags)
        object.__setattr__(self, "tags", tuple(tags))

    def get(self, field: str) -> tuple[Tag, ...]:
        """Return the tags of a sub-field, maybe none; ValueError for an unknown sub-field."""
        field = find_field(field)
        return tuple(tag for tag in self.tags if tag.field == field)

    def replace(self, field: str, tags: Iterable[Tag]) -> ProductionSpec:
        """Return the spec with `tags` in place of all tags of `field` (none removes them).

        Raises ValueError when a tag belongs to another sub-field, or as the constructor does.
        """
        field, tags = find_field(field), tuple(tags)
        for tag in tags:
            if tag.field != field:
                raise ValueError(f"{tag.field} {tag.name!r} cannot stand in for {field}")
        return ProductionSpec((*(tag for tag in self.tags if tag.field != field), *tags))

    def fields(self) -> tuple[str, ...]:
        """Return the sub-fields that have a tag, in canonical order."""
        return tuple(dict.fromkeys(tag.field for tag in self.tags))

    def missing(self) -> tuple[str, ...]:
        """Return the sub-fields that a complete spec has and this one lacks."""
        return tuple(field for field in _MANDATORY if field not in self.fields())

    @property
    def complete(self) -> bool:
        """Whether every sub-field but Emotion and VFX, which may be absent, has a tag."""
        return not self.missing()

    def __str__(self) -> str:
        return print_tags(self)


def _sort_id(tag: Tag) -> int:
    return 0 if tag.field == "CameraMotion" else tag.term.id


def _check_exclusive(tags: Iterable[Tag]) -> None:
    taken: dict[tuple[str, str | None], Tag] = {}
    for tag in tags:
        if tag.field in _MANY:
            continue
        level = tag.term.category if tag.field == "Emotion" else None
        other = taken.setdefault((tag.field, level), tag)
        if other is not tag:
            kind = f"one {level} value" if level else "one value"
            raise ValueError(
                f"{tag.field} takes {kind}, and two are given: {other.name!r} and {tag.name!r}"
            )


@dataclasses.dataclass(frozen=True, eq=False)
class TagArrays:
    """A spec as the tag encoder reads it, padded to 24 rows.

    `values` int32 [24, 5]: (axis S=1 M=2 C=3 V=4, value id, direction id, amplitude 1..3,
    speed 1..3), 0 = none; `order` int32 [24]: place in the camera sequence from 1, else 0;
    `mask` bool [24]: True where a tag stands.
    """

    values: np.ndarray
    order: np.ndarray
    mask: np.ndarray


def tag_arrays(spec: ProductionSpec) -> TagArrays:
    """Return `spec` as arrays (eqs. 3–5 read them); ValueError when it has more than 24 tags."""
    if len(spec.tags) > MAX_TAGS:
        raise ValueError(f"a spec holds at most {MAX_TAGS} tags, and {len(spec.tags)} are given")
    values = np.zeros((MAX_TAGS, 5), np.int32)
    order = np.zeros(MAX_TAGS, np.int32)
    place = 0
    for row, tag in enumerate(spec.tags):
        values[row] = (
            AXIS_IDS[tag.axis],
            tag.term.id,
            DIRECTIONS.get(tag.direction or "", 0),
            LEVEL_IDS.get(tag.amplitude or "", 0),
            LEVEL_IDS.get(tag.speed or "", 0),
        )
        if tag.field == "CameraMotion":
            place += 1
            order[row] = place
    return TagArrays(values, order, np.arange(MAX_TAGS) < len(spec.tags))


def print_tags(spec: ProductionSpec) -> str:
    """Return the canonical text of `spec`; `parse_tags` gives the same spec back."""
    return syntax.print_fields({field: spec.get(field) for field in spec.fields()})


def parse_tags(text: str) -> ProductionSpec:
    """Return the spec that a `<tag>` section or a `--tags` value describes.

    Fields are parted by ',', the values of a field by ';', camera movements by '->', as in
    "VideoStyle: Shinkai Style, MotionType: walk; talk, camera_motion: static -> pan left (slow)".
    A value without its field is accepted where it belongs to one sub-field only, or to the
    many-valued one named just before it. Raises ValueError with one sentence for what is unknown
    (naming near values), ambiguous or contradictory.
    """
    return ProductionSpec(
        tuple(
            Tag(field, name, **attributes)
            for field, name, attributes in syntax.read_fields(text, _MANY)
        )
    )
