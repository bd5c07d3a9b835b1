"""Samplers: how the production specs of a corpus are distributed, and what breaks in its clips.

The order of the imports is the order in which the samplers are offered.
"""

from __future__ import annotations

from animatrix_data.procedural.content import Staging
from animatrix_data.procedural.faults import Fault
from animatrix_data.procedural.registry import generator
from animatrix_data.procedural.sampler import (  # noqa: F401
    balanced,
    distinct,
    legible,
    long_tail,
    moves,
    shipped,
)
from animatrix_data.procedural.sampler.base import SAMPLERS, Sampler
from animatrix_data.procedural.sampler.drawable import DRAWABLE, MOVES, check_drawable, clash
from animatrix_data.taxonomy.tags import ProductionSpec

__all__ = [
    "DRAWABLE",
    "MOVES",
    "SAMPLERS",
    "Sampler",
    "check_drawable",
    "find_sampler",
    "sample_faults",
    "sample_spec",
    "sample_staging",
    "style_index",
]


TRIES = 1000


def find_sampler(name: str) -> Sampler:
    """Return a named sampler; ValueError for an unknown name."""
    if name not in SAMPLERS:
        raise ValueError(f"there is no sampler {name!r}: choose from {', '.join(SAMPLERS)}")
    return SAMPLERS[name]


def sample_spec(
    seed: int, sampler: str = "balanced", fixed: ProductionSpec | None = None
) -> ProductionSpec:
    """Return the production spec of a seed under a named sampler.

    The tags of `fixed` stand in place of the sampler's own in their fields; what the sampler draws
    is drawn again where it cannot be drawn together with them. Raises ValueError for an unknown
    sampler, or where nothing that it draws fits.
    """
    draw, rng = find_sampler(sampler).spec, generator(seed, "spec")
    wanted = fixed or ProductionSpec()
    for _ in range(TRIES):
        spec = draw(rng)
        for field in wanted.fields():
            spec = spec.replace(field, wanted.get(field))
        if clash(spec) is None:
            return spec
    raise ValueError(f"the sampler {sampler!r} draws nothing that goes with the tags {wanted}")


def sample_faults(
    seed: int, sampler: str = "balanced", spec: ProductionSpec | None = None
) -> tuple[Fault, ...]:
    """Return what breaks in the clip of a seed, none of which its spec could be mistaken for.

    `spec` is the clip's where it is not the sampler's own. ValueError for an unknown sampler.
    """
    spec = sample_spec(seed, sampler) if spec is None else spec
    return find_sampler(sampler).faults(generator(seed, "faults"), spec)


def sample_staging(
    seed: int, sampler: str = "balanced", spec: ProductionSpec | None = None
) -> Staging:
    """Return how the clip of a seed is staged; the rest as in `sample_faults`."""
    found = find_sampler(sampler)
    if found.staged is None:
        return found.staging
    spec = sample_spec(seed, sampler) if spec is None else spec
    return found.staged(generator(seed, "staging"), spec)


def style_index(spec: ProductionSpec) -> int:
    """Return the number of a spec's VideoStyle among those drawn (0 where it has none)."""
    tags = spec.get("VideoStyle")
    return DRAWABLE["VideoStyle"].index(tags[0].name) if tags else 0
