"""From ratings to preference pairs: pure (section 5.4, eq. 17; decision 10)."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from animatrix_data.procedural.faults import RATINGS
from animatrix_data.settings import near

EQUAL = (0.25, 0.25, 0.25, 0.25)
REJECTS = ("both", "winner", "none")
THRESHOLD = 2.0
SMALL_GAP = 0.5
"""A gap of composite rewards below which experts should say which is better."""
PLACES = 9
"""Decimals of a reward: sums that are equal on paper are equal here."""

type Rating = tuple[float, float, float, float]
"""What a clip's structure is worth, in the order of `RATINGS`: from 1 (broken) to 5 (sound)."""


@dataclass(frozen=True)
class Judging:
    """How ratings become preferences.

    `weights` are eq. 17's, in the order of `RATINGS`. A candidate with a rating below `threshold`
    is in no pair (`reject` both: as the paper has it), never wins (winner) or is taken as any other
    (none). A pair's reward gap is above `margin`. Raises ValueError for numbers out of range.
    """

    weights: tuple[float, ...] = EQUAL
    reject: str = "both"
    threshold: float = THRESHOLD
    margin: float = 0.0

    def __post_init__(self) -> None:
        if len(self.weights) != len(RATINGS):
            raise ValueError(
                f"weights are {len(RATINGS)} numbers, of {', '.join(RATINGS)}, not "
                f"{len(self.weights)}"
            )
        if min(self.weights) < 0 or not sum(self.weights) > 0:
            raise ValueError("weights must be 0 or more, and one of them above 0")
        if self.reject not in REJECTS:
            raise ValueError(f"reject cannot be {self.reject!r}{near(self.reject, REJECTS)}")
        if not 1 <= self.threshold <= 5:
            raise ValueError(f"threshold is a rating from 1 to 5, not {self.threshold:g}")
        if not self.margin >= 0:
            raise ValueError(f"margin is a gap of rewards, 0 or more, not {self.margin:g}")

    def reward(self, rating: Rating) -> float:
        """Return the composite reward of a rating (eq. 17)."""
        return round(sum(w * r for w, r in zip(self.weights, rating, strict=True)), PLACES)

    def broken(self, rating: Rating) -> bool:
        """Return whether one of the ratings is below the threshold."""
        return min(rating) < self.threshold


@dataclass(frozen=True)
class Preferred:
    """Of the candidates of a prompt, by place, one that is better than another, by how much."""

    winner: int
    loser: int
    margin: float


@dataclass(frozen=True)
class Judged:
    """What the ratings of one prompt's candidates say.

    `preferred` are the pairs. Of the others `refused` had a candidate below the threshold, `even`
    no gap, `narrow` one within the margin; `broken` are the candidates below the threshold. With a
    `small_gap` the top and the bottom of those that may win differ by less than 0.5: `unsure` are
    then all pairs of these, for experts to say.
    """

    preferred: tuple[Preferred, ...]
    broken: int
    refused: int
    even: int
    narrow: int
    small_gap: bool
    unsure: tuple[tuple[int, int], ...]


def judge(ratings: Sequence[Rating], judging: Judging) -> Judged:
    """Return all ordered pairs of the candidates of one prompt, and what was left out, why."""
    rewards = [judging.reward(rating) for rating in ratings]
    broken = [judging.broken(rating) for rating in ratings]
    preferred, refused, even, narrow = [], 0, 0, 0
    for one, other in combinations(range(len(ratings)), 2):
        winner, loser = (one, other) if rewards[one] >= rewards[other] else (other, one)
        gap = round(rewards[winner] - rewards[loser], PLACES)
        out = {"both": broken[winner] or broken[loser], "winner": broken[winner], "none": False}
        if out[judging.reject]:
            refused += 1
        elif gap > judging.margin:
            preferred.append(Preferred(winner, loser, gap))
        elif gap > 0:
            narrow += 1
        else:
            even += 1
    able = [k for k in range(len(ratings)) if judging.reject == "none" or not broken[k]]
    gaps = [rewards[k] for k in able]
    small = len(able) > 1 and max(gaps) - min(gaps) < SMALL_GAP
    unsure = tuple(combinations(able, 2)) if small else ()
    return Judged(tuple(preferred), sum(broken), refused, even, narrow, small, unsure)


def read_rating(truth: str | None, clip: str) -> Rating | None:
    """Return the rating in the truth of a drawn clip (JSON), None where it has none.

    Raises ValueError, with the clip's id, for a truth that is no JSON and for ratings that are not
    four numbers from 1 to 5.
    """
    if truth is None:
        return None
    try:
        known = json.loads(truth)
        if not any(name in known for name in RATINGS):
            return None
        face, limb, line, motion = (float(known[name]) for name in RATINGS)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"clip {clip!r} has a truth whose ratings cannot be read") from error
    if not all(1 <= rating <= 5 for rating in (face, limb, line, motion)):
        raise ValueError(f"clip {clip!r} has a rating outside 1 to 5")
    return face, limb, line, motion
