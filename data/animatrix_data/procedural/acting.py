"""Acting: who is in the scene, and in which pose and look each frame shows them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from animatrix_data.procedural.arms import reach
from animatrix_data.procedural.content import Content
from animatrix_data.procedural.expressions import Look, expression_of
from animatrix_data.procedural.framing import Framing
from animatrix_data.procedural.interactions import COMPANIES, Company, Member
from animatrix_data.procedural.motion import JOINTS, MOTIONS, Action, Pose, Track, whole
from animatrix_data.procedural.registry import first_name, generator
from animatrix_data.procedural.timing import (
    AMPLITUDES,
    CYCLES_PER_SECOND,
    Kinetics,
    broken,
    drawing_times,
)
from animatrix_data.taxonomy.tags import ProductionSpec

REACH = 0.27
"""How far a figure may travel, leap or lean, in frame heights, before its path is scaled down."""
BOUNCE, LEAN, SWING = 0.16, 0.16, 0.4
"""What a deformation of 1 adds to squash & stretch, to the lean of the drawing (across per height)
and, as a share, to the swing."""

BLINK, BLINK_EVERY, BLINK_RADIUS = 0.16, 2.4, 24.0
"""How long eyes stay shut and how often (seconds), where the head's radius is at least so many
pixels: on a smaller face a blink would only flicker."""


@dataclass(frozen=True)
class Shooting:
    """What acting may know of the shot: its framing, length, rate, seed, deformation in [0, 1]
    beyond what the tags ask for, and the height of a frame in pixels."""

    framing: Framing
    frames: int
    fps: float
    seed: int
    deformation: float = 0.0
    pixels: int = 0


@dataclass(frozen=True)
class Actor:
    """One figure through the clip: who it is, its drawing and look per frame, where it stands.

    `x` is its place across in figure heights, `scale` its size beside the first actor's, `facing`
    1 (right) or −1; `props` names what it uses at each frame (a name of `props.PROPS`, or empty).
    """

    content: Content
    poses: list[Pose]
    looks: list[Look]
    facing: int
    x: float = 0.0
    scale: float = 1.0
    props: tuple[str, ...] = ()


def cast(
    spec: ProductionSpec, content: Content, kinetics: Kinetics, shooting: Shooting
) -> list[Actor]:
    """Return the actors of a spec, the one that the clip is about first.

    The motions of a spec follow one another in time; the company of the first that has one stays.
    """
    deformation = shooting.deformation
    # A figure stretches and leans from its feet: near by, its head would leave the frame.
    near = min(1.0, 0.8 / shooting.framing.height)
    kinetics = replace(
        kinetics,
        smear=kinetics.smear + (1 - kinetics.smear) * deformation,
        bounce=kinetics.bounce + BOUNCE * near * deformation,
        shear=kinetics.shear + LEAN * near * deformation,
        gain=kinetics.gain * (1 + SWING * deformation),
    )
    actions = [MOTIONS[tag.name] for tag in spec.get("MotionType")] or [MOTIONS["stand"]]
    names = [action.company for action in actions if action.company]
    if not names:
        return [_actor(Member(actions), content, content.facing, spec, kinetics, shooting)]
    company = Company(content, kinetics.build, actions, generator(shooting.seed, "partner"))
    return [
        _actor(member, member.content or content, content.facing, spec, kinetics, shooting)
        for member in COMPANIES[names[0]](company)
    ]


def _actor(
    member: Member,
    content: Content,
    facing: int,
    spec: ProductionSpec,
    kinetics: Kinetics,
    shooting: Shooting,
) -> Actor:
    """Return a member of the company, acted out; places mirror with the first actor's facing."""
    poses = _poses(member, spec, kinetics, shooting)
    which = _which(len(member.actions), shooting.frames)
    return Actor(
        content,
        poses,
        _looks(member, spec, kinetics, shooting),
        facing * member.facing,
        facing * member.x,
        member.scale,
        tuple(member.actions[k].prop for k in which),
    )


