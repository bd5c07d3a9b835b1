"""Flow matching of all noise experts in one step (sections 4.2, 5.1; decision 6)."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh
from jaxtyping import Array, Bool, Float, Shaped

from animatrix_jax.diffusion.schedule import Schedule, draw_noise, draw_sigma, draw_uniform
from animatrix_jax.models.animatrix import AniMatrix, Conditions
from animatrix_jax.models.conditioning import Tags
from animatrix_jax.objectives.flow_matching import flow_matching_losses
from animatrix_jax.parallel.mesh import map_experts
from animatrix_jax.parallel.partition import pinned, whole
from animatrix_jax.training.guards import Guards, after_step, guard_metrics, guarded, healthy
from animatrix_jax.training.optimizer import update_average
from animatrix_jax.training.state import Batch, Metrics, Step, TrainState

Losses = Callable[[Any, Batch, jax.Array], jax.Array]
"""From one expert's parameters, its batch and its window to each sample's loss."""
Gradients = Callable[[Any, Batch, jax.Array], tuple[Any, Any]]
"""From one expert's parameters, its batch and its window to gradients and each sample's losses."""
Update = Callable[[TrainState, Any, jax.Array, jax.Array], tuple[TrainState, Metrics]]
"""From a state, its gradients, each sample's loss and index to the state after the step."""
SIGMA, NOISE = 3, 4
HYBRID, TAG_ONLY, TEXT_ONLY, UNCONDITIONAL = range(4)


def batch_conditions(batch: Batch) -> Conditions:
    """Return the conditions of one expert's part of a batch, its modes told apart (eq. 12)."""
    mode, tags = batch["mode"], batch["tags"]
    return Conditions(
        text=batch["text"],
        text_given=(mode == HYBRID) | (mode == TEXT_ONLY),
        tags=Tags(tags["values"], tags["order"], tags["mask"]),
        tags_given=(mode == HYBRID) | (mode == TAG_ONLY),
        reference=batch.get("reference"),
        reference_mask=batch.get("reference_mask"),
    )


def expert_losses(
    model: AniMatrix, schedule: Schedule, knee: float, seed: int
) -> Callable[[Any, Batch, Float[Array, "2"]], Float[Array, " B"]]:
    """Return a function of (one expert's params, its batch, its sigma window) to sample losses.

    Sigma and noise depend on (seed, sample index) alone; `knee` as in `flow_matching_losses`.
    """

    def losses(params: Any, batch: Batch, window: jax.Array) -> jax.Array:
        key, index, latents = jax.random.key(seed), batch["sample_index"], batch["latents"]
        sigma = draw_sigma(draw_uniform(key, index, SIGMA), window, schedule.shift)
        noise = draw_noise(key, index, NOISE, latents.shape[1:])
        return clip_losses(model, params, batch_conditions(batch), latents, noise, sigma, knee)

    return losses


def clip_losses(
    model: AniMatrix,
    params: Any,
    conditions: Conditions,
    latents: Float[Array, "B t h w z"],
    noise: Float[Array, "B t h w z"],
    sigma: Float[Array, " B"],
    knee: float,
) -> Float[Array, " B"]:
    """Return `flow_matching_losses` of one expert; references in a latent's place do not count."""

    def velocity(noisy: jax.Array, timestep: jax.Array) -> jax.Array:
        out: Any = model.apply(params, noisy, timestep, conditions)
        return out

    given = given_frames(model, conditions)
    return flow_matching_losses(velocity, latents, noise, sigma, knee, given)


def given_frames(model: AniMatrix, conditions: Conditions) -> Bool[Array, "B t"] | None:
    """Return which frames are references in the place of latents; None where none can be."""
    if not model.references_in_place or conditions.reference_mask is None:
        return None
    return conditions.reference_mask.any(axis=-1)


def flow_gradients(
    model: AniMatrix, schedule: Schedule, knee: float, seed: int, mesh: Mesh, microbatches: int = 1
) -> Callable[[Any, Batch], tuple[Any, Float[Array, "E B"]]]:
    """Return a function of (params, batch) to the gradients of every expert's mean loss.

    With them come the losses of all samples. Gradients are the mean over `microbatches` parts of
    an expert's batch, one after the other.
    """
    return mean_gradients(expert_losses(model, schedule, knee, seed), schedule, mesh, microbatches)


def mean_gradients(
    sample_losses: Losses, schedule: Schedule, mesh: Mesh, microbatches: int
) -> Callable[[Any, Batch], tuple[Any, Float[Array, "E B"]]]:
    """Return `flow_gradients` of any loss of the samples of one expert's batch."""
    windows = np.asarray(schedule.windows(), np.float32)

    def loss_fn(params: Any, batch: Batch, window: jax.Array) -> tuple[jax.Array, jax.Array]:
        losses = sample_losses(params, batch, window)
        return jnp.mean(losses), losses

    def pinned_gradients(params: Any, batch: Batch, window: jax.Array) -> tuple[Any, jax.Array]:
        grads, losses = jax.grad(loss_fn, has_aux=True)(pinned(params, mesh), batch, window)
        return pinned(grads, mesh), losses

    gradients = map_experts(accumulated(pinned_gradients, microbatches), mesh)
    return lambda params, batch: gradients(params, batch, windows)


