"""MotionType, Gesture and Daily Activity: eat, drink, write, point, hold."""

from __future__ import annotations

import numpy as np

from animatrix_data.procedural.expressions import Expression
from animatrix_data.procedural.motion.action import (
    BIG_GESTURE,
    GESTURE,
    Moves,
    Reach,
    Track,
    motion,
    pulse,
)


@motion("eat", GESTURE, prop="bowl")
def eat(phase: Track, gain: float) -> Moves:
    """A bowl before the chest, chopsticks going from it to the chewing mouth."""
    bite = 0.5 + 0.5 * np.sin(phase)
    low = 0.1 + 0.6 * np.minimum(gain, 1.8)
    return {
        "turn": 0.3,
        "lean": 0.04 + 0.03 * gain * (1 - bite),
        "head": 0.1 + 0.1 * gain * (1 - bite),
        "hand_l": Reach("neck", 0.1, 0.58, 1),
        "hand_r": Reach("head", 1.35, 1.0 + low * (1 - bite), 1),
        "front": 1.0,
        "grip": -2.0 + 0.5 * (1 - bite),
        "mouth": 0.1 + 1.0 * bite * np.abs(np.sin(3 * phase)),
    }


@motion("drink", GESTURE, prop="bottle", face=Expression(eyes="closed"))
def drink(phase: Track, gain: float) -> Moves:
    """A hand on the hip, the head back, a bottle tilted at the mouth."""
    tilt = np.sin(phase)
    return {
        "turn": 0.75,
        "lean": -0.12 - 0.04 * gain * tilt,
        "head": -0.3 - 0.12 * gain * tilt,
        "hand_r": Reach("head", 1.35, 0.1 - 0.22 * gain * tilt, 1),
        "arm_l": -0.8,
        "elbow_l": 1.4,
        "grip": 2.35 + 0.2 * gain * tilt,
        "leg_l": -0.22,
        "leg_r": 0.26,
        "mouth": 0.3,
        "sway": 0.1 * gain * tilt,
    }


@motion("write", GESTURE, prop="desk")
def write(phase: Track, gain: float) -> Moves:
    """Bowed over a slanted desk, the pen hand making small strokes along the paper."""
    along = np.sin(phase)
    stroke = np.sin(5 * phase)
    return {
        "turn": 0.75,
        "x": -0.13,
        "lean": 0.22 + 0.03 * gain * along,
        "head": 0.2 + 0.04 * gain * along,
        "hand_r": Reach("hip", 0.78 + 0.14 * gain * along, -0.36 - 0.05 * gain * stroke, 1),
        "hand_l": Reach("hip", 0.5, -0.32, 1),
        "grip": 2.5 + 0.25 * gain * stroke,
        "mouth": 0.05,
    }


@motion("point", GESTURE, prop="finger")
def point(phase: Track, gain: float) -> Moves:
    """A hand on the hip, the other arm straight out, its finger jabbing."""
    jab = pulse(phase)
    return {
        "turn": 0.8,
        "x": -0.1,
        "lean": 0.07 * gain * jab,
        "arm_r": 1.6 + 0.22 * gain * (jab - 0.5),
        "elbow_r": 0.0,
        "grip": 1.6 + 0.22 * gain * (jab - 0.5),
        "arm_l": -0.8,
        "elbow_l": 1.4,
        "leg_l": -0.2,
        "leg_r": 0.25,
        "mouth": 0.6,
        "sway": -0.15 * gain * jab,
    }


@motion("hold", BIG_GESTURE, prop="box")
def hold(phase: Track, gain: float) -> Moves:
    """A big box carried before the chest, the back leaning against its weight."""
    swing = np.sin(phase)
    return {
        "turn": 0.7,
        "lean": -0.14 + 0.06 * gain * swing,
        "head": 0.08,
        "hand_l": Reach("neck", 0.95, 0.72 + 0.06 * gain * np.sin(2 * phase), 1),
        "hand_r": Reach("neck", 0.75, 0.82 + 0.06 * gain * np.sin(2 * phase), 1),
        "x": -0.08 + 0.03 * gain * swing,
        "lift": 0.01 * gain * (1 + np.sin(2 * phase)),
        "leg_l": 0.1 + 0.12 * gain * swing,
        "leg_r": 0.1 - 0.12 * gain * swing,
        "knee_l": 0.25,
        "knee_r": 0.25,
    }
