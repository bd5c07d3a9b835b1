"""Oracles that read pixels only, and what their answers are called."""

from animatrix_data.procedural.oracles.answers import (
    CAMERA_MOVEMENT,
    NOTHING,
    PARTS,
    Reading,
    answer,
    answers,
    backwards,
    field_of,
    label_lists,
    mirror,
    movement,
    sampler_labels,
    top,
)
from animatrix_data.procedural.oracles.camera import (
    CameraPath,
    PathError,
    camera_path,
    classify_camera,
    path_error,
)
from animatrix_data.procedural.oracles.flow import GRID, PAIRS_PER_SECOND, flow_field
from animatrix_data.procedural.oracles.statistics import STATISTICS, frame_statistics

__all__ = [
    "CAMERA_MOVEMENT",
    "GRID",
    "NOTHING",
    "PAIRS_PER_SECOND",
    "PARTS",
    "STATISTICS",
    "CameraPath",
    "PathError",
    "Reading",
    "answer",
    "answers",
    "backwards",
    "camera_path",
    "classify_camera",
    "field_of",
    "flow_field",
    "frame_statistics",
    "label_lists",
    "mirror",
    "movement",
    "path_error",
    "sampler_labels",
    "top",
]
