"""The model of a flow run as weights: how they start, and the folder that they are written to."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from animatrix_data.corpus.catalogue import first_clip
from animatrix_jax.checkpoint.folder import (
    ClipShape,
    ModelCard,
    copy_part,
    copy_tokenizer,
    save_experts,
    write_card,
)
from animatrix_jax.jobs.recipes.flow_card import blank_conditions, clip_shapes, whole
from animatrix_jax.jobs.recipes.flow_settings import FlowSettings
from animatrix_jax.jobs.recipes.parents import parent_model
from animatrix_jax.models.animatrix import AniMatrix, add_tag_channel
from animatrix_jax.models.experts import init_experts
from animatrix_jax.parallel.partition import put_whole
from animatrix_jax.runtime.attention import attend, attend_on
from animatrix_jax.runtime.model import Model, load_model
from animatrix_jax.runtime.oracle import carry_oracle
from animatrix_jax.runtime.tokenizer import make_tokenizer
from animatrix_jax.training.state import TrainState


def network_on(settings: FlowSettings, card: ModelCard, mesh: Mesh) -> AniMatrix:
    """Return the network of a card with attention for a mesh."""
    config, _ = whole(card)
    return AniMatrix(config, attend_on(mesh, settings.ulysses))


def new_experts(settings: FlowSettings, card: ModelCard) -> Callable[[jax.Array], Any]:
    """Return a function of a key to new parameters of all experts."""
    config, _ = whole(card)
    z = parent_model(settings.vae, settings.variant).vae_config.z_dim
    shape = (1, *config.dit.patch, z)
    one = partial(AniMatrix(config, attend).init, latents=jnp.zeros(shape), timestep=jnp.zeros(1))
    return lambda key: init_experts(
        lambda k: one(k, conditions=blank_conditions(card, shape)), key, len(card.experts)
    )


def starting_experts(
    settings: FlowSettings, card: ModelCard, text: Model, fresh: Any, places: Any, mesh: Mesh
) -> Any:
    """Return what a run starts from, in the shardings `places`.

    That is the initial model where there is one, else `fresh`, which then only lends the tag
    channel that the initial one may lack. The null text is the empty prompt's (decision 3).
    """
    length = whole(card)[0].dit.text_length
    empty = text.encode_ids(make_tokenizer(card.tokenizer, length, text.folder)([""]))[0]
    nulls = jnp.broadcast_to(empty, (len(card.experts), *empty.shape))
    params = {"params": {**fresh["params"], "null_text": nulls}}
    if settings.initial is not None:
        params = add_tag_channel(load_model(settings.initial).stacked_experts(mesh), params)
    if settings.tied:
        params = jax.tree.map(lambda p: jnp.broadcast_to(p[:1], p.shape), params)
    return jax.tree.map(put_whole, params, places)


def exporter(
    settings: FlowSettings, card: ModelCard, vae: Model, text: Model
) -> Callable[[TrainState, Path], None]:
    """Return what writes the model folder of a state's average, with all that sampling needs."""
    clip = ClipShape(*clip_shapes(settings, card)[-1], first_clip(settings.corpus).fps)
    card = replace(card, clip=clip, vae=vae.vae_config, text_encoder=text.text_config)

    def export(state: TrainState, folder: Path) -> None:
        dtype = jnp.dtype(settings.export_dtype)
        save_experts(folder, state.average["params"], dtype, card.experts)
        copy_part(vae.folder, folder, "vae")
        copy_part(text.folder, folder, "text_encoder")
        copy_tokenizer(text.folder, folder)
        if settings.initial is not None:
            carry_oracle(load_model(settings.initial).folder, folder)
        write_card(folder, card)

    return export
