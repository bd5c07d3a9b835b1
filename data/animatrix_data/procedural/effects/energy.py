"""VFX, Skill & Energy Effects: light, electricity, fire, magic."""

from __future__ import annotations

import math

import skia

from animatrix_data.procedural.character import Figure, Joints
from animatrix_data.procedural.colour import rgb, stroke
from animatrix_data.procedural.effects.effect import Effect, Setting, effect
from animatrix_data.procedural.motion import Pose


@effect("Aura", "figure")
def aura(setting: Setting) -> Effect:
    """A pulsating violet halo that follows the body, the world behind it dimmed."""
    shells = [(0.36, rgb("7a2cff"), 0.5), (0.22, rgb("d65cff"), 0.75), (0.12, rgb("fff0ff"), 0.95)]
    paints = [(width, stroke(colour, width, alpha)) for width, colour, alpha in shells]

    def figure(canvas: skia.Canvas, frame: int, body: Figure, joints: Joints, pose: Pose) -> None:
        pulse = 1.0 + 0.3 * math.sin(0.8 * setting.time(frame))
        for width, paint in paints:
            paint.setStrokeWidth(width * pulse)
            body.silhouette(canvas, joints, pose, paint)

    def behind(canvas: skia.Canvas, frame: int) -> None:
        setting.veil(canvas, rgb("1c1040"), 0.35)

    return Effect(behind=behind, figure=figure)
