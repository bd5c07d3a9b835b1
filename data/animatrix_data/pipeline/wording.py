"""How prose names a tag: finding a tag's wording in free text and putting another in its place.

Synonym and conflict training (paper 4.2) rewrite the text channel; both need to know where the
text speaks of a tag. A single-word action is found in its -s and -ing forms too.
"""

from __future__ import annotations

import dataclasses
import functools
import re

from animatrix_data.taxonomy import Tag, Term, load_vocabulary

_AS_WRITTEN = ("VideoStyle", "MotionStyle")
_LEVELLED = {"MotionAmplitude": "amplitude", "MotionSpeed": "speed"}
_VERBS = ("MotionType", "CameraMotion")
_FORMS = ("", "s", "ing")
_NOUNS = ("arc", "crowd", "dialogue", "flight", "gait", "instrument", "melee", "pursuit", "zolly")
_UNSAID = ("Other",)
_DIRECTION_PHRASES = {"cw": "clockwise", "ccw": "counterclockwise"}


@dataclasses.dataclass(frozen=True)
class _Wordings:
    """`phrases` a writer may use for a tag; `found` maps folded surfaces to (phrase, form).

    `pattern` also matches wordings of other values that contain one of these ("dolly zoom in" for
    "zoom in"), which are in `found` as None and are no mention.
    """

    phrases: tuple[str, ...]
    found: dict[str, tuple[str, str] | None]
    pattern: re.Pattern[str] | None


def phrases(tag: Tag) -> tuple[str, ...]:
    """Return every way to name `tag` in a sentence that says no more than the tag does."""
    return _wordings(tag).phrases


def mentions(text: str, tag: Tag) -> bool:
    """Whether `text` names `tag` by its name or an alias."""
    wordings = _wordings(tag)
    if wordings.pattern is None:
        return False
    return any(wordings.found[_squeeze(m["said"])] for m in wordings.pattern.finditer(text))


def replace_mentions(text: str, tag: Tag, choices: tuple[str, ...]) -> str:
    """Return `text` with every mention of `tag` replaced by the first fitting phrase of `choices`.

    A mention keeps its verb form and its capital, and the article before it is mended; one that no
    choice fits stays.
    """
    wordings = _wordings(tag)
    if wordings.pattern is None:
        return text

    def rewritten(match: re.Match[str]) -> str:
        said = match["said"]
        phrase, form = wordings.found[_squeeze(said)] or (None, "")
        fitting = (c for c in choices if c != phrase and (form == "" or _is_verb(c)))
        choice = next(fitting, None)
        if phrase is None or choice is None:
            return match[0]
        new = _inflect(choice, form)
        if said[:1].isupper() and not said.isupper():
            new = new[:1].upper() + new[1:]
        return _article(match["article"], new) + new

    return wordings.pattern.sub(rewritten, text)


@functools.lru_cache(maxsize=8192)
def _wordings(tag: Tag) -> _Wordings:
    term = tag.term
    said = tuple(dict.fromkeys(_phrases(tag, term)))
    found: dict[str, tuple[str, str] | None] = {}
    surfaces = [(phrase, form) for phrase in said for form in _FORMS if _fits(tag, phrase, form)]
    for phrase, form in surfaces:
        found.setdefault(_squeeze(_inflect(phrase, form)), (phrase, form))
    if tag.field in _LEVELLED:
        found[f"{_LEVELLED[tag.field]}: {tag.name}"] = ("", "")
    for other in _surfaces(tag.field):
        if other not in found and any(f" {own} " in f" {other} " for own in found):
            found[other] = None
    return _Wordings(said, found, _pattern(found, said) if found else None)


@functools.cache
def _surfaces(field: str) -> tuple[str, ...]:
    """Every wording of a sub-field, movements with each of their directions."""
    return tuple(
        _squeeze(f"{wording} {_DIRECTION_PHRASES.get(direction, direction)}".strip())
        for term in load_vocabulary().of_field(field)
        for wording in term.wordings
        for direction in (*term.directions, "")
    )


