"""AdamW or Muon with warm-up, cosine decay and clipping (optax), and the parameters' average."""

import math
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import optax

KINDS = ("adamw", "muon")
ADAMW_RMS = 0.2
"""The root mean square of AdamW's steps, to which Muon's are scaled."""
STACK = "blocks"
"""The name under which layers are stacked on a leading dim."""


@dataclass(frozen=True)
class OptimizerSettings:
    """The optimiser and its numbers; steps are optimiser steps.

    `kind` is `adamw` or `muon`: the latter orthogonalises the momentum of the matrices of linear
    layers (Jordan, 2024), scaled to AdamW's step (Liu et al., 2025), and leaves all else to AdamW
    with Nesterov's momentum.

    The learning rate rises to `peak_lr` over `warmup_steps` and falls along a cosine to
    `final_lr` at the run's last step. Gradients are clipped to a global norm of `clip_norm`, per
    expert where there are experts; None clips nothing here. `ema_decay` 0 keeps no average: it
    follows the parameters.
    """

    kind: str = "adamw"
    peak_lr: float = 1e-4
    final_lr: float = 0.0
    warmup_steps: int = 100
    weight_decay: float = 0.0
    beta1: float = 0.9
    beta2: float = 0.99
    clip_norm: float | None = 1.0
    ema_decay: float = 0.999

    def __post_init__(self) -> None:
        """Check the kind."""
        if self.kind not in KINDS:
            raise ValueError(f"there is no optimizer {self.kind!r}: it is {' or '.join(KINDS)}")


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
    if settings.kind == "muon":
        update = optax.contrib.muon(
            schedule,
            adam_b1=settings.beta1,
            adam_b2=settings.beta2,
            weight_decay=settings.weight_decay,
            consistent_rms=ADAMW_RMS,
            muon_weight_dimension_numbers=_muon_dimensions,
        )
    else:
        update = optax.adamw(
            schedule,
            b1=settings.beta1,
            b2=settings.beta2,
            weight_decay=settings.weight_decay,
            mask=_matrices,
        )
    clip = math.inf if settings.clip_norm is None else settings.clip_norm
    return optax.chain(optax.clip_by_global_norm(clip), update), schedule


def _muon_dimensions(params: Any) -> Any:
    # The matrices of linear layers, stacked or not; None leaves a parameter to AdamW.
    def dimensions(path: Any, leaf: jax.Array) -> optax.contrib.MuonDimensionNumbers | None:
        names = [key.key for key in path]
        if names[-1] != "kernel" or leaf.ndim != (3 if STACK in names else 2):
            return None
        return optax.contrib.MuonDimensionNumbers(leaf.ndim - 2, leaf.ndim - 1)

    return jax.tree_util.tree_map_with_path(dimensions, params)


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
