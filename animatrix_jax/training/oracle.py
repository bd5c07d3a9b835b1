"""Training the learned oracle: a step on labelled clips or frames, and one on crops of these."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from animatrix_jax.diffusion.schedule import draw_noise, fold_sample
from animatrix_jax.models.oracle import OracleNet
from animatrix_jax.models.oracle_crops import Closer
from animatrix_jax.models.oracle_frames import HEAT, LOOKED, PRESENCE, TRACKS
from animatrix_jax.training.optimizer import update_average
from animatrix_jax.training.state import Batch, Metrics, Step, TrainState
from animatrix_jax.training.vae import to_unit

AUGMENTATION, DROPOUT = 1, 2
GRAINS = 5
SOFTEST, BRIGHTEST, NOISIEST = 0.8, 0.12, 0.1
"""Bounds of the augmentation: share of a 3×3 blur, gain and offset, size of uniform noise."""
TREMBLE = {TRACKS: (3, 0.01), "field": (4, 0.0003)}
"""What is added to points (half frame heights) and flow (frame heights) that were read before: the
purpose of its random numbers, and its standard deviation."""


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
    grains = min(GRAINS, len(frames))
    bits = jax.random.bits(grain, (grains, *frames.shape[1:]), jnp.uint8)
    bits = bits[jnp.arange(len(frames)) % grains]
    return frames * scale + shift + size * (bits.astype(jnp.float32) / 127.5 - 1.0)


def heat_target(
    places: Float[Array, "B T K 2"], height: int, width: int
) -> Float[Array, "B T N K"]:
    """Return soft one-hot maps [height · width] of where points stand: Gaussians of one cell.

    `places` are x and y in half frame heights from the centre (y down), cells are square.
    """
    x = (places[..., 0] * height / width + 1) * width / 2 - 0.5
    y = (places[..., 1] + 1) * height / 2 - 0.5

    def bumps(at: jax.Array, cells: int) -> jax.Array:
        return jax.nn.softmax(-jnp.square(jnp.arange(cells) - at[..., None]) / 2, axis=-1)

    both = jnp.einsum("btky,btkx->btyxk", bumps(y, height), bumps(x, width))
    return both.reshape(*both.shape[:2], height * width, -1)


def point_losses(
    heat: Float[Array, "B T N K"],
    presence: Float[Array, "B T K"],
    places: Float[Array, "B T K 2"],
    inside: Float[Array, "B T K"],
    height: int,
) -> Metrics:
    """Return the cross-entropy of the points' places, over those `inside` the frame (1 or 0), and
    that of their presence; the heat's cells stand in `height` rows."""
    target = heat_target(places, height, heat.shape[2] // height)
    entropy = -(target * jax.nn.log_softmax(heat, axis=2)).sum(axis=2)
    return {
        "points": (entropy * inside).sum() / (inside.sum() + 1.0),
        "presence": optax.sigmoid_binary_cross_entropy(presence, inside).mean(),
    }


def oracle_step(
    net: OracleNet, optimizer: optax.GradientTransformation, ema_decay: float, seed: int
) -> Step:
    """Return the step on batches of `frames` uint8 [B, T, H, W, 3], `sample_index` and `targets`.

    `targets` maps a sub-field to the share of each answer [B, n], all zero where it says nothing;
    the loss is the cross-entropy, summed over sub-fields. Where the frames of a batch are not whole
    clips, `before` holds those before them. Where the network's streams read them, a batch holds
    `field` and `statistics`; where it finds points, `places` [B, T, K, 2] in half frame heights and
    `inside` [B, T, K], and their losses are added. A batch that holds `LOOKED` and `TRACKS` of
    frames looked at before needs none, and trains what judges them.
    """
    cells = net.config.height // 2
    key = jax.random.key(seed)

    def given(batch: Batch) -> dict[str, Any]:
        """Return what the network is given: frames in other light, or what was read before."""
        read = ("field", "statistics")
        inputs: dict[str, Any] = {name: batch[name] for name in read if name in batch}
        if LOOKED in batch:
            for name in set(TREMBLE) & set(batch):
                inputs[name] = _trembling(key, batch, name)
            looked = {LOOKED: batch[LOOKED], TRACKS: inputs.pop(TRACKS)}
            return {"frames": None, "looked": looked, **inputs}
        shown = in_other_light(key, batch)
        if "before" in batch:
            count = batch["frames"].shape[1]
            return {"frames": shown[:, :count], "before": shown[:, count:], **inputs}
        return {"frames": shown, **inputs}

    def losses_of(params: Any, batch: Batch, dropout: jax.Array) -> Metrics:
        inputs = given(batch)
        out: Any = net.apply(params, **inputs, train=True, rngs={"dropout": dropout})
        losses = _answer_losses(out, batch["targets"])
        if "places" in batch:
            found = (out[HEAT], out[PRESENCE], batch["places"], batch["inside"])
            losses |= point_losses(*found, cells)
        return losses

    return summed_step(losses_of, optimizer, ema_decay, key)


def closer_step(
    net: Closer, optimizer: optax.GradientTransformation, ema_decay: float, seed: int
) -> Step:
    """Return the step on batches of single `frames` uint8 [B, 1, H, W, 3], `boxes` (by crop [B, 3],
    as `crop_boxes` says), `sample_index` and `targets`, which `oracle_step` describes."""
    key = jax.random.key(seed)

    def losses_of(params: Any, batch: Batch, dropout: jax.Array) -> Metrics:
        shown = in_other_light(key, batch)[:, 0]
        out: Any = net.apply(params, shown, batch["boxes"], train=True, rngs={"dropout": dropout})
        return {
            f"{crop}_{name}": loss
            for crop, (_, answers) in out.items()
            for name, loss in _answer_losses(answers, batch["targets"]).items()
        }

    return summed_step(losses_of, optimizer, ema_decay, key)


def in_other_light(key: jax.Array, batch: Batch) -> Float[Array, "B T H W 3"]:
    """Return a batch's frames, and those before them where it has any, in [−1, 1], augmented."""
    shown = [to_unit(batch[name]) for name in ("frames", "before") if name in batch]
    fold = jax.vmap(lambda index: fold_sample(key, index, AUGMENTATION))
    return jax.vmap(augment)(fold(batch["sample_index"]), jnp.concatenate(shown, axis=1))


def _trembling(key: jax.Array, batch: Batch, name: str) -> jax.Array:
    """Return what was read before with noise; its last channel, how sure it is, stays."""
    purpose, size = TREMBLE[name]
    values = batch[name]
    noise = draw_noise(key, batch["sample_index"], purpose, values.shape[1:])
    return values + size * noise * (jnp.arange(values.shape[-1]) < 2)


def _answer_losses(logits: Mapping[str, jax.Array], targets: Mapping[str, jax.Array]) -> Metrics:
    return {
        name: optax.softmax_cross_entropy(logits[name], target).mean()
        for name, target in targets.items()
        if name in logits
    }


def summed_step(
    losses_of: Callable[[Any, Batch, jax.Array], Metrics],
    optimizer: optax.GradientTransformation,
    ema_decay: float,
    key: jax.Array,
) -> Step:
    """Return the step on the sum of the losses of (params, batch, key of the dropout)."""

    def step(state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        dropout = jax.random.fold_in(jax.random.fold_in(key, DROPOUT), state.step)

        def loss_fn(params: Any) -> tuple[jax.Array, Metrics]:
            losses = losses_of(params, batch, dropout)
            return jnp.sum(jnp.stack(list(losses.values()))), losses

        (loss, parts), grads = jax.value_and_grad(loss_fn, has_aux=True)(state.params)
        updates, optimizer_state = optimizer.update(grads, state.optimizer, state.params)
        params = optax.apply_updates(state.params, updates)
        average = update_average(state.average, params, state.step, ema_decay)
        metrics = {"loss": loss} | {f"loss_{name}": value for name, value in parts.items()}
        return TrainState(state.step + 1, params, average, optimizer_state), metrics

    return jax.jit(step, donate_argnums=0)
