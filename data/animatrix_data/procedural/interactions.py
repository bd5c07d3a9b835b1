"""Multi-Character Interaction: who else is in the scene, what they do, and where they stand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from animatrix_data.procedural.content import HAIR_COLOURS, OUTFIT_COLOURS, PEOPLE, Content
from animatrix_data.procedural.motion import MOTIONS, Action, Moves, Reach, Track
from animatrix_data.procedural.motion.basic import run
from animatrix_data.procedural.motion.company import SPRINT
from animatrix_data.procedural.registry import Registry
from animatrix_data.procedural.timing import Build


@dataclass(frozen=True)
class Member:
    """One of a company: what it does in turn, who it is (None: the clip's own figure), where it
    stands across in figure heights, as the first actor faces, and how far it lags in the cycle
    (radians)."""

    actions: Sequence[Action]
    content: Content | None = None
    x: float = 0.0
    facing: int = 1
    scale: float = 1.0
    lag: float = 0.0


@dataclass(frozen=True)
class Company:
    """What staging may know: the first figure, the build of all, what the first does in turn, and
    a random stream."""

    content: Content
    build: Build
    actions: Sequence[Action]
    rng: np.random.Generator

    def others(self, count: int) -> list[Content]:
        """Return others who differ from the first figure in the colours of hair and outfit."""
        hair = [name for name in HAIR_COLOURS if name != self.content.hair_colour]
        outfits = [name for name in OUTFIT_COLOURS if name != self.content.outfit_colour]
        hair_order, outfit_order = self.rng.permutation(hair), self.rng.permutation(outfits)
        found = []
        for k in range(count):
            person = str(self.rng.choice(list(PEOPLE)))
            found.append(
                replace(
                    self.content,
                    person=person,
                    hair=str(self.rng.choice(PEOPLE[person])),
                    hair_colour=str(hair_order[k % len(hair)]),
                    outfit_colour=str(outfit_order[k % len(outfits)]),
                )
            )
        return found

    def apart(self, least: float) -> float:
        """Return how far a figure stands from the middle of a pair, so that heads do not touch."""
        return max(least, 1.05 * self.build.head)


COMPANIES: Registry[Callable[[Company], list[Member]]] = Registry("company")


def _doing(moves: Callable[[Track, float], Moves], prop: str = "") -> list[Action]:
    return [Action(moves, prop=prop)]


@COMPANIES.add("hug")
def hug(company: Company) -> list[Member]:
    """Two who lean into each other's arms."""
    far = max(0.15, 0.95 * company.build.head + 0.02)
    (other,) = company.others(1)
    return [
        Member(company.actions, x=-far),
        Member(_doing(_hug_back), other, far, -1),
    ]


def _hug_back(phase: Track, gain: float) -> Moves:
    """Return the other's half of a hug, which rocks the same way on the screen."""
    return MOTIONS["hug"].moves(-phase, gain)


@COMPANIES.add("hand over")
def hand_over(company: Company) -> list[Member]:
    """One holds a gift out, the other's hands come to meet it."""
    far = company.apart(0.24)
    (other,) = company.others(1)
    return [
        Member([replace(action, prop="gift") for action in company.actions], x=-far),
        Member(_doing(_take), other, far, -1),
    ]


def _take(phase: Track, gain: float) -> Moves:
    """Return the moves of one who takes what is held out."""
    come = np.sin(phase)
    return {
        "turn": 0.8,
        "lean": 0.08 + 0.06 * gain * come,
        "hand_r": Reach("neck", 0.62 + 0.1 * gain * come, 0.62, 1),
        "hand_l": Reach("neck", 0.6 + 0.1 * gain * come, 0.5, 1),
        "leg_l": -0.15,
        "leg_r": 0.12,
        "mouth": 0.9,
    }


@COMPANIES.add("chase")
def chase(company: Company) -> list[Member]:
    """One flees ahead, the other runs after with grasping hands."""
    far = company.apart(0.27)
    (other,) = company.others(1)
    return [
        Member(company.actions, x=far - 0.04),
        Member(_doing(_pursue), other, -far - 0.04, lag=1.0),
    ]


def _pursue(phase: Track, gain: float) -> Moves:
    """Return the moves of one who runs with both hands stretched out."""
    swing = np.sin(phase)
    return {
        **run(phase, SPRINT * gain - 0.5),
        "x": 0.05 * gain * np.sin(0.5 * phase),
        "arm_l": 1.65 + 0.15 * gain * swing,
        "arm_r": 1.45 - 0.15 * gain * swing,
        "elbow_l": 0.1,
        "elbow_r": 0.1,
    }


@COMPANIES.add("duel")
def duel(company: Company) -> list[Member]:
    """Two face each other, blow against parry."""
    far = company.apart(0.33)
    (other,) = company.others(1)
    second = replace(MOTIONS["duel"], company="")
    return [
        Member(company.actions, x=-far),
        Member([second], other, far, -1, lag=2.4),
    ]


@COMPANIES.add("group formation")
def group_formation(company: Company) -> list[Member]:
    """A wedge of five: the first in front, the others behind to both sides, all in time."""
    places = ((-0.26, 0.84), (0.26, 0.84), (-0.46, 0.7), (0.46, 0.7))
    wide = max(1.0, company.build.head / 0.15)
    others = company.others(len(places))
    same = [replace(action, company="") for action in company.actions]
    return [
        Member(company.actions),
        *(
            Member(same, other, x * min(wide, 1.1), 1, scale)
            for other, (x, scale) in zip(others, places, strict=True)
        ),
    ]


@COMPANIES.add("crowd")
def crowd(company: Company) -> list[Member]:
    """Six who walk the same way, close together, each in their own step."""
    places = [
        (0.26 * (k - 2) + float(company.rng.uniform(-0.04, 0.04)), 0.62 + 0.07 * (k * 3 % 5))
        for k in range(5)
    ]
    order = sorted(zip(company.others(len(places)), places, strict=True), key=lambda m: -m[1][1])
    same = [replace(action, company="") for action in company.actions]
    lags = company.rng.uniform(0, 2 * np.pi, len(places)).tolist()
    return [
        Member(company.actions),
        *(
            Member(same, other, x, 1, scale, lag)
            for (other, (x, scale)), lag in zip(order, lags, strict=True)
        ),
    ]


@COMPANIES.add("melee")
def melee(company: Company) -> list[Member]:
    """Two within arm's reach, one striking while the other wards off."""
    far = company.apart(0.25)
    (other,) = company.others(1)
    guarding = [replace(action, company="", prop="") for action in company.actions]
    return [
        Member(company.actions, x=-far),
        Member(guarding, other, far, -1, lag=np.pi),
    ]
