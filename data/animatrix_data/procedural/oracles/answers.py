"""What an oracle answers: the tags of a sub-field as short texts, asked and read alike."""

from __future__ import annotations

from collections.abc import Iterable

from animatrix_data.procedural.sampler import DRAWABLE, MOVES
from animatrix_data.taxonomy import DIRECTIONS, FIELDS, ProductionSpec, Tag

NOTHING = "none"
"""The answer of a sub-field that shows nothing, such as a clip without VFX."""
CAMERA_MOVEMENT = "CameraMovement"
"""The camera's movement without its direction: shown beside CameraMotion, part of no axis."""
MIRRORED = {"left": "right", "right": "left", "cw": "ccw", "ccw": "cw"}

Reading = dict[str, dict[str, float]]
"""What an oracle sees in a clip: sub-field to answer to score; the scores of one sum to 1."""


def answer(tag: Tag) -> str:
    """Return a tag as an answer: its name, and a camera movement's direction ('Pan left')."""
    return f"{tag.name} {tag.direction}" if tag.direction else tag.name


def answers(spec: ProductionSpec, field: str) -> tuple[str, ...]:
    """Return what a spec asks for in a sub-field, without repetition; empty where nothing."""
    return tuple(dict.fromkeys(answer(tag) for tag in spec.get(field)))


def movement(text: str) -> str:
    """Return a camera answer without its direction ('Pan left' to 'Pan')."""
    first, _, last = text.rpartition(" ")
    return first if first and last in DIRECTIONS else text


def mirror(text: str) -> str:
    """Return what a camera answer becomes when the picture is mirrored left to right."""
    first, _, last = text.rpartition(" ")
    return f"{first} {MIRRORED[last]}" if first and last in MIRRORED else text


def label_lists(
    specs: Iterable[ProductionSpec], fields: Iterable[str]
) -> dict[str, tuple[str, ...]]:
    """Return the answers that occur in each sub-field, in the vocabulary's order.

    A sub-field that some specs leave empty gets the answer `NOTHING` first; one that offers no
    choice (fewer than two answers) is left out.
    """
    specs = list(specs)
    lists = {}
    for field in sorted(fields, key=list(FIELDS).index):
        tags = {answer(tag): tag for spec in specs for tag in spec.get(field)}
        found = sorted(tags, key=lambda text: (tags[text].term.id, text))
        if any(not spec.get(field) for spec in specs):
            found.insert(0, NOTHING)
        if len(found) > 1:
            lists[field] = tuple(found)
    return lists


def studio_labels(fields: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return the answers that the studio draws in each sub-field, the camera's with directions.

    VFX has the answer `NOTHING` first, since a clip may be without.
    """
    lists = {field: DRAWABLE[field] for field in fields}
    if "CameraMotion" in lists:
        moves = [f"{name} {d}" if d else name for name, d in MOVES]
        lists["CameraMotion"] = tuple(moves)
    if "VFX" in lists:
        lists["VFX"] = (NOTHING, *lists["VFX"])
    return lists


def top(reading: Reading, field: str) -> str:
    """Return the answer with the highest score (the first of equals)."""
    scores = reading[field]
    return max(scores, key=lambda text: scores[text])
