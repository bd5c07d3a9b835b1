"""A small animation studio in code: scenes, renderer and oracles whose truth is known."""

from animatrix_data.procedural.clip import DrawnClip, draw_clip
from animatrix_data.procedural.sampler import DRAWABLE, check_drawable, sample_spec
from animatrix_data.procedural.scene import Size

__all__ = ["DRAWABLE", "DrawnClip", "Size", "check_drawable", "draw_clip", "sample_spec"]
