"""Recipe `flow`: train a model's noise experts by flow matching on cached latents (CT, SFT, QT)."""

import math
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from animatrix_data.corpus.catalogue import first_clip
from animatrix_data.pipeline.buckets import make_buckets
from animatrix_data.taxonomy import MAX_TAGS, load_vocabulary
from animatrix_jax.checkpoint.folder import (
    ClipShape,
    ModelCard,
    copy_part,
    copy_tokenizer,
    save_experts,
    write_card,
)
from animatrix_jax.diffusion.schedule import Schedule
from animatrix_jax.jobs.recipes.flow_data import FlowClips, FlowData
from animatrix_jax.jobs.recipes.parents import is_there, parent_model
from animatrix_jax.jobs.recipes.recipe import Core, Recipe
from animatrix_jax.models.animatrix import (
    AniMatrix,
    AniMatrixConfig,
    Conditions,
    add_tag_channel,
)
from animatrix_jax.models.conditioning import ConditioningConfig
from animatrix_jax.models.dit import DiTConfig
from animatrix_jax.models.experts import init_experts
from animatrix_jax.models.shapes import empty_tags
from animatrix_jax.models.vae import VAEConfig
from animatrix_jax.parallel.batches import BatchPlacement
from animatrix_jax.parallel.mesh import BATCH_AXES, MeshSettings, make_mesh
from animatrix_jax.parallel.partition import put_whole, shardings
from animatrix_jax.runtime.attention import attend, attend_on
from animatrix_jax.runtime.model import Model, load_model
from animatrix_jax.runtime.oracle import carry_oracle
from animatrix_jax.runtime.tokenizer import make_tokenizer
from animatrix_jax.training.flow import flow_gradients, flow_step, measure_flow
from animatrix_jax.training.guards import Guards
from animatrix_jax.training.optimizer import OptimizerSettings, make_optimizer
from animatrix_jax.training.placement import on_host, placed_measure, placed_step
from animatrix_jax.training.state import Batch, TrainState, new_state

REFERENCE = "channels"
REFERENCE_MASK = 4


@dataclass(frozen=True)
class TransformerSettings:
    """The sizes that an experiment chooses; channels and text width follow from VAE and encoder."""

    dim: int
    ffn_dim: int
    heads: int
    layers: int
    text_length: int
    patch: tuple[int, int, int] = (1, 2, 2)
    freq_dim: int = 256
    rope_base: float = 10000.0
    absolute_positions: bool = False
    prediction: str = "velocity"


@dataclass(frozen=True)
class TagSettings:
    """The tag channel's sizes (decisions 1, 2); None for `adaln_rank` is the paper's full form."""

    dim: int = 1024
    heads: int = 8
    layers: int = 3
    adaln_rank: int | None = None
    gate: bool = True

    @property
    def conditioning(self) -> ConditioningConfig:
        """The channel as a network's config, for the vocabulary of today."""
        values = len(load_vocabulary().ids)
        return ConditioningConfig(
            values, self.dim, self.layers, self.heads, self.adaln_rank, self.gate
        )


@dataclass(frozen=True, kw_only=True)
class FlowSettings(FlowData):
    """What a flow-matching experiment fixes, besides its clips (`FlowData`).

    `vae` and `text_encoder` are model folders (or runs), frozen here. `initial` is a model folder
    to go on from, whose sizes and schedule then hold; without it `transformer` is needed and the
    start is random. `tags` is the tag channel of a new model, or the one to add to an initial Wan,
    which has none. `dtype`, `residual_dtype` and `remat` are how the transformer computes
    (`DiTConfig`), None as the model says; trained weights are float32. Gradients are gathered over
    `microbatches` parts of a batch; None is as many as a device has samples of an expert. Of the
    devices that share a sequence, `ulysses` exchange heads and the rest stand in a ring
    (`parallel.context`; None: as many as the heads allow). With `offload_optimizer` its statistics
    wait in the host's memory. Guidance and `negative` go onto the card; None is the initial
    model's. With `tied` all experts are trained as one network, the one that the high expert starts
    from. `variant` is a public model (`convert.variants`) or a shipped one, whose sizes `plan` and
    `--dry_run` take where a parent is still to be made.
    """

    transformer: TransformerSettings | None = None
    tags: TagSettings = TagSettings()
    schedule: Schedule = Schedule()
    knee: float = 0.0
    tied: bool = False
    initial: Path | None = None
    dtype: str | None = None
    residual_dtype: str | None = None
    remat: str | None = None
    microbatches: int | None = 1
    variant: str | None = None
    ulysses: int | None = None
    offload_optimizer: bool = False
    optimizer: OptimizerSettings = OptimizerSettings()
    guidance_text: float | tuple[float, float] | None = None
    guidance_tag: float | tuple[float, float] | None = None
    negative: str | None = None
    export_dtype: str = "float32"
    note: str = ""


