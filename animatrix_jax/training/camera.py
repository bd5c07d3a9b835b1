"""Training the camera oracle: a step on clips that are mirrored and played backwards at random."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from animatrix_data.procedural.oracles import movement
from animatrix_jax.diffusion.schedule import draw_noise, fold_sample
from animatrix_jax.models.oracle_camera import (
    CameraNet,
    Patterned,
    turned,
    turned_answers,
    turned_told,
)
from animatrix_jax.training.oracle import summed_step
from animatrix_jax.training.state import Batch, Metrics, Step

WAYS, CELLS, TREMBLE, LOST = 1, 3, 4, 5
"""The purposes of random numbers (`oracle_step` takes 2 for dropout)."""
NOISE = 0.05
"""The standard deviation of what is added to image and course."""
LOSS = 0.08
"""The share of the squares of cells that are lost."""
SQUARE = 4
"""How many cells such a square has along an edge."""
SMOOTHING = 0.05
MOVEMENT, MOTION = 0.5, 0.5
"""What it costs to name another movement, and to say something else of the motion, against naming
another answer."""


def camera_step(
    net: CameraNet, optimizer: optax.GradientTransformation, ema_decay: float, seed: int
) -> Step:
    """Return the step on batches of `image`, `course`, `totals`, `told`, `answers` [B, n] (one-hot)
    and `sample_index`."""
    key = jax.random.key(seed)
    known = net.config.answers
    groups = movement_groups(known)

    def losses_of(params: Any, batch: Batch, dropout: jax.Array) -> Metrics:
        index = batch["sample_index"]
        coins = jax.vmap(lambda i: jax.random.bernoulli(fold_sample(key, i, WAYS), 0.5, (2,)))
        mirrored, reversed_ = coins(index).T
        clips = (batch["image"], batch["course"], batch["totals"])
        shown = _disturbed(key, index, turned(clips, mirrored, reversed_))
        out: Any = net.apply(params, *shown, train=True, rngs={"dropout": dropout})
        logits, told = out
        target = turned_answers(batch["answers"], known, mirrored, reversed_)
        truth = turned_told(batch["told"], mirrored, reversed_)
        moves = jnp.log(jax.nn.softmax(logits) @ groups + 1e-6)
        smooth = optax.smooth_labels(target, SMOOTHING)
        return {
            "answers": optax.softmax_cross_entropy(logits, smooth).mean(),
            "movement": -MOVEMENT * (moves * (target @ groups)).sum(axis=-1).mean(),
            "told": MOTION * optax.huber_loss(told, truth).mean(),
        }

    return summed_step(losses_of, optimizer, ema_decay, key)


def movement_groups(known: Sequence[str]) -> np.ndarray:
    """Return which movement [n, m] each answer belongs to."""
    names = list(dict.fromkeys(map(movement, known)))
    return np.eye(len(names), dtype=np.float32)[[names.index(movement(text)) for text in known]]


def _disturbed(key: jax.Array, index: jax.Array, clips: Patterned) -> Patterned:
    """Return clips whose cells tremble, some squares of them lost."""
    image, course, totals = clips
    image = image + NOISE * _rough(key, index, image.shape[1:])
    course = course + NOISE * draw_noise(key, index, TREMBLE, course.shape[1:])
    squares = (image.shape[1] // SQUARE, image.shape[2] // SQUARE, 1)
    lost = jax.vmap(lambda i: jax.random.bernoulli(fold_sample(key, i, LOST), LOSS, squares))(index)
    lost = lost.repeat(SQUARE, axis=1).repeat(SQUARE, axis=2)
    return jnp.where(lost, 0.0, image), course, totals


def _rough(key: jax.Array, index: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Return even noise [B, …] of unit variance, of a byte each: a normal number for every channel
    of every cell would cost as much as the network."""
    bits = jax.vmap(lambda i: jax.random.bits(fold_sample(key, i, CELLS), shape, jnp.uint8))(index)
    return (bits.astype(jnp.float32) / 127.5 - 1.0) * 3**0.5
