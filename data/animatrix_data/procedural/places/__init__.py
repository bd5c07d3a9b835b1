"""Places: what stands behind and before the figure, filed in `PLACES` by name."""

from animatrix_data.procedural.places import interiors, landscapes, towns
from animatrix_data.procedural.places.stage import PLACES, Place, Stage

LOCATIONS = (landscapes, towns, interiors)
"""The modules that paint; importing them files their places."""
INDOORS = frozenset({"room", "classroom", "train", "kitchen"})
"""The places without a sky."""

__all__ = ["INDOORS", "LOCATIONS", "PLACES", "Place", "Stage"]
