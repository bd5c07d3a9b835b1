"""The flow-matching loss (Lipman et al., 2023), as Wan trains: predict noise − clean latents."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from animatrix_jax.diffusion.schedule import interpolate


def flow_matching_losses(
    velocity: Callable[[jax.Array, jax.Array], jax.Array],
    latents: Float[Array, "B t h w z"],
    noise: Float[Array, "B t h w z"],
    sigma: Float[Array, " B"],
) -> Float[Array, " B"]:
    """Return mean ‖velocity − (noise − latents)‖² over each sample's elements.

    `velocity(noisy, timestep)` gets z_sigma and timestep = 1000·sigma.
    """
    predicted = velocity(interpolate(latents, noise, sigma), 1000.0 * sigma)
    error = predicted.astype(jnp.float32) - (noise - latents)
    return jnp.mean(jnp.square(error), axis=tuple(range(1, latents.ndim)))
