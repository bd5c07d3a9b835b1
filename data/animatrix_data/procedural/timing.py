"""MotionStyle: the timing chart and build of a figure; MotionAmplitude and MotionSpeed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from animatrix_data.procedural.registry import Registry

AMPLITUDES = {"low": 0.5, "medium": 1.0, "high": 1.6}
CYCLES_PER_SECOND = {"low": 0.5, "medium": 1.0, "high": 2.0}


@dataclass(frozen=True)
class Build:
    """Body proportions as fractions of the figure's height (feet at 0, up is negative)."""

    head: float = 0.135
    neck: float = 0.71
    hip: float = 0.42
    thigh: float = 0.21
    shin: float = 0.21
    upper_arm: float = 0.15
    forearm: float = 0.14
    shoulders: float = 0.095
    hips: float = 0.075
    limb: float = 0.062
    hair_length: float = 1.0


CHIBI = Build(
    head=0.27,
    neck=0.46,
    hip=0.24,
    thigh=0.12,
    shin=0.12,
    upper_arm=0.11,
    forearm=0.1,
    shoulders=0.1,
    hips=0.09,
    limb=0.085,
    hair_length=0.58,
)


FIGHTER = Build(
    head=0.12,
    neck=0.735,
    shoulders=0.135,
    hips=0.065,
    limb=0.07,
    upper_arm=0.16,
    forearm=0.155,
    hair_length=0.8,
)
"""Broad shoulders and strong limbs."""
DOLL = Build(
    head=0.198,
    neck=0.585,
    hip=0.34,
    thigh=0.17,
    shin=0.17,
    upper_arm=0.13,
    forearm=0.12,
    shoulders=0.088,
    hips=0.088,
    limb=0.072,
    hair_length=0.7,
)
"""The large head of a modelled doll."""
HUMAN = Build(
    head=0.088,
    neck=0.79,
    hip=0.49,
    thigh=0.245,
    shin=0.245,
    upper_arm=0.165,
    forearm=0.155,
    shoulders=0.105,
    hips=0.07,
    limb=0.055,
    hair_length=0.85,
)
"""The proportions of a living body."""


@dataclass(frozen=True)
class Kinetics:
    """One kinetic dialect.

    `hold` is the frames a drawing stays on the screen (at any frame rate of 8 or more it is
    a time, `hold` / 8 s); `gain` and `rate` scale the swing and the cycle, `bounce` is the squash
    & stretch of a cycle, `shear` how far the drawing leans to and fro in one (across per height),
    `smear` the trail a fast limb leaves, `build` the proportions.
    `snap` in [0, 1) is broken timing: the share of a swing that is held at its extremes, so that
    it whips through the rest; `stance` how far standing figures brace themselves forward, feet
    apart; `overlap` how much head, hair and hands drag after the body; `tremor` the small
    restless movements of a body that is never still.
    """

    hold: int = 1
    gain: float = 1.0
    rate: float = 1.0
    bounce: float = 0.0
    shear: float = 0.0
    smear: float = 0.0
    build: Build = Build()
    snap: float = 0.0
    stance: float = 0.0
    overlap: float = 0.0
    tremor: float = 0.0


KINETICS: Registry[Kinetics] = Registry("MotionStyle")
KINETICS.add("2D Daily")(Kinetics())
KINETICS.add("2D Limited")(Kinetics(hold=3, gain=0.9, rate=0.7))
KINETICS.add("2D Gag")(Kinetics(bounce=0.16, gain=1.1, build=CHIBI))
KINETICS.add("2D Sakuga")(Kinetics(gain=1.5, smear=1.0, bounce=0.05, shear=0.3))
KINETICS.add("2D Combat")(
    Kinetics(gain=1.3, rate=1.2, smear=0.8, snap=0.7, stance=1.0, shear=0.12, build=FIGHTER)
)
KINETICS.add("3D Daily")(Kinetics(gain=0.8, rate=0.85, overlap=1.0, build=DOLL))
KINETICS.add("3D Mocap")(Kinetics(gain=0.85, rate=0.9, overlap=0.4, tremor=1.0, build=HUMAN))


def broken(phase: NDArray[np.float64], snap: float) -> NDArray[np.float64]:
    """Return the phase [T] of a cycle that holds at its extremes (odd quarters) and whips from one
    to the next; `snap` in [0, 1) is the share of the time that is held."""
    half, within = np.divmod(phase - np.pi / 2, np.pi)
    whip = np.clip((within / np.pi - 0.5) / (1 - snap) + 0.5, 0.0, 1.0)
    return np.pi / 2 + np.pi * (half + whip)


def drawing_times(kinetics: Kinetics, frames: int, fps: float) -> NDArray[np.float64]:
    """Return the time in seconds [T] of the drawing shown at each frame."""
    held = max(1, round(kinetics.hold * fps / 8)) if kinetics.hold > 1 else 1
    return (np.arange(frames) // held) * held / fps
