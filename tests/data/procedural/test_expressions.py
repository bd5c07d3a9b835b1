"""The twenty emotions: all there, unmistakable on the face, and what combines them."""

from itertools import combinations

import numpy as np
import pytest

from animatrix_data.procedural.expressions import (
    COMPLEX,
    EMOTIONS,
    FACE_SHOTS,
    NEUTRAL,
    Expression,
    Look,
    expression_of,
)
from animatrix_data.procedural.face import EYES, FACES, MOUTHS
from animatrix_data.procedural.motion import Pose
from animatrix_data.procedural.styles import STYLES
from animatrix_data.taxonomy.vocabulary import load_vocabulary
from tests.data.procedural.drawn import draw, face_of

BASIC = tuple(name for name in EMOTIONS if name not in COMPLEX)


def seen(emotions: tuple[str, ...], shot: str, style: str, turn: float = 0.25) -> np.ndarray:
    look = Look(expression=expression_of(emotions))
    return face_of(draw(look, Pose(turn=turn), shot=shot, style=style), shot)


def apart(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one - other).mean())


def test_the_emotions_are_the_vocabulary_s() -> None:
    terms = load_vocabulary().of_field("Emotion")
    assert set(EMOTIONS) == {term.name for term in terms}
    assert set(COMPLEX) == {term.name for term in terms if term.category == "complex"}


def test_every_face_names_painters_that_exist() -> None:
    for name in EMOTIONS:
        face = EMOTIONS[name]
        assert face.eyes in EYES and face.mouth in MOUTHS
        assert all(mark in FACES for mark in face.marks)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("shot", FACE_SHOTS)
def test_emotions_differ_from_the_plain_face_and_from_each_other(style: str, shot: str) -> None:
    faces = {(): seen((), shot, style)}
    faces |= {(name,): seen((name,), shot, style) for name in EMOTIONS}
    for one, other in combinations(faces, 2):
        assert apart(faces[one], faces[other]) > 5, (one, other)


@pytest.mark.parametrize("turn", [-0.9, 1.0])
def test_a_turned_face_still_shows_its_emotion(turn: float) -> None:
    plain = seen((), "Close-Up", "2D Japanese Anime", turn)
    for name in EMOTIONS:
        assert apart(seen((name,), "Close-Up", "2D Japanese Anime", turn), plain) > 3, name


def test_the_back_of_a_head_shows_no_emotion() -> None:
    backs = [seen(felt, "Close-Up", "2D Japanese Anime", np.pi) for felt in ((), ("anger",))]
    np.testing.assert_array_equal(*backs)


def test_a_pair_shows_both_emotions() -> None:
    shot, style = "Close-Up", "Miyazaki Style"
    alone = {name: seen((name,), shot, style) for name in EMOTIONS}
    for basic in BASIC:
        for other in COMPLEX:
            both = seen((basic, other), shot, style)
            assert apart(both, alone[basic]) > 3, (basic, other)
            assert apart(both, alone[other]) > 3, (basic, other)


def test_what_a_pair_takes_from_whom() -> None:
    both = expression_of(("shyness", "anger"))
    anger, shyness = EMOTIONS["anger"], EMOTIONS["shyness"]
    assert (both.mouth, both.frown) == (anger.mouth, anger.frown)
    assert (both.gaze, both.lid) == (shyness.gaze, shyness.lid)
    assert set(both.marks) == {*anger.marks, *shyness.marks}
    assert expression_of(()) == NEUTRAL == Expression()


@pytest.mark.parametrize(
    ("felt", "words"),
    [
        (("anger", "fear"), "one basic emotion, not 2: anger, fear"),
        (("pride", "gloom"), "one complex emotion, not 2: pride, gloom"),
        (("angr",), "did you mean anger"),
    ],
)
def test_emotions_that_no_face_shows_are_refused(felt: tuple[str, ...], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        expression_of(felt)
