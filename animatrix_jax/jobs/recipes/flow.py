"""Recipe `flow`: train a model's noise experts by flow matching on cached latents (CT, SFT, QT)."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AbstractMesh, Mesh

from animatrix_jax.checkpoint.folder import ModelCard
from animatrix_jax.jobs.recipes.flow_card import (
    examples,
    microbatches,
    model_card,
    side_stride,
    whole,
)
from animatrix_jax.jobs.recipes.flow_data import FlowClips
from animatrix_jax.jobs.recipes.flow_model import (
    exporter,
    network_on,
    new_experts,
    starting_experts,
)
from animatrix_jax.jobs.recipes.flow_settings import FlowSettings
from animatrix_jax.jobs.recipes.recipe import Core, Recipe
from animatrix_jax.models.work import Work, training_work
from animatrix_jax.parallel.batches import BatchPlacement
from animatrix_jax.parallel.context import degrees_for
from animatrix_jax.parallel.mesh import MeshSettings, make_mesh
from animatrix_jax.parallel.partition import shardings
from animatrix_jax.runtime.model import Model, load_model
from animatrix_jax.training.flow import expert_update, flow_gradients, flow_step, measure_flow
from animatrix_jax.training.guards import Guards
from animatrix_jax.training.optimizer import make_optimizer
from animatrix_jax.training.placement import on_host, placed_measure, placed_step
from animatrix_jax.training.state import Batch, TrainState, new_state


def core(
    settings: FlowSettings, seed: int, mesh: Mesh | None = None, guards: Guards | None = None
) -> Core:
    """Return what the run compiles; where its parents are not there yet, `variant` gives sizes."""
    mesh = mesh or make_mesh(MeshSettings())
    card = model_card(settings)
    network, schedule = network_on(settings, card, mesh), whole(card)[1]
    parts = microbatches(settings, card, mesh)
    gradients = flow_gradients(network, schedule, settings.knee, seed, mesh, parts)
    found = core_of(settings, card, mesh, guards, gradients, examples(settings))
    measure = measure_flow(network, schedule, settings.knee, seed, mesh)
    return replace(found, measure=placed_measure(measure, found.places.average, mesh))


def core_of(
    settings: FlowSettings,
    card: ModelCard,
    mesh: Mesh,
    guards: Guards | None,
    gradients: Callable[[Any, Batch], tuple[Any, jax.Array]],
    batches: tuple[Batch, ...],
) -> Core:
    """Return what a run with some `gradients` of the experts compiles, for `batches` as shapes."""
    transform, _ = make_optimizer(settings.optimizer, settings.steps)
    fresh = new_experts(settings, card)

    def init(key: jax.Array) -> TrainState:
        params = fresh(key)
        return new_state(params, jax.vmap(transform.init)(params), len(card.experts))

    update = expert_update(
        transform,
        settings.optimizer.ema_decay,
        card.experts,
        mesh,
        guards or Guards(),
        settings.tied,
    )
    step = flow_step(gradients, update)
    places = shardings(jax.eval_shape(init, jax.random.key(0)), mesh)
    places = on_host(places) if settings.offload_optimizer else places
    return Core(init, placed_step(step, places, mesh), batches, places)


def prepare(
    settings: FlowSettings, seed: int, mesh: Mesh | None = None, guards: Guards | None = None
) -> Recipe:
    """Build the run; latents are encoded first where a cache is asked for and not there."""
    mesh = mesh or make_mesh(MeshSettings())
    vae, text = load_model(settings.vae), load_model(settings.text_encoder)
    if settings.initial is not None:
        load_model(settings.initial)
    parts, card = core(settings, seed, mesh, guards), model_card(settings)
    clips = clips_of(FlowClips, settings, seed, card, vae, text, mesh)
    state = starting_state(settings, card, parts, seed, text, mesh)
    measure = parts.measure
    assert measure is not None

    def evaluate(state: TrainState) -> dict[str, float]:
        batches = clips.measure(max(1, clips.held_out // settings.batch))
        losses = np.mean([measure(state.average, batch) for batch in batches], axis=0)
        return {f"held_out_loss_{n}": float(v) for n, v in zip(card.experts, losses, strict=True)}

    return Recipe(
        state=state,
        step=parts.step,
        batches=clips.train,
        evaluate=evaluate,
        export=exporter(settings, card, vae, text),
        total_steps=settings.steps,
        parents={**clips.digests, "vae": vae.vae_digest},
    )


def starting_state(
    settings: FlowSettings, card: ModelCard, parts: Core, seed: int, text: Model, mesh: Mesh
) -> TrainState:
    """Return the state that a run starts from, in its places."""
    state = jax.jit(parts.init, out_shardings=parts.places)(jax.random.key(seed))
    params = starting_experts(settings, card, text, state.params, parts.places.params, mesh)
    return replace(state, params=params, average=jax.tree.map(jnp.copy, params))


def check_mesh(settings: FlowSettings, state: TrainState, mesh: AbstractMesh) -> None:
    """Raise ValueError where a run whose state has these shapes does not fit on a mesh."""
    card = model_card(settings)
    shardings(state, mesh)
    microbatches(settings, card, mesh)
    degrees_for(mesh, whole(card)[0].dit.heads, settings.ulysses)


def cost(settings: FlowSettings, latents: tuple[int, int, int]) -> tuple[Work, Work]:
    """Return a step's operations at latents of (frames, height, width): of the model, and all."""
    config, _ = whole(model_card(settings))
    computed = training_work(config, latents, hardware=True)
    return training_work(config, latents) * settings.batch, computed * settings.batch


def sampled_card(settings: FlowSettings) -> ModelCard:
    """Return the card that the trained model is sampled by."""
    return model_card(settings)


def clips_of[Clips: FlowClips](
    kind: type[Clips],
    settings: FlowSettings,
    seed: int,
    card: ModelCard,
    vae: Model,
    text: Model,
    mesh: Mesh,
) -> Clips:
    """Return the clips of a run, ready to be drawn; ValueError as their `kind` raises."""
    config, _ = whole(card)
    return kind(
        settings,
        seed,
        vae,
        text,
        text_length=config.dit.text_length,
        stride=side_stride(vae.vae_config, config),
        placement=BatchPlacement(mesh, settings.batch, len(card.experts)),
        referenced=card.reference is not None,
    )
