"""MotionType, Combat and Power: dash, strike, kick, weapon swing, block, dodge, shoot, cast,
lunge."""

from __future__ import annotations

import numpy as np

from animatrix_data.procedural.expressions import Expression
from animatrix_data.procedural.motion.action import (
    BIG_GESTURE,
    GESTURE,
    WHOLE_BODY,
    Moves,
    Reach,
    Track,
    motion,
    pulse,
)

FIERCE = Expression(brows=True, brow=-0.6, frown=0.9, arch=0.0)


@motion("combat dash", WHOLE_BODY, prop="dash lines", face=FIERCE, rooted=False)
def combat_dash(phase: Track, gain: float) -> Moves:
    """Bent low over long strides, both arms swept back, lines of air behind."""
    swing = np.sin(phase)
    stride = 0.5 + 0.4 * gain
    return {
        "turn": 1.15,
        "x": 0.1 * gain * (phase - phase.mean()) / np.pi,
        "lean": 1.0 + 0.05 * gain,
        "head": -0.5,
        "arm_l": -1.5 - 0.1 * gain * swing,
        "arm_r": -1.25 + 0.1 * gain * swing,
        "leg_l": 0.1 + stride * swing,
        "leg_r": 0.1 - stride * swing,
        "knee_l": 0.4 + (0.4 + 0.5 * gain) * np.clip(np.cos(phase), 0, 1),
        "knee_r": 0.4 + (0.4 + 0.5 * gain) * np.clip(-np.cos(phase), 0, 1),
        "lift": 0.03 * gain * np.abs(np.cos(phase)),
        "prop_y": phase,
        "sway": -0.9,
        "mouth": 0.6,
    }


@motion("strike", GESTURE, prop="gloves", face=FIERCE)
def strike(phase: Track, gain: float) -> Moves:
    """A boxer's stance: the front fist drives straight forward, the other guards the chin."""
    drive = pulse(phase, 4.0)
    back = (0.18 + 0.24 * gain) * (1 - drive)
    return {
        "turn": 0.95,
        "x": -0.1,
        "lean": 0.12 + 0.12 * gain * drive,
        "head": -0.06,
        "hand_r": Reach("neck", 1.05 - back, 0.02 + 0.2 * back, 1),
        "hand_l": Reach("neck", 0.12, 0.08, 1),
        "leg_l": -0.55,
        "leg_r": 0.5 + 0.1 * gain * drive,
        "knee_r": 0.45,
        "knee_l": 0.1,
        "mouth": 0.2 + 0.5 * drive,
        "sway": -0.3 * gain * drive,
    }


@motion("kick", WHOLE_BODY, face=FIERCE)
def kick(phase: Track, gain: float) -> Moves:
    """One leg thrust straight out at hip height, the body leaning away over the other."""
    thrust = pulse(phase, 4.0)
    fold = (0.25 + 0.45 * gain) * (1 - thrust)
    return {
        "turn": 0.9,
        "x": -0.14,
        "lean": -0.5 + 0.2 * fold,
        "head": 0.3,
        "leg_r": 1.75 - 0.3 * fold,
        "knee_r": 1.3 * fold,
        "leg_l": -0.12,
        "knee_l": 0.12,
        "arm_l": -1.25 + 0.3 * gain * thrust,
        "elbow_l": 0.6,
        "arm_r": 0.9 - 0.3 * gain * thrust,
        "elbow_r": 1.5,
        "mouth": 0.3 + 0.5 * thrust,
        "sway": 0.4 * gain * thrust,
    }


@motion("weapon swing", BIG_GESTURE, prop="sword", face=FIERCE)
def weapon_swing(phase: Track, gain: float) -> Moves:
    """A long sword swung from over the head through a wide arc before the body."""
    swing = np.sin(phase)
    arc = 0.3 + 0.6 * gain
    angle = 2.05 + arc * swing
    return {
        "turn": 0.75,
        "x": -0.14,
        "lean": 0.12 - 0.14 * gain * swing,
        "head": -0.05,
        "arm_r": angle - 0.3,
        "elbow_r": 0.35,
        "grip": angle + 0.25 * np.cos(phase),
        "prop_x": np.gradient(swing) if len(phase) > 1 else 0.0,
        "arm_l": -0.9 + 0.3 * gain * swing,
        "elbow_l": -0.2,
        "leg_l": -0.5,
        "leg_r": 0.5,
        "knee_r": 0.4 - 0.1 * gain * swing,
        "mouth": 0.5,
        "sway": -0.3 * gain * np.cos(phase),
    }


