"""MotionType, Performance and Sport, and vehicles and cloth: dance, instrument, ball game, ride,
drive, secondary motion."""

from __future__ import annotations

import numpy as np

from animatrix_data.procedural.motion.action import (
    BIG_GESTURE,
    WHOLE_BODY,
    Moves,
    Reach,
    Track,
    motion,
)


@motion("dance", BIG_GESTURE, prop="pompoms", rooted=False)
def dance(phase: Track, gain: float) -> Moves:
    """Both arms thrown up with pompoms, the hips and feet stepping from side to side."""
    swing = np.sin(phase)
    kick = np.maximum(0.0, np.sin(phase)), np.maximum(0.0, -np.sin(phase))
    return {
        "turn": 0.6 * gain * swing,
        "x": 0.06 * gain * swing,
        "lean": -0.12 * gain * swing,
        "head": 0.12 * gain * swing,
        "lift": 0.03 * gain * np.abs(np.cos(phase)),
        "arm_l": -2.55 - 0.3 * gain * swing,
        "arm_r": 2.55 - 0.3 * gain * swing,
        "elbow_l": 0.1,
        "elbow_r": -0.1,
        "leg_l": -0.12 - 0.45 * gain * kick[1],
        "leg_r": 0.12 + 0.45 * gain * kick[0],
        "knee_l": -0.7 * gain * kick[1],
        "knee_r": 0.7 * gain * kick[0],
        "prop_y": phase,
        "sway": 0.35 * gain * np.cos(phase),
        "mouth": 0.9,
    }


@motion("instrument", BIG_GESTURE, prop="guitar")
def instrument(phase: Track, gain: float) -> Moves:
    """A guitar across the body: one hand on its neck, the other strumming."""
    strum = np.sin(2 * phase)
    beat = np.sin(phase)
    return {
        "turn": 0.2,
        "lean": 0.05 * gain * beat,
        "head": 0.1 + 0.1 * gain * beat,
        "hand_l": Reach("hip", -0.75, -0.78 + 0.1 * gain * beat, 1),
        "hand_r": Reach("hip", 0.2, -0.3 + 0.2 * gain * strum, 1),
        "front": 1.0,
        "grip": -0.42 + 0.06 * gain * beat,
        "leg_l": -0.15,
        "leg_r": 0.2,
        "knee_r": 0.2 + 0.2 * gain * np.maximum(0.0, beat),
        "sway": 0.15 * gain * beat,
        "mouth": 0.5 + 0.3 * beat,
    }


@motion("ball game", WHOLE_BODY, prop="ball")
def ball_game(phase: Track, gain: float) -> Moves:
    """Knees bent, a big ball bounced between the ground and the hand."""
    height = np.abs(np.cos(phase))
    top = 0.16 + 0.12 * gain
    return {
        "turn": 0.75,
        "x": -0.1,
        "lean": 0.24 - 0.08 * gain * height,
        "head": 0.02,
        "hand_r": Reach("neck", 0.78, 0.75 - 0.3 * gain * height, 1),
        "arm_l": -0.6 - 0.2 * gain * height,
        "elbow_l": 0.7,
        "leg_l": -0.25,
        "leg_r": 0.5,
        "knee_l": 0.35,
        "knee_r": 0.7 - 0.25 * gain * height,
        "prop_x": 0.2,
        "prop_y": top * height,
        "mouth": 0.5,
        "sway": -0.2 * gain * height,
    }


@motion("ride", WHOLE_BODY, prop="pony", rooted=False)
def ride(phase: Track, gain: float) -> Moves:
    """In the saddle of a galloping pony, reins in hand."""
    bound = np.abs(np.sin(phase))
    return {
        "turn": 0.95,
        "x": -0.04,
        "lean": 0.1 + 0.1 * gain * np.cos(2 * phase),
        "head": -0.05,
        "lift": 0.04 + 0.05 * gain * bound,
        "hand_l": Reach("hip", 0.75, -0.42, 1),
        "hand_r": Reach("hip", 0.72, -0.4, 1),
        "leg_l": 0.55,
        "knee_l": 0.75,
        "leg_r": 0.5,
        "knee_r": 0.8,
        "prop_x": 0.35 + 0.35 * gain,
        "prop_y": phase,
        "sway": -0.4 + 0.25 * gain * np.cos(2 * phase),
        "mouth": 0.6,
    }


@motion("drive", WHOLE_BODY, prop="car", rooted=False)
def drive(phase: Track, gain: float) -> Moves:
    """At the wheel of an open car that bounces along."""
    bump = np.sin(2 * phase)
    return {
        "turn": 0.9,
        "x": -0.02 + 0.05 * gain * np.sin(0.5 * phase),
        "lift": 0.1 + 0.02 * gain * (1 + bump),
        "lean": -0.12 + 0.06 * gain * np.sin(phase),
        "head": 0.06 * gain * bump,
        "hand_l": Reach("hip", 0.85, -0.5 + 0.12 * gain * np.sin(phase), 1),
        "hand_r": Reach("hip", 0.85, -0.45 - 0.12 * gain * np.sin(phase), 1),
        "leg_l": 1.3,
        "leg_r": 1.35,
        "knee_l": 0.9,
        "knee_r": 0.9,
        "prop_y": phase,
        "prop_x": 0.03 * gain * bump,
        "sway": -0.6 + 0.2 * gain * bump,
        "mouth": 0.6,
    }


@motion("secondary motion", BIG_GESTURE, prop="scarf")
def secondary(phase: Track, gain: float) -> Moves:
    """The body keeps still; a long scarf, the hair and the hem stream and settle in the wind."""
    gust = np.sin(phase)
    return {
        "turn": 0.7,
        "lean": 0.03 * gain * gust,
        "head": -0.06,
        "arm_l": -0.14,
        "arm_r": 0.1,
        "prop_x": 0.6 + 0.4 * gain,
        "prop_y": phase,
        "sway": -0.7 - 0.5 * gain * gust,
        "mouth": 0.15,
    }
