"""The text form of tags: fields, values and camera movements, read and printed.

Works on (field, name, attributes) triples; `tags.py` makes canonical tags of them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Protocol

from animatrix_data.taxonomy.vocabulary import (
    DIRECTIONS,
    FIELDS,
    Term,
    find_field,
    fold,
    load_vocabulary,
)

KEYS = {"ShotScale": "shot_type", "ShotAngle": "shot_angle", "CameraMotion": "camera_motion"}
"""Keys of the paper's `<tag>` section that differ from the sub-field's name."""

SPEED_WORDS = {"low": "slow", "medium": "medium", "high": "fast"}
AMPLITUDE_WORDS = {"low": "small", "medium": "medium", "high": "large"}
_SPEEDS = {word: level for level, word in SPEED_WORDS.items()}
_AMPLITUDES = {word: level for level, word in AMPLITUDE_WORDS.items()}
_LEVELS = {level: level for level in SPEED_WORDS}
_DIRECTION_WORDS = {name: name for name in DIRECTIONS} | {
    "leftward": "left",
    "leftwards": "left",
    "rightward": "right",
    "rightwards": "right",
    "upward": "up",
    "upwards": "up",
    "downward": "down",
    "downwards": "down",
    "clockwise": "cw",
    "counterclockwise": "ccw",
    "anticlockwise": "ccw",
}
_FILLERS = ("to", "the", "towards", "toward")

type Attributes = dict[str, str]
type Reading = tuple[str, str, Attributes]


class Value(Protocol):
    """What printing needs of a tag."""

    @property
    def field(self) -> str: ...  # noqa: D102
    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def category(self) -> str | None: ...  # noqa: D102
    @property
    def direction(self) -> str | None: ...  # noqa: D102
    @property
    def amplitude(self) -> str | None: ...  # noqa: D102
    @property
    def speed(self) -> str | None: ...  # noqa: D102


def print_fields(fields: Mapping[str, Sequence[Value]]) -> str:
    """Return 'key: value, key: value; value, …' of tags by sub-field."""
    parts = []
    for field, tags in fields.items():
        separator = " -> " if field == "CameraMotion" else "; "
        parts.append(f"{KEYS.get(field, field)}: {separator.join(print_value(t) for t in tags)}")
    return ", ".join(parts)


def print_value(tag: Value) -> str:
    """Return one tag's canonical text: a name, or a movement such as 'push in (medium, large)'."""
    if tag.field == "CameraMotion":
        return _print_movement(tag)
    if tag.field == "VFX" and len(load_vocabulary().matches("VFX", tag.name)) > 1:
        return f"{tag.category}/{tag.name}"
    return tag.name.lower() if tag.field in KEYS else tag.name


def _print_movement(tag: Value) -> str:
    text = " ".join(filter(None, (tag.name.lower(), tag.direction)))
    speed, amplitude = SPEED_WORDS.get(tag.speed or ""), AMPLITUDE_WORDS.get(tag.amplitude or "")
    if speed and amplitude:
        return f"{text} ({speed}, {amplitude})"
    if amplitude:
        return f"{text} ({amplitude} amplitude)"
    return f"{text} ({speed})" if speed else text


def read_fields(text: str, many: Collection[str]) -> Iterator[Reading]:
    """Yield (field, value text, attributes) of every tag in `text`.

    `many` names the sub-fields that take several values. Raises ValueError with one sentence.
    """
    previous = None
    for item in _split(text, ","):
        key, colon, values = item.partition(":")
        if colon:
            field = find_field(key)
            if not values.strip():
                raise ValueError(f"the tag field {key.strip()!r} has no value")
            yield from _read_values(field, values)
        else:
            field = _field_of(item, previous)
            yield from _read_values(field, item)
        previous = field if field in many else None


def _read_values(field: str, text: str) -> Iterator[Reading]:
    if field != "CameraMotion":
        for value in _split(text, ";"):
            yield field, value, {}
        return
    for part in _split(text, ";"):
        for movement in re.split(r"->|→", part):
            yield read_movement(movement)


def _split(text: str, separator: str) -> list[str]:
    """Split at `separator` outside parentheses, without empty pieces."""
    pieces = re.split(rf"{separator}(?![^()]*\))", text)
    return [piece.strip() for piece in pieces if piece.strip()]


