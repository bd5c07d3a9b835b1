"""Acting: who is in the scene, and in which pose and look each frame shows them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from animatrix_data.procedural.content import Content
from animatrix_data.procedural.expressions import Look
from animatrix_data.procedural.framing import Framing
from animatrix_data.procedural.motion import JOINTS, Pose, tracks
from animatrix_data.procedural.registry import generator
from animatrix_data.procedural.timing import (
    AMPLITUDES,
    CYCLES_PER_SECOND,
    Kinetics,
    drawing_times,
)
from animatrix_data.taxonomy.tags import ProductionSpec

REACH = 0.27
"""How far a figure may travel, leap or lean, in frame heights, before its path is scaled down."""


@dataclass(frozen=True)
class Shooting:
    """What acting may know of the shot: its framing, length, rate, seed and deformation in [0, 1]
    beyond what the tags ask for."""

    framing: Framing
    frames: int
    fps: float
    seed: int
    deformation: float = 0.0


@dataclass(frozen=True)
class Actor:
    """One figure through the clip: who it is, its drawing and look per frame, where it stands.

    `x` is its place across in figure heights, `scale` its size beside the first actor's, `facing`
    1 (right) or −1.
    """

    content: Content
    poses: list[Pose]
    looks: list[Look]
    facing: int
    x: float = 0.0
    scale: float = 1.0


def cast(
    spec: ProductionSpec, content: Content, kinetics: Kinetics, shooting: Shooting
) -> list[Actor]:
    """Return the actors of a spec, the one that the clip is about first."""
    poses = _poses(spec, kinetics, shooting)
    looks = [Look(smear=kinetics.smear)] * shooting.frames
    return [Actor(content, poses, looks, content.facing)]


def _value(spec: ProductionSpec, field: str, default: str) -> str:
    tags = spec.get(field)
    return tags[0].name if tags else default


def _poses(spec: ProductionSpec, kinetics: Kinetics, shooting: Shooting) -> list[Pose]:
    """Return the drawing shown at each frame; motions of a spec follow one another in time."""
    frames, height = shooting.frames, shooting.framing.height
    amplitude = AMPLITUDES[_value(spec, "MotionAmplitude", "medium")]
    rate = CYCLES_PER_SECOND[_value(spec, "MotionSpeed", "medium")] * kinetics.rate
    start = generator(shooting.seed, "phase").uniform(0, 2 * np.pi)
    time = drawing_times(kinetics, frames, shooting.fps)
    phase = start + 2 * np.pi * rate * time
    names = [tag.name for tag in spec.get("MotionType")] or ["stand"]
    parts = [tracks(name, phase, amplitude * kinetics.gain) for name in names]
    which = np.arange(frames) * len(names) // frames
    joined = {j: np.choose(which, [part[j] for part in parts]) for j in JOINTS}
    strength = 0.5 + 0.5 * amplitude
    joined["stretch"] = joined["stretch"] + kinetics.bounce * strength * np.sin(phase + 0.5)
    joined["shear"] = joined["shear"] + kinetics.shear * strength * np.sin(phase)
    for name in ("x", "lift", "shear"):
        reach = height * float(np.abs(joined[name]).max())
        joined[name] = joined[name] * (REACH / max(reach, REACH))
    columns = [joined[name].tolist() for name in JOINTS]
    return [Pose(*values) for values in zip(*columns, strict=True)]
