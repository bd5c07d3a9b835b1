"""A sampler for learning the movements of the camera: as `distinct`, but the camera seldom rests.

What a clip shows beside its movement, and how large and fast this is, is drawn as there; so an
oracle that learns here is asked the same question there.
"""

from __future__ import annotations

from animatrix_data.procedural.camera import MOVEMENTS
from animatrix_data.procedural.sampler.balanced import DEFORMED
from animatrix_data.procedural.sampler.base import SAMPLERS, Rng, Sampler
from animatrix_data.procedural.sampler.distinct import clear_move, clearly
from animatrix_data.procedural.sampler.visible import draw_visible
from animatrix_data.taxonomy.tags import ProductionSpec, Tag

SELDOM = {"Static": 0.5, "Shake": 0.4, "Rack Focus": 0.5}
"""Movements that are learnt from few clips, against one for the others."""
OFTEN = {"Follow": 3.0}
"""A movement of six directions, where others have two."""
SHARES = {name: {**SELDOM, **OFTEN}.get(name, 1.0) for name in MOVEMENTS}
"""How often the camera makes each movement, against the others, where it could move."""
RESTING = 0.15
"""How many clips of a camera that rests are kept, most of which leave it no choice."""


def _move(rng: Rng, spec: ProductionSpec) -> Tag:
    return clear_move(rng, spec, SHARES)


OFTEN_MOVING = clearly(_move)


def moves(rng: Rng) -> ProductionSpec:
    """A choice of tags that differ clearly, with a movement of the camera in most clips."""
    while True:
        spec = draw_visible(rng, OFTEN_MOVING)
        (move,) = spec.get("CameraMotion")
        if move.name != "Static" or rng.uniform() < RESTING:
            return spec


SAMPLERS.add("moves")(Sampler(moves, DEFORMED))
