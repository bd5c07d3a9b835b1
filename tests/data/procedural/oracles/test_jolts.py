"""The path of a camera that jolts, from whole frames."""

import cv2
import numpy as np
import pytest

from animatrix_data.procedural.oracles.jolts import KEYS, jolted

EDGE = 128


def picture(seed: int, edge: int) -> np.ndarray:
    """A picture of random patches, dark and bright in like measure."""
    noise = np.random.default_rng(seed).uniform(-1, 1, (edge // 4, edge // 4)).astype(np.float32)
    return cv2.resize(noise, (edge, edge), interpolation=cv2.INTER_CUBIC)


@pytest.mark.parametrize("count", [9, KEYS + 4])
def test_jumps_are_found_behind_a_figure(count: int) -> None:
    """Each frame lies elsewhere, up to a tenth of its height, and a figure has its own way."""
    rng = np.random.default_rng(1)
    shift = rng.uniform(-12, 12, count) + 1j * rng.uniform(-12, 12, count)
    back, figure = picture(2, 256), picture(3, 64)
    frames = []
    for t, at in enumerate(shift):
        matrix = np.array([[1, 0, at.real - 64], [0, 1, at.imag - 64]])
        frame = cv2.warpAffine(back, matrix, (EDGE, EDGE))
        across = 32 + 3 * (t % 5)
        frame[64:, across : across + 64] = figure
        frames.append(frame)
    np.testing.assert_allclose(jolted(frames), shift - shift[0], atol=0.3)


def test_what_stands_still_is_left_where_it_is() -> None:
    assert np.abs(jolted([picture(2, EDGE)] * 5)).max() < 1e-3
