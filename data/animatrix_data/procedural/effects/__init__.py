"""VFX: effects by category, filed in `EFFECTS` under their canonical tags."""

from animatrix_data.procedural.effects import action, atmosphere, energy, marks
from animatrix_data.procedural.effects.effect import ALL_SHOTS, EFFECTS, Effect, Placed, Setting

CATEGORIES = (atmosphere, energy, action, marks)
"""The modules that draw; importing them files their effects."""

__all__ = ["ALL_SHOTS", "CATEGORIES", "EFFECTS", "Effect", "Placed", "Setting"]
