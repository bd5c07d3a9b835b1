"""Statistics of frames: what each of them notices, and what mirroring leaves alone."""

import numpy as np
import pytest

from animatrix_data.procedural.oracles import STATISTICS, frame_statistics

CHANGE, CELL, MOVED, CELLS, FURTHER, JUMP, NEW_JUMP, MENDED, ENERGY = range(9)
HISTOGRAM = 16


@pytest.fixture(scope="module")
def clip() -> np.ndarray:
    """A smooth picture that drifts to the side, with a coloured square on it."""
    y, x = np.mgrid[:48, :96]
    picture = np.stack([120 + 60 * np.sin(x / 7 + y / 9 + k) for k in range(3)], axis=-1)
    frames = np.stack([picture[:, 2 * t : 2 * t + 64] for t in range(8)]).astype(np.uint8)
    frames[:, 16:32, 24:40] = (200, 40, 40)
    return frames


def test_every_frame_has_finite_numbers(clip: np.ndarray) -> None:
    found = frame_statistics(clip)
    assert found.shape == (8, STATISTICS) and found.dtype == np.float32
    assert np.isfinite(found).all() and np.abs(found).max() < 10


def test_a_mirrored_clip_has_the_same_numbers(clip: np.ndarray) -> None:
    # Halves of an odd inner width may round apart; nothing else does.
    np.testing.assert_allclose(
        frame_statistics(clip), frame_statistics(clip[:, :, ::-1]), atol=0.02
    )


def test_a_repeat_changes_nothing(clip: np.ndarray) -> None:
    frozen = clip.copy()
    frozen[5] = frozen[4]
    assert (frame_statistics(frozen)[5, [CHANGE, CELL, MOVED, CELLS]] == 0).all()
    assert (frame_statistics(clip)[5, [CHANGE, CELL, MOVED, CELLS]] > 0.3).all()


def test_a_torn_row_stands_out(clip: np.ndarray) -> None:
    torn = clip.copy()
    torn[5, 20:30] = np.roll(torn[5, 20:30], 5, axis=1)
    sound, broken = frame_statistics(clip), frame_statistics(torn)
    for number in (JUMP, NEW_JUMP, MENDED):
        assert broken[5, number] > sound[:, number].max() + 0.3


def test_colours_that_change_hands_change_the_histogram(clip: np.ndarray) -> None:
    swapped = clip.copy()
    swapped[4:, 16:32, 24:40] = (40, 40, 200)
    step = frame_statistics(swapped)[:, HISTOGRAM] - frame_statistics(clip)[:, HISTOGRAM]
    assert step.argmax() == 4 and step[4] > 0.1


def test_large_frames_are_read_at_their_usual_size() -> None:
    flat = np.full((3, 256, 200, 3), 90, np.uint8)
    assert frame_statistics(flat).shape == (3, STATISTICS)
