"""Draws in which all that is asked for can be seen, out of a choice of tags.

A motion can be read in some shot scales only, an effect on the head in others, an emotion where
the face is large and neither an effect nor the motion has a face of its own, and from straight
above neither a motion nor what is on the head: there none is asked for. Motion, effect, shot,
angle and emotion are therefore drawn together, from the distribution that is nearest to
independence among those with given margins which ask for nothing hidden (iterative proportional
fitting).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from animatrix_data.procedural.effects import ALL_SHOTS, EFFECTS
from animatrix_data.procedural.expressions import FACE_SHOTS, NEUTRAL
from animatrix_data.procedural.faults import BODY_SHOTS, FAULTS, Fault, conflict
from animatrix_data.procedural.motion import MOTIONS
from animatrix_data.procedural.registry import generator
from animatrix_data.procedural.sampler.balanced import EMOTION
from animatrix_data.procedural.sampler.base import Rng, effect_tag, pick, weighed
from animatrix_data.procedural.sampler.drawable import (
    DRAWABLE,
    FIGURES,
    clash,
    readable_shots,
)
from animatrix_data.taxonomy.tags import ProductionSpec, Tag

NO_EFFECT = 0.25
"""The share of clips without an effect."""
FAULTY = 0.5
"""The share of clips with a fault where there are faults, unless a choice says otherwise."""
FACELESS_ANGLE = "Overhead"
COVERING = ("block", "drink", "shoot", "shout", "sob", "strike")
"""Motions that hold something before the face: no effect on it is drawn with them."""
ROUNDS = 60
SURVEYED = 600
"""From how many specs it is learnt how often a kind of fault is possible."""


@dataclass(frozen=True)
class Choice:
    """What is asked for, and how often.

    Motions, effects and emotions are even among those named. shots: the share of every shot scale,
    in the order of `DRAWABLE`; above: the share of clips seen from straight above. move draws the
    camera's movement for a clip with the tags drawn so far. severities: the range of a fault's
    severity; kinds: how often a kind of fault is drawn against the others (1 where it is not
    named); hidden: the names of tags that hide a kind of fault, with which it is not drawn; faulty:
    the share of clips with a fault where one is possible.
    """

    move: Callable[[Rng, ProductionSpec], Tag]
    motions: tuple[str, ...] = DRAWABLE["MotionType"]
    effects: tuple[str, ...] = DRAWABLE["VFX"]
    emotions: tuple[str, ...] = DRAWABLE["Emotion"]
    shots: tuple[float, ...] = (1 / len(DRAWABLE["ShotScale"]),) * len(DRAWABLE["ShotScale"])
    above: float = 1 / len(DRAWABLE["ShotAngle"])
    severities: tuple[float, float] = (0.3, 1.0)
    kinds: tuple[tuple[str, float], ...] = ()
    hidden: tuple[tuple[str, tuple[str, ...]], ...] = ()
    faulty: float = FAULTY


def draw_visible(rng: Rng, choice: Choice) -> ProductionSpec:
    """Return a spec all of whose tags can be seen: one move, at most one effect, one emotion."""
    motion, effect, shot, above, felt = _draw_cell(rng, choice)
    angle = pick(rng, [a for a in DRAWABLE["ShotAngle"] if (a == FACELESS_ANGLE) == above])
    tags = [Tag("ShotScale", shot), Tag("ShotAngle", angle)]
    if motion:
        tags.append(Tag("MotionType", motion))
    for field in ("VideoStyle", "MotionStyle", "MotionAmplitude", "MotionSpeed"):
        tags.append(Tag(field, pick(rng, DRAWABLE[field])))
    if felt:
        tags.append(Tag("Emotion", pick(rng, choice.emotions)))
    effects = [effect_tag(effect)] if effect else []
    tags.append(choice.move(rng, ProductionSpec((*tags, *effects))))
    return ProductionSpec((*tags, *effects))


def draw_fault(rng: Rng, spec: ProductionSpec, choice: Choice) -> tuple[Fault, ...]:
    """Return, for a share of the clips, one fault that is seen and that no tag can be mistaken for.

    Kinds are drawn as often as the choice says, though some can be drawn with few specs only.
    """
    broken, severity = rng.uniform() < choice.faulty, float(rng.uniform(*choice.severities))
    known = _fault_weights(choice)
    weights = {k: weight for k, weight in known.items() if weight and possible(k, spec, choice)}
    return (Fault(weighed(rng, weights), severity),) if broken and weights else ()


def possible(kind: str, spec: ProductionSpec, choice: Choice) -> bool:
    """Tell whether a kind of fault is seen in a clip, and no tag of it can be mistaken for it."""
    hiding = dict(choice.hidden).get(kind, ())
    shown = not any(tag.name in hiding for tag in spec.tags)
    return shown and conflict(Fault(kind, choice.severities[1]), spec) is None


@cache
def _fault_weights(choice: Choice) -> dict[str, float]:
    """Return each kind's weight among those that a spec allows which gives kinds their shares."""
    specs = [draw_visible(generator(seed, "fault weights"), choice) for seed in range(SURVEYED)]
    allowed = np.array([[possible(kind, spec, choice) for kind in FAULTS] for spec in specs], float)
    wanted = np.array([dict(choice.kinds).get(kind, 1.0) for kind in FAULTS])
    weights = np.ones(len(FAULTS))
    for _ in range(ROUNDS):
        shares = allowed * weights
        shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1e-12)
        weights *= wanted / np.maximum(shares.mean(axis=0), 1e-12)
        weights /= weights.sum()
    return dict(zip(FAULTS, weights.tolist(), strict=True))


