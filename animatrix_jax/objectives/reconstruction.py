"""The VAE's loss: pixels, edges and a light pull of the posterior to the unit normal."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


@dataclass(frozen=True)
class Reconstruction:
    """Weights of the terms; squared error has weight 1.

    `edges` weighs the absolute error of pixel differences along time, rows and columns, which
    keeps outlines and movement crisp where squared error alone blurs them. `divergence` weighs
    the posterior's KL divergence per latent element from the unit normal.
    """

    edges: float = 0.1
    divergence: float = 1e-5

    def __call__(
        self,
        frames: Float[Array, "B T H W 3"],
        decoded: Float[Array, "B T H W 3"],
        mean: Float[Array, "B t h w z"],
        log_variance: Float[Array, "B t h w z"],
    ) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]]]:
        """Return (loss, terms); frames in [−1, 1]. `psnr` is in dB of a range of 2."""
        error = decoded - frames
        squared = jnp.mean(jnp.square(error))
        edges = sum(jnp.mean(jnp.abs(jnp.diff(error, axis=axis))) for axis in (1, 2, 3)) / 3
        kl = 0.5 * jnp.mean(jnp.square(mean) + jnp.exp(log_variance) - 1.0 - log_variance)
        loss = squared + self.edges * edges + self.divergence * kl
        return loss, {"psnr": psnr(squared), "edges": jnp.asarray(edges), "divergence": kl}


def psnr(squared_error: Float[Array, "..."]) -> Float[Array, "..."]:
    """Return the peak signal-to-noise ratio in dB of a mean squared error on the range [−1, 1]."""
    return 10.0 * jnp.log10(4.0 / jnp.maximum(squared_error, 1e-12))


def masked_denoising_loss(
    logits: Float[Array, "B L V"], targets: jax.Array, masked: jax.Array
) -> Float[Array, ""]:
    """Return the mean cross-entropy in nats of the masked tokens; targets, masked are [B, L]."""
    log_likelihood = jnp.take_along_axis(
        jax.nn.log_softmax(logits, axis=-1), targets[..., None], axis=-1
    )[..., 0]
    return -jnp.sum(log_likelihood * masked) / jnp.maximum(jnp.sum(masked), 1)
