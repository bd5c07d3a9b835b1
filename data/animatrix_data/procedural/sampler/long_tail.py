"""The long-tail sampler: the imbalance of anime as it is made, for rebalancing to mend.

The shares that the paper states (section 3.6) are the constants that name it; within a share, and
where the paper says nothing, values follow Zipf's law in the order of the vocabulary. Style and
content are tied: Shinkai Style is nearly always a scenic establishing shot.
"""

from __future__ import annotations

from functools import cache

from animatrix_data.procedural.content import CONTENT_CLASSES, PLACES, Staging
from animatrix_data.procedural.sampler.base import (
    SAMPLERS,
    Rng,
    Sampler,
    effect_tag,
    emotions_of,
    move_tag,
    pick,
    weighed,
)
from animatrix_data.procedural.sampler.drawable import DRAWABLE, MOVES
from animatrix_data.taxonomy.tags import ProductionSpec, Tag
from animatrix_data.taxonomy.vocabulary import load_vocabulary

Weights = dict[str, float]

DIGITAL_STYLES: Weights = {"2D Japanese Anime": 0.56, "Shinkai Style": 0.09}
"""What stands for digitally produced anime (paper: about 65 %)."""
CEL_STYLES: Weights = {"Miyazaki Style": 0.08}
"""What stands for classic cel-shaded content (paper: about 8 %)."""
OTHER_STYLES = 0.27

EVERYDAY = ("Facial Acting and Dialogue", "Gesture and Daily Activity")
MOTION_CATEGORIES: Weights = {
    "Facial Acting and Dialogue": 0.28,
    "Gesture and Daily Activity": 0.17,
    "Basic Body Mechanics": 0.37,
    "Combat and Power": 0.09,
    "Multi-Character Interaction": 0.05,
    "Performance and Sport": 0.03,
    "Creature, Vehicle and Object": 0.01,
}
"""The first two are dialogue and daily acting (paper: about 45 %)."""
SAKUGA = "2D Sakuga"
SAKUGA_SHARE, EXTREME_SHARE = 0.024, 0.014
"""Sakuga, and extreme deformation asked for elsewhere (paper: together less than 5 %); effects that
deform add one part in a hundred."""
EXTREME_DEFORMATION = 0.53
"""The deformation intensity from which a clip counts as extremely deformed."""
ORDINARY, LIVELY, EXTREME = (0.0, 0.15), (0.3, 0.75), (0.9, 1.0)
"""The deformation asked for, beyond the tags', in most clips, in sakuga, and in the extreme."""

CAMERA: Weights = {"Static": 0.42, "Pan": 0.18, "complex": 0.024, "other": 0.376}
"""Static shots and simple pans (paper: about 60 %), complex cinematography (under 3 %)."""
COMPLEX_MOVES = ("Dolly Zoom", "Rack Focus")
COMPLEX_ANGLE = "Dutch Angle"
OTHER_LENGTHS = {1: 0.75, 2: 0.2, 3: 0.05}
"""How many moves a camera makes that is neither simple nor complex."""

SHOTS: Weights = {
    "Medium Shot": 0.38,
    "Close-Up": 0.27,
    "Full Shot": 0.18,
    "Long Shot": 0.13,
    "Extreme Close-Up": 0.04,
}
ANGLES: Weights = {"Eye Level": 0.75, "High Angle": 0.12, "Low Angle": 0.1, "Overhead": 0.03}
AMPLITUDES: Weights = {"low": 0.5, "medium": 0.38, "high": 0.12}
SPEEDS: Weights = {"low": 0.4, "medium": 0.45, "high": 0.15}
EFFECTS_AT_ONCE = {0: 0.6, 1: 0.36, 2: 0.04}
EMOTION, COMPLEX_EMOTION = 0.4, 0.1
"""The shares of clips with an emotion, and, of those, with a complex one instead of a basic."""

SCENIC_STYLE = "Shinkai Style"
SCENIC_SHOT, SCENIC_PLACE = 0.85, 0.95
"""How often the scenic style is a Long Shot, and how often it is set in a landscape."""
LANDSCAPES = CONTENT_CLASSES["landscape"]
LANDSCAPE_ELSEWHERE = 0.3
"""How often other styles are set in a landscape."""


@cache
def _zipf(field: str, names: tuple[str, ...], share: float = 1.0) -> Weights:
    """Return weights that fall as one over the rank in the vocabulary, and sum to a share."""
    ranked = [term.name for term in load_vocabulary().of_field(field) if term.name in names]
    total = sum(1 / rank for rank in range(1, len(ranked) + 1))
    return {name: share / (rank * total) for rank, name in enumerate(ranked, start=1)}


