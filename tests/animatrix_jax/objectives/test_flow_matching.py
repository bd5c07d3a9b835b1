"""The flow-matching loss against sums done by hand."""

import numpy as np
import pytest

from animatrix_jax.objectives.flow_matching import flow_matching_losses

LATENTS, NOISE = np.random.default_rng(0).normal(size=(2, 3, 1, 2, 2, 2)).astype(np.float32)
SIGMA = np.array([0.0, 0.3, 1.0], np.float32)


def test_the_true_velocity_has_no_loss() -> None:
    losses = flow_matching_losses(lambda noisy, time: NOISE - LATENTS, LATENTS, NOISE, SIGMA)
    np.testing.assert_array_equal(losses, 0.0)


def test_the_loss_is_the_mean_squared_error_of_each_sample() -> None:
    seen = {}

    def velocity(noisy: np.ndarray, timestep: np.ndarray) -> np.ndarray:
        seen.update(noisy=np.asarray(noisy), timestep=np.asarray(timestep))
        return noisy * 0.5

    losses = flow_matching_losses(velocity, LATENTS, NOISE, SIGMA)
    np.testing.assert_allclose(seen["timestep"], [0.0, 300.0, 1000.0], rtol=1e-6)
    for i, sigma in enumerate(SIGMA):
        noisy = (1 - sigma) * LATENTS[i] + sigma * NOISE[i]
        np.testing.assert_allclose(seen["noisy"][i], noisy, rtol=1e-6, atol=1e-7)
        by_hand = (
            sum(
                (float(v) * 0.5 - (float(n) - float(z))) ** 2
                for v, n, z in zip(noisy.flat, NOISE[i].flat, LATENTS[i].flat, strict=True)
            )
            / LATENTS[i].size
        )
        assert losses[i] == pytest.approx(by_hand, rel=1e-5)


def test_given_frames_are_not_counted() -> None:
    latents, noise = LATENTS.reshape(3, 2, 2, 2, 1), NOISE.reshape(3, 2, 2, 2, 1)
    wrong = np.zeros_like(latents)
    wrong[:, 0], wrong[:, 1] = 5.0, 2.0
    given = np.array([[True, False], [False, False], [True, True]])
    losses = flow_matching_losses(
        lambda noisy, time: noise - latents + wrong, latents, noise, SIGMA, given=given
    )
    np.testing.assert_allclose(losses, [4.0, (25.0 + 4.0) / 2, 0.0], rtol=1e-5)


def test_below_the_knee_a_sample_weighs_less() -> None:
    sigma = np.array([0.1, 0.2, 0.9], np.float32)

    def velocity(noisy: np.ndarray, timestep: np.ndarray) -> np.ndarray:
        return NOISE - LATENTS + 2.0

    losses = flow_matching_losses(velocity, LATENTS, NOISE, sigma, knee=0.4)
    np.testing.assert_allclose(losses, [4.0 / 16, 4.0 / 4, 4.0], rtol=1e-5)
