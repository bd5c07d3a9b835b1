"""Steady paths, and the corners that vote for them."""

import cv2
import numpy as np
import pytest

from animatrix_data.procedural.oracles.registration import Tracker
from animatrix_data.procedural.oracles.steady import eased, steady_paths

EDGE, FRAMES = 128, 9


def picture(edge: int) -> np.ndarray:
    """A picture of random patches."""
    noise = np.random.default_rng(0).integers(0, 255, (edge // 8, edge // 8, 3), np.uint8)
    return cv2.resize(noise, (edge, edge), interpolation=cv2.INTER_CUBIC)


def test_corners_vote_for_a_slide() -> None:
    wide, progress = picture(256), eased(FRAMES, 0.7)
    frames = [wide[60 : 60 + EDGE, 60 - round(30 * p) :][:, :EDGE] for p in progress]
    paths = steady_paths(Tracker(np.stack(frames)))
    assert any(
        path.kind == "slide" and path.length == 0.7 and abs(path.extent - 30) < 2 for path in paths
    )
    assert not any(path.same(other) for path in paths for other in paths if path is not other)


@pytest.mark.parametrize("length", [1.0, 0.4])
def test_an_ease_rises_and_holds(length: float) -> None:
    progress = eased(41, length)
    held = round(40 * length)
    assert (np.diff(progress[: held + 1]) > 0).all()
    assert progress[0] == 0 and (progress[held:] == 1).all()
