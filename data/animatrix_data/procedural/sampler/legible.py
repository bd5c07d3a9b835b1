"""Samplers for measuring: all that is asked for can be seen, with and without faults.

A motion can be read in some shot scales only, an effect on the head in others, an emotion where
the face is large and neither an effect nor the motion has a face of its own, and from straight
above neither a motion nor what is on the head: there none is asked for. Motion, effect, shot,
angle and emotion are therefore drawn together, from the distribution that is nearest to
independence among those with even margins which ask for nothing hidden (iterative proportional
fitting).
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from animatrix_data.procedural.camera import readable_move
from animatrix_data.procedural.effects import ALL_SHOTS, EFFECTS
from animatrix_data.procedural.expressions import FACE_SHOTS, NEUTRAL
from animatrix_data.procedural.faults import BODY_SHOTS, FAULTS, Fault, conflict
from animatrix_data.procedural.motion import MOTIONS
from animatrix_data.procedural.registry import generator
from animatrix_data.procedural.sampler.balanced import DEFORMED, EMOTION
from animatrix_data.procedural.sampler.base import (
    SAMPLERS,
    Rng,
    Sampler,
    draw_move,
    effect_tag,
    pick,
    weighed,
)
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
"""The share of clips of `faulty` with a fault."""
SEVERITIES = (0.3, 1.0)
FACELESS_ANGLE = "Overhead"
COVERING = ("block", "drink", "shoot", "shout", "sob", "strike")
"""Motions that hold something before the face: no effect on it is drawn with them."""
ROUNDS = 60
SURVEYED = 600
"""From how many specs it is learnt how often a kind of fault is possible."""


def legible(rng: Rng) -> ProductionSpec:
    """All that is asked for can be seen; one move of the camera, at most one effect, one emotion.

    Style, movement with direction, motion and effect are as even as visibility lets them be.
    """
    motion, effect, shot, above, felt = _draw_cell(rng)
    angle = pick(rng, [a for a in DRAWABLE["ShotAngle"] if (a == FACELESS_ANGLE) == above])
    tags = [Tag("ShotScale", shot), Tag("ShotAngle", angle)]
    if motion:
        tags.append(Tag("MotionType", motion))
    for field in ("VideoStyle", "MotionStyle", "MotionAmplitude", "MotionSpeed"):
        tags.append(Tag(field, pick(rng, DRAWABLE[field])))
    if felt:
        tags.append(Tag("Emotion", pick(rng, DRAWABLE["Emotion"])))
    move = draw_move(rng)
    tags.append(move if readable_move(move, shot, angle) else Tag("CameraMotion", "Static"))
    if effect:
        tags.append(effect_tag(effect))
    return ProductionSpec(tuple(tags))


def one_fault(rng: Rng, spec: ProductionSpec) -> tuple[Fault, ...]:
    """Return, for half of the clips, one fault that is seen and that no tag can be mistaken for.

    Every kind is drawn about as often, though some can be drawn with few specs only.
    """
    broken, severity = rng.uniform() < FAULTY, float(rng.uniform(*SEVERITIES))
    weights = {kind: weight for kind, weight in _fault_weights().items() if _fits(kind, spec)}
    return (Fault(weighed(rng, weights), severity),) if broken and weights else ()


def _fits(kind: str, spec: ProductionSpec) -> bool:
    return conflict(Fault(kind, SEVERITIES[1]), spec) is None


@cache
def _fault_weights() -> dict[str, float]:
    """Return the weight of every kind among those that a spec allows, which makes kinds even."""
    specs = [legible(generator(seed, "fault weights")) for seed in range(SURVEYED)]
    allowed = np.array([[_fits(kind, spec) for kind in FAULTS] for spec in specs], float)
    weights = np.ones(len(FAULTS))
    for _ in range(ROUNDS):
        shares = allowed * weights
        shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1e-12)
        weights /= np.maximum(shares.mean(axis=0), 1e-12)
        weights /= weights.sum()
    return dict(zip(FAULTS, weights.tolist(), strict=True))


def _draw_cell(rng: Rng) -> tuple[str, str, str, bool, bool]:
    """Return a motion and an effect (empty for none), a shot, whether the camera looks straight
    down, and whether an emotion is shown."""
    edges = _edges()
    place = int(np.searchsorted(edges, rng.uniform() * edges[-1], side="right"))
    m, e, s, above, felt = np.unravel_index(place, _shape())
    return _motions()[m], _effects()[e], DRAWABLE["ShotScale"][s], bool(above), bool(felt)


def _motions() -> tuple[str, ...]:
    return ("", *DRAWABLE["MotionType"])


def _effects() -> tuple[str, ...]:
    return ("", *DRAWABLE["VFX"])


def _shape() -> tuple[int, ...]:
    return (len(_motions()), len(_effects()), len(DRAWABLE["ShotScale"]), 2, 2)


@cache
def _edges() -> NDArray[np.float64]:
    """Return the cumulated probability of every (motion, effect, shot, above, felt)."""
    motions, effects, shots, *_ = _shape()
    above = 1 / len(DRAWABLE["ShotAngle"])
    margins = [
        np.array([above, *[(1 - above) / (motions - 1)] * (motions - 1)]),
        np.array([NO_EFFECT, *[(1 - NO_EFFECT) / (effects - 1)] * (effects - 1)]),
        np.full(shots, 1 / shots),
        np.array([1 - above, above]),
        np.array([1 - EMOTION, EMOTION]),
    ]
    # Motion and effect are fitted last in each round: where not all margins can be met, theirs are.
    return np.cumsum(fit_margins(_visible().astype(float), margins, order=(4, 3, 2, 0, 1)))


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


def _visible() -> NDArray[np.bool_]:
    """Return which (motion, effect, shot, above, felt) ask for nothing that cannot be seen."""
    seen = np.zeros(_shape(), bool)
    for m, motion in enumerate(_motions()):
        has_face = bool(motion) and MOTIONS[motion].face != NEUTRAL
        for e, effect in enumerate(_effects()):
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


SAMPLERS.add("legible")(Sampler(legible, DEFORMED))
SAMPLERS.add("faulty")(Sampler(legible, DEFORMED, one_fault))
