"""MotionType, Facial Acting and Dialogue: talk, laugh, sob, nod, shout, gaze."""

from __future__ import annotations

import numpy as np

from animatrix_data.procedural.expressions import Expression
from animatrix_data.procedural.motion.action import (
    CLOSE,
    FULL,
    HEAD_ACTING,
    MEDIUM,
    Moves,
    Reach,
    Track,
    motion,
)


@motion("talk", HEAD_ACTING)
def talk(phase: Track, gain: float) -> Moves:
    """The mouth flaps; one hand on the hip, the other, palm up, beats with the words."""
    swing = np.sin(phase)
    flap = np.abs(np.sin(2.5 * phase))
    return {
        "turn": 0.45 + 0.1 * gain * np.sin(0.5 * phase),
        "lean": 0.04 * gain * swing,
        "head": 0.09 * gain * np.sin(phase + 0.8),
        "arm_r": 0.75 + 0.12 * gain * swing,
        "elbow_r": 1.15 + 0.5 * gain * swing,
        "arm_l": -0.75,
        "elbow_l": 1.35,
        "leg_l": -0.12,
        "leg_r": 0.14,
        "mouth": 0.1 + 1.1 * flap,
        "sway": 0.08 * gain * swing,
    }


@motion("laugh", HEAD_ACTING, face=Expression(eyes="arcs", mouth="laugh"))
def laugh(phase: Track, gain: float) -> Moves:
    """Head thrown back, mouth wide, both hands on the belly; the shoulders shake."""
    shake = np.sin(4 * phase)
    heave = np.sin(phase)
    return {
        "turn": 0.5,
        "x": 0.03,
        "lean": -0.12 - 0.06 * gain * heave + 0.03 * gain * shake,
        "head": -0.42 - 0.08 * gain * heave,
        "lift": 0.012 * gain * (1 + shake),
        "stretch": 0.02 * gain * shake,
        "hand_l": Reach("hip", 0.12, -0.32, -1),
        "hand_r": Reach("hip", 0.22, -0.42, -1),
        "front": 1.0,
        "leg_l": -0.2,
        "leg_r": 0.3,
        "knee_r": 0.25,
        "knee_l": 0.1,
        "mouth": 1.5 + 0.35 * shake,
        "sway": 0.25 + 0.12 * gain * shake,
    }


@motion("sob", HEAD_ACTING, face=Expression(eyes="clenched", mouth="wail", marks=("streams",)))
def sob(phase: Track, gain: float) -> Moves:
    """Bent over, the face in both hands, the breath jerking the shoulders."""
    jerk = np.maximum(0.0, np.sin(2 * phase))
    heave = np.sin(phase)
    return {
        "turn": 0.3,
        "lean": 0.2 + 0.06 * gain * heave,
        "head": 0.22 + 0.1 * gain * heave,
        "lift": 0.025 * gain * jerk,
        "stretch": -0.02 + 0.025 * gain * jerk,
        "hand_l": Reach("head", -0.1, 0.42, -1),
        "hand_r": Reach("head", 0.45, 0.42, 1),
        "front": 1.0,
        "leg_l": 0.1,
        "leg_r": 0.12,
        "knee_l": 0.25,
        "knee_r": 0.1,
        "mouth": 0.3 + 0.2 * jerk,
        "sway": -0.15,
    }


@motion("nod", HEAD_ACTING)
def nod(phase: Track, gain: float) -> Moves:
    """In profile, hands folded before the body: the head and then the back dip and return."""
    dip = 0.5 - 0.5 * np.cos(phase)
    depth = 0.2 + 0.48 * np.minimum(gain, 1.8)
    return {
        "turn": 1.05,
        "x": -0.02 - 0.05 * depth * dip,
        "lean": 0.16 * depth * dip,
        "head": -0.12 + 1.15 * depth * dip,
        "hand_l": Reach("hip", 0.25, -0.12, 1),
        "hand_r": Reach("hip", 0.3, -0.1, 1),
        "leg_l": -0.04,
        "leg_r": 0.04,
        "sway": -0.2 * depth * dip,
        "mouth": 0.15,
    }


@motion("shout", HEAD_ACTING, prop="megaphone")
def shout(phase: Track, gain: float) -> Moves:
    """Braced and leaning in, a megaphone at a wide mouth; the voice comes in bursts."""
    burst = np.sin(phase)
    return {
        "turn": 0.85,
        "lean": 0.16 + 0.09 * gain * burst,
        "head": -0.22 - 0.06 * gain * burst,
        "hand_r": Reach("head", 1.15, 1.2, 1),
        "arm_l": -0.7,
        "elbow_l": 1.3,
        "prop_y": phase,
        "leg_l": -0.35,
        "leg_r": 0.35,
        "stretch": 0.03 * gain * burst,
        "mouth": 1.2 + 0.3 * burst,
        "sway": -0.3 - 0.1 * gain * burst,
    }


@motion("gaze", (CLOSE, MEDIUM, FULL))
def gaze(phase: Track, gain: float) -> Moves:
    """Looks into the distance from under a flat hand, nearly still."""
    swing = np.sin(phase)
    return {
        "turn": 0.95 + 0.12 * gain * np.sin(0.5 * phase),
        "lean": 0.1 + 0.03 * gain * swing,
        "head": -0.12 + 0.04 * gain * swing,
        "hand_r": Reach("head", 0.6, -0.55, 1),
        "arm_l": -0.75,
        "elbow_l": 1.4,
        "leg_l": -0.25,
        "leg_r": 0.4,
        "knee_r": 0.45,
        "sway": -0.4 + 0.1 * gain * swing,
        "mouth": 0.1,
    }