def _draw_cell(rng: Rng, choice: Choice) -> tuple[str, str, str, bool, bool]:
    """Return a motion and an effect (empty for none), a shot, whether the camera looks straight
    down, and whether an emotion is shown."""
    edges = _edges(choice)
    place = int(np.searchsorted(edges, rng.uniform() * edges[-1], side="right"))
    m, e, s, above, felt = np.unravel_index(place, _shape(choice))
    return (
        _motions(choice)[m],
        _effects(choice)[e],
        DRAWABLE["ShotScale"][s],
        bool(above),
        bool(felt),
    )


def _motions(choice: Choice) -> tuple[str, ...]:
    return ("", *choice.motions)


def _effects(choice: Choice) -> tuple[str, ...]:
    return ("", *choice.effects)


def _shape(choice: Choice) -> tuple[int, ...]:
    return (len(_motions(choice)), len(_effects(choice)), len(DRAWABLE["ShotScale"]), 2, 2)


@cache
def _edges(choice: Choice) -> NDArray[np.float64]:
    """Return the cumulated probability of every (motion, effect, shot, above, felt)."""
    motions, effects, *_ = _shape(choice)
    above = choice.above
    margins = [
        np.array([above, *[(1 - above) / (motions - 1)] * (motions - 1)]),
        np.array([NO_EFFECT, *[(1 - NO_EFFECT) / (effects - 1)] * (effects - 1)]),
        np.array(choice.shots),
        np.array([1 - above, above]),
        np.array([1 - EMOTION, EMOTION]),
    ]
    # Motion and effect are fitted last in each round: where not all margins can be met, theirs are.
    return np.cumsum(fit_margins(_visible(choice).astype(float), margins, order=(4, 3, 2, 0, 1)))


def fit_margins(
    table: NDArray[np.float64], margins: list[NDArray[np.float64]], order: tuple[int, ...]
) -> NDArray[np.float64]:
    """Return a table scaled along each axis to the margins (iterative proportional fitting)."""
    for _ in range(ROUNDS):
        for axis in order:
            others = tuple(other for other in range(table.ndim) if other != axis)
            found = table.sum(axis=others, keepdims=True)
            wanted = margins[axis].reshape(found.shape)
            table = table * np.divide(wanted, found, out=np.zeros_like(found), where=found > 0)
    return table


def _visible(choice: Choice) -> NDArray[np.bool_]:
    """Return which (motion, effect, shot, above, felt) ask for nothing that cannot be seen."""
    seen = np.zeros(_shape(choice), bool)
    for m, motion in enumerate(_motions(choice)):
        has_face = bool(motion) and MOTIONS[motion].face != NEUTRAL
        for e, effect in enumerate(_effects(choice)):
            asked = [Tag("MotionType", motion)] if motion else []
            asked += [effect_tag(effect)] if effect else []
            region = EFFECTS[effect].region if effect else ""
            readable = set(ALL_SHOTS).intersection(*(readable_shots(tag) for tag in asked))
            above = not motion and region != "head"
            on_face = region == "head" and set(EFFECTS[effect].shots) <= set(FACE_SHOTS)
            if on_face and motion in COVERING:
                continue
            masked = has_face or region == "head" or effect in FIGURES
            for s, shot in enumerate(DRAWABLE["ShotScale"]):
                framed = ProductionSpec((*asked, Tag("ShotScale", shot)))
                if shot in readable and clash(framed) is None:
                    felt = shot in FACE_SHOTS and not masked
                    high = above and shot in BODY_SHOTS
                    seen[m, e, s] = [[True, felt], [high, False]]
    return seen
