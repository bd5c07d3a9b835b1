"""Which of a clip's paths is likely the camera's, and how that is learnt."""

import numpy as np
import pytest
from scipy.optimize import check_grad

from animatrix_data.procedural.oracles import teaching
from animatrix_data.procedural.oracles.choice import Choice, known, read, taken, written
from animatrix_data.procedural.oracles.evidence import Trail, Witness
from animatrix_data.procedural.oracles.judgement import Candidate, differing, measured
from animatrix_data.procedural.oracles.registration import Tracker
from animatrix_data.procedural.oracles.steady import Steady

EDGE, FRAMES = 64, 9


def lessons(count: int) -> list[teaching.Lesson]:
    """Clips of three paths, the first measure of which is high where the path is right."""
    rng = np.random.default_rng(0)
    told = []
    for _ in range(count):
        errors = np.where(np.arange(3) == rng.integers(4), 0.0, 1.0)
        measures = np.stack([1 - errors + rng.normal(0, 0.1, 3), rng.normal(0, 1, 3)], axis=1)
        told.append(teaching.Lesson(measures, errors, ~np.eye(3, dtype=bool)))
    return told


def test_what_tells_the_right_path_is_learnt() -> None:
    choice = teaching.taught(["telling", "idle"], lessons(60), 1e-3)
    weights = {name: weight for name, (_, _, weight) in choice.measures.items()}
    assert weights["telling"] > 10 * abs(weights["idle"])
    for lesson in lessons(60)[:20]:
        best, sure = teaching.guesses(choice, lesson)
        assert (sure > 0.5) == (lesson.errors.min() == 0)
        assert lesson.errors[best] == lesson.errors.min()


def test_the_gradient_is_the_losses() -> None:
    room = teaching._seated(lessons(12), np.zeros(2), np.ones(2))
    at = np.array([0.3, -0.7, 0.2])
    missed = check_grad(lambda w: teaching._loss(w, room, 0.1)[0],
                        lambda w: teaching._loss(w, room, 0.1)[1], at)  # fmt: skip
    assert missed < 1e-6


def test_a_choice_is_written_and_read() -> None:
    choice = Choice({"all: evidence, lead": (1.5, 2.0, -0.25), "travel": (0.0, 1e-3, 3.0)}, -1.25)
    again = read(written(choice, "A head.\n\nOf three lines."))
    assert dict(again.measures) == dict(choice.measures) and again.none == choice.none


def test_like_paths_differ_little() -> None:
    trails = [Steady("slide", 1.0, complex(x)).trail(FRAMES, EDGE) for x in (0.0, 15.0, 16.0)]
    assert differing(trails).tolist() == [[False, True, True], [True, False, False],
                                          [True, False, False]]  # fmt: skip


@pytest.mark.parametrize("width", [EDGE, 2 * EDGE])
def test_all_that_is_weighed_is_measured(width: int) -> None:
    """What ships finds its measures on clips of any shape, and says how likely each path is."""
    noise = np.random.default_rng(0).integers(0, 255, (EDGE, width, 3), np.uint8)
    witness = Witness(Tracker(np.stack([noise] * FRAMES)))
    trails = [Steady("slide", 1.0, complex(x)).trail(FRAMES, 128) for x in (0, 30)]

    def heard(trail: Trail, kind: str) -> Candidate:
        accounts = witness.account(trail), witness.moving.account(trail)
        return Candidate(trail, kind, *accounts, witness.followed(trail))

    measures = measured([heard(trails[0], "still"), heard(trails[1], "slide")], witness)
    assert all(values.shape == (2,) and np.isfinite(values).all() for values in measures.values())
    likely = known().chances(measures)
    assert likely[0] > likely[1] and likely.sum() <= 1


def test_like_paths_share_their_chances() -> None:
    likely = np.array([0.4, 0.3, 0.25])
    other = np.array([[False, True, True], [True, False, False], [True, False, False]])
    best, sure = taken(likely, other)
    assert (best, sure) == (1, pytest.approx(0.55))
