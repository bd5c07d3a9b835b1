"""Training the fault oracle: a step on frames whose faults are known cell by cell."""

from typing import Any

import jax
import jax.numpy as jnp
import optax

from animatrix_jax.models.oracle_faults import CELL, FaultNet
from animatrix_jax.training.oracle import in_other_light, summed_step
from animatrix_jax.training.state import Batch, Metrics, Step

CHANGED = 20.0
"""What it costs to be wrong about a cell of the map, against being wrong about the frame."""
LEAST = 0.002
"""The share of a picture that a fault must change to be asked for; one that changes less, but
something, is neither there nor absent."""


def fault_step(
    net: FaultNet, optimizer: optax.GradientTransformation, ema_decay: float, seed: int
) -> Step:
    """Return the step on batches of `frames` and those `before` them, uint8 [B, 1, H, W, 3],
    `changed` and `arms` uint8 [B, h, w] (pixels of a cell that the fault has changed, and that show
    arms), `kind` [B, K] (one-hot,
    all zero where nothing is broken) and `sample_index`."""
    key = jax.random.key(seed)

    def losses_of(params: Any, batch: Batch, dropout: jax.Array) -> Metrics:
        shown = in_other_light(key, batch)
        rngs = {"dropout": dropout}
        out: Any = net.apply(params, shown[:, 0], shown[:, 1], train=True, rngs=rngs)
        found, broken = out
        share = batch["changed"].astype(jnp.float32) / CELL**2
        kinds = batch["kind"][:, None, None]
        total = share.mean(axis=(1, 2))[:, None]
        asked = 1.0 - batch["kind"] * ((total > 0) & (total < LEAST))
        answer = batch["kind"] * (total >= LEAST)
        entropy = optax.sigmoid_binary_cross_entropy(broken, answer)
        arms = batch["arms"].astype(jnp.float32)[..., None] / CELL**2
        maps = jnp.concatenate([share[..., None] * kinds, arms], axis=-1)
        cells = optax.sigmoid_binary_cross_entropy(found, maps).mean(axis=(0, 1, 2))
        return {
            "changed": CHANGED * cells[:-1].sum(),
            "arms": CHANGED * cells[-1],
            "broken": (asked * entropy).mean(axis=0).sum(),
        }

    return summed_step(losses_of, optimizer, ema_decay, key)
