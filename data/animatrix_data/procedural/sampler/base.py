"""What a sampler is, and the draws that several share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from animatrix_data.procedural.content import FREE, Staging
from animatrix_data.procedural.faults import Fault
from animatrix_data.procedural.registry import Registry
from animatrix_data.procedural.sampler.drawable import DRAWABLE, MOVES
from animatrix_data.taxonomy.tags import ProductionSpec, Tag
from animatrix_data.taxonomy.vocabulary import LEVELS, load_vocabulary

Rng = np.random.Generator


def no_faults(rng: Rng, spec: ProductionSpec) -> tuple[Fault, ...]:
    """Return no faults."""
    return ()


@dataclass(frozen=True)
class Sampler:
    """How a corpus is distributed.

    spec draws a clip's production spec, faults what breaks in it; staging is what its clips share,
    and `staged`, where given, stages a clip by its spec (a place that goes with a style).
    """

    spec: Callable[[Rng], ProductionSpec]
    staging: Staging = FREE
    faults: Callable[[Rng, ProductionSpec], tuple[Fault, ...]] = no_faults
    staged: Callable[[Rng, ProductionSpec], Staging] | None = None


SAMPLERS: Registry[Sampler] = Registry("sampler")

SINGLE = ("VideoStyle", "MotionStyle", "MotionType", "MotionAmplitude", "MotionSpeed", "ShotScale",
          "ShotAngle")  # fmt: skip
"""The fields of which every sampler gives a clip exactly one tag, in the order they are drawn."""


def pick[Item](rng: Rng, items: Sequence[Item]) -> Item:
    """Return one of some items, all alike."""
    return items[int(rng.integers(len(items)))]


def weighed[Item](rng: Rng, weights: dict[Item, float]) -> Item:
    """Return one of some items, by weight."""
    edges = np.cumsum(list(weights.values()))
    place = int(np.searchsorted(edges, rng.uniform() * edges[-1], side="right"))
    return list(weights)[place]


def draw_move(rng: Rng) -> Tag:
    """Return a movement of the camera: movement and direction, amplitude and speed uniform."""
    name, direction = pick(rng, MOVES)
    return move_tag(name, direction, pick(rng, LEVELS), pick(rng, LEVELS))


def move_tag(name: str, direction: str | None, amplitude: str | None, speed: str | None) -> Tag:
    """Return a movement's tag; degrees are left out where the movement takes none."""
    if direction is None:
        return Tag("CameraMotion", name)
    return Tag("CameraMotion", name, direction=direction, amplitude=amplitude, speed=speed)


def effect_tag(name: str) -> Tag:
    """Return the tag of an effect that the studio draws."""
    return Tag("VFX", name, category=load_vocabulary().lookup("VFX", name).category)


def emotions_of(category: str) -> tuple[str, ...]:
    """Return the drawn emotions that are basic or complex."""
    known = {term.name: term.category for term in load_vocabulary().of_field("Emotion")}
    return tuple(name for name in DRAWABLE["Emotion"] if known[name] == category)
