"""Distribution matching distillation (Yin et al., 2024), as section 7.1 states it: eqs. 19, 20.

A student's clean latents are pushed from what a critic that follows the student would make of them,
once re-noised, to what the teacher would.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from animatrix_jax.diffusion.schedule import interpolate
from animatrix_jax.objectives.flow_matching import sample_means

EPSILON = 1e-6
"""What keeps the normaliser of eq. 20 from 0."""

Velocity = Callable[[jax.Array, jax.Array], jax.Array]


def distribution_direction(
    clean: Float[Array, "B t h w z"],
    noise: Float[Array, "B t h w z"],
    sigma: Float[Array, " B"],
    teacher: Velocity,
    critic: Velocity,
    normaliser: str = "difference",
    given: Bool[Array, "B t"] | None = None,
) -> Float[Array, "B t h w z"]:
    """Return (p_real − p_fake) / (mean|·| + ε), eq. 20: away from it lies the teacher.

    With x̂0 = `clean` and its re-noised latents at `sigma`, p_real = x̂0 − x̂0_teacher and
    p_fake = x̂0 − x̂0_critic; velocities get timestep = 1000·sigma. The mean is over a sample's
    elements but `given` frames', of the difference itself (eq. 20) or, with `normaliser` "teacher",
    of p_real (Yin et al., eq. 8). No gradient passes.
    """
    noisy, timestep = interpolate(clean, noise, sigma), 1000.0 * sigma
    wide = sigma[:, None, None, None, None]
    of_teacher = noisy - wide * teacher(noisy, timestep).astype(jnp.float32)
    of_critic = noisy - wide * critic(noisy, timestep).astype(jnp.float32)
    difference = of_critic - of_teacher
    scale = difference if normaliser == "difference" else clean - of_teacher
    size = sample_means(jnp.abs(scale), given)[:, None, None, None, None]
    return jax.lax.stop_gradient(difference / (size + EPSILON))


def matching_losses(
    clean: Float[Array, "B t h w z"],
    direction: Float[Array, "B t h w z"],
    given: Bool[Array, "B t"] | None = None,
) -> Float[Array, " B"]:
    """Return ½·mean‖x̂0 − (x̂0 − direction)_detached‖², whose gradient in x̂0 is along `direction`."""
    target = jax.lax.stop_gradient(clean - direction)
    return 0.5 * sample_means(jnp.square(clean - target), given)


def motion(latents: Float[Array, "B t h w z"]) -> Float[Array, " B"]:
    """Return how much latents move: the mean of |difference| of neighbouring frames, 0 of one."""
    if latents.shape[1] == 1:
        return jnp.zeros(latents.shape[0])
    return jnp.mean(jnp.abs(jnp.diff(latents, axis=1)), axis=(1, 2, 3, 4))
