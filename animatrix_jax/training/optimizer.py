"""AdamW with warm-up, cosine decay and clipping (optax), and the moving average of parameters."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import optax


@dataclass(frozen=True)
class OptimizerSettings:
    """Numbers of the optimiser; steps are optimiser steps.

    The learning rate rises to `peak_lr` over `warmup_steps` and falls along a cosine to
    `final_lr` at the run's last step. Gradients are clipped to a global norm of `clip_norm`, per
    expert where there are experts. `ema_decay` 0 keeps no average: it follows the parameters.
    """

    peak_lr: float = 1e-4
    final_lr: float = 0.0
    warmup_steps: int = 100
    weight_decay: float = 0.0
    beta1: float = 0.9
    beta2: float = 0.99
    clip_norm: float = 1.0
    ema_decay: float = 0.999


def make_optimizer(
    settings: OptimizerSettings, total_steps: int
) -> tuple[optax.GradientTransformation, optax.Schedule]:
    """Return the optimiser over one expert's (or one network's) tree, and its learning rate."""
    schedule = optax.warmup_cosine_decay_schedule(
        init_value=0.0,
        peak_value=settings.peak_lr,
        warmup_steps=min(settings.warmup_steps, max(total_steps // 2, 1)),
        decay_steps=max(total_steps, 2),
        end_value=settings.final_lr,
    )
    transform = optax.chain(
        optax.clip_by_global_norm(settings.clip_norm),
        optax.adamw(
            schedule,
            b1=settings.beta1,
            b2=settings.beta2,
            weight_decay=settings.weight_decay,
            mask=_matrices,
        ),
    )
    return transform, schedule


def _matrices(params: Any) -> Any:
    # Gains, biases, gates and embedding tables are not decayed; a name tells them apart where
    # layers are stacked and a bias has two dims.
    return jax.tree_util.tree_map_with_path(
        lambda path, _: path[-1] == jax.tree_util.DictKey("kernel"), params
    )


def update_average(average: Any, params: Any, step: jax.Array, decay: float) -> Any:
    """Return the moving average after a step, warming its decay up as (1 + n)/(10 + n)."""
    rate = jnp.minimum(decay, (1.0 + step) / (10.0 + step))
    return jax.tree.map(lambda a, p: rate * a + (1.0 - rate) * p, average, params)
