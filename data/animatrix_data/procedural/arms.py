"""Arms that reach: the shoulder and elbow angles that bring a hand to where it is wanted."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from animatrix_data.procedural.character import joints
from animatrix_data.procedural.motion import Pose, Reach, Track
from animatrix_data.procedural.timing import Build


def solve_arm(
    across: float, down: float, upper: float, fore: float, bend: int
) -> tuple[float, float]:
    """Return the angles (radians) of shoulder and elbow whose hand lies at an offset from the
    shoulder, or as near to it as the arm is long (two-bone inverse kinematics)."""
    far = math.hypot(across, down)
    far = min(max(far, abs(upper - fore) + 1e-6), upper + fore - 1e-6)
    inner = (upper**2 + far**2 - fore**2) / (2 * upper * far)
    elbow = (upper**2 + fore**2 - far**2) / (2 * upper * fore)
    first = math.atan2(across, down) - bend * math.acos(max(-1.0, min(1.0, inner)))
    return first, bend * (math.pi - math.acos(max(-1.0, min(1.0, elbow))))


def reach(tracks: dict[str, Track], hands: Mapping[str, Reach], build: Build) -> dict[str, Track]:
    """Return joint tracks [T] whose arms reach for the hands' targets."""
    if not hands:
        return tracks
    columns = {name: track.tolist() for name, track in tracks.items()}
    count = len(columns["x"])
    arms = {name: list(columns[name]) for hand in hands for name in _angles(hand)}
    targets = {
        hand: tuple(np.broadcast_to(value, count).tolist() for value in (to.x, to.y))
        for hand, to in hands.items()
    }
    length = build.upper_arm + build.forearm
    for t in range(count):
        body = joints(Pose(**{name: column[t] for name, column in columns.items()}), build)
        for hand, to in hands.items():
            unit = build.head if to.of == "head" else length
            landmark = getattr(body, to.of)
            shoulder = getattr(body, hand.replace("hand", "arm"))[0]
            x, y = targets[hand]
            found = solve_arm(
                landmark[0] + unit * x[t] - shoulder[0],
                landmark[1] + unit * y[t] - shoulder[1],
                build.upper_arm,
                build.forearm,
                to.bend,
            )
            for name, angle in zip(_angles(hand), found, strict=True):
                arms[name][t] = angle
    return {**tracks, **{name: np.array(values) for name, values in arms.items()}}


def _angles(hand: str) -> tuple[str, str]:
    return hand.replace("hand", "arm"), hand.replace("hand", "elbow")
