"""The coarse flow field: shape, sign, unit, and what moves apart from the rest."""

import numpy as np
import pytest

from animatrix_data.procedural.oracles.flow import GRID, flow_field


def _texture(height: int, width: int) -> np.ndarray:
    rng = np.random.default_rng(3)
    small = rng.uniform(0, 255, (height // 4, width // 4, 3))
    return np.kron(small, np.ones((4, 4, 1))).astype(np.uint8)


@pytest.mark.parametrize(
    ("fps", "frames", "pairs"), [(16.0, 33, 16), (8.0, 17, 16), (4.0, 5, 4), (24.0, 2, 0)]
)
def test_pairs_stand_an_eighth_of_a_second_apart(fps: float, frames: int, pairs: int) -> None:
    """The number of pairs follows from the frame rate; a still clip has no flow."""
    field = flow_field(np.repeat(_texture(64, 64)[None], frames, axis=0), fps)
    assert field.shape == (pairs, GRID, GRID, 3)
    assert field.dtype == np.float32
    assert np.abs(field[..., :2]).max(initial=0.0) < 1e-3


@pytest.mark.parametrize("edge", [64, 128])
def test_flow_is_right_and_down_in_frame_heights(edge: int) -> None:
    """A picture that slides right and down by known pixels shows as that share of its height."""
    step = edge // 32
    picture = _texture(2 * edge, 2 * edge)
    frames = np.stack([picture[edge - step * t : 2 * edge - step * t][:, edge - 2 * step * t :][
        :, :edge] for t in range(5)])  # fmt: skip
    field = flow_field(frames, 8.0)
    inner = field[:, 1:-1, 1:-1]
    assert np.median(inner[..., 0]) == pytest.approx(2 / 32, rel=0.05)
    assert np.median(inner[..., 1]) == pytest.approx(1 / 32, rel=0.05)
    assert inner[..., 2].mean() > 0.5


def test_cells_tell_what_moves_from_what_rests() -> None:
    """Only the cells of a patch that moves hold flow; a flat picture has no weight."""
    picture = _texture(128, 128)
    frames = np.repeat(picture[None], 3, axis=0)
    patch = _texture(96, 96)[:32, :32]
    for t in range(3):
        frames[t, 48:80, 40 + 4 * t : 72 + 4 * t] = patch
    field = flow_field(frames, 8.0)
    assert field[0, 7, 7, 0] > 0.02
    assert np.abs(field[:, 12:, :, :2]).max() < 0.005
    flat = flow_field(np.full_like(frames, 90), 8.0)
    assert flat[..., 2].max() < 0.01
