"""The S×M×C×V vocabulary (paper A.1): terms, aliases and metadata, read from TOML and validated.

An asset file states its `axis` (and, for VFX, the `category` its terms share) and lists terms
under the name of their sub-field. A term's `id` is written down in its file, never derived: a
checkpoint's embedding rows keep their meaning when the vocabulary grows.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import re
import tomllib
from collections.abc import Mapping
from importlib import resources
from typing import Any

AXES = ("S", "M", "C", "V")
FIELDS: Mapping[str, str] = {
    "VideoStyle": "S",
    "MotionStyle": "S",
    "MotionType": "M",
    "Emotion": "M",
    "MotionAmplitude": "M",
    "MotionSpeed": "M",
    "ShotScale": "C",
    "ShotAngle": "C",
    "CameraMotion": "C",
    "VFX": "V",
}
"""Every sub-field with its axis, in canonical order."""

FIELD_ALIASES: Mapping[str, str] = {
    "visual style": "VideoStyle",
    "action": "MotionType",
    "action type": "MotionType",
    "amplitude": "MotionAmplitude",
    "speed": "MotionSpeed",
    "shot_type": "ShotScale",
    "shot size": "ShotScale",
    "camera angle": "ShotAngle",
    "viewing angle": "ShotAngle",
    "camera_motion": "CameraMotion",
    "camera movement": "CameraMotion",
    "camera": "CameraMotion",
    "effects": "VFX",
    "visual effects": "VFX",
    "AnimeVisualEffects": "VFX",
}

DIRECTIONS: Mapping[str, int] = {
    name: number
    for number, name in enumerate(
        ("left", "right", "up", "down", "in", "out", "cw", "ccw", "near", "far"), start=1
    )
}
"""Directions of camera movements and their ids, 1..10."""

LEVELS = ("low", "medium", "high")
"""Ordinal values of amplitude and speed (paper A.1.1)."""

_VFX_METADATA = ("category", "subcategory", "meaning", "appearance", "dynamics", "scenes")
_CATEGORISED = ("MotionType", "Emotion")
_EMOTION_CATEGORIES = ("basic", "complex")
_FRAMING_NOUNS = {"ShotScale": ("shot",), "ShotAngle": ("angle", "view", "shot")}
_RESERVED = re.compile(r"[,;:()<>]|->")


@dataclasses.dataclass(frozen=True)
class Term:
    """One value of one sub-field, with its wording and its metadata (paper A.1.2–A.1.5).

    `category` groups VFX, motion types, emotions (basic, complex) and video styles; the four
    fields after `subcategory` belong to VFX; `directions` and `implied` belong to camera movements.
    `implied` lists (alias, attribute, value): what an alias says beyond the name, such as
    ("whip pan", "speed", "high").
    """

    axis: str
    field: str
    name: str
    id: int
    aliases: tuple[str, ...] = ()
    description: str = ""
    category: str | None = None
    subcategory: str | None = None
    meaning: str | None = None
    appearance: str | None = None
    dynamics: str | None = None
    scenes: str | None = None
    directions: tuple[str, ...] = ()
    implied: tuple[tuple[str, str, str], ...] = ()

    @property
    def key(self) -> tuple[str, str | None, str]:
        """The identity of the value: (field, category for VFX else None, name)."""
        return (self.field, self.category if self.field == "VFX" else None, self.name)

    @property
    def wordings(self) -> tuple[str, ...]:
        """The name and its aliases."""
        return (self.name, *self.aliases)


def fold(text: str) -> str:
    """Return `text` without case, spaces, hyphens and punctuation, as lookups compare it."""
    return re.sub(r"[\W_]", "", text.casefold().replace("&", "and"))


def near(text: str, wordings: Mapping[str, str], count: int = 3) -> list[str]:
    """Return up to `count` values of `wordings` whose keys (folded) resemble `text`, best first."""
    key = fold(text)
    close = difflib.get_close_matches(key, wordings, n=4 * count, cutoff=0.6)
    inside = [w for w in wordings if min(len(key), len(w)) >= 3 and (key in w or w in key)]
    return list(dict.fromkeys(wordings[w] for w in [*close, *inside]))[:count]


def find_field(text: str) -> str:
    """Return the sub-field that a key such as `shot_type` or `ShotScale` names.

    Raises ValueError naming the nearest keys when there is none.
    """
    if text in FIELDS:
        return text
    names = {fold(name): name for name in FIELDS}
    names |= {fold(alias): name for alias, name in FIELD_ALIASES.items()}
    if fold(text) in names:
        return names[fold(text)]
    close = near(text, names) or list(FIELDS)
    raise ValueError(f"there is no tag field {text.strip()!r}: near it are {', '.join(close)}")


@dataclasses.dataclass(frozen=True)
class Vocabulary:
    """All terms, ordered by id, with lookups through names and aliases."""

    terms: tuple[Term, ...]

    @functools.cached_property
    def ids(self) -> Mapping[tuple[str, str | None, str], int]:
        """The id 1..N of every (field, category for VFX else None, name)."""
        return {term.key: term.id for term in self.terms}

    @functools.cached_property
    def _index(self) -> Mapping[str, Mapping[str, tuple[Term, ...]]]:
        index: dict[str, dict[str, tuple[Term, ...]]] = {field: {} for field in FIELDS}
        for term in self.terms:
            for key in {fold(wording) for wording in term.wordings}:
                index[term.field][key] = (*index[term.field].get(key, ()), term)
        return index

    @functools.cached_property
    def _by_field(self) -> Mapping[str, tuple[Term, ...]]:
        return {f: tuple(t for t in self.terms if t.field == f) for f in FIELDS}

    def of_field(self, field: str) -> tuple[Term, ...]:
        """Return the terms of a sub-field, ordered by id; ValueError for an unknown field."""
        return self._by_field[find_field(field)]

    def term(self, value_id: int) -> Term:
        """Return the term with id `value_id` (1..N); ValueError outside."""
        if not 1 <= value_id <= len(self.terms):
            raise ValueError(f"value ids run from 1 to {len(self.terms)}, and {value_id} is given")
        return self.terms[value_id - 1]

    def matches(self, field: str, text: str, category: str | None = None) -> tuple[Term, ...]:
        """Return the terms of `field` whose name or alias `text` is, maybe none, maybe several.

        VFX may be written with their category, 'Character Performance/Electric Flash', or with
        category and subcategory; a category may be shortened to its first words. Framing may be
        written without its noun: 'wide', 'bird's-eye'.
        """
        if field == "VFX" and "/" in text:
            category, _, text = (part.strip() for part in _split_path(text))
        index, key = self._index[field], fold(text)
        found = index.get(key, ())
        for noun in _FRAMING_NOUNS.get(field, ()):
            found = found or index.get(key + noun, ())
        if category:
            found = tuple(t for t in found if fold(t.category or "").startswith(fold(category)))
        return found

    def lookup(self, field: str, text: str, category: str | None = None) -> Term:
        """Return the term of `field` that `text` names, by name or alias.

        Case, spaces and hyphens do not matter. Raises ValueError naming near values when there is
        none, and naming the categories when a VFX name belongs to several.
        """
        field = find_field(field)
        found = self.matches(field, text, category)
        if len(found) == 1:
            return found[0]
        if found:
            choices = " or ".join(f"'{term.category}/{term.name}'" for term in found)
            raise ValueError(f"{field} {text.strip()!r} is in two categories: write {choices}")
        raise ValueError(self._unknown(field, text, category))

    def _unknown(self, field: str, text: str, category: str | None) -> str:
        value = f"{category}/{text.strip()}" if category else text.strip()
        wordings = {k: terms[0].name for k, terms in self._index[field].items()}
        close = near(text.rpartition("/")[2] if field == "VFX" else text, wordings)
        sentence = f"{field} has no value {value!r}"
        if close:
            return f"{sentence}: near it are {', '.join(close)}"
        names = [term.name for term in self.of_field(field)]
        listed = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
        return f"{sentence}: its values are {listed}"

    def find(self, text: str) -> tuple[Term, ...]:
        """Return every term of any sub-field whose name or alias `text` is."""
        return tuple(term for field in FIELDS for term in self.matches(field, text))

    def near_any(self, text: str) -> list[str]:
        """Return names of any sub-field that resemble `text`, best first."""
        wordings = {k: ts[0].name for index in self._index.values() for k, ts in index.items()}
        return near(text, wordings)


def _split_path(text: str) -> tuple[str, str, str]:
    parts = text.split("/")
    return parts[0], "/".join(parts[1:-1]), parts[-1]


def read_vocabulary(files: Mapping[str, str]) -> Vocabulary:
    """Build and validate a vocabulary from TOML texts by file name.

    Raises ValueError with one sentence (file, term, what is wrong) when a file is not TOML, a term
    lacks required metadata, a name or alias is taken, or ids are not exactly 1..N.
    """
    terms = [term for name, text in files.items() for term in _read_file(name, text)]
    terms.sort(key=lambda term: term.id)
    _check_ids(terms)
    _check_wordings(terms)
    return Vocabulary(tuple(terms))


@functools.cache
def load_vocabulary() -> Vocabulary:
    """Return the shipped vocabulary; read and validated once."""
    folder = resources.files("animatrix_data.taxonomy") / "assets"
    paths = sorted(
        (path for path in folder.iterdir() if path.name.endswith(".toml")), key=lambda p: p.name
    )
    return read_vocabulary({path.name: path.read_text(encoding="utf-8") for path in paths})


def _read_file(name: str, text: str) -> list[Term]:
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"vocabulary file {name} is not valid TOML: {error}") from None
    axis, category = data.pop("axis", None), data.pop("category", None)
    if axis not in AXES:
        raise ValueError(f"vocabulary file {name}: axis must be one of {', '.join(AXES)}")
    terms = []
    for field, entries in data.items():
        if FIELDS.get(field) != axis:
            raise ValueError(f"vocabulary file {name}: axis {axis} has no sub-field {field!r}")
        if not isinstance(entries, list):
            raise ValueError(f"vocabulary file {name}: terms are written under [[{field}]]")
        terms += [_read_term(name, axis, field, category, entry) for entry in entries]
    return terms


def _read_term(file: str, axis: str, field: str, category: str | None, entry: Any) -> Term:
    where = f"vocabulary file {file}, {field} {entry.get('name', '(no name)')!r}"
    known = {f.name for f in dataclasses.fields(Term)} - {"axis", "field"}
    if unknown := sorted(set(entry) - known):
        raise ValueError(f"{where}: unknown key {unknown[0]!r}")
    _check_kinds(where, entry)
    values = {"category": category} | entry
    for plural in ("aliases", "directions"):
        values[plural] = tuple(values.get(plural, ()))
    values["implied"] = tuple(
        (alias, attribute, value)
        for alias, attributes in values.get("implied", {}).items()
        for attribute, value in attributes.items()
    )
    required = ["name", "id", "description"]
    required += _VFX_METADATA if field == "VFX" else ()
    required += ["category"] if field in _CATEGORISED else []
    for key in required:
        if not values.get(key):
            raise ValueError(f"{where}: {key} is missing")
    term = Term(axis=axis, field=field, **values)
    _check_term(where, term)
    return term


def _check_kinds(where: str, entry: Mapping[str, Any]) -> None:
    for key, value in entry.items():
        if key in ("aliases", "directions"):
            if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
                raise ValueError(f"{where}: {key} must be a list of texts")
        elif key == "implied":
            if not isinstance(value, dict) or not all(isinstance(v, dict) for v in value.values()):
                raise ValueError(f"{where}: implied must be tables by alias")
        elif type(value) is not (int if key == "id" else str):
            raise ValueError(f"{where}: {key} must be {'a number' if key == 'id' else 'a text'}")


def _check_term(where: str, term: Term) -> None:
    if term.field == "Emotion" and term.category not in _EMOTION_CATEGORIES:
        raise ValueError(f"{where}: category must be basic or complex")
    for wording in term.wordings:
        if not fold(wording) or _RESERVED.search(wording):
            raise ValueError(f"{where}: {wording!r} is empty or holds one of , ; : ( ) < > ->")
        if term.field == "VFX" and "/" in wording:
            raise ValueError(f"{where}: {wording!r} holds '/', which parts category and name")
    for direction in term.directions:
        if direction not in DIRECTIONS:
            raise ValueError(f"{where}: unknown direction {direction!r}")
    for alias, attribute, value in term.implied:
        allowed = {"direction": term.directions, "amplitude": LEVELS, "speed": LEVELS}
        if alias not in term.aliases or value not in allowed.get(attribute, ()):
            raise ValueError(f"{where}: implied {alias!r} {attribute}={value!r} is not possible")


def _check_ids(terms: list[Term]) -> None:
    for expected, term in enumerate(terms, start=1):
        if term.id != expected:
            raise ValueError(
                f"vocabulary ids must be 1 to {len(terms)}, each once: "
                f"{term.field} {term.name!r} has {term.id} where {expected} is due"
            )


def _check_wordings(terms: list[Term]) -> None:
    names: dict[tuple[str, str | None, str], Term] = {}
    for term in terms:
        key = (*term.key[:2], fold(term.name))
        if key in names:
            raise ValueError(f"vocabulary: {term.field} has the name {term.name!r} twice")
        names[key] = term
    name_keys = {(term.field, fold(term.name)): term for term in terms}
    owners: dict[tuple[str, str], Term] = {}
    for term in terms:
        for alias in term.aliases:
            key2 = (term.field, fold(alias))
            other = owners.get(key2, name_keys.get(key2))
            if other is not None:
                raise ValueError(
                    f"vocabulary: alias {alias!r} of {term.field} {term.name!r} "
                    f"belongs to {other.name!r} already"
                )
            owners[key2] = term
