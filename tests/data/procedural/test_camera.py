"""The camera's truth agrees with the picture, and its conventions with the words."""

from itertools import pairwise

import cv2
import numpy as np
import pytest

from animatrix_data.procedural import Size, draw_clip
from animatrix_data.procedural.camera import MOVEMENTS, camera_path
from animatrix_data.taxonomy import Tag, parse_tags

SIZE = Size(96, 96, 9, 8)
SCENE = "MotionType: stand, MotionAmplitude: low, shot_type: long shot, camera_motion: "


def drawn(move: str, seed: int = 1):
    return draw_clip(parse_tags(SCENE + move), seed, SIZE)


def misfit(first: np.ndarray, last: np.ndarray, scale: float, dx: float, dy: float) -> float:
    """Mean difference of the last frame and the first one moved by a camera's truth."""
    middle = (SIZE.width / 2, SIZE.height / 2)
    matrix = np.array(
        [
            [scale, 0, middle[0] * (1 - scale) + dx],
            [0, scale, middle[1] * (1 - scale) + dy],
        ]
    )
    moved = cv2.warpAffine(first, matrix, (SIZE.width, SIZE.height))
    inside = cv2.warpAffine(np.ones(first.shape[:2], np.uint8), matrix, (SIZE.width, SIZE.height))
    return float(np.abs(moved.astype(float) - last)[inside > 0].mean())


@pytest.mark.parametrize("move", ["tilt up", "tilt down", "zoom in", "zoom out", "shake"])
def test_frames_register_by_the_truth(move: str) -> None:
    clip = drawn(move)
    camera = clip.truth["camera"]
    for t in (3, 8):
        truth = [camera[key][t] for key in ("scale", "dx", "dy")]
        explained = misfit(clip.frames[0], clip.frames[t], *truth)
        assert explained < 0.7 * misfit(clip.frames[0], clip.frames[t], 1.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("move", "key", "sign"),
    [("pan left", "dx", 1), ("pan right", "dx", -1), ("tilt up", "dy", 1), ("tilt down", "dy", -1)],
)
def test_phase_correlation_finds_the_pan(move: str, key: str, sign: int) -> None:
    """Beside the figure, which follows a camera in part, the background moves by the truth."""
    for seed in (1, 2, 4):
        clip = drawn(move, seed)
        grey = [cv2.cvtColor(f, cv2.COLOR_RGB2GRAY).astype(np.float32) for f in clip.frames]
        told = np.diff(clip.truth["camera"][key])[:4]
        clear = [f[:, :28] if key == "dy" else f[:44] for f in grey]
        window = cv2.createHanningWindow(clear[0].shape[::-1], cv2.CV_32F)
        pairs = pairwise(clear[:5])
        seen = [cv2.phaseCorrelate(a, b, window)[0][0 if key == "dx" else 1] for a, b in pairs]
        assert np.sign(told).tolist() == [sign] * 4
        assert float(np.median(seen / told)) == pytest.approx(1.0, abs=0.2)


def test_a_push_moves_near_layers_more_and_a_zoom_does_not() -> None:
    push, zoom = drawn("push in").truth["camera"], drawn("zoom in").truth["camera"]
    assert push["subject_scale"][-1] > 1.3 * push["scale"][-1] > 1.3
    assert zoom["subject_scale"] == pytest.approx(zoom["scale"], abs=1e-3)


def test_a_static_camera_stays() -> None:
    camera = drawn("static").truth["camera"]
    assert set(camera["dx"]) == set(camera["dy"]) == {0.0}
    assert set(camera["scale"]) == {1.0}


def test_a_fast_move_ends_early_and_moves_share_the_time() -> None:
    fast, slow = (Tag("CameraMotion", "Pan", direction="left", speed=s) for s in ("high", "low"))
    quick, steady = (camera_path([tag], 17, 8, 0).x for tag in (fast, slow))
    assert quick[8] == quick[-1] and steady[8] < steady[-1]
    moves = [Tag("CameraMotion", "Static"), fast, Tag("CameraMotion", "Zoom", direction="in")]
    path = camera_path(moves, 31, 8, 0)
    assert path.x[0] == path.x[10] != path.x[20] == path.x[30]
    assert path.zoom[0] == path.zoom[20] < path.zoom[30]


def test_every_movement_takes_the_directions_of_the_vocabulary() -> None:
    for name in MOVEMENTS:
        for direction in MOVEMENTS[name].directions:
            assert Tag("CameraMotion", name, direction=direction).direction == direction
