"""How effects change the look of a face over a clip."""

from __future__ import annotations

from dataclasses import replace

from animatrix_data.procedural.effects.effect import Effect, Setting
from animatrix_data.procedural.effects.stickers import pop
from animatrix_data.procedural.expressions import Look


def faced(setting: Setting, eyes: str = "", mouth: str = "", marks: tuple[str, ...] = ()) -> Effect:
    """Return an effect that gives the face other eyes, another mouth or marks early in the clip.

    Painters of eyes are told the scale at which they pop in by `Expression.pupil`, all the time
    by `Expression.beat`.
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

    return Effect(look=look)
