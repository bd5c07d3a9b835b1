"""Clips with and without an effect, for the tests of effects."""

import numpy as np
from numpy.typing import NDArray

from animatrix_data.procedural import Size, draw_clip
from animatrix_data.procedural.clip import DrawnClip
from animatrix_data.taxonomy import ProductionSpec, parse_tags
from tests.data.procedural.effects.regions import with_effect

SIZE = Size(64, 64, 33, 16)


def shot_of(shot: str, motion: str = "stand", camera: str = "static") -> ProductionSpec:
    """Return the spec of a plain clip of one figure."""
    return parse_tags(
        f"VideoStyle: 2D Japanese Anime, MotionStyle: 2D Daily, MotionType: {motion}, "
        f"MotionAmplitude: medium, MotionSpeed: medium, shot_type: {shot}, "
        f"shot_angle: eye level, camera_motion: {camera}"
    )


def with_and_without(
    tag: str, shot: str = "full shot", seed: int = 5, size: Size = SIZE
) -> tuple[DrawnClip, DrawnClip]:
    """Return a clip with an effect and the same clip without it."""
    spec = shot_of(shot)
    return draw_clip(with_effect(tag, spec), seed, size), draw_clip(spec, seed, size)


def change_of(tag: str, shot: str = "full shot", seed: int = 5) -> NDArray[np.float64]:
    """Return what an effect changes, [T, H, W] levels of 255."""
    changed, plain = with_and_without(tag, shot, seed)
    return np.abs(changed.frames.astype(float) - plain.frames).mean(-1)
