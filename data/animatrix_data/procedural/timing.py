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


@dataclass(frozen=True)
class Kinetics:
    """One kinetic dialect.

    `hold` is the frames a drawing stays on the screen (at any frame rate of 8 or more it is
    a time, `hold` / 8 s); `gain` and `rate` scale the swing and the cycle, `bounce` is the squash
    & stretch of a cycle, `shear` how far the drawing leans to and fro in one (across per height),
    `smear` the trail a fast limb leaves, `build` the proportions.
    """

    hold: int = 1
    gain: float = 1.0
    rate: float = 1.0
    bounce: float = 0.0
    shear: float = 0.0
    smear: float = 0.0
    build: Build = Build()


KINETICS: Registry[Kinetics] = Registry("MotionStyle")
KINETICS.add("2D Daily")(Kinetics())
KINETICS.add("2D Limited")(Kinetics(hold=3, gain=0.9, rate=0.7))
KINETICS.add("2D Gag")(Kinetics(bounce=0.16, gain=1.1, build=CHIBI))
KINETICS.add("2D Sakuga")(Kinetics(gain=1.5, smear=1.0, bounce=0.05, shear=0.3))


def drawing_times(kinetics: Kinetics, frames: int, fps: float) -> NDArray[np.float64]:
    """Return the time in seconds [T] of the drawing shown at each frame."""
    held = max(1, round(kinetics.hold * fps / 8)) if kinetics.hold > 1 else 1
    return (np.arange(frames) // held) * held / fps
