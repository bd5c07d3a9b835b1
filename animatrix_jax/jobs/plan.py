"""`animatrix plan`: compile a config for a pod that is not there, and tell what it takes.

Weights and corpus need not be there either: sizes are those of the config's `variant`.
"""

import json
import re
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from animatrix_data.files import whole_file
from animatrix_data.settings import build
from animatrix_jax.checkpoint.folder import ModelCard
from animatrix_jax.diffusion.guidance import Scales, guidance_chain, high_low
from animatrix_jax.inference.placement import placed_velocity, sampling_mesh
from animatrix_jax.jobs.plan_estimate import Estimate, estimate, shard_bytes, shortage
from animatrix_jax.jobs.plan_machines import Target, find_target
from animatrix_jax.jobs.plan_report import Planned, table
from animatrix_jax.jobs.recipes.flow_card import examples, microbatches, model_card, whole
from animatrix_jax.jobs.recipes.flow_settings import FlowSettings
from animatrix_jax.jobs.train import MESHED, Experiment, find_recipe
from animatrix_jax.models.animatrix import AniMatrixConfig, Conditions
from animatrix_jax.models.shapes import empty_tags, transformer_shapes
from animatrix_jax.models.work import Work, token_count, velocity_work
from animatrix_jax.parallel.mesh import choose_mesh, make_mesh
from animatrix_jax.parallel.partition import batch_sharding
from animatrix_jax.training.state import Critic

PURPOSES = ("training", "sampling")


def run(
    config: Any,
    topology: str,
    *,
    purpose: str = "training",
    shape: str | None = None,
    out: str | Path | None = None,
) -> dict[str, Any]:
    """Compile an experiment for a machine and print what it takes; returns the report.

    `topology` is a TPU slice (v5p:4x4x4; v5e:1 is one chip) or GPUs (h100:8, h100:8x8), `purpose`
    training or sampling, `shape` the clip as FRAMESxHEIGHTxWIDTH (None: the config's last). `out`
    gets the report as JSON. Raises ValueError for a machine, a mesh or a shape that cannot be, and
    for a recipe that takes no mesh.
    """
    experiment = build(Experiment, config)
    if experiment.recipe not in MESHED:
        raise ValueError(
            f"plan is for recipes that take a mesh ({', '.join(MESHED)}): {experiment.recipe} "
            "trains on one device"
        )
    recipe, settings = find_recipe(experiment)
    target = find_target(topology)
    clip = None if shape is None else parse_shape(shape)
    if purpose == "training":
        planned = plan_training(experiment, recipe, settings, target, clip)
    else:
        planned = plan_sampling(experiment, recipe.sampled_card(settings), settings, target, clip)
    report = planned.as_json()
    print(table(planned))
    if out is not None:
        with whole_file(out) as temporary:
            temporary.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return report


def parse_shape(text: str) -> tuple[int, int, int]:
    """Return (frames, height, width) of a text like 81x720x1280; ValueError for another."""
    found = re.fullmatch(r"(\d+)x(\d+)x(\d+)", text)
    if found is None:
        raise ValueError(f"--shape is FRAMESxHEIGHTxWIDTH, as in 81x720x1280, not {text!r}")
    frames, height, width = map(int, found.groups())
    return frames, height, width


def plan_training(
    experiment: Experiment,
    recipe: Any,
    settings: FlowSettings,
    target: Target,
    clip: tuple[int, int, int] | None,
) -> Planned:
    """Compile the training step on the costliest of the run's shapes, or on that of `clip`."""
    chosen = choose_mesh(experiment.mesh, experiment.meshes, target.count)
    mesh = make_mesh(chosen, target.devices())
    core, card = recipe.core(settings, experiment.seed, mesh), model_card(settings)
    config, _ = whole(card)
    batches = core.examples if clip is None else recipe.examples(settings, clip)
    batch = max(batches, key=lambda one: token_count(config, one["latents"].shape[-4:-1]))
    state = jax.eval_shape(core.init, jax.random.key(0))
    kinds = {
        "parameters": shard_bytes(state.params, core.places.params),
        "optimizer": shard_bytes(state.optimizer, core.places.optimizer),
        "average": shard_bytes(state.average, core.places.average),
        **_critic_bytes(state.critic, core.places.critic),
        "teacher": shard_bytes(core.frozen, core.frozen_places),
        "batch": shard_bytes(batch, batch_sharding(mesh)),
    }
    optimizers = [name for name in kinds if name.endswith("optimizer")]
    waiting = sum(kinds.pop(name) for name in optimizers) if settings.offload_optimizer else 0.0
    latents = batch["latents"].shape[-4:-1]
    work, hardware = recipe.cost(settings, latents)
    found = _compiled(core.step, (state, batch, *core.frozen), kinds, hardware, target, mesh)
    parts = microbatches(settings, card, mesh)
    return Planned(
        "training",
        target,
        chosen,
        latents,
        token_count(config, latents),
        settings.batch,
        parts,
        config,
        work,
        hardware,
        found,
        host=waiting,
    )


