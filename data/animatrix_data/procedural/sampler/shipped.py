"""The samplers that the shipped pocket model learnt, kept as they were whatever the studio learns.

`rehearsed` stages alike what is asked alike; `pocket` is the part of it that a small model can
learn, `seaside` a part that it can then be taught.
"""

from __future__ import annotations

from animatrix_data.procedural.content import FIRST_PLACES, Staging
from animatrix_data.procedural.sampler.base import (
    SAMPLERS,
    SINGLE,
    Rng,
    Sampler,
    effect_tag,
    move_tag,
    pick,
)
from animatrix_data.taxonomy.tags import ProductionSpec, Tag
from animatrix_data.taxonomy.vocabulary import LEVELS

VOCABULARY: dict[str, tuple[str, ...]] = {
    "VideoStyle": (
        "2D Japanese Anime",
        "2D Western Comics",
        "2D Chinese Style",
        "2D Flat Cartoon",
        "Miyazaki Style",
        "Shinkai Style",
    ),
    "MotionStyle": ("2D Daily", "2D Limited", "2D Gag", "2D Sakuga"),
    "MotionType": ("stand", "walk", "run", "jump", "wave", "turn"),
    "MotionAmplitude": LEVELS,
    "MotionSpeed": LEVELS,
    "ShotScale": ("Close-Up", "Medium Shot", "Full Shot", "Long Shot"),
    "ShotAngle": ("Eye Level",),
    "VFX": (
        "Rain",
        "Snow",
        "Falling Petals",
        "Kira-Kira",
        "Aura",
        "Linear Speed Lines",
        "Radial Speed Lines",
        "Impact Flash",
    ),
}
"""What the shipped model can be asked for, in the order in which its clips were drawn."""
MOVES: tuple[tuple[str, str | None], ...] = (
    ("Static", None),
    ("Pan", "left"),
    ("Pan", "right"),
    ("Tilt", "up"),
    ("Tilt", "down"),
    ("Push", "in"),
    ("Push", "out"),
    ("Zoom", "in"),
    ("Zoom", "out"),
    ("Shake", None),
)
CAMERA = tuple(dict.fromkeys(name for name, _ in MOVES))
NO_EFFECT = 1 / 3
"""The share of clips without an effect."""


def pocket(rng: Rng) -> ProductionSpec:
    """Every field uniform and independent over `VOCABULARY`; one move of the camera, unnamed in
    its degrees; at most one effect."""
    tags = [Tag(field, pick(rng, VOCABULARY[field])) for field in SINGLE]
    name, direction = pick(rng, MOVES)
    pick(rng, LEVELS), pick(rng, LEVELS)  # The stream of an earlier amplitude and speed.
    tags.append(move_tag(name, direction, None, None))
    effect, plain = pick(rng, VOCABULARY["VFX"]), rng.uniform() < NO_EFFECT
    if not plain:
        tags.append(effect_tag(effect))
    return ProductionSpec(tuple(tags))


def knows(spec: ProductionSpec) -> bool:
    """Whether the shipped model has learnt all that a spec asks for."""
    names = VOCABULARY | {"CameraMotion": CAMERA}
    return all(
        tag.name in names.get(tag.field, ()) and tag.amplitude is None and tag.speed is None
        for tag in spec.tags
    )


SAMPLERS.add("rehearsed")(Sampler(pocket, Staging(FIRST_PLACES, rehearsed=True)))
SAMPLERS.add("pocket")(Sampler(pocket, Staging(("city", "meadow"), ("noon",), rehearsed=True)))
SAMPLERS.add("seaside")(Sampler(pocket, Staging(("seaside",), ("sunset",), rehearsed=True)))
