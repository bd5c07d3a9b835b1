"""Pre-training a small text encoder by naming masked bytes; public umT5 weights need none of it."""

from typing import Any

import jax
import jax.numpy as jnp
import optax

from animatrix_jax.diffusion.schedule import fold_sample
from animatrix_jax.models.umt5 import ByteDenoiser
from animatrix_jax.objectives.reconstruction import masked_denoising_loss
from animatrix_jax.training.optimizer import update_average
from animatrix_jax.training.state import Batch, Metrics, Step, TrainState

MASKING = 2


def denoising_step(
    model: ByteDenoiser,
    optimizer: optax.GradientTransformation,
    ema_decay: float,
    seed: int,
    *,
    rate: float,
    span: int,
    mask_id: int,
) -> Step:
    """Return the step on batches of `text_ids` [B, L] and `sample_index` [B, 2].

    A share `rate` of the tokens is replaced by `mask_id`, in spans of `span` tokens.
    """

    def hide(text_ids: jax.Array, sample_index: jax.Array) -> jax.Array:
        key = fold_sample(jax.random.key(seed), sample_index, MASKING)
        length = text_ids.shape[0]
        starts = jax.random.bernoulli(key, rate, (-(-length // span),))
        return jnp.repeat(starts, span)[:length] & (text_ids > 0)

    def loss_fn(params: Any, text_ids: jax.Array, masked: jax.Array) -> jax.Array:
        logits: Any = model.apply(params, jnp.where(masked, mask_id, text_ids))
        return masked_denoising_loss(logits, text_ids, masked)

    def step(state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        masked = jax.vmap(hide)(batch["text_ids"], batch["sample_index"])
        loss, grads = jax.value_and_grad(loss_fn)(state.params, batch["text_ids"], masked)
        updates, optimizer_state = optimizer.update(grads, state.optimizer, state.params)
        params = optax.apply_updates(state.params, updates)
        average = update_average(state.average, params, state.step, ema_decay)
        return TrainState(state.step + 1, params, average, optimizer_state), {"loss": loss}

    return jax.jit(step, donate_argnums=0)
