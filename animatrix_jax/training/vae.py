"""Training the causal VAE: one step, its measurement, and the latents' statistics."""

from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, UInt8

from animatrix_jax.diffusion.schedule import draw_noise
from animatrix_jax.models.vae import VAE
from animatrix_jax.objectives.reconstruction import Reconstruction, psnr
from animatrix_jax.training.optimizer import update_average
from animatrix_jax.training.state import Batch, Metrics, Step, TrainState

POSTERIOR_NOISE = 1


def to_unit(frames: UInt8[Array, "... 3"]) -> Float[Array, "... 3"]:
    """Map uint8 pixels to [−1, 1]."""
    return frames.astype(jnp.float32) / 127.5 - 1.0


def vae_step(
    vae: VAE,
    objective: Reconstruction,
    optimizer: optax.GradientTransformation,
    ema_decay: float,
    seed: int,
) -> Step:
    """Return the step on batches of `frames` uint8 [B, T, H, W, 3] and `sample_index` [B, 2]."""

    def loss_fn(params: Any, frames: jax.Array, noise: jax.Array) -> tuple[jax.Array, Metrics]:
        clean = to_unit(frames)
        outputs = vae.apply(params, clean, noise, method="reconstruct")
        return objective(clean, *outputs)

    def step(state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        frames = batch["frames"]
        shape = vae.config.latent_shape(*frames.shape[1:4])
        noise = draw_noise(jax.random.key(seed), batch["sample_index"], POSTERIOR_NOISE, shape)
        grad_fn = jax.value_and_grad(loss_fn, has_aux=True)
        (loss, terms), grads = grad_fn(state.params, frames, noise)
        updates, optimizer_state = optimizer.update(grads, state.optimizer, state.params)
        params = optax.apply_updates(state.params, updates)
        average = update_average(state.average, params, state.step, ema_decay)
        metrics = {"loss": loss, **terms, "gradient_norm": optax.tree.norm(grads)}
        return TrainState(state.step + 1, params, average, optimizer_state), metrics

    return jax.jit(step, donate_argnums=0)


def measure_vae(vae: VAE) -> Callable[[Any, UInt8[Array, "B T H W 3"]], Float[Array, " B"]]:
    """Return a function of (params, frames) that gives each clip's reconstruction PSNR in dB.

    The decoded frames are clipped to the pixel range, as a viewer would see them.
    """

    def measure(params: Any, frames: jax.Array) -> jax.Array:
        clean = to_unit(frames)
        mean, _ = vae.apply(params, clean, method="encode_moments")
        decoded: Any = vae.apply(params, mean, method="decode_raw")
        error = jnp.clip(decoded, -1.0, 1.0) - clean
        return psnr(jnp.mean(jnp.square(error), axis=(1, 2, 3, 4)))

    return jax.jit(measure)


def latent_statistics(
    vae: VAE, params: Any, batches: Iterable[np.ndarray]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return each latent channel's mean and standard deviation over clips [B, T, H, W, 3]."""

    @jax.jit
    def moments(params: Any, frames: jax.Array) -> tuple[jax.Array, jax.Array]:
        mean, _ = vae.apply(params, to_unit(frames), method="encode_moments")
        flat = mean.reshape(-1, mean.shape[-1])
        return flat.mean(0), jnp.square(flat).mean(0)

    pairs, sizes = zip(*((moments(params, batch), len(batch)) for batch in batches), strict=True)
    first, second = np.average(np.asarray(pairs), axis=0, weights=sizes)
    spread = np.sqrt(np.maximum(second - first**2, 1e-8))
    return tuple(map(float, first)), tuple(map(float, spread))
