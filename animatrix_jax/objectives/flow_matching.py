"""The flow-matching loss (Lipman et al., 2023), as Wan trains: predict noise − clean latents."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from animatrix_jax.diffusion.schedule import interpolate


def flow_matching_losses(
    velocity: Callable[[jax.Array, jax.Array], jax.Array],
    latents: Float[Array, "B t h w z"],
    noise: Float[Array, "B t h w z"],
    sigma: Float[Array, " B"],
    knee: float = 0.0,
    given: Bool[Array, "B t"] | None = None,
) -> Float[Array, " B"]:
    """Return mean ‖velocity − (noise − latents)‖² over each sample's elements, but `given` frames'.

    `velocity(noisy, timestep)` gets z_sigma and timestep = 1000·sigma. Below a sigma of `knee` a
    sample weighs (sigma/knee)²: the velocity of a network that predicts clean latents is its error
    over sigma, and would drown the rest.
    """
    predicted = velocity(interpolate(latents, noise, sigma), 1000.0 * sigma)
    error = predicted.astype(jnp.float32) - (noise - latents)
    losses = sample_means(jnp.square(error), given)
    return losses * jnp.square(jnp.minimum(sigma / knee, 1.0)) if knee > 0 else losses


def sample_means(
    values: Float[Array, "B t h w z"], given: Bool[Array, "B t"] | None = None
) -> Float[Array, " B"]:
    """Return each sample's mean over its elements but those of `given` frames."""
    kept = jnp.ones(values.shape[:2]) if given is None else ~given
    frames = jnp.mean(values, axis=tuple(range(2, values.ndim)))
    return jnp.sum(frames * kept, axis=1) / jnp.maximum(jnp.sum(kept, axis=1), 1)
