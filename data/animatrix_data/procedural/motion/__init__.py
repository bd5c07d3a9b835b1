"""MotionType: what a figure does, filed in `MOTIONS` under the canonical tags, by category."""

from animatrix_data.procedural.motion import basic, body, combat, company, daily, speech, sport
from animatrix_data.procedural.motion.action import (
    JOINTS,
    MOTIONS,
    Action,
    Moves,
    Pose,
    Reach,
    Track,
    tracks,
    whole,
)

CATEGORIES = (basic, body, speech, daily, combat, sport, company)
"""The modules that move; importing them files their motions."""

__all__ = [
    "CATEGORIES",
    "JOINTS",
    "MOTIONS",
    "Action",
    "Moves",
    "Pose",
    "Reach",
    "Track",
    "tracks",
    "whole",
]
