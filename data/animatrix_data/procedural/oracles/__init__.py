"""Oracles that read pixels only, and what their answers are called."""

from animatrix_data.procedural.oracles.answers import (
    CAMERA_MOVEMENT,
    NOTHING,
    Reading,
    answer,
    answers,
    label_lists,
    mirror,
    movement,
    studio_labels,
    top,
)
from animatrix_data.procedural.oracles.camera import CameraPath, camera_path, classify_camera

__all__ = [
    "CAMERA_MOVEMENT",
    "NOTHING",
    "CameraPath",
    "Reading",
    "answer",
    "answers",
    "camera_path",
    "classify_camera",
    "label_lists",
    "mirror",
    "movement",
    "studio_labels",
    "top",
]
