"""Samplers: how the production specs of a corpus are distributed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from animatrix_data.procedural.camera import MOVEMENTS
from animatrix_data.procedural.content import FREE, Staging
from animatrix_data.procedural.effects import EFFECTS
from animatrix_data.procedural.framing import ANGLES, SHOTS
from animatrix_data.procedural.motion import MOTIONS
from animatrix_data.procedural.registry import Registry, generator
from animatrix_data.procedural.styles import STYLES
from animatrix_data.procedural.timing import AMPLITUDES, CYCLES_PER_SECOND, KINETICS
from animatrix_data.taxonomy.tags import ProductionSpec, Tag
from animatrix_data.taxonomy.vocabulary import load_vocabulary


@dataclass(frozen=True)
class Sampler:
    """How a corpus is distributed: its production specs, and what its clips share."""

    spec: Callable[[np.random.Generator], ProductionSpec]
    staging: Staging = FREE


SAMPLERS: Registry[Sampler] = Registry("sampler")

LEVELS = ("low", "medium", "high")
NO_EFFECT = 1 / 3
"""The share of balanced clips without an effect."""

DRAWABLE: dict[str, tuple[str, ...]] = {
    "VideoStyle": STYLES.names(),
    "MotionStyle": KINETICS.names(),
    "MotionType": MOTIONS.names(),
    "MotionAmplitude": tuple(AMPLITUDES),
    "MotionSpeed": tuple(CYCLES_PER_SECOND),
    "ShotScale": SHOTS.names(),
    "ShotAngle": ANGLES,
    "CameraMotion": MOVEMENTS.names(),
    "VFX": EFFECTS.names(),
}
"""What the studio draws, by field."""

MOVES = tuple((name, d) for name in MOVEMENTS for d in MOVEMENTS[name].directions)


def _pick(rng: np.random.Generator, values: tuple[str, ...]) -> str:
    return values[int(rng.integers(len(values)))]


def balanced(rng: np.random.Generator) -> ProductionSpec:
    """Every field uniform and independent; one move of the camera; at most one effect."""
    single = [f for f in DRAWABLE if f not in ("CameraMotion", "VFX")]
    tags = [Tag(field, _pick(rng, DRAWABLE[field])) for field in single]
    name, direction = MOVES[int(rng.integers(len(MOVES)))]
    amplitude, speed = _pick(rng, LEVELS), _pick(rng, LEVELS)
    if direction is None:
        tags.append(Tag("CameraMotion", name))
    else:
        tags.append(
            Tag("CameraMotion", name, direction=direction, amplitude=amplitude, speed=speed)
        )
    effect, plain = _pick(rng, EFFECTS.names()), rng.uniform() < NO_EFFECT
    if not plain:
        tags.append(Tag("VFX", effect, category=load_vocabulary().lookup("VFX", effect).category))
    return ProductionSpec(tuple(tags))


def pocket(rng: np.random.Generator) -> ProductionSpec:
    """Like `balanced`, but the camera moves at its medium amplitude and speed, unnamed."""
    spec = balanced(rng)
    moves = (replace(move, amplitude=None, speed=None) for move in spec.get("CameraMotion"))
    return spec.replace("CameraMotion", tuple(moves))


SAMPLERS.add("balanced")(Sampler(balanced))
SAMPLERS.add("rehearsed")(Sampler(pocket, Staging(rehearsed=True)))
SAMPLERS.add("pocket")(Sampler(pocket, Staging(("city", "meadow"), ("noon",), rehearsed=True)))
SAMPLERS.add("seaside")(Sampler(pocket, Staging(("seaside",), ("sunset",), rehearsed=True)))
"""`rehearsed` stages alike what is asked alike; `pocket` is the part of it that a small model can
learn, `seaside` a part that it can then be taught."""


def sample_spec(seed: int, sampler: str = "balanced") -> ProductionSpec:
    """Return the production spec of a seed under a named sampler.

    Raises ValueError for an unknown sampler.
    """
    return find_sampler(sampler).spec(generator(seed, "spec"))


def find_sampler(name: str) -> Sampler:
    """Return a named sampler; ValueError for an unknown name."""
    if name not in SAMPLERS:
        raise ValueError(f"there is no sampler {name!r}: choose from {', '.join(SAMPLERS)}")
    return SAMPLERS[name]


def check_drawable(spec: ProductionSpec) -> None:
    """Raise ValueError, saying what can be drawn, if the studio cannot draw a tag of the spec."""
    for tag in spec.tags:
        names = DRAWABLE.get(tag.field, ())
        if tag.name not in names:
            offer = f"it can draw {', '.join(names)}" if names else "leave it out"
            raise ValueError(f"the studio cannot draw {tag.field}: {tag.name}; {offer}")


def style_index(spec: ProductionSpec) -> int:
    """Return the number of a spec's VideoStyle among those drawn (0 where it has none)."""
    tags = spec.get("VideoStyle")
    return DRAWABLE["VideoStyle"].index(tags[0].name) if tags else 0


def amplitude_score(spec: ProductionSpec) -> float:
    """Return a spec's MotionAmplitude as a score in [0, 1] (1 = the widest swing drawn)."""
    tags = spec.get("MotionAmplitude")
    return AMPLITUDES[tags[0].name if tags else "medium"] / max(AMPLITUDES.values())