def core(
    settings: FlowSettings, seed: int, mesh: Mesh | None = None, guards: Guards | None = None
) -> Core:
    """Return what the run compiles; where its parents are not there yet, `variant` gives sizes."""
    mesh = mesh or make_mesh(MeshSettings())
    card = model_card(settings)
    config, schedule = whole(card)
    parts = microbatches(settings, card, mesh)
    model, vae = AniMatrix(config, attend), parent_model(settings.vae, settings.variant).vae_config
    transform, _ = make_optimizer(settings.optimizer, settings.steps)

    def init(key: jax.Array) -> TrainState:
        shape = (1, *config.dit.patch, vae.z_dim)
        one = partial(model.init, latents=jnp.zeros(shape), timestep=jnp.zeros(1))
        params = init_experts(
            lambda k: one(k, conditions=_blank_conditions(card, shape)), key, len(card.experts)
        )
        return new_state(params, jax.vmap(transform.init)(params), len(card.experts))

    latents = [vae.latent_shape(*shape) for shape in _shapes(settings, card)]
    shapes = dict.fromkeys((f, h, w, z) for t, h, w, z in latents for f in (1, t))
    examples = [_example(settings, card, shape) for shape in shapes]
    network = AniMatrix(config, attend_on(mesh, settings.ulysses))
    gradients = flow_gradients(network, schedule, settings.knee, seed, mesh, parts)
    step = flow_step(
        gradients,
        transform,
        settings.optimizer.ema_decay,
        card.experts,
        mesh,
        guards or Guards(),
        settings.tied,
    )
    places = shardings(jax.eval_shape(init, jax.random.key(0)), mesh)
    places = on_host(places) if settings.offload_optimizer else places
    return Core(init, placed_step(step, places, mesh), tuple(examples), places)