def _article(article: str | None, noun: str) -> str:
    """Return the article that stood before a mention as `noun` needs it, with its space."""
    if not article:
        return ""
    initials = noun.split()[0]
    if initials.isupper():
        vowel = initials[0] in "AEFHILMNORSX"
    else:
        vowel = noun[0].lower() in "aeiou" and not re.match(r"one|uni|eu", noun, re.IGNORECASE)
    return f"{article[0]}n " if vowel else f"{article[0]} "


def _phrases(tag: Tag, term: Term) -> list[str]:
    if tag.field == "CameraMotion":
        return _camera_phrases(tag, term)
    if tag.name in _UNSAID:
        return []
    if tag.field in _LEVELLED:
        return list(term.aliases)
    return [term.name if tag.field in _AS_WRITTEN else term.name.lower(), *term.aliases]


def _camera_phrases(tag: Tag, term: Term) -> list[str]:
    direction = _DIRECTION_PHRASES.get(tag.direction or "", tag.direction)
    result = []
    for wording in (term.name.lower(), *term.aliases):
        implied = {a: v for alias, a, v in term.implied if alias == wording}
        if any(getattr(tag, attribute) != value for attribute, value in implied.items()):
            continue
        whole = direction is None or "direction" in implied
        result.append(wording if whole else f"{wording} {direction}")
    return result


def _fits(tag: Tag, phrase: str, form: str) -> bool:
    return form == "" or (tag.field in _VERBS and _is_verb(phrase))


@functools.cache
def _verbs() -> frozenset[str]:
    """Single words that name an action or a directed movement, and so take -s and -ing."""
    vocabulary = load_vocabulary()
    terms = [*vocabulary.of_field("MotionType"), *vocabulary.of_field("CameraMotion")]
    return frozenset(
        wording.lower()
        for term in terms
        if term.name not in ("Static", "Shake")
        for wording in term.wordings
        if wording not in _NOUNS and re.fullmatch(r"[A-Za-z]+", wording) and not wording.isupper()
    )


def _is_verb(phrase: str) -> bool:
    first, *rest = phrase.split()
    directions = {"left", "right", "up", "down", "in", "out", *_DIRECTION_PHRASES.values()}
    if first not in _verbs():
        return first in ("pull", "truck") and bool(rest)
    return not rest or (len(rest) == 1 and rest[0] in directions)


def _inflect(phrase: str, form: str) -> str:
    if not form:
        return phrase
    word, space, rest = phrase.partition(" ")
    if form == "s":
        if re.search(r"(s|x|z|ch|sh|o)$", word):
            word += "es"
        elif re.search(r"[^aeiou]y$", word):
            word = word[:-1] + "ies"
        else:
            word += "s"
    else:
        if re.search(r"[^aeioy]e$", word):
            word = word[:-1]
        elif re.fullmatch(r"[^aeiou]*[aeiou][^aeiouwxy]", word):
            word += word[-1]
        word += "ing"
    return word + space + rest


def _squeeze(text: str) -> str:
    return re.sub(r"[\s-]+", " ", text).casefold()


def _pattern(found: dict[str, tuple[str, str] | None], said: tuple[str, ...]) -> re.Pattern[str]:
    """Longest surface first; abbreviations such as CU only in capitals."""
    capitals = {_squeeze(phrase): phrase for phrase in said if phrase.isupper()}
    pieces = []
    for surface in sorted(found, key=len, reverse=True):
        words = [re.escape(word) for word in capitals.get(surface, surface).split(" ")]
        piece = r"[\s-]+".join(words)
        pieces.append(f"(?-i:{piece})" if surface in capitals else piece)
    said_pattern = "|".join(pieces)
    return re.compile(
        rf"(?<!\w)(?:(?P<article>an?)\s+)?(?P<said>{said_pattern})(?!\w)", re.IGNORECASE
    )