@cache
def _styles() -> Weights:
    named = DIGITAL_STYLES | CEL_STYLES
    others = tuple(name for name in DRAWABLE["VideoStyle"] if name not in named)
    return named | _zipf("VideoStyle", others, OTHER_STYLES)


@cache
def _motion_styles() -> Weights:
    others = tuple(name for name in DRAWABLE["MotionStyle"] if name != SAKUGA)
    return {SAKUGA: SAKUGA_SHARE} | _zipf("MotionStyle", others, 1 - SAKUGA_SHARE)


@cache
def _motions() -> Weights:
    """Return the weight of every motion: its category's, shared out by rank."""
    weights: Weights = {}
    for category, share in MOTION_CATEGORIES.items():
        terms = load_vocabulary().of_field("MotionType")
        names = [t.name for t in terms if t.category == category]
        drawn = tuple(name for name in names if name in DRAWABLE["MotionType"])
        weights |= _zipf("MotionType", drawn, share) if drawn else {}
    return weights


def long_tail(rng: Rng) -> ProductionSpec:
    """Draw a spec with the paper's imbalance on every axis."""
    style = weighed(rng, _styles())
    scenic = style == SCENIC_STYLE and rng.uniform() < SCENIC_SHOT
    tags = [
        Tag("VideoStyle", style),
        Tag("MotionStyle", weighed(rng, _motion_styles())),
        Tag("MotionType", weighed(rng, _motions())),
        Tag("MotionAmplitude", weighed(rng, AMPLITUDES)),
        Tag("MotionSpeed", weighed(rng, SPEEDS)),
        Tag("ShotScale", "Long Shot" if scenic else weighed(rng, SHOTS)),
        *_camera(rng),
        *_emotion(rng),
        *_effects(rng),
    ]
    return ProductionSpec(tuple(tags))


def _camera(rng: Rng) -> list[Tag]:
    """Return the angle and the moves of the camera."""
    kind = weighed(rng, CAMERA)
    angle = weighed(rng, ANGLES)
    if kind == "complex":
        special = pick(rng, (*COMPLEX_MOVES, COMPLEX_ANGLE, COMPLEX_ANGLE))
        if special == COMPLEX_ANGLE:
            angle, kind = COMPLEX_ANGLE, pick(rng, ("Static", "Pan"))
        else:
            kind = special
    if kind != "other":
        return [Tag("ShotAngle", angle), _move(rng, (kind,))]
    named = ("Static", "Pan", *COMPLEX_MOVES)
    others = tuple(name for name in DRAWABLE["CameraMotion"] if name not in named)
    moves = [_move(rng, others)]
    for _ in range(weighed(rng, OTHER_LENGTHS) - 1):
        moves.append(_move(rng, (*others, "Static", "Pan")))
    return [Tag("ShotAngle", angle), *moves]


def _move(rng: Rng, names: tuple[str, ...]) -> Tag:
    name = weighed(rng, _zipf("CameraMotion", names))
    direction = pick(rng, [d for move, d in MOVES if move == name])
    return move_tag(name, direction, weighed(rng, AMPLITUDES), weighed(rng, SPEEDS))


def _emotion(rng: Rng) -> list[Tag]:
    if rng.uniform() >= EMOTION:
        return []
    category = "complex" if rng.uniform() < COMPLEX_EMOTION else "basic"
    return [Tag("Emotion", weighed(rng, _zipf("Emotion", emotions_of(category))))]


def _effects(rng: Rng) -> list[Tag]:
    count = weighed(rng, EFFECTS_AT_ONCE)
    return [effect_tag(weighed(rng, _zipf("VFX", DRAWABLE["VFX"]))) for _ in range(count)]


def stage(rng: Rng, spec: ProductionSpec) -> Staging:
    """Return the place and the deformation that go with a spec's style and motion style."""
    styles = {tag.name for field in ("VideoStyle", "MotionStyle") for tag in spec.get(field)}
    scenic = SCENIC_PLACE if SCENIC_STYLE in styles else LANDSCAPE_ELSEWHERE
    elsewhere = tuple(place for place in PLACES if place not in LANDSCAPES)
    places = LANDSCAPES if rng.uniform() < scenic else elsewhere
    extreme = rng.uniform() < EXTREME_SHARE / (1 - SAKUGA_SHARE)
    if SAKUGA in styles:
        return Staging(places, deformation=LIVELY)
    return Staging(places, deformation=EXTREME if extreme else ORDINARY)


SAMPLERS.add("long_tail")(Sampler(long_tail, staged=stage))
