"""Props: small things that figures hold, wear, stand on or move through, filed in `PROPS`."""

from animatrix_data.procedural.props import held, large, rolling
from animatrix_data.procedural.props.brush import NO_PROP, PROPS, Brush, Prop

CATEGORIES = (held, large, rolling)
"""The modules that draw; importing them files their props."""

__all__ = ["CATEGORIES", "NO_PROP", "PROPS", "Brush", "Prop"]