def prepare(
    settings: FlowSettings, seed: int, mesh: Mesh | None = None, guards: Guards | None = None
) -> Recipe:
    """Build the run; latents are encoded first where a cache is asked for and not there."""
    mesh = mesh or make_mesh(MeshSettings())
    vae, text = load_model(settings.vae), load_model(settings.text_encoder)
    if settings.initial is not None:
        load_model(settings.initial)
    parts, card = core(settings, seed, mesh, guards), model_card(settings)
    config, schedule = whole(card)
    length, referenced = config.dit.text_length, card.reference is not None
    clips = FlowClips(
        settings,
        seed,
        vae,
        text,
        text_length=length,
        stride=_stride(vae.vae_config, config),
        placement=BatchPlacement(mesh, settings.batch, len(card.experts)),
        referenced=referenced,
    )
    places = parts.places
    state = jax.jit(parts.init, out_shardings=places)(jax.random.key(seed))
    empty = text.encode_ids(make_tokenizer(card.tokenizer, length, text.folder)([""]))[0]
    nulls = jnp.broadcast_to(empty, (len(card.experts), *empty.shape))
    params = {"params": {**state.params["params"], "null_text": nulls}}
    if settings.initial is not None:
        params = add_tag_channel(load_model(settings.initial).stacked_experts(mesh), params)
    if settings.tied:
        params = jax.tree.map(lambda p: jnp.broadcast_to(p[:1], p.shape), params)
    params = jax.tree.map(put_whole, params, places.params)
    state = replace(state, params=params, average=jax.tree.map(jnp.copy, params))

    network = AniMatrix(config, attend_on(mesh, settings.ulysses))
    measure = placed_measure(
        measure_flow(network, schedule, settings.knee, seed, mesh), places.average, mesh
    )

    def evaluate(state: TrainState) -> dict[str, float]:
        batches = clips.measure(max(1, clips.held_out // settings.batch))
        losses = np.mean([measure(state.average, batch) for batch in batches], axis=0)
        return {f"held_out_loss_{n}": float(v) for n, v in zip(card.experts, losses, strict=True)}

    clip = ClipShape(*_shapes(settings, card)[-1], first_clip(settings.corpus).fps)
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

    return Recipe(
        state=state,
        step=parts.step,
        batches=clips.train,
        evaluate=evaluate,
        export=export,
        total_steps=settings.steps,
        parents={**clips.digests, "vae": vae.vae_digest},
    )


def microbatches(settings: FlowSettings, card: ModelCard, mesh: Mesh) -> int:
    """Return how many parts a batch has; ValueError where the mesh cannot have the run."""
    placement = BatchPlacement(mesh, settings.batch, len(card.experts))
    if settings.tied and mesh.shape["expert"] > 1:
        raise ValueError("tied experts are one network: give the mesh's expert axis 1 device")
    shards = math.prod(mesh.shape[axis] for axis in BATCH_AXES)
    own = placement.rows // shards
    parts = own if settings.microbatches is None else settings.microbatches
    if parts < 1 or own % parts:
        raise ValueError(
            f"{parts} microbatches do not divide the {own} samples of an expert that each device "
            "gets"
        )
    return parts


def _shapes(settings: FlowSettings, card: ModelCard) -> list[tuple[int, int, int]]:
    """Return the clip (frames, height, width) of every sub-stage; its other aspects cost as much.

    Without sub-stages it is that of the corpus' first clip; without a corpus the card's.
    """
    if not settings.substages:
        made = card.clip if not settings.corpus.exists() else None
        clip = made or first_clip(settings.corpus)
        return [(clip.frames, clip.height, clip.width)]
    stride = _stride(parent_model(settings.vae, settings.variant).vae_config, whole(card)[0])
    return [
        make_buckets(s.edge, count, stride=stride)[0]
        for s in settings.substages
        for count in sorted(s.counts)
    ]


def _stride(vae: VAEConfig, model: AniMatrixConfig) -> int:
    """Return what the sides of a clip are multiples of, in pixels: of the VAE and of the patch."""
    return vae.space_stride * max(model.dit.patch[1:])


def model_card(settings: FlowSettings) -> ModelCard:
    """Return the card of the model to train: the initial one's, or one of the settings' sizes."""
    variant, initial = settings.variant, settings.initial
    vae, text = parent_model(settings.vae, variant), parent_model(settings.text_encoder, variant)
    if initial is not None and (settings.transformer is None or is_there(initial)):
        card = parent_model(initial, variant).card
        made, z = card.transformer, vae.vae_config.z_dim
        if made is not None and made.dit.out_channels != z:
            raise ValueError(
                f"the VAE of {settings.vae} has {z} latent channels, the transformer of "
                f"{settings.initial} {made.dit.out_channels}"
            )
        if made is not None and made.conditioning is None:
            card = replace(card, transformer=replace(made, conditioning=settings.tags.conditioning))
        return _as_said(replace(card, tokenizer=text.card.tokenizer), settings)
    if settings.transformer is None:
        raise ValueError("settings.transformer gives the sizes of a model without an initial one")
    card = ModelCard(
        vae=vae.vae_config,
        text_encoder=text.text_config,
        transformer=_transformer_config(settings, vae, text),
        schedule=settings.schedule,
        clip=vae.card.clip,
        reference=REFERENCE,
        tokenizer=text.card.tokenizer,
        note=settings.note,
    )
    return _as_said(card, settings)


def _as_said(card: ModelCard, settings: FlowSettings) -> ModelCard:
    """Return the card with what the settings say of sampling and of computing, where they do."""

    def said(*names: str) -> dict[str, Any]:
        values = {name: getattr(settings, name) for name in names}
        return {name: value for name, value in values.items() if value is not None}

    if card.transformer is not None:
        dit = replace(card.transformer.dit, **said("dtype", "residual_dtype", "remat"))
        card = replace(card, transformer=replace(card.transformer, dit=dit))
    return replace(card, **said("guidance_text", "guidance_tag", "negative"))


def whole(card: ModelCard) -> tuple[AniMatrixConfig, Schedule]:
    """Return a card's transformer and schedule; ValueError where it has none."""
    if card.transformer is None or card.schedule is None:
        raise ValueError("the initial model has no transformer to go on from")
    return card.transformer, card.schedule


def _transformer_config(settings: FlowSettings, vae: Model, text: Model) -> AniMatrixConfig:
    t, z = settings.transformer, vae.vae_config.z_dim
    assert t is not None
    dit = DiTConfig(
        dim=t.dim,
        ffn_dim=t.ffn_dim,
        heads=t.heads,
        layers=t.layers,
        in_channels=2 * z + 4,
        out_channels=z,
        text_dim=text.text_config.dim,
        text_length=t.text_length,
        patch=t.patch,
        freq_dim=t.freq_dim,
        rope_base=t.rope_base,
        absolute_positions=t.absolute_positions,
    )
    return AniMatrixConfig(dit, settings.tags.conditioning, t.prediction)


def _blank_conditions(card: ModelCard, shape: tuple[int, ...]) -> Conditions:
    """Return conditions that say nothing, for latents of `shape` [B, t, h, w, z]."""
    (config, _), (batch, frames) = whole(card), shape[:2]
    given = card.reference is not None
    return Conditions(
        text=jnp.zeros((batch, config.dit.text_length, config.dit.text_dim)),
        text_given=jnp.ones(batch, bool),
        tags=empty_tags(batch),
        tags_given=jnp.ones(batch, bool),
        reference=jnp.zeros(shape) if given else None,
        reference_mask=jnp.zeros((batch, frames, REFERENCE_MASK)) if given else None,
    )


def batch_shapes(settings: FlowSettings, clip: tuple[int, int, int] | None = None) -> Batch:
    """Return a batch of clips of (frames, height, width), None for the run's last, as shapes.

    Raises ValueError where the VAE or the patch cannot take them.
    """
    card, vae = model_card(settings), parent_model(settings.vae, settings.variant).vae_config
    clip = clip or _shapes(settings, card)[-1]
    latents = vae.latent_shape(*clip)
    patch = whole(card)[0].dit.patch
    if any(n % p for n, p in zip(latents[:3], patch, strict=True)):
        raise ValueError(f"latents of {latents[:3]} are not divided by the patch {patch}")
    return _example(settings, card, latents)


def _example(settings: FlowSettings, card: ModelCard, latents: tuple[int, int, int, int]) -> Batch:
    """Return a batch of latents [t, h, w, z] as shapes, laid out by expert."""
    experts, (config, _) = len(card.experts), whole(card)
    layout = (experts, settings.batch // experts)

    def of(dtype: Any, *shape: int) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct((*layout, *shape), dtype)

    references = {
        "reference": of(jnp.float32, *latents),
        "reference_mask": of(jnp.float32, latents[0], REFERENCE_MASK),
    }
    return (references if card.reference is not None else {}) | {
        "latents": of(jnp.float32, *latents),
        "text": of(jnp.float32, config.dit.text_length, config.dit.text_dim),
        "tags": {
            "values": of(jnp.int32, MAX_TAGS, 5),
            "order": of(jnp.int32, MAX_TAGS),
            "mask": of(jnp.bool_, MAX_TAGS),
        },
        "mode": of(jnp.int32),
        "task": of(jnp.int32),
        "sample_index": of(jnp.uint32, 2),
    }
