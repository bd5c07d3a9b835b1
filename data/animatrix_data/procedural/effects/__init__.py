"""VFX: effects by category, filed in `EFFECTS` under their canonical tags."""

from animatrix_data.procedural.effects import (
    action,
    atmosphere,
    backdrops,
    destruction,
    elements,
    energy,
    eyes,
    faces,
    ground,
    magic,
    marks,
    performance,
    technique,
    traces,
    weather,
)
from animatrix_data.procedural.effects.effect import ALL_SHOTS, EFFECTS, Effect, Placed, Setting

CATEGORIES = (
    atmosphere,
    weather,
    backdrops,
    energy,
    magic,
    elements,
    action,
    traces,
    destruction,
    ground,
    marks,
    technique,
    eyes,
    faces,
    performance,
)
"""The modules that draw; importing them files their effects."""

__all__ = ["ALL_SHOTS", "CATEGORIES", "EFFECTS", "Effect", "Placed", "Setting"]
