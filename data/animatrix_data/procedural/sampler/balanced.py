"""The balanced sampler: everything the studio draws, evenly."""

from __future__ import annotations

from animatrix_data.procedural.content import Staging
from animatrix_data.procedural.sampler.base import (
    SAMPLERS,
    SINGLE,
    Rng,
    Sampler,
    draw_move,
    effect_tag,
    emotions_of,
    pick,
    weighed,
)
from animatrix_data.procedural.sampler.drawable import DRAWABLE
from animatrix_data.taxonomy.tags import ProductionSpec, Tag

MOVES_IN_SEQUENCE = {1: 0.7, 2: 0.2, 3: 0.1}
"""How often a clip has so many moves of the camera."""
EFFECTS_AT_ONCE = {0: 0.3, 1: 0.6, 2: 0.1}
"""How often a clip has so many effects."""
EMOTION = 0.5
"""The share of clips with an emotion."""
COMPLEX = 0.25
"""The share of clips with an emotion in which a complex one joins the basic."""
DEFORMED = Staging(deformation=(0.0, 1.0))


def balanced(rng: Rng) -> ProductionSpec:
    """Every field uniform and independent; for the others see the shares above."""
    tags = [Tag(field, pick(rng, DRAWABLE[field])) for field in SINGLE]
    if rng.uniform() < EMOTION:
        tags.append(Tag("Emotion", pick(rng, emotions_of("basic"))))
        if rng.uniform() < COMPLEX:
            tags.append(Tag("Emotion", pick(rng, emotions_of("complex"))))
    tags += [draw_move(rng) for _ in range(weighed(rng, MOVES_IN_SEQUENCE))]
    effects = rng.choice(DRAWABLE["VFX"], weighed(rng, EFFECTS_AT_ONCE), replace=False)
    return ProductionSpec((*tags, *(effect_tag(str(name)) for name in effects)))


SAMPLERS.add("balanced")(Sampler(balanced, DEFORMED))
