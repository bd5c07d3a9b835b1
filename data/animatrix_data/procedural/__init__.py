"""A small animation studio in code: scenes, renderer and oracles whose truth is known."""

from animatrix_data.procedural.clip import STUDIO_VERSION, DrawnClip, draw_clip, draw_frames
from animatrix_data.procedural.content import FREE, Staging
from animatrix_data.procedural.faults import FAULTS, Fault
from animatrix_data.procedural.sampler import (
    DRAWABLE,
    SAMPLERS,
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
    "FAULTS",
    "FREE",
    "SAMPLERS",
    "STUDIO_VERSION",
    "DrawnClip",
    "Fault",
    "Size",
    "Staging",
    "check_drawable",
    "draw_clip",
    "draw_frames",
    "find_sampler",
    "sample_faults",
    "sample_spec",
    "sample_staging",
    "style_index",
]
