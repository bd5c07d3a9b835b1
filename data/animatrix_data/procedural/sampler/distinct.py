"""Samplers of tags that differ clearly: what the desk oracle is asked to tell apart.

Of motions, effects and emotions whose drawings share a look only some are taken, as many as show
every category; the camera moves where a background is seen, by at least a medium amplitude; faults
are drawn where they are large enough to be seen in 128 pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from animatrix_data.procedural.camera import MOVEMENTS, readable_move
from animatrix_data.procedural.faults import BODY_SHOTS, Fault
from animatrix_data.procedural.sampler.balanced import DEFORMED
from animatrix_data.procedural.sampler.base import SAMPLERS, Rng, Sampler, move_tag, pick, weighed
from animatrix_data.procedural.sampler.visible import (
    FACELESS_ANGLE,
    Choice,
    draw_fault,
    draw_visible,
    possible,
)
from animatrix_data.taxonomy.tags import ProductionSpec, Tag
from animatrix_data.taxonomy.vocabulary import LEVELS

MOTIONS = ("stand", "run", "sit", "fly", "swim", "laugh", "sob", "weapon swing", "cast", "dance",
           "instrument", "drive", "hug", "crowd")  # fmt: skip
EMOTIONS = ("happiness", "crying", "anger", "surprise", "shyness", "gloom")
EFFECTS = (
    "Spiral Eyes", "Waterfall Tears", "Lightbulb", "Vein Pop", "Crow Gag",
    "Dark Face", "Charred Face", "Chibi Form",
    "Squash & Stretch", "Kinetic Motion",
    "Impact Flash", "Impact Burst Lines", "Focus Lines", "Impact Frame", "Zip Ribbons",
    "Falling Leaves", "God Rays", "Heavy Rain", "Snow", "Sandstorm", "Fog", "Meteor Shower",
    "Abstract Pattern Background",
    "Shatter", "Whirlpool", "Explosion",
    "Lightning Strike", "Electric Shock", "Energy Explosion", "Energy Sphere", "Magic Circle",
    "Barrier",
)  # fmt: skip
VEILS = ("Fog", "Sandstorm", "Abstract Pattern Background", "Meteor Shower", "Shatter",
         "Energy Explosion")  # fmt: skip
"""Effects that stand before the background, or in its place."""
BLINDS = (*VEILS, "Heavy Rain", "Impact Frame")
"""Effects behind which half of a place's texture is lost, or that take the place of whole pictures:
the camera is still with them."""
DENSE = (
    ("Full Shot", ("God Rays", "Barrier", "Focus Lines", "Snow")),
    ("Medium Shot", ("God Rays", "Barrier", "Focus Lines", "Snow", "Explosion", "Zip Ribbons",
                     "Impact Burst Lines", "Falling Leaves", "Lightning Strike", "Energy Sphere",
                     "Electric Shock", "Crow Gag")),
)  # fmt: skip
"""Effects that, with a figure in that shot, hide about six tenths of a place's texture or more: the
camera is still with them."""
FILLING = (
    ("Medium Shot", "", ("hug", "crowd", "cast")),
    ("Medium Shot", "Low Angle", ("fly", "instrument", "drive")),
    ("Full Shot", "", ("crowd",)),
    ("Full Shot", "Low Angle", ("swim",)),
)
"""Motions whose figures, with what they hold, ride or swim in, hide more than half of the frame,
by shot and angle (none named: all): the camera is still with them."""
SHOTS = (0.17, 0.28, 0.32, 0.15, 0.08)
"""The shares of the shot scales, in the order in which the studio names them."""
ABOVE = 0.08
"""The share of clips seen from straight above."""
MOVES = {name: {"Static": 0.3, "Orbit": 1.3}.get(name, 1.0) for name in MOVEMENTS}
"""How often the camera makes each of its movements, against the others, where it could move (from a
high angle it makes no orbit)."""
CLEAR = LEVELS[1:]
"""The amplitudes of its movements."""

SEVERITIES = (0.7, 1.0)
"""Of its faults: slighter ones are a few pixels."""
KINDS = (("limb", 3.0), ("face", 2.5), ("colour", 2.5))
"""Faults that are harder to see than others: more clips show them."""
ARMLESS = ("swim", "crowd", "hug", "sob", "laugh", "instrument", "drive", "sit", "fly")
"""Motions that hide arms or hold them before the figure."""
TANGLES = ("Chibi Form", "Impact Frame", "Zip Ribbons", "Electric Shock", "Kinetic Motion")
"""Effects that cross arms or change them."""
HIDDEN = (
    (
        "limb",
        ("Long Shot", "Medium Shot", FACELESS_ANGLE, "Rack Focus", *ARMLESS, *VEILS, *TANGLES),
    ),
    ("face", ("hug", "Rack Focus", "Fog", "Sandstorm", "Shatter", "Electric Shock")),
    ("colour", (FACELESS_ANGLE, "Rack Focus", "swim", *VEILS)),
    ("outline", ("Fog", "Sandstorm")),
    ("melt", ("Fog", "Sandstorm")),
)
"""The tags that hide a kind of fault."""
LASTING = (("limb", 5.0), ("face", 1.5), ("outline", 1.5), ("tear", 0.5), ("melt", 1.0),
           ("colour", 0.0), ("freeze", 0.0))  # fmt: skip
"""How often `broken` draws each kind of fault: those that a frame and the one before it show."""
ARMED = 0.6
"""The share of its clips that are drawn such that arms are seen; of others few show them."""


def clear_way(move: Tag, shot: str, angle: str) -> bool:
    """Tell whether a movement can be told from all others in a ShotScale and at a ShotAngle.

    From a high angle the ground, which is most of the picture, keeps pace with the distance. So no
    plane but near things, seldom a hundredth of the picture, would tell a follow inwards from a
    dolly zoom, or a circle around the subject from a way beside it.
    """
    level = move.name == "Orbit" or (move.name == "Follow" and move.direction in ("in", "out"))
    return readable_move(move, shot, angle) and not (level and angle == "High Angle")


def shows_place(spec: ProductionSpec) -> bool:
    """Tell whether at least half of the place is seen, which shows how the camera moves.

    Neither a detail of the figure nor a figure or company that fills the frame may hide it, nor an
    effect before it.
    """
    (shot,), (angle,) = spec.get("ShotScale"), spec.get("ShotAngle")
    motions = {tag.name for tag in spec.get("MotionType")}
    filled = any(
        shot.name == scale and view in ("", angle.name) and motions.intersection(names)
        for scale, view, names in FILLING
    )
    hiding = {*BLINDS, *dict(DENSE).get(shot.name, ())}
    blind = any(tag.name in hiding for tag in spec.get("VFX"))
    return shot.name in BODY_SHOTS and not filled and not blind


def clear_move(rng: Rng, spec: ProductionSpec, shares: dict[str, float]) -> Tag:
    """Return a movement that its shot, angle, motion and effect show, by the movements' shares; a
    camera that stands still where they show none."""
    still = Tag("CameraMotion", "Static")
    if not shows_place(spec):
        return still
    (shot,), (angle,) = spec.get("ShotScale"), spec.get("ShotAngle")
    name = weighed(rng, shares)
    ways = [move_tag(name, side, None, None) for side in MOVEMENTS[name].directions]
    clear = [way for way in ways if clear_way(way, shot.name, angle.name)]
    if not clear:
        return still
    way = pick(rng, clear)
    return move_tag(name, way.direction, pick(rng, CLEAR), pick(rng, LEVELS))


def clearly(move: Callable[[Rng, ProductionSpec], Tag]) -> Choice:
    """Return the choice of tags that differ clearly, with what draws the camera's movement."""
    return Choice(move, MOTIONS, EFFECTS, EMOTIONS, SHOTS, ABOVE, SEVERITIES, KINDS, HIDDEN)


