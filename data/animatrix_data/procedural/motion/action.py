"""A motion of a figure: joint tracks over the cycle, hand targets, and where it can be read.

Angles are radians, lengths are figure heights. An angle of 0 hangs straight down; a positive one
swings to the right of the screen (the way the figure faces). The second angle of a limb is the
bend at the elbow (forward) or knee (backward).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from animatrix_data.procedural.expressions import NEUTRAL, Expression
from animatrix_data.procedural.registry import Registry

Track = NDArray[np.float64]
Value = Track | float


@dataclass(frozen=True)
class Pose:
    """One drawing's joint values (or, as tracks, an array [T] per joint).

    spin rolls the whole figure clockwise about its hip; front brings the far arm before the body
    (0 or 1). grip is the angle of what is held; prop_x and prop_y move a loose prop and may carry
    its phase: each prop says what they mean to it.
    """

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
    spin: float = 0.0
    front: float = 0.0
    grip: float = 0.0
    prop_x: float = 0.0
    prop_y: float = 0.0


JOINTS = tuple(f.name for f in fields(Pose))


@dataclass(frozen=True)
class Reach:
    """Where a hand goes, whatever the proportions of the body.

    `of` is a landmark: "head" (x and y in head radii from the head's centre), or "neck" or "hip"
    (in arm's lengths from that joint); `bend` 1 or −1 is the side to which the elbow bends.
    """

    of: str
    x: Value
    y: Value
    bend: int = 1


Moves = dict[str, Value | Reach]
"""Joint tracks by joint, and what the hands `hand_l` and `hand_r` reach for (this decides the arm's
own angles)."""

EXTREME, CLOSE, MEDIUM, FULL, LONG = (
    "Extreme Close-Up",
    "Close-Up",
    "Medium Shot",
    "Full Shot",
    "Long Shot",
)
EVERYWHERE = (EXTREME, CLOSE, MEDIUM, FULL, LONG)
HEAD_ACTING = (CLOSE, MEDIUM, FULL)
GESTURE = (MEDIUM, FULL)
BIG_GESTURE = (MEDIUM, FULL, LONG)
WHOLE_BODY = (FULL, LONG)


@dataclass(frozen=True)
class Action:
    """What a MotionType is.

    moves: takes the cycle phase [T] in radians and an amplitude gain (1 = medium); shots: the shot
    scales in which it can be read; prop: what the figure uses (a name of `props.PROPS`); company:
    who else is there (a name of `interactions.COMPANIES`); face: what it wears on the face where no
    Emotion is asked for; rooted: the feet stand on the ground,
    so that a stance can be laid over it.
    """

    moves: Callable[[Track, float], Moves]
    shots: tuple[str, ...] = WHOLE_BODY
    prop: str = ""
    company: str = ""
    face: Expression = NEUTRAL
    rooted: bool = True


MOTIONS: Registry[Action] = Registry("MotionType")


def motion(
    name: str,
    shots: tuple[str, ...],
    *,
    prop: str = "",
    company: str = "",
    face: Expression = NEUTRAL,
    rooted: bool = True,
) -> Callable[[Callable[[Track, float], Moves]], Callable[[Track, float], Moves]]:
    """Return a decorator that files moves under a canonical MotionType."""

    def file(moves: Callable[[Track, float], Moves]) -> Callable[[Track, float], Moves]:
        MOTIONS.add(name)(Action(moves, shots, prop, company, face, rooted))
        return moves

    return file


def whole(moves: Moves, phase: Track) -> tuple[dict[str, Track], dict[str, Reach]]:
    """Return every joint's track [T], at rest where not moved, and the hands' targets."""
    rest = Pose()
    tracks = {
        joint: np.broadcast_to(np.asarray(moves.get(joint, getattr(rest, joint))), phase.shape)
        for joint in JOINTS
    }
    return tracks, {hand: to for hand, to in moves.items() if isinstance(to, Reach)}


def tracks(name: str, phase: Track, gain: float) -> dict[str, Track]:
    """Return every joint's track [T] for a MotionType; ValueError for one not drawn here."""
    return whole(MOTIONS[name].moves(phase, gain), phase)[0]


def pulse(phase: Track, sharp: float = 3.0) -> Track:
    """Return a beat a cycle in [0, 1]: quick to rise, long at its height, quick to fall."""
    return 0.5 + 0.5 * np.tanh(sharp * np.sin(phase)) / np.tanh(sharp)
