"""From ratings to pairs: every two candidates are accounted for, by the paper's rules."""

import json
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from animatrix_data.sampling.preferences import Judging, judge, read_rating

SOUND, DULL, BROKEN = (5.0, 5.0, 5.0, 5.0), (4.0, 5.0, 5.0, 5.0), (5.0, 1.5, 5.0, 5.0)
WRECK = (1.0, 1.0, 1.0, 1.5)
ratings = st.lists(st.tuples(*[st.floats(1, 5, width=16)] * 4), max_size=6)


def test_the_reward_is_the_weighted_sum() -> None:
    assert Judging().reward(BROKEN) == 4.125
    assert Judging((0, 1, 0, 0)).reward(BROKEN) == 1.5


@pytest.mark.parametrize(
    ("reject", "pairs", "refused"),
    [
        ("both", {(0, 1)}, 5),
        ("winner", {(0, 1), (0, 2), (0, 3), (1, 2), (1, 3)}, 1),
        ("none", {(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)}, 0),
    ],
)
def test_what_a_rating_below_two_rules_out(
    reject: str, pairs: set[tuple[int, int]], refused: int
) -> None:
    found = judge([SOUND, DULL, BROKEN, WRECK], Judging(reject=reject))
    assert {(one.winner, one.loser) for one in found.preferred} == pairs
    assert (found.refused, found.broken) == (refused, 2)


def test_a_small_gap_is_for_experts() -> None:
    found = judge([SOUND, DULL, BROKEN], Judging())
    assert found.small_gap and found.unsure == ((0, 1),)
    assert not judge([SOUND, BROKEN], Judging(reject="none")).small_gap
    assert not judge([SOUND, BROKEN], Judging()).small_gap, "one candidate has no gap"


@given(
    ratings=ratings,
    reject=st.sampled_from(["both", "winner", "none"]),
    margin=st.floats(0, 2),
    threshold=st.floats(1, 5),
)
def test_every_two_candidates_are_counted_once(
    ratings: list, reject: str, margin: float, threshold: float
) -> None:
    judging = Judging(reject=reject, margin=margin, threshold=threshold)
    found = judge(ratings, judging)
    total = len(list(combinations(ratings, 2)))
    assert len(found.preferred) + found.refused + found.even + found.narrow == total
    for one in found.preferred:
        assert one.margin > margin
        won, lost = (judging.reward(ratings[k]) for k in (one.winner, one.loser))
        assert won > lost
        assert reject == "none" or not judging.broken(ratings[one.winner])
        assert reject != "both" or not judging.broken(ratings[one.loser])
    # The order of the candidates changes nothing but their places.
    turned = judge(ratings[::-1], judging)
    last = len(ratings) - 1
    assert {(last - one.winner, last - one.loser) for one in turned.preferred} == {
        (one.winner, one.loser) for one in found.preferred
    }


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"weights": (1.0,)}, "weights are 4 numbers, of r_face, r_limb, r_line, r_motion, not 1"),
        ({"weights": (0.0,) * 4}, "one of them above 0"),
        ({"reject": "losers"}, "reject cannot be 'losers'"),
        ({"threshold": 7.0}, "a rating from 1 to 5, not 7"),
        ({"margin": -0.5}, "a gap of rewards, 0 or more, not -0.5"),
    ],
)
def test_nonsense_is_refused(settings: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Judging(**settings)


def test_ratings_are_read_of_a_truth() -> None:
    known = {"r_face": 5, "r_limb": 2.5, "r_line": 4, "r_motion": 1}
    assert read_rating(json.dumps(known), "a") == (5.0, 2.5, 4.0, 1.0)
    assert read_rating(None, "a") is None and read_rating('{"seed": 1}', "a") is None
    for wrong in ("{", json.dumps(known | {"r_face": "good"}), '{"r_face": 3}', "3"):
        with pytest.raises(ValueError, match="clip 'a' has a truth whose ratings cannot be read"):
            read_rating(wrong, "a")
    with pytest.raises(ValueError, match="clip 'a' has a rating outside 1 to 5"):
        read_rating(json.dumps(known | {"r_face": 6}), "a")
