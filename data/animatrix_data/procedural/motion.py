"""MotionType: joint tracks of a figure. Angles are radians, lengths are figure heights.

An angle of 0 hangs straight down; a positive one swings to the right of the screen (the way the
figure faces). The second angle of a limb is the bend at the elbow (forward) or knee (backward).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from animatrix_data.procedural.registry import Registry

Track = NDArray[np.float64]
Pair = tuple[Track | float, Track | float]


@dataclass(frozen=True)
class Pose:
    """One drawing's joint values (or, as tracks, an array [T] per joint)."""

    x: float = 0.0
    lift: float = 0.0
    lean: float = 0.0
    head: float = 0.0
    turn: float = 0.25
    arm_l: float = -0.2
    elbow_l: float = 0.0
    arm_r: float = 0.2
    elbow_r: float = 0.0
    leg_l: float = -0.08
    knee_l: float = 0.0
    leg_r: float = 0.08
    knee_r: float = 0.0
    stretch: float = 0.0
    shear: float = 0.0
    sway: float = 0.0
    mouth: float = 0.2


JOINTS = tuple(f.name for f in fields(Pose))
Motion = Callable[[Track, float], dict[str, Track | float]]
MOTIONS: Registry[Motion] = Registry("MotionType")
"""A motion takes the cycle phase [T] in radians and an amplitude gain (1 = medium)."""


@MOTIONS.add("stand")
def stand(phase: Track, gain: float) -> dict[str, Track | float]:
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


@MOTIONS.add("walk")
def walk(phase: Track, gain: float) -> dict[str, Track | float]:
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


@MOTIONS.add("run")
def run(phase: Track, gain: float) -> dict[str, Track | float]:
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


@MOTIONS.add("jump")
def jump(phase: Track, gain: float) -> dict[str, Track | float]:
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


@MOTIONS.add("wave")
def wave(phase: Track, gain: float) -> dict[str, Track | float]:
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


@MOTIONS.add("turn")
def turn(phase: Track, gain: float) -> dict[str, Track | float]:
    """A turn on the spot: from a look around (low) to a full turn to the back (high)."""
    angle = np.minimum(2.2 * gain, np.pi) * np.sin(phase)
    return {
        "turn": angle,
        "arm_l": -0.35 - 0.15 * gain * np.abs(np.cos(phase)),
        "arm_r": 0.35 + 0.15 * gain * np.abs(np.cos(phase)),
        "sway": -0.35 * gain * np.cos(phase),
        "lean": 0.04 * gain * np.cos(phase),
    }


def tracks(name: str, phase: Track, gain: float) -> dict[str, Track]:
    """Return every joint's track [T] for a MotionType; ValueError for one not drawn here."""
    rest = Pose()
    moved = MOTIONS[name](phase, gain)
    return {
        joint: np.broadcast_to(np.asarray(moved.get(joint, getattr(rest, joint))), phase.shape)
        for joint in JOINTS
    }
