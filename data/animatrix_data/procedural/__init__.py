"""A small animation studio in code: scenes, renderer and oracles whose truth is known."""

from animatrix_data.procedural.clip import STUDIO_VERSION, DrawnClip, draw_clip
from animatrix_data.procedural.sampler import (
    DRAWABLE,
    check_drawable,
    find_sampler,
    sample_faults,
    sample_spec,
    sample_staging,
    style_index,
)
from animatrix_data.procedural.scene import Size

__all__ = [
    "DRAWABLE",
    "STUDIO_VERSION",
    "DrawnClip",
    "Size",
    "check_drawable",
    "draw_clip",
    "find_sampler",
    "sample_faults",
    "sample_spec",
    "sample_staging",
    "style_index",
]
