"""The model of a flow run as shapes: its card, its sizes, its batches."""

import math
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import AbstractMesh, Mesh

from animatrix_data.corpus.catalogue import first_clip
from animatrix_data.pipeline.buckets import make_buckets
from animatrix_data.taxonomy import MAX_TAGS
from animatrix_jax.checkpoint.folder import ModelCard
from animatrix_jax.diffusion.schedule import Schedule
from animatrix_jax.jobs.recipes.flow_settings import FlowSettings
from animatrix_jax.jobs.recipes.parents import is_there, parent_model
from animatrix_jax.models.animatrix import AniMatrixConfig, Conditions
from animatrix_jax.models.dit import DiTConfig
from animatrix_jax.models.shapes import empty_tags
from animatrix_jax.models.vae import VAEConfig
from animatrix_jax.parallel.batches import BatchPlacement
from animatrix_jax.parallel.mesh import BATCH_AXES
from animatrix_jax.runtime.model import Model
from animatrix_jax.training.state import Batch

REFERENCE = "channels"
REFERENCE_MASK = 4


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


def blank_conditions(card: ModelCard, shape: tuple[int, ...]) -> Conditions:
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


def examples(settings: FlowSettings, clip: tuple[int, int, int] | None = None) -> tuple[Batch, ...]:
    """Return a batch of every shape that the run will see, as shapes: clips, and images if drawn.

    With `clip` (frames, height, width) it is that shape alone. Raises ValueError where the VAE or
    the patch cannot take one.
    """
    card, vae = model_card(settings), parent_model(settings.vae, settings.variant).vae_config
    clips = clip_shapes(settings, card) if clip is None else [clip]
    latents = [vae.latent_shape(*shape) for shape in clips]
    patch = whole(card)[0].dit.patch
    for shape in latents:
        if any(n % p for n, p in zip(shape[:3], patch, strict=True)):
            raise ValueError(f"latents of {shape[:3]} are not divided by the patch {patch}")
    ratios = [stage.ratio for stage in settings.substages] or [settings.task_ratio]
    images = clip is None and any(ratio is None or ratio[0] > 0 for ratio in ratios)
    counts = (1,) if images else ()
    shapes = dict.fromkeys((f, *rest) for t, *rest in latents for f in (*counts, t))
    return tuple(batch_example(settings, card, shape) for shape in shapes)


def batch_example(
    settings: FlowSettings, card: ModelCard, latents: tuple[int, int, int, int]
) -> Batch:
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


def microbatches(settings: FlowSettings, card: ModelCard, mesh: Mesh | AbstractMesh) -> int:
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


def clip_shapes(settings: FlowSettings, card: ModelCard) -> list[tuple[int, int, int]]:
    """Return the clip (frames, height, width) of every sub-stage; its other aspects cost as much.

    Without sub-stages it is that of the corpus' first clip; without a corpus the card's.
    """
    if not settings.substages:
        made = card.clip if not settings.corpus.exists() else None
        clip = made or first_clip(settings.corpus)
        return [(clip.frames, clip.height, clip.width)]
    stride = side_stride(parent_model(settings.vae, settings.variant).vae_config, whole(card)[0])
    return [
        make_buckets(s.edge, count, stride=stride)[0]
        for s in settings.substages
        for count in sorted(s.counts)
    ]


def side_stride(vae: VAEConfig, model: AniMatrixConfig) -> int:
    """Return what the sides of a clip are multiples of, in pixels: of the VAE and of the patch."""
    return vae.space_stride * max(model.dit.patch[1:])
