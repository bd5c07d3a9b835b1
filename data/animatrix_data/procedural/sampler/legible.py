"""Samplers for measuring everything the studio draws, with and without faults."""

from __future__ import annotations

from animatrix_data.procedural.camera import readable_move
from animatrix_data.procedural.faults import Fault
from animatrix_data.procedural.sampler.balanced import DEFORMED
from animatrix_data.procedural.sampler.base import SAMPLERS, Rng, Sampler, draw_move
from animatrix_data.procedural.sampler.visible import Choice, draw_fault, draw_visible
from animatrix_data.taxonomy.tags import ProductionSpec, Tag


def _move(rng: Rng, spec: ProductionSpec) -> Tag:
    """Return a movement of the camera, or Static where shot and angle hide it."""
    move = draw_move(rng)
    (shot,), (angle,) = spec.get("ShotScale"), spec.get("ShotAngle")
    return move if readable_move(move, shot.name, angle.name) else Tag("CameraMotion", "Static")


ALL = Choice(_move)


def legible(rng: Rng) -> ProductionSpec:
    """All that is asked for can be seen; one move of the camera, at most one effect, one emotion.

    Style, movement with direction, motion and effect are as even as visibility lets them be.
    """
    return draw_visible(rng, ALL)


def one_fault(rng: Rng, spec: ProductionSpec) -> tuple[Fault, ...]:
    """Return, for half of the clips, one fault that is seen and that no tag can be mistaken for."""
    return draw_fault(rng, spec, ALL)


SAMPLERS.add("legible")(Sampler(legible, DEFORMED))
SAMPLERS.add("faulty")(Sampler(legible, DEFORMED, one_fault))
