"""Torn rows are found where rows have slid, and nowhere else."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from animatrix_data.procedural import Fault, Size, draw_clip, sample_spec
from animatrix_data.procedural.oracles.tears import HALF, slide_gain, tear_score

SIZE = Size(64, 64, 9, 8)


@pytest.fixture(scope="module")
def frame() -> np.ndarray:
    return draw_clip(sample_spec(3, "legible"), 3, SIZE).frames[4]


@settings(max_examples=20, deadline=None)
@given(top=st.integers(8, 30), tall=st.integers(4, 20), slide=st.integers(3, 18))
def test_the_edges_of_a_band_that_slid_stand_out(
    frame: np.ndarray, top: int, tall: int, slide: int
) -> None:
    torn = frame.copy()
    torn[top : top + tall] = np.roll(torn[top : top + tall], slide, axis=1)
    gain, before = slide_gain(torn), slide_gain(frame)
    assert gain.shape == (63,)
    edges = [top - 1, top + tall - 1]
    untouched = np.delete(np.arange(63), edges)
    np.testing.assert_allclose(gain[untouched], before[untouched], atol=1e-3)
    assert gain[edges].sum() > before[edges].sum()


def test_torn_clips_score_above_sound_ones() -> None:
    scores = []
    for seed in range(8):
        spec = sample_spec(seed, "legible")
        scores.append([tear_score(draw_clip(spec, seed, SIZE, faults=faults).frames)
                       for faults in ((), (Fault("tear", 0.8),))])  # fmt: skip
    sound, torn = np.array(scores).T
    assert torn.min() > sound.max() and (sound < 0.5).all()


def test_a_plain_picture_is_whole() -> None:
    assert tear_score(np.full((2, 32, 32, 3), 90, np.uint8)) == 0.0
    rows = np.zeros((1, 32, 32, 3), np.uint8)
    rows[:, ::2] = 255
    assert tear_score(rows) == 0.0 and HALF > 0
