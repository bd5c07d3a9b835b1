"""Recipe `dpo`: turn a model's noise experts to what was preferred (section 5.4, decision 10)."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from animatrix_jax.jobs.recipes import flow_card
from animatrix_jax.jobs.recipes.dpo_data import PairClips
from animatrix_jax.jobs.recipes.dpo_references import know_references, open_references, scatter
from animatrix_jax.jobs.recipes.dpo_settings import DPOSettings
from animatrix_jax.jobs.recipes.flow import (
    check_mesh,
    clips_of,
    core_of,
    sampled_card,
    starting_state,
)
from animatrix_jax.jobs.recipes.flow_card import microbatches, model_card, whole
from animatrix_jax.jobs.recipes.flow_model import exporter, network_on
from animatrix_jax.jobs.recipes.recipe import Core, Recipe
from animatrix_jax.models.work import Work, training_work
from animatrix_jax.parallel.mesh import MeshSettings, make_mesh
from animatrix_jax.runtime.model import load_model
from animatrix_jax.training.guards import Guards
from animatrix_jax.training.placement import placed_measure
from animatrix_jax.training.preference import (
    measure_errors,
    measure_preference,
    preference_gradients,
)
from animatrix_jax.training.state import Batch, TrainState

__all__ = ["DPOSettings", "check_mesh", "core", "cost", "examples", "prepare", "sampled_card"]


def core(
    settings: DPOSettings, seed: int, mesh: Mesh | None = None, guards: Guards | None = None
) -> Core:
    """Return what the run compiles; where its parents are not there yet, `variant` gives sizes."""
    mesh = mesh or make_mesh(MeshSettings())
    card = model_card(settings)
    network, schedule = network_on(settings, card, mesh), whole(card)[1]
    parts = microbatches(settings, card, mesh)
    gradients = preference_gradients(
        network, schedule, settings.knee, seed, settings.objective, mesh, parts
    )
    return core_of(settings, card, mesh, guards, gradients, examples(settings))


def prepare(
    settings: DPOSettings, seed: int, mesh: Mesh | None = None, guards: Guards | None = None
) -> Recipe:
    """Build the run; latents are encoded and the reference is asked first, where either is due."""
    mesh = mesh or make_mesh(MeshSettings())
    vae, text = load_model(settings.vae), load_model(settings.text_encoder)
    assert settings.initial is not None, "settings without an initial model were refused"
    load_model(settings.initial)
    parts, card = core(settings, seed, mesh, guards), model_card(settings)
    clips = clips_of(PairClips, settings, seed, card, vae, text, mesh)
    kept = open_references(settings, seed, card, clips, vae, text)
    places, state = parts.places, starting_state(settings, card, parts, seed, text, mesh)
    network, schedule = network_on(settings, card, mesh), whole(card)[1]
    errors = placed_measure(
        measure_errors(network, schedule, settings.knee, seed, mesh), places.params, mesh
    )
    know_references(kept, clips, errors, state.params)
    measure = placed_measure(
        measure_preference(network, schedule, settings.knee, seed, settings.objective, mesh),
        places.average,
        mesh,
    )

    def evaluate(state: TrainState) -> dict[str, float]:
        table = np.full(clips.errors_shape, np.nan, np.float32)
        for batch in clips.measure(clips.held_out_batches):
            scatter(table, *measure(state.average, batch))
        shown = table.reshape(len(table), -1, 2)[:, clips.measured_on]
        return held_out_numbers(shown, card.experts)

    return Recipe(
        state=state,
        step=parts.step,
        batches=clips.train,
        evaluate=evaluate,
        export=exporter(settings, card, vae, text),
        total_steps=settings.steps,
        parents={**clips.digests, "vae": vae.vae_digest},
    )


def held_out_numbers(found: np.ndarray, experts: tuple[str, ...]) -> dict[str, float]:
    """Return each expert's mean loss, share of pairs with a positive margin, and mean margin.

    `found` [E, pairs, 2] holds loss and margin.
    """
    numbers: dict[str, float] = {}
    for name, own in zip(experts, found, strict=True):
        losses, margins = own.T
        numbers |= {
            f"held_out_loss_{name}": float(losses.mean()),
            f"held_out_accuracy_{name}": float((margins > 0).mean()),
            f"held_out_margin_{name}": float(margins.mean()),
        }
    return numbers


def cost(settings: DPOSettings, latents: tuple[int, int, int]) -> tuple[Work, Work]:
    """Return a step's operations, of two clips a sample, as recipe `flow` does."""
    config, _ = whole(model_card(settings))
    clips = 2 * settings.batch
    computed = training_work(config, latents, hardware=True)
    return training_work(config, latents) * clips, computed * clips


def examples(settings: DPOSettings, clip: tuple[int, int, int] | None = None) -> tuple[Batch, ...]:
    """Return a batch of every shape that the run will see, as shapes: pairs of clips.

    With `clip` (frames, height, width) it is that shape alone. Raises ValueError as
    `flow_card.examples`.
    """
    batches = flow_card.examples(settings, clip)
    # A flow run may have images besides.
    clips = [batch for batch in batches if batch["latents"].shape[2] > 1]
    return tuple(map(_of_pairs, clips or batches))


def _of_pairs(batch: Batch) -> Batch:
    """Return a batch of clips as one of pairs."""
    latents = batch["latents"]
    layout, clip = latents.shape[:2], latents.shape[2:]
    return batch | {
        "latents": jax.ShapeDtypeStruct((*layout, 2, *clip), latents.dtype),
        "pair": jax.ShapeDtypeStruct(layout, jnp.uint32),
        "draw": jax.ShapeDtypeStruct(layout, jnp.uint32),
        "reference_errors": jax.ShapeDtypeStruct((*layout, 2), jnp.float32),
    }
