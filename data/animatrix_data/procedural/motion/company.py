"""MotionType, Multi-Character Interaction: what the first figure does; `interactions` says who
else is there and what they do."""

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
from animatrix_data.procedural.motion.basic import run, walk
from animatrix_data.procedural.motion.combat import FIERCE, weapon_swing

SPRINT = 1.4
"""How much more than a run of the same amplitude a chase swings."""


@motion("hug", BIG_GESTURE, company="hug", rooted=False)
def hug(phase: Track, gain: float) -> Moves:
    """Leans into the other, both arms around, rocking together."""
    rock = np.sin(phase)
    return {
        "turn": 0.85,
        "lean": 0.1 + 0.05 * gain * rock,
        "head": 0.12 + 0.08 * gain * rock,
        "x": 0.025 * gain * rock,
        "hand_r": Reach("neck", 0.95, 0.42 + 0.1 * gain * rock, 1),
        "hand_l": Reach("neck", 0.95, 0.1, 1),
        "leg_l": -0.12,
        "leg_r": 0.05,
        "mouth": 0.4,
        "sway": 0.1 * gain * rock,
    }


@motion("hand over", WHOLE_BODY, company="hand over")
def hand_over(phase: Track, gain: float) -> Moves:
    """Holds a wrapped gift out to the other, and draws its hands back."""
    reach = np.sin(phase)
    return {
        "turn": 0.8,
        "lean": 0.08 + 0.07 * gain * reach,
        "hand_r": Reach("neck", 0.82 + 0.14 * gain * reach, 0.5, 1),
        "hand_l": Reach("neck", 0.82 + 0.14 * gain * reach, 0.42, 1),
        "leg_l": -0.15,
        "leg_r": 0.2,
        "mouth": 0.6,
    }


@motion("chase", WHOLE_BODY, company="chase", rooted=False)
def chase(phase: Track, gain: float) -> Moves:
    """Flees at a run, arms up, the head back."""
    return {
        **run(phase, SPRINT * gain - 0.5),
        "x": 0.03 * gain * np.sin(0.5 * phase),
        "arm_l": 2.4 + 0.3 * gain * np.sin(phase),
        "arm_r": 2.7 - 0.3 * gain * np.sin(phase),
        "elbow_l": 0.3,
        "elbow_r": 0.3,
        "head": -0.3,
        "mouth": 1.2,
    }


@motion("duel", WHOLE_BODY, prop="sword", company="duel", face=FIERCE)
def duel(phase: Track, gain: float) -> Moves:
    """Crosses swords with the other: blow and parry in turn."""
    moves = weapon_swing(phase, 0.5 * gain)
    return {**moves, "x": 0.03 * gain * np.sin(phase), "turn": 0.9}


@motion("group formation", WHOLE_BODY, company="group formation")
def group_formation(phase: Track, gain: float) -> Moves:
    """One of a wedge: a fist on the hip, a fist raised, all in time."""
    beat = np.sin(phase)
    return {
        "turn": 0.15,
        "lean": 0.03 * gain * beat,
        "arm_r": 2.75 + 0.25 * gain * beat,
        "elbow_r": 0.1,
        "arm_l": -0.8,
        "elbow_l": 1.4,
        "leg_l": -0.25,
        "leg_r": 0.25,
        "lift": 0.02 * gain * (1 + beat),
        "mouth": 0.8,
    }


@motion("crowd", WHOLE_BODY, company="crowd")
def crowd(phase: Track, gain: float) -> Moves:
    """One of many who walk the same way."""
    return {**walk(phase, gain), "x": 0.03 * gain * np.sin(0.5 * phase), "turn": 0.8}


@motion("close-quarters combat", WHOLE_BODY, prop="blow", company="melee", face=FIERCE)
def close_quarters(phase: Track, gain: float) -> Moves:
    """Trades punches with the other at arm's length, fist after fist."""
    drive = np.sin(phase)
    return {
        "turn": 0.9,
        "x": 0.03 * gain * drive,
        "lean": 0.18 + 0.1 * gain * drive,
        "hand_r": Reach("neck", 0.78 + 0.2 * np.minimum(gain, 1.2) * drive, 0.05, 1),
        "hand_l": Reach("neck", 0.55 - 0.35 * np.minimum(gain, 1.2) * drive, 0.15, 1),
        "prop_x": 0.5 + 0.5 * drive,
        "leg_l": -0.5,
        "leg_r": 0.45 + 0.1 * gain * drive,
        "knee_r": 0.5,
        "mouth": 0.6,
        "sway": -0.3 * gain * drive,
    }
