"""Distribution matching: eq. 20 as NumPy says it, and on Gaussians, whose velocities are known."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from animatrix_jax.objectives.distribution_matching import (
    distribution_direction,
    matching_losses,
    motion,
)

SHAPE = (3, 2, 4, 4, 2)
RANDOM = np.random.default_rng(0)
CLEAN, NOISE = (RANDOM.normal(size=SHAPE).astype(np.float32) for _ in range(2))
SIGMA = np.array([0.2, 0.5, 0.9], np.float32)


def gaussian(mean: float) -> Callable[[jax.Array, jax.Array], jax.Array]:
    """Return the velocity E[noise − clean | noisy] where clean latents are N(mean, 1)."""

    def velocity(noisy: jax.Array, timestep: jax.Array) -> jax.Array:
        sigma = (timestep / 1000.0)[:, None, None, None, None]
        variance = (1 - sigma) ** 2 + sigma**2
        away = noisy - (1 - sigma) * mean
        return sigma / variance * away - (mean + (1 - sigma) / variance * away)

    return velocity


@pytest.mark.parametrize("normaliser", ["difference", "teacher"])
def test_the_direction_is_equation_20(normaliser: str) -> None:
    found = distribution_direction(
        jnp.asarray(CLEAN), jnp.asarray(NOISE), jnp.asarray(SIGMA),
        gaussian(1.0), gaussian(-0.5), normaliser,
    )  # fmt: skip
    sigma = SIGMA[:, None, None, None, None].astype(np.float64)
    noisy = (1 - sigma) * CLEAN + sigma * NOISE
    said = [noisy - sigma * np.asarray(gaussian(m)(jnp.asarray(noisy), 1000.0 * jnp.asarray(SIGMA)))
            for m in (1.0, -0.5)]  # fmt: skip
    real, fake = CLEAN - said[0], CLEAN - said[1]
    size = np.abs(real - fake if normaliser == "difference" else real).mean((1, 2, 3, 4))
    wanted = (real - fake) / size[:, None, None, None, None]
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def test_the_gradient_of_the_loss_is_along_the_direction_but_in_given_frames() -> None:
    direction = jnp.asarray(NOISE)
    given = jnp.asarray([[True, False]] * 3)
    grads = jax.grad(lambda clean: jnp.sum(matching_losses(clean, direction, given)))(
        jnp.asarray(CLEAN)
    )
    np.testing.assert_array_equal(grads[:, 0], 0.0)
    np.testing.assert_allclose(grads[:, 1], NOISE[:, 1] / NOISE[0, 1].size, rtol=1e-5, atol=1e-7)


def test_a_critic_that_agrees_with_the_teacher_asks_for_nothing() -> None:
    found = distribution_direction(
        jnp.asarray(CLEAN), jnp.asarray(NOISE), jnp.asarray(SIGMA), gaussian(1.0), gaussian(1.0)
    )
    np.testing.assert_array_equal(found, 0.0)


def test_a_student_goes_where_the_teachers_clips_are() -> None:
    mean, drawn = -2.0, np.random.default_rng(1)
    for _ in range(80):
        clean, noise = (drawn.normal(size=SHAPE).astype(np.float32) for _ in range(2))
        direction = distribution_direction(
            jnp.asarray(clean + mean), jnp.asarray(noise), jnp.asarray(SIGMA),
            gaussian(1.5), gaussian(mean), "teacher",
        )  # fmt: skip
        mean -= 0.1 * float(direction.mean())
    assert mean == pytest.approx(1.5, abs=0.1)


def test_motion_is_the_mean_difference_of_neighbouring_frames() -> None:
    still = np.broadcast_to(CLEAN[:, :1], SHAPE)
    np.testing.assert_array_equal(motion(jnp.asarray(still)), 0.0)
    ramp = np.arange(SHAPE[1], dtype=np.float32)[None, :, None, None, None] * -0.5 + still
    np.testing.assert_allclose(motion(jnp.asarray(ramp)), 0.5, rtol=1e-4)
