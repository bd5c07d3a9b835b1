"""Whole paths that explain a clip: the background's wins over a figure's and an overlay's."""

import cv2
import numpy as np
import pytest

from animatrix_data.procedural.oracles import camera_path
from animatrix_data.procedural.oracles.camera import UNREAD
from animatrix_data.procedural.oracles.steady import eased

EDGE, FRAMES, TRAVEL = 128, 17, 24


def painting(seed: int, edge: int) -> np.ndarray:
    """A picture of random patches."""
    noise = np.random.default_rng(seed).integers(0, 255, (edge // 8, edge // 8, 3), np.uint8)
    return cv2.resize(noise, (edge, edge), interpolation=cv2.INTER_CUBIC)


def clip(travel: int) -> np.ndarray:
    """A background that slides to the left, before it a figure that sways and a fixed emblem."""
    back, figure, emblem = painting(0, 256), painting(1, 64), painting(2, 24)
    frames = []
    for t, progress in enumerate(eased(FRAMES, 1.0)):
        matrix = np.array([[1, 0, -40 - travel * progress], [0, 1, -40]])
        frame = cv2.warpAffine(back, matrix, (EDGE, EDGE), flags=cv2.INTER_LINEAR)
        x = 32 + round(12 * np.sin(1.2 * t))
        frame[64:, x : x + 64] = figure
        frame[4:28, 100:124] = emblem
        frames.append(frame)
    return np.stack(frames)


def test_a_path_is_the_backgrounds() -> None:
    path = camera_path(clip(TRAVEL))
    np.testing.assert_allclose(path.dx, -TRAVEL * eased(FRAMES, 1.0), atol=1.0)
    np.testing.assert_allclose(path.dy, 0, atol=1.0)
    assert path.seen >= UNREAD


def test_a_still_background_is_exactly_still() -> None:
    path = camera_path(clip(0))
    assert not path.dx.any() and not path.dy.any() and not path.log_scale.any()
    assert path.seen >= UNREAD


def test_what_is_new_in_every_frame_shows_no_background() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (FRAMES, EDGE, EDGE, 3), np.uint8)
    assert camera_path(noise).seen < UNREAD


@pytest.mark.parametrize("count", range(2, 9))
def test_a_clip_of_few_frames_is_read(count: int) -> None:
    still = camera_path(np.full((count, 64, 64, 3), 90, np.uint8))
    assert len(still.dx) == count and not still.dx.any()
    assert len(camera_path(clip(TRAVEL)[:count]).dx) == count
