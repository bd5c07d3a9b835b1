"""The shortcuts around Wan 2.2's levels are their definition, frame by frame."""

import numpy as np
import pytest

from animatrix_jax.models.vae_residual import average_down, duplicate_up


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def test_a_mean_of_single_positions_averages_channels() -> None:
    x = normal(1, 3, 2, 2, 6)
    expected = x.reshape(1, 3, 2, 2, 3, 2).mean(axis=-1)
    np.testing.assert_allclose(average_down(x, 3, 1, 1), expected, atol=1e-6)


def test_the_first_frame_is_averaged_with_a_frame_of_zeros() -> None:
    x = normal(1, 3, 2, 4, 2)
    found = np.asarray(average_down(x, 2, 2, 2))
    assert found.shape == (1, 2, 1, 2, 2)
    np.testing.assert_allclose(found[:, 0, 0, 1], x[:, 0, :, 2:].sum(axis=(1, 2)) / 8, atol=1e-6)
    later = x[:, 1:, :, 2:].mean(axis=(1, 2, 3))
    np.testing.assert_allclose(found[:, 1, 0, 1], later, atol=1e-6)


def test_a_channel_is_averaged_with_its_own_neighbours_first() -> None:
    x = np.zeros((1, 1, 2, 2, 1), np.float32)
    x[0, 0, 0, 1] = 1.0
    # Four positions to two channels: the upper row is one, the lower row the other.
    np.testing.assert_array_equal(average_down(x, 2, 1, 2)[0, 0, 0, 0], [0.5, 0.0])


@pytest.mark.parametrize(("first", "frames"), [(True, 3), (False, 4)])
def test_copies_go_to_every_position_and_a_first_frame_stays_one(first: bool, frames: int) -> None:
    x = normal(1, 2, 1, 2, 3)
    found = np.asarray(duplicate_up(x, 3, 2, 2, first))
    expected = x.repeat(2, axis=1).repeat(2, axis=2).repeat(2, axis=3)
    np.testing.assert_array_equal(found, expected[:, 4 - frames :])


def test_the_average_of_copies_is_what_was_copied() -> None:
    x = normal(2, 3, 2, 2, 4)
    np.testing.assert_allclose(average_down(duplicate_up(x, 2, 2, 2, False), 4, 2, 2), x, atol=1e-6)
