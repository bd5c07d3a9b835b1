"""Preference optimisation of all noise experts in one step (section 5.4; decision 10).

A batch is that of flow matching with a winner and a loser in each place: `latents`
[E, B, 2, t, h, w, z], which share conditions, sigma and noise. `pair` and `draw` [E, B] say which
pair a place shows and which of its fixed draws of sigma and noise, `reference_errors` [E, B, 2]
what the reference model's errors are there, so that the reference itself takes no memory here.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float

from animatrix_jax.diffusion.schedule import Schedule, draw_noise, draw_sigma, draw_uniform
from animatrix_jax.models.animatrix import AniMatrix
from animatrix_jax.objectives.preference import DPO
from animatrix_jax.parallel.mesh import map_experts
from animatrix_jax.training.flow import (
    Losses,
    batch_conditions,
    clip_losses,
    everywhere,
    mean_gradients,
)
from animatrix_jax.training.state import Batch

PAIR_SIGMA, PAIR_NOISE = 13, 14
"""Purposes of the draws of a pair."""

type PairErrors = Callable[[Any, Batch, jax.Array], tuple[jax.Array, jax.Array]]
"""From one expert's parameters, its batch and its window to errors [B, 2] and sigma [B]."""
type Located = tuple[jax.Array, jax.Array, jax.Array]
"""Numbers [E, B, …] of every place of a batch, and the `pair` and `draw` [E, B] that it shows."""


def pair_errors(model: AniMatrix, schedule: Schedule, knee: float, seed: int) -> PairErrors:
    """Return a function of (one expert's params, its batch, its window) to (errors, sigma).

    Errors are the means of squared velocity errors as flow matching has them (`clip_losses`).
    Sigma and noise depend on (seed, pair, draw) alone.
    """

    def errors(params: Any, batch: Batch, window: jax.Array) -> tuple[jax.Array, jax.Array]:
        key, latents = jax.random.key(seed), batch["latents"]
        index = jnp.stack([batch["pair"], batch["draw"]], axis=-1)
        sigma = draw_sigma(draw_uniform(key, index, PAIR_SIGMA), window, schedule.shift)
        noise = draw_noise(key, index, PAIR_NOISE, latents.shape[2:])
        # What a pair shares, a row for each of its clips.
        shared = batch_conditions(batch), noise, sigma
        conditions, *drawn = jax.tree.map(lambda x: jnp.repeat(x, 2, axis=0), shared)
        flat = latents.reshape(-1, *latents.shape[2:])
        found = clip_losses(model, params, conditions, flat, drawn[0], drawn[1], knee)
        return found.reshape(-1, 2), sigma

    return errors


def preference_gradients(
    model: AniMatrix,
    schedule: Schedule,
    knee: float,
    seed: int,
    objective: DPO,
    mesh: Mesh,
    microbatches: int = 1,
) -> Callable[[Any, Batch], tuple[Any, Float[Array, "E B"]]]:
    """Return a function of (params, batch) to the gradients of every expert's mean loss.

    With them come the losses of all pairs: what `flow_step` takes in place of `flow_gradients`.
    """
    errors = pair_errors(model, schedule, knee, seed)

    def losses(params: Any, batch: Batch, window: jax.Array) -> jax.Array:
        found, sigma = errors(params, batch, window)
        return objective(found, batch["reference_errors"], sigma).losses

    return mean_gradients(losses, schedule, mesh, microbatches)


def measure_errors(
    model: AniMatrix, schedule: Schedule, knee: float, seed: int, mesh: Mesh
) -> Callable[[Any, Batch], Located]:
    """Return a function of (params, batch) to the errors [E, B, 2] of its pairs, and which.

    Those of the reference model are the `reference_errors` of batches.
    """
    errors = pair_errors(model, schedule, knee, seed)
    return _located(lambda *one: errors(*one)[0], schedule, mesh)


def measure_preference(
    model: AniMatrix, schedule: Schedule, knee: float, seed: int, objective: DPO, mesh: Mesh
) -> Callable[[Any, Batch], Located]:
    """Return a function of (params, batch) to pairs' losses and margins [E, B, 2], and which."""
    errors = pair_errors(model, schedule, knee, seed)

    def of_one(params: Any, batch: Batch, window: jax.Array) -> jax.Array:
        found, sigma = errors(params, batch, window)
        said = objective(found, batch["reference_errors"], sigma)
        return jnp.stack([said.losses, said.margins], axis=-1)

    return _located(of_one, schedule, mesh)


def _located(of_one: Losses, schedule: Schedule, mesh: Mesh) -> Callable[[Any, Batch], Located]:
    """Return numbers of one expert's pairs as those of all, on every device."""
    windows, apart = np.asarray(schedule.windows(), np.float32), map_experts(of_one, mesh)

    def measure(params: Any, batch: Batch) -> Located:
        found = apart(params, batch, windows), batch["pair"], batch["draw"]
        numbers, pair, draw = (everywhere(one, mesh) for one in found)
        return numbers, pair, draw

    return measure
