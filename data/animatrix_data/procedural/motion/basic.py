"""MotionType, Basic Body Mechanics on the feet: stand, walk, run, jump, turn; and a wave."""

from __future__ import annotations

import numpy as np

from animatrix_data.procedural.motion.action import (
    BIG_GESTURE,
    CLOSE,
    EVERYWHERE,
    WHOLE_BODY,
    Moves,
    Track,
    motion,
)


@motion("stand", EVERYWHERE)
def stand(phase: Track, gain: float) -> Moves:
    """Idle: breathing and a slight sway."""
    breath = np.sin(phase)
    return {
        "stretch": 0.014 * gain * breath,
        "lean": 0.02 * gain * np.sin(0.5 * phase),
        "head": 0.05 * gain * np.sin(0.5 * phase + 0.6),
        "sway": 0.06 * gain * np.sin(phase - 1.0),
        "arm_l": -0.16 - 0.03 * gain * breath,
        "arm_r": 0.16 + 0.03 * gain * breath,
    }


@motion("walk", WHOLE_BODY)
def walk(phase: Track, gain: float) -> Moves:
    """A walk to the side: moderate opposed swing of legs and arms."""
    swing = np.sin(phase)
    stride = 0.42 * gain
    return {
        "turn": 1.0,
        "x": 0.055 * gain * (phase - phase.mean()) / np.pi,
        "lean": 0.05,
        "leg_l": stride * swing,
        "leg_r": -stride * swing,
        "knee_l": 0.5 * gain * np.clip(np.cos(phase), 0, 1),
        "knee_r": 0.5 * gain * np.clip(-np.cos(phase), 0, 1),
        "arm_l": -0.6 * gain * swing,
        "arm_r": 0.6 * gain * swing,
        "elbow_l": 0.25,
        "elbow_r": 0.25,
        "lift": 0.012 * gain * (1 + np.cos(2 * phase)),
        "sway": -0.15 + 0.12 * gain * np.sin(2 * phase),
    }


@motion("run", WHOLE_BODY)
def run(phase: Track, gain: float) -> Moves:
    """A run: forward lean, wide legs, bent pumping arms, a strong bob."""
    swing = np.sin(phase)
    stride = 0.55 + 0.4 * gain
    return {
        "turn": 1.15,
        "x": 0.11 * gain * (phase - phase.mean()) / np.pi,
        "lean": 0.3 + 0.1 * gain,
        "head": -0.2,
        "leg_l": 0.15 + stride * swing,
        "leg_r": 0.15 - stride * swing,
        "knee_l": 0.35 + 1.1 * np.clip(np.cos(phase), 0, 1) + 0.5 * np.clip(-swing, 0, 1),
        "knee_r": 0.35 + 1.1 * np.clip(-np.cos(phase), 0, 1) + 0.5 * np.clip(swing, 0, 1),
        "arm_l": -1.0 * stride * swing,
        "arm_r": 1.0 * stride * swing,
        "elbow_l": 1.5,
        "elbow_r": 1.5,
        "lift": 0.05 * (0.4 + gain) * np.abs(np.cos(phase)),
        "sway": -0.5 + 0.2 * np.sin(2 * phase),
        "mouth": 0.5,
    }


@motion("jump", WHOLE_BODY, rooted=False)
def jump(phase: Track, gain: float) -> Moves:
    """A jump: crouch, a large arc of the whole body with arms thrown up, a landing."""
    p = (phase / (2 * np.pi)) % 1.0
    air = np.clip((p - 0.3) / 0.6, 0, 1)
    arc = 4 * air * (1 - air)
    crouch = np.where(p < 0.3, np.sin(np.pi * p / 0.3), 0.0) + np.where(p > 0.9, 0.3, 0.0)
    bend = crouch * (0.35 + 0.3 * gain)
    raise_ = 0.5 + 2.2 * arc - 0.5 * crouch
    return {
        "lift": 0.27 * gain * arc,
        "leg_l": -0.12 - 0.3 * arc - 0.55 * bend,
        "leg_r": 0.12 + 0.3 * arc + 1.1 * bend,
        "knee_l": -0.9 * bend - 0.5 * arc,
        "knee_r": 1.9 * bend + 0.6 * arc,
        "arm_l": -raise_,
        "arm_r": raise_,
        "stretch": 0.12 * gain * arc * (1 - arc) * 2 - 0.1 * bend,
        "sway": 0.0,
        "mouth": 0.3 + 0.5 * arc,
    }


@motion("wave", BIG_GESTURE)
def wave(phase: Track, gain: float) -> Moves:
    """A wave: one arm raised and swung wide from side to side."""
    swing = np.sin(phase)
    return {
        "turn": 0.1,
        "arm_r": 2.2 + 0.12 * gain * swing,
        "elbow_r": 0.3 + 0.8 * gain * swing,
        "arm_l": -0.2,
        "lean": 0.03 * gain * swing,
        "head": 0.08 * gain * swing,
        "sway": 0.05 * gain * np.sin(phase - 1),
        "mouth": 0.7,
    }


@motion("turn", (CLOSE, *BIG_GESTURE))
def turn(phase: Track, gain: float) -> Moves:
    """A turn on the spot: from a look around (low) to a full turn to the back (high)."""
    angle = np.minimum(2.2 * gain, np.pi) * np.sin(phase)
    return {
        "turn": angle,
        "arm_l": -0.35 - 0.15 * gain * np.abs(np.cos(phase)),
        "arm_r": 0.35 + 0.15 * gain * np.abs(np.cos(phase)),
        "sway": -0.35 * gain * np.cos(phase),
        "lean": 0.04 * gain * np.cos(phase),
    }
