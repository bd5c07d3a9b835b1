"""MotionType, Basic Body Mechanics off the feet: sit, fall, climb, fly, swim."""

from __future__ import annotations

import numpy as np

from animatrix_data.procedural.motion.action import WHOLE_BODY, Moves, Reach, Track, motion

DOWN = -np.pi / 2
"""The spin of a figure that lies on its back, its head to the left."""


@motion("sit", WHOLE_BODY, prop="stool", rooted=False)
def sit(phase: Track, gain: float) -> Moves:
    """Seated on a stool in profile: rocks to and fro and swings its shins."""
    swing = np.sin(phase)
    return {
        "turn": 0.9,
        "lean": -0.04 + 0.13 * gain * swing,
        "head": -0.08 * gain * swing,
        "leg_l": 1.46,
        "leg_r": 1.5,
        "knee_l": 1.5 + 0.3 * gain * swing,
        "knee_r": 1.5 - 0.3 * gain * swing,
        "arm_l": 0.5 + 0.1 * gain * swing,
        "elbow_l": 0.5,
        "arm_r": 0.45 + 0.12 * gain * swing,
        "elbow_r": 0.55,
        "lift": 0.02,
        "sway": -0.1 * gain * swing,
    }


@motion("fall", WHOLE_BODY, prop="updraught", rooted=False)
def fall(phase: Track, gain: float) -> Moves:
    """On its back in mid air, arms and legs flung up and flailing, sinking through the frame."""
    swing, late = np.sin(phase), np.sin(phase + 1.3)
    return {
        "turn": 0.8,
        "spin": DOWN - 0.12 + 0.22 * gain * np.sin(0.5 * phase),
        "lift": 0.2 - 0.1 * gain * np.tanh((phase - phase.mean()) / np.pi),
        "lean": -0.15,
        "head": -0.35 + 0.1 * gain * swing,
        "arm_l": 2.1 + 0.5 * gain * late,
        "arm_r": 1.5 + 0.5 * gain * swing,
        "elbow_l": 0.3,
        "elbow_r": 0.3,
        "leg_l": 1.25 + 0.3 * gain * late,
        "leg_r": 0.85 - 0.3 * gain * swing,
        "knee_l": 0.5 + 0.2 * gain * swing,
        "knee_r": 0.25,
        "prop_y": phase,
        "sway": 0.9,
        "mouth": 1.0,
    }


@motion("climb", WHOLE_BODY, prop="ladder", rooted=False)
def climb(phase: Track, gain: float) -> Moves:
    """Seen from behind on a ladder: hands and feet go up in turn."""
    swing = np.sin(phase)
    up_l, up_r = 0.5 + 0.5 * swing, 0.5 - 0.5 * swing
    haul = 0.25 + 0.35 * gain
    return {
        "turn": np.pi,
        "x": 0.02 * gain * swing,
        "lift": 0.05 + 0.05 * gain * (phase - phase[0]) / np.pi,
        "lean": 0.05 * gain * swing,
        "hand_l": Reach("neck", -0.5, -0.42 - haul * up_l, 1),
        "hand_r": Reach("neck", 0.5, -0.42 - haul * up_r, -1),
        "leg_l": -0.25 - 0.75 * haul * 2 * up_r,
        "leg_r": 0.25 + 0.75 * haul * 2 * up_l,
        "knee_l": -0.25 - 1.1 * haul * 2 * up_r,
        "knee_r": 0.25 + 1.1 * haul * 2 * up_l,
        "sway": 0.2 * gain * swing,
    }


@motion("fly", WHOLE_BODY, prop="cape", rooted=False)
def fly(phase: Track, gain: float) -> Moves:
    """Level in the air, one fist ahead, the other arm and the legs trailing, a cape behind."""
    swing = np.sin(phase)
    return {
        "turn": 0.9,
        "x": 0.05 * gain * np.sin(0.5 * phase),
        "spin": 1.3 + 0.12 * gain * np.cos(phase),
        "lift": 0.1 + 0.09 * gain * swing,
        "head": -0.75,
        "arm_r": 2.5 + 0.1 * gain * swing,
        "arm_l": -0.25 - 0.1 * gain * swing,
        "leg_l": -0.05 + 0.12 * gain * swing,
        "leg_r": -0.2 - 0.1 * gain * swing,
        "knee_r": 0.5 + 0.25 * gain * swing,
        "prop_y": phase,
        "prop_x": 0.5 + 0.5 * gain,
        "sway": 0.9 + 0.3 * gain * swing,
        "mouth": 0.5,
    }


@motion("swim", WHOLE_BODY, prop="water", rooted=False)
def swim(phase: Track, gain: float) -> Moves:
    """Level at the water line: the arms wheel over the head, the legs kick."""
    swing = np.sin(phase)
    reach = 0.45 + 0.65 * gain
    return {
        "turn": 0.9,
        "x": 0.06 * gain * np.sin(0.5 * phase),
        "spin": 1.35 + 0.06 * gain * swing,
        "lift": 0.03 * gain + 0.03 * gain * np.sin(2 * phase),
        "head": -0.8 + 0.1 * gain * swing,
        "arm_r": 3.1 + reach * swing,
        "elbow_r": -0.5 * (1 + swing),
        "arm_l": 3.1 - reach * swing,
        "elbow_l": -0.5 * (1 - swing),
        "leg_l": 0.3 * gain * np.sin(2 * phase),
        "leg_r": -0.3 * gain * np.sin(2 * phase),
        "prop_y": phase,
        "sway": 0.5,
    }