def _critic_bytes(critic: Critic | None, places: Critic | None) -> dict[str, float]:
    """Return the bytes that a device holds of a critic, where there is one."""
    if critic is None or places is None:
        return {}
    return {
        "critic": shard_bytes(critic.params, places.params),
        "critic's optimizer": shard_bytes(critic.optimizer, places.optimizer),
    }


def plan_sampling(
    experiment: Experiment,
    card: ModelCard,
    settings: FlowSettings,
    target: Target,
    clip: tuple[int, int, int] | None,
) -> Planned:
    """Compile the active expert's velocity under both guidances, of one clip."""
    config, _ = whole(card)
    chosen = experiment.mesh or sampling_mesh(target.count)
    mesh = make_mesh(chosen, target.devices())
    batch = examples(settings, clip)[-1]
    latents = batch["latents"].shape[2:]
    dtype = jnp.dtype(settings.export_dtype)
    params = {
        "params": jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(leaf.shape, dtype), transformer_shapes(config)
        )
    }
    placed, places = placed_velocity(config, params, mesh, settings.ulysses)
    scales = Scales(high_low(card.guidance_text, "text")[0], high_low(card.guidance_tag, "tag")[0])
    branches = len(guidance_chain(scales, text=True, tags=config.conditioning is not None))
    arguments = (
        jax.ShapeDtypeStruct((1, *latents), jnp.float32),
        jax.ShapeDtypeStruct((1,), jnp.float32),
        _conditions(config, card.reference is not None, latents, branches),
        jax.ShapeDtypeStruct((branches,), jnp.float32),
    )
    held = shard_bytes(params, places)
    kinds = {"parameters": held}
    work = velocity_work(config, latents[:3]) * branches
    found = _compiled(placed, (params, *arguments), kinds, work, target, mesh)
    return Planned(
        "sampling",
        target,
        chosen,
        latents[:3],
        token_count(config, latents[:3]),
        1,
        1,
        config,
        work,
        work,
        found,
        idle=held * (len(card.experts) - 1),
        steps=card.steps,
        branches=branches,
    )


def _compiled(
    program: Any,
    arguments: tuple[Any, ...],
    kinds: dict[str, float],
    hardware: Work,
    target: Target,
    mesh: Mesh,
) -> Estimate | tuple[float, float]:
    """Return what the program takes, or the bytes needed and there where memory is short."""
    try:
        with jax.set_mesh(mesh):
            compiled = program.lower(*arguments).compile()
    except jax.errors.JaxRuntimeError as error:
        short = shortage(str(error))
        if short is None:
            raise
        return short
    return estimate(compiled, kinds, hardware, target.chip, mesh)


def _conditions(
    config: AniMatrixConfig, referenced: bool, latents: tuple[int, ...], branches: int
) -> Conditions:
    c = config.dit
    tagged = config.conditioning is not None

    def made() -> Conditions:
        return Conditions(
            text=jnp.zeros((branches, c.text_length, c.text_dim)),
            text_given=jnp.ones(branches, bool),
            tags=empty_tags(branches) if tagged else None,
            tags_given=jnp.ones(branches, bool) if tagged else None,
            reference=jnp.zeros((branches, *latents)) if referenced else None,
            reference_mask=jnp.zeros((branches, latents[0], 4)) if referenced else None,
        )

    shapes: Conditions = jax.eval_shape(made)
    return shapes
