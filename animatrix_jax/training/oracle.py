"""Training the learned oracle: one step on labelled clips."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from animatrix_jax.diffusion.schedule import fold_sample
from animatrix_jax.models.oracle import OracleNet
from animatrix_jax.training.optimizer import update_average
from animatrix_jax.training.state import Batch, Metrics, Step, TrainState
from animatrix_jax.training.vae import to_unit

AUGMENTATION, DROPOUT = 1, 2
GRAINS = 5
SOFTEST, BRIGHTEST, NOISIEST = 0.8, 0.12, 0.1
"""Bounds of the augmentation: share of a 3×3 blur, gain and offset, size of uniform noise."""


def augment(key: jax.Array, frames: Float[Array, "T H W 3"]) -> Float[Array, "T H W 3"]:
    """Blur, brighten and add noise to a clip in [−1, 1], each by a random amount."""
    soft, gain, offset, noise, grain = jax.random.split(key, 5)
    share = jax.random.uniform(soft, (), maxval=SOFTEST)
    for dim in (1, 2):
        sides = jnp.roll(frames, 1, dim) + jnp.roll(frames, -1, dim)
        frames = frames + share * (sides / 4 - frames / 2)
    scale = 1.0 + jax.random.uniform(gain, (), minval=-BRIGHTEST, maxval=BRIGHTEST)
    shift = jax.random.uniform(offset, (), minval=-BRIGHTEST, maxval=BRIGHTEST)
    size = jax.random.uniform(noise, (), maxval=NOISIEST)
    # A few frames of random bytes in turn: a normal number per pixel costs as much as the network.
    turns = jnp.arange(len(frames)) % GRAINS
    bits = jax.random.bits(grain, (GRAINS, *frames.shape[1:]), jnp.uint8)[turns]
    return frames * scale + shift + size * (bits.astype(jnp.float32) / 127.5 - 1.0)


def oracle_step(
    net: OracleNet, optimizer: optax.GradientTransformation, ema_decay: float, seed: int
) -> Step:
    """Return the step on batches of `frames` uint8 [B, T, H, W, 3], `sample_index` and `targets`.

    `targets` maps a sub-field to the share of each answer [B, n]; the loss is the cross-entropy,
    summed over sub-fields.
    """

    def loss_fn(
        params: Any, frames: jax.Array, targets: Mapping[str, jax.Array], key: jax.Array
    ) -> tuple[jax.Array, Metrics]:
        logits: Any = net.apply(params, frames, train=True, rngs={"dropout": key})
        losses = {
            name: optax.softmax_cross_entropy(logits[name], target).mean()
            for name, target in targets.items()
        }
        return jnp.sum(jnp.stack(list(losses.values()))), losses

    def step(state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        key = jax.random.key(seed)
        fold = jax.vmap(lambda index: fold_sample(key, index, AUGMENTATION))
        frames = jax.vmap(augment)(fold(batch["sample_index"]), to_unit(batch["frames"]))
        dropout = jax.random.fold_in(jax.random.fold_in(key, DROPOUT), state.step)
        grad_fn = jax.value_and_grad(loss_fn, has_aux=True)
        (loss, parts), grads = grad_fn(state.params, frames, batch["targets"], dropout)
        updates, optimizer_state = optimizer.update(grads, state.optimizer, state.params)
        params = optax.apply_updates(state.params, updates)
        average = update_average(state.average, params, state.step, ema_decay)
        metrics = {"loss": loss} | {f"loss_{name}": value for name, value in parts.items()}
        return TrainState(state.step + 1, params, average, optimizer_state), metrics

    return jax.jit(step, donate_argnums=0)