def _which(count: int, frames: int) -> list[int]:
    """Return which of some motions, one after the other, each frame shows."""
    return [t * count // frames for t in range(frames)]


def _poses(
    member: Member, spec: ProductionSpec, kinetics: Kinetics, shooting: Shooting
) -> list[Pose]:
    """Return the drawing shown at each frame."""
    frames, height = shooting.frames, shooting.framing.height
    amplitude = AMPLITUDES[first_name(spec, "MotionAmplitude", "medium")]
    rate = CYCLES_PER_SECOND[first_name(spec, "MotionSpeed", "medium")] * kinetics.rate
    start = generator(shooting.seed, "phase").uniform(0, 2 * np.pi) + member.lag
    time = drawing_times(kinetics, frames, shooting.fps)
    phase = start + 2 * np.pi * rate * time
    if kinetics.snap:
        phase = broken(phase, kinetics.snap)
    gain = amplitude * kinetics.gain
    strength = 0.5 + 0.5 * amplitude
    parts = [_part(action, phase, gain, kinetics, strength) for action in member.actions]
    which = np.array(_which(len(parts), frames))
    joined = {j: np.choose(which, [part[j] for part in parts]) for j in JOINTS}
    joined["stretch"] = joined["stretch"] + kinetics.bounce * strength * np.sin(phase + 0.5)
    joined["shear"] = joined["shear"] + kinetics.shear * strength * np.sin(phase)
    for name in ("x", "lift", "shear"):
        widest = height * float(np.abs(joined[name]).max())
        joined[name] = joined[name] * (REACH / max(widest, REACH))
    columns = [joined[name].tolist() for name in JOINTS]
    return [Pose(*values) for values in zip(*columns, strict=True)]


def _part(
    action: Action, phase: Track, gain: float, kinetics: Kinetics, strength: float
) -> dict[str, Track]:
    """Return the joint tracks of a motion, as a kinetic dialect performs it."""
    tracks, hands = whole(action.moves(phase, gain), phase)
    for name, more in _manner(action, phase, kinetics, strength).items():
        tracks[name] = tracks[name] + more
    return reach(tracks, hands, kinetics.build)


def _manner(
    action: Action, phase: Track, kinetics: Kinetics, strength: float
) -> dict[str, Track | float]:
    """Return what a kinetic dialect adds to the joints of any motion."""
    manner: dict[str, Track | float] = {}
    if kinetics.stance and action.rooted:
        brace = kinetics.stance
        manner = {"lean": 0.16 * brace, "leg_l": -0.28 * brace, "leg_r": 0.3 * brace,
                  "knee_r": 0.35 * brace, "head": -0.08 * brace}  # fmt: skip
    if kinetics.overlap:
        drag = kinetics.overlap * strength * np.sin(phase - 1.3)
        manner = {"head": 0.06 * drag, "sway": 0.25 * drag, "lean": 0.03 * drag,
                  "elbow_l": 0.12 * drag, "elbow_r": 0.12 * drag}  # fmt: skip
    if kinetics.tremor:
        names = ("lean", "head", "arm_l", "arm_r", "elbow_l", "elbow_r", "turn")
        for k, name in enumerate(names):
            noise = np.sin((2.3 + 0.7 * k) * phase + k) + np.sin((3.7 - 0.3 * k) * phase + 2 * k)
            manner[name] = manner.get(name, 0.0) + 0.02 * kinetics.tremor * noise
    return manner


def _looks(
    member: Member, spec: ProductionSpec, kinetics: Kinetics, shooting: Shooting
) -> list[Look]:
    """Return the look of each frame: the emotion asked for (else the motion's own face), a blink
    where the face is large enough for one, and the dialect's smears."""
    felt = [tag.name for tag in spec.get("Emotion")]
    faces = [expression_of(felt) if felt else action.face for action in member.actions]
    radius = kinetics.build.head * shooting.framing.height * shooting.pixels
    rng = generator(shooting.seed, "blink")
    blink = rng.uniform(0, BLINK_EVERY) if radius >= BLINK_RADIUS else np.inf
    looks = []
    for t, which in enumerate(_which(len(faces), shooting.frames)):
        time = t / shooting.fps
        face = replace(faces[which], beat=8 * time)
        if face.eyes == "plain" and 0 <= (time - blink) % BLINK_EVERY < BLINK and time >= blink:
            face = replace(face, lid=0.0)
        looks.append(Look(expression=face, smear=kinetics.smear))
    return looks