def _move(rng: Rng, spec: ProductionSpec) -> Tag:
    return clear_move(rng, spec, MOVES)


CLEARLY = clearly(_move)


def distinct(rng: Rng) -> ProductionSpec:
    """A choice of tags that differ clearly, all that is asked for to be seen; else as `legible`."""
    return draw_visible(rng, CLEARLY)


def one_fault(rng: Rng, spec: ProductionSpec) -> tuple[Fault, ...]:
    """Return, for half of the clips, one fault of at least medium severity that is seen."""
    return draw_fault(rng, spec, CLEARLY)


SAMPLERS.add("distinct")(Sampler(distinct, DEFORMED))


def breakable(rng: Rng) -> ProductionSpec:
    """As `distinct`, more often with arms in view."""
    armed = rng.uniform() < ARMED
    while True:
        spec = draw_visible(rng, BROKEN)
        if not armed or possible("limb", spec, BROKEN):
            return spec


def broken(rng: Rng, spec: ProductionSpec) -> tuple[Fault, ...]:
    """Return a fault as `one_fault` does wherever one of those that single frames show is seen."""
    return draw_fault(rng, spec, BROKEN)


BROKEN = replace(CLEARLY, kinds=LASTING, faulty=1.0)

SAMPLERS.add("distinct_faulty")(Sampler(distinct, DEFORMED, one_fault))
SAMPLERS.add("broken")(Sampler(breakable, DEFORMED, broken))