def flow_step(gradients: Callable[[Any, Batch], tuple[Any, jax.Array]], update: Update) -> Step:
    """Return the step on a batch laid out [expert, batch/expert, …]; each part trains its expert.

    `gradients` as `flow_gradients` gives them, `update` as `expert_update`.
    """

    def step(state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        grads, sampled = gradients(state.params, batch)
        return update(state, grads, sampled, batch["sample_index"])

    return step


def expert_update(
    optimizer: optax.GradientTransformation,
    ema_decay: float,
    names: tuple[str, ...],
    mesh: Mesh,
    guards: Guards,
    tied: bool = False,
) -> Update:
    """Return what a step does with its gradients: guards, optimiser, average, metrics.

    `names` are the experts' (`expert_names`). Clipping, guards and the optimiser's statistics are
    per expert, since the optimiser is mapped over the expert dim; nothing but numbers crosses it.
    With `tied` both experts take the mean of their gradients: experts that start alike stay one
    network, which learns from every noise level.
    """
    update = map_experts(optimizer.update, mesh, in_turn=False)
    norm = map_experts(optax.tree.norm, mesh, in_turn=False)

    def updated(
        state: TrainState, grads: Any, sampled: jax.Array, indices: jax.Array
    ) -> tuple[TrainState, Metrics]:
        indices = everywhere(indices, mesh)
        sampled, norms = everywhere(sampled, mesh), everywhere(norm(grads), mesh)
        losses = jnp.mean(sampled, axis=1)
        params, moments = state.params, state.optimizer
        if tied:
            grads = jax.tree.map(lambda g: g.mean(axis=0, keepdims=True), grads)
            params, moments = jax.tree.map(lambda leaf: leaf[:1], (params, moments))
        updates, moments = update(grads, moments, params)
        params = optax.apply_updates(params, updates)
        if tied:
            both = partial(jnp.repeat, repeats=len(names), axis=0)
            params, moments = jax.tree.map(both, (params, moments))
        average = update_average(state.average, params, state.step, ema_decay)
        assert state.guard is not None
        ok = healthy(losses, norms, state.guard, guards)
        # What is not finite in one of tied experts is in the step of both.
        ok = jnp.broadcast_to(ok.all(), ok.shape) if tied else ok
        ok = whole(ok, mesh)
        old = state.params, state.average, state.optimizer
        params, average, moments = guarded((params, average, moments), old, ok)
        guard = whole(after_step(state.guard, norms, ok, guards), mesh)
        metrics = {"loss": jnp.mean(losses)}
        for index, name in enumerate(names):
            metrics |= {f"loss_{name}": losses[index], f"gradient_norm_{name}": norms[index]}
        metrics |= guard_metrics(names, guard, sampled, indices)
        after = replace(
            state,
            step=state.step + 1,
            params=params,
            average=average,
            optimizer=moments,
            guard=guard,
        )
        return after, metrics

    return updated


def everywhere(values: Shaped[Array, "E ..."], mesh: Mesh) -> Shaped[Array, "E ..."]:
    """Return every expert's numbers on every device, by sums: the only way between experts."""
    experts = jnp.arange(len(values)).reshape(-1, *[1] * (values.ndim - 1))
    # A row that is not the expert's own counts as 0, whatever it holds.
    own = [jnp.sum(jnp.where(experts == e, values, 0), axis=0) for e in range(len(values))]
    return whole(jnp.stack(whole(own, mesh)), mesh)


def accumulated(gradients: Gradients, parts: int) -> Gradients:
    """Return gradients as the mean over `parts` parts of the batch, one after the other.

    A part takes every `parts`-th sample, so that each device's own samples are in every part.
    """
    if parts == 1:
        return gradients

    def mean(params: Any, batch: Batch, window: jax.Array) -> tuple[Any, Any]:
        def split(x: jax.Array) -> jax.Array:
            return x.reshape(-1, parts, *x.shape[1:]).swapaxes(0, 1)

        def add(total: Any, part: Batch) -> tuple[Any, Any]:
            grads, losses = gradients(params, part, window)
            return jax.tree.map(lambda a, g: a + g / parts, total, grads), losses

        total, losses = jax.lax.scan(
            add, jax.tree.map(jnp.zeros_like, params), jax.tree.map(split, batch)
        )
        return total, jax.tree.map(lambda part: part.swapaxes(0, 1).reshape(-1), losses)

    return mean


def measure_flow(
    model: AniMatrix, schedule: Schedule, knee: float, seed: int, mesh: Mesh
) -> Callable[[Any, Batch], Float[Array, " E"]]:
    """Return a function of (params, batch) to each expert's mean loss."""
    losses = map_experts(expert_losses(model, schedule, knee, seed), mesh)
    windows = np.asarray(schedule.windows(), np.float32)
    return lambda params, batch: jnp.mean(losses(params, batch, windows), axis=1)
