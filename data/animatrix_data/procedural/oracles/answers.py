"""What an oracle answers: the tags of a sub-field as short texts, asked and read alike."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from animatrix_data.procedural.sampler import sample_spec
from animatrix_data.taxonomy import DIRECTIONS, FIELDS, ProductionSpec, Tag

NOTHING = "none"
"""The answer of a sub-field that shows nothing, such as a clip without VFX."""
ABSENT = ("VFX", "Emotion")
"""Sub-fields that a clip may be without; where another is not asked for, it is left unsaid."""
CAMERA_MOVEMENT = "CameraMovement"
"""The camera's movement without its direction: shown beside CameraMotion, part of no axis."""
PARTS = ("Emotion:basic", "Emotion:complex")
"""Sub-fields read in parts, by their terms' category: a face shows at most one of each."""
SPECIMENS = 1000
"""How many specs of a sampler show all that it asks for."""
MIRRORED = {"left": "right", "right": "left", "cw": "ccw", "ccw": "cw"}
REVERSED = MIRRORED | {"up": "down", "down": "up", "in": "out", "out": "in", "near": "far",
                       "far": "near"}  # fmt: skip

Reading = dict[str, dict[str, float]]
"""What an oracle sees in a clip: sub-field to answer to score; the scores of one sum to 1."""


def answer(tag: Tag) -> str:
    """Return a tag as an answer: its name, and a camera movement's direction ('Pan left')."""
    return f"{tag.name} {tag.direction}" if tag.direction else tag.name


def field_of(name: str) -> str:
    """Return the sub-field that an oracle's answers belong to ('Emotion' of 'Emotion:basic')."""
    return name.partition(":")[0]


def answers(spec: ProductionSpec, name: str) -> tuple[str, ...]:
    """Return what a spec asks for in a sub-field, without repetition; empty where nothing.

    'Emotion:basic' names the tags of a sub-field whose terms are of one category.
    """
    field, _, category = name.partition(":")
    tags = (tag for tag in spec.get(field) if not category or tag.term.category == category)
    return tuple(dict.fromkeys(answer(tag) for tag in tags))


def movement(text: str) -> str:
    """Return a camera answer without its direction ('Pan left' to 'Pan')."""
    first, _, last = text.rpartition(" ")
    return first if first and last in DIRECTIONS else text


def mirror(text: str) -> str:
    """Return what a camera answer becomes when the picture is mirrored left to right."""
    return _turned(text, MIRRORED)


def backwards(text: str) -> str:
    """Return what a camera answer becomes when the clip is played backwards."""
    return _turned(text, REVERSED)


def _turned(text: str, directions: dict[str, str]) -> str:
    first, _, last = text.rpartition(" ")
    return f"{first} {directions[last]}" if first and last in directions else text


def label_lists(
    specs: Iterable[ProductionSpec], names: Iterable[str]
) -> dict[str, tuple[str, ...]]:
    """Return the answers that occur in each sub-field (or part of one), in the vocabulary's order.

    One of `ABSENT` that some specs leave empty gets the answer `NOTHING` first; one that offers no
    choice (fewer than two answers) is left out.
    """
    specs = list(specs)
    ranks = {answer(tag): (tag.term.id, answer(tag)) for spec in specs for tag in spec.tags}
    lists = {}
    for name in sorted(names, key=lambda name: (list(FIELDS).index(field_of(name)), name)):
        asked = [answers(spec, name) for spec in specs]
        found = sorted({text for texts in asked for text in texts}, key=ranks.__getitem__)
        if field_of(name) in ABSENT and not all(asked):
            found.insert(0, NOTHING)
        if len(found) > 1:
            lists[name] = tuple(found)
    return lists


@cache
def sampler_labels(sampler: str, names: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Return the answers to what a sampler asks for, as `label_lists` does.

    Raises ValueError for an unknown sampler.
    """
    return label_lists((sample_spec(seed, sampler) for seed in range(SPECIMENS)), names)


def top(reading: Reading, field: str) -> str:
    """Return the answer with the highest score (the first of equals)."""
    scores = reading[field]
    return max(scores, key=lambda text: scores[text])
