"""Clips with and without an effect, for the tests of effects."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from animatrix_data.procedural import Size, draw_clip
from animatrix_data.procedural.clip import DrawnClip
from animatrix_data.procedural.effects import EFFECTS
from animatrix_data.procedural.sampler.base import effect_tag
from animatrix_data.taxonomy import ProductionSpec, load_vocabulary, parse_tags

SIZE = Size(64, 64, 33, 16)
SHORT = Size(64, 64, 17, 8)


def effects_of(category: str) -> list[str]:
    """Return the drawn effects of a category."""
    return [n for n in EFFECTS if load_vocabulary().lookup("VFX", n).category == category]


def shot_of(
    shot: str = "full shot",
    motion: str = "stand",
    camera: str = "static",
    kinetics: str = "2D Daily",
) -> ProductionSpec:
    """Return the spec of a plain clip of one figure."""
    return parse_tags(
        f"VideoStyle: 2D Japanese Anime, MotionStyle: {kinetics}, MotionType: {motion}, "
        f"MotionAmplitude: medium, MotionSpeed: medium, shot_type: {shot}, "
        f"shot_angle: eye level, camera_motion: {camera}"
    )


def with_effect(tag: str, spec: ProductionSpec) -> ProductionSpec:
    """Return a spec with one effect, and no other."""
    return spec.replace("VFX", [effect_tag(tag)])


def with_and_without(
    tag: str, shot: str = "full shot", seed: int = 5, size: Size = SIZE
) -> tuple[DrawnClip, DrawnClip]:
    """Return a clip with an effect and the same clip without it."""
    return draw_clip(with_effect(tag, shot_of(shot)), seed, size), plain_clip(shot, seed, size)


@cache
def plain_clip(shot: str, seed: int, size: Size) -> DrawnClip:
    """Return a clip without effects, drawn once for all tests; do not change it."""
    return draw_clip(shot_of(shot), seed, size)


def change_of(tag: str, shot: str = "full shot", seed: int = 5) -> NDArray[np.float64]:
    """Return what an effect changes, [T, H, W] levels of 255."""
    return levels(*with_and_without(tag, shot, seed))


def levels(changed: DrawnClip, plain: DrawnClip) -> NDArray[np.float64]:
    """Return how far two clips are apart, [T, H, W] levels of 255."""
    return np.abs(changed.frames.astype(float) - plain.frames).mean(-1)
