"""How effects change the look of a face over a clip."""

from __future__ import annotations

from dataclasses import replace

from animatrix_data.procedural.effects.effect import Effect, Setting
from animatrix_data.procedural.effects.stickers import pop
from animatrix_data.procedural.expressions import Look
from animatrix_data.procedural.motion import Pose

PROFILE = 1.35
"""How far a head turns at most while its face is shown (radians)."""


def shown(pose: Pose) -> Pose:
    """Return a pose that is not turned away from the camera."""
    return replace(pose, turn=min(max(pose.turn, -PROFILE), PROFILE))


def faced(setting: Setting, eyes: str = "", mouth: str = "", marks: tuple[str, ...] = ()) -> Effect:
    """Return an effect that gives the face other eyes, another mouth or marks early in the clip.

    Painters of eyes are told the scale at which they pop in by `Expression.pupil`, all the time
    by `Expression.beat`. A figure that turns its back turns as far as its profile.
    """
    start = float(setting.rng.uniform(0.5, 2.0))

    def look(look: Look, frame: int) -> Look:
        time, face = setting.time(frame) - start, look.expression
        if time <= 0:
            return look
        changed = replace(
            face,
            eyes=eyes or face.eyes,
            lid=1.0 if eyes else face.lid,
            pupil=pop(time) if eyes else face.pupil,
            beat=setting.time(frame),
            mouth=mouth or face.mouth,
            marks=(*face.marks, *marks),
        )
        return replace(look, expression=changed)

    return Effect(look=look, poses=lambda drawn: [shown(pose) for pose in drawn])