def _field_of(item: str, previous: str | None) -> str:
    """Return the sub-field that a value without a key belongs to."""
    vocabulary = load_vocabulary()
    first = _split(re.split(r"->|→", item)[0], ";")
    value = first[0] if first else item
    movement, _ = _movement_term(*_movement_words(value))
    found = [term.field for term in vocabulary.find(value)]
    if movement is not None:
        found.append("CameraMotion")
    fields = list(dict.fromkeys(found))
    if previous in fields:
        return str(previous)
    if len(fields) == 1:
        return fields[0]
    if fields:
        choices = " or ".join(f"'{KEYS.get(f, f)}: {value}'" for f in fields)
        raise ValueError(f"the tag {value!r} belongs to several fields: write {choices}")
    close = vocabulary.near_any(re.sub(r"\(.*", "", value))
    hint = f"near it are {', '.join(close)}" if close else f"the fields are {', '.join(FIELDS)}"
    raise ValueError(f"there is no tag {value!r}: {hint}")


def read_movement(text: str) -> Reading:
    """Return ('CameraMotion', name or alias, attributes) of text such as 'pan left (slow)'.

    In parentheses the first word is the speed and the second the amplitude; a word that can only
    be the other, or that says so ('large amplitude'), may stand alone. Raises ValueError.
    """
    head, parenthesis, levels = text.partition("(")
    if not head.strip():
        raise ValueError(f"camera_motion {text.strip()!r} names no movement")
    attributes: Attributes = {}
    if parenthesis:
        inside, closing, rest = levels.partition(")")
        if not closing or rest.strip():
            raise ValueError(
                f"camera movement {text.strip()!r} must end with one '(speed, amplitude)'"
            )
        attributes |= _read_levels(inside, text.strip())
    wording, direction = _movement_words(head)
    term, wording = _movement_term(wording, direction)
    if term is None:
        load_vocabulary().lookup("CameraMotion", wording)
    if direction and wording != head.strip():
        attributes["direction"] = direction
    return "CameraMotion", wording, attributes


def _movement_words(text: str) -> tuple[str, str | None]:
    """Return the text before '(' and the direction its last word names, if any."""
    head = text.partition("(")[0].strip()
    words = re.split(r"[\s_-]+", head.casefold())
    joined = "".join(words[-2:])
    return head, _DIRECTION_WORDS.get(words[-1]) if joined not in _DIRECTION_WORDS else (
        _DIRECTION_WORDS[joined]
    )


def _movement_term(head: str, direction: str | None) -> tuple[Term | None, str]:
    """Return the movement that `head` names, whole or without its direction, and that wording."""
    vocabulary = load_vocabulary()
    if found := vocabulary.matches("CameraMotion", head):
        return found[0], head
    if direction is None:
        return None, head
    words = re.split(r"[\s_-]+", head)
    while words and (fold(words[-1]) in _DIRECTION_WORDS or words[-1].casefold() in _FILLERS):
        words.pop()
    if words and words[-1].casefold() in ("counter", "anti"):
        words.pop()
    wording = " ".join(words)
    found = vocabulary.matches("CameraMotion", wording)
    return (found[0] if found else None), (wording or head)


def _read_levels(text: str, movement: str) -> Attributes:
    words = [word.strip().casefold() for word in text.split(",")]
    if len(words) > 2 or not all(words):
        raise ValueError(f"camera movement {movement!r} must end with one '(speed, amplitude)'")
    attributes: Attributes = {}
    for place, word in enumerate(words):
        kind, level = _read_level(word, place)
        if kind in attributes:
            raise ValueError(f"camera movement {movement!r} has two values for {kind}")
        attributes[kind] = level
    return attributes


def _read_level(word: str, place: int) -> tuple[str, str]:
    tables: dict[str, Any] = {"speed": _SPEEDS, "amplitude": _AMPLITUDES}
    plain = re.sub(r"[\s-]+(speed|amplitude)$", "", word)
    if plain != word:
        kind = "speed" if word.endswith("speed") else "amplitude"
        level = (tables[kind] | _LEVELS).get(plain)
    else:
        kind = ("speed", "amplitude")[place]
        other = ("amplitude", "speed")[place]
        level = (tables[kind] | _LEVELS).get(plain)
        if level is None and plain in tables[other]:
            kind, level = other, tables[other][plain]
    if level is None:
        raise ValueError(
            f"{word!r} is neither a speed ({', '.join(_SPEEDS)}) "
            f"nor an amplitude ({', '.join(_AMPLITUDES)})"
        )
    return kind, level