@motion("block", BIG_GESTURE, prop="shield", face=FIERCE)
def block(phase: Track, gain: float) -> Moves:
    """Crouched behind a great shield that jolts back under blows."""
    jolt = pulse(phase, 4.0)
    return {
        "turn": 0.85,
        "x": -0.06 - 0.06 * gain * jolt,
        "lean": 0.1 - 0.16 * gain * jolt,
        "head": 0.1,
        "hand_r": Reach("neck", 0.72 - 0.16 * gain * jolt, 0.3, 1),
        "arm_l": -0.5,
        "elbow_l": 0.9,
        "leg_l": -0.65,
        "leg_r": 0.55,
        "knee_l": 0.15,
        "knee_r": 0.75,
        "mouth": 0.1,
        "sway": 0.3 * gain * jolt,
    }


@motion("shoot", GESTURE, prop="bow", face=FIERCE)
def shoot(phase: Track, gain: float) -> Moves:
    """A tall bow held out, the string drawn to the cheek, an arrow levelled; then loosed."""
    draw = 0.5 + 0.5 * np.sin(phase)
    pull = (0.08 + 0.5 * np.minimum(gain, 1.7)) * draw
    return {
        "turn": 0.9,
        "x": -0.1,
        "lean": -0.04 - 0.08 * gain * draw,
        "hand_l": Reach("neck", 0.98, 0.0, 1),
        "hand_r": Reach("neck", 0.62 - pull, -0.02, -1),
        "front": 1.0,
        "prop_x": draw,
        "leg_l": -0.4,
        "leg_r": 0.4,
        "mouth": 0.05,
        "sway": 0.15 * gain * draw,
    }


@motion("cast", BIG_GESTURE, prop="staff")
def cast(phase: Track, gain: float) -> Moves:
    """Under a pointed hat: a staff with a glowing stone thrust up, the free hand spread ahead."""
    surge = np.sin(phase)
    return {
        "turn": 0.4,
        "lean": 0.04 + 0.08 * gain * surge,
        "head": -0.06 * gain * surge,
        "lift": 0.03 * gain * (1 + surge),
        "arm_r": 2.2 + 0.28 * gain * surge,
        "elbow_r": 0.25,
        "grip": 2.75 + 0.3 * gain * surge,
        "prop_y": phase,
        "arm_l": -1.5 - 0.3 * gain * surge,
        "elbow_l": -0.25,
        "leg_l": -0.3,
        "leg_r": 0.3,
        "mouth": 0.8,
        "sway": 0.4 * gain * surge,
    }


@motion("lunge", WHOLE_BODY, prop="spear", face=FIERCE, rooted=False)
def lunge(phase: Track, gain: float) -> Moves:
    """One long low step, the back leg straight behind, a spear driven forward."""
    drive = pulse(phase, 2.5)
    step = 0.45 + 0.25 * gain * drive
    return {
        "turn": 0.95,
        "x": -0.16 + 0.1 * gain * (drive - 0.5),
        "lean": 0.3 + 0.18 * gain * drive,
        "head": -0.25,
        "hand_r": Reach("neck", 0.4 + 0.4 * np.minimum(gain, 1.5) * drive, 0.35, 1),
        "hand_l": Reach("neck", -0.1 + 0.25 * gain * drive, 0.5, -1),
        "grip": 1.57,
        "leg_r": 0.75 + 0.5 * step,
        "knee_r": 0.75 + 0.5 * step,
        "leg_l": -0.7 - 0.5 * step,
        "knee_l": 0.0,
        "mouth": 0.7,
        "sway": -0.4 * gain * drive,
    }


@motion("dodge", WHOLE_BODY, prop="arrows", face=FIERCE)
def dodge(phase: Track, gain: float) -> Moves:
    """Bent far back on bowed knees, arms out, under arrows that fly where the head was."""
    slip = np.sin(phase)
    return {
        "turn": 0.85,
        "x": 0.1 - 0.03 * gain * slip,
        "lean": -0.75 - 0.18 * gain * slip,
        "head": 0.15 + 0.08 * gain * slip,
        "arm_l": -0.9 - 0.3 * gain * slip,
        "arm_r": 0.35 + 0.45 * gain * slip,
        "elbow_l": -0.3,
        "elbow_r": 0.3,
        "leg_l": 0.15,
        "leg_r": 0.75,
        "knee_l": 0.9,
        "knee_r": 0.95,
        "prop_y": phase,
        "mouth": 0.5,
        "sway": 0.5 + 0.2 * gain * slip,
    }
