"""Recipe `flow`: train a model's noise experts by flow matching on cached latents (CT, SFT, QT)."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from animatrix_data.corpus.catalogue import Catalogue, read_catalogue
from animatrix_data.corpus.latents import LatentCache
from animatrix_data.pipeline.conditioning import Perturbation
from animatrix_data.pipeline.loader import LoaderSettings, make_loader
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
from animatrix_jax.jobs import encode
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
from animatrix_jax.runtime.attention import attend
from animatrix_jax.runtime.model import Model, load_model
from animatrix_jax.runtime.oracle import carry_oracle
from animatrix_jax.runtime.tokenizer import make_tokenizer
from animatrix_jax.training.flow import flow_step, measure_flow
from animatrix_jax.training.optimizer import OptimizerSettings, make_optimizer
from animatrix_jax.training.state import Batch, TrainState, new_state

REFERENCE = "channels"
REFERENCE_KEYS = ("reference", "reference_mask")
REFERENCE_MASK = 4
MEMORY_LIMIT = 3 * 2**30
"""Bytes up to which the latents of a corpus are held in memory."""


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


@dataclass(frozen=True)
class FlowSettings:
    """What a flow-matching experiment fixes.

    `cache` is where the corpus' latents are, or are put first. `vae` and `text_encoder` are model
    folders (or runs), frozen here. `initial` is a model folder to go on from, whose sizes and
    schedule then hold; without it `transformer` is needed and the start is random. `tags` is the
    tag channel of a new model, or the one to add to an initial Wan, which has none. `dtype`,
    `residual_dtype` and `remat` are how the transformer computes (`DiTConfig`), None as the model
    says; trained weights are float32. Guidance and `negative` go onto the card; None is the
    initial model's. `tiers` says which clips are used; the last `held_out` of them are only
    measured on. With `tied` all experts are trained as one network, the one that the high expert
    starts from.
    """

    corpus: Path
    cache: Path
    vae: Path
    text_encoder: Path
    steps: int
    batch: int
    transformer: TransformerSettings | None = None
    tags: TagSettings = TagSettings()
    schedule: Schedule = Schedule()
    knee: float = 0.0
    tied: bool = False
    initial: Path | None = None
    dtype: str | None = None
    residual_dtype: str | None = None
    remat: str | None = None
    optimizer: OptimizerSettings = OptimizerSettings()
    task_ratio: tuple[float, float, float] = (0.2, 0.4, 0.4)
    perturbation: Perturbation = Perturbation()
    tiers: tuple[str, ...] = ("S", "A", "B")
    held_out: int = 64
    guidance_text: float | tuple[float, float] | None = None
    guidance_tag: float | tuple[float, float] | None = None
    negative: str | None = None
    export_dtype: str = "float32"
    note: str = ""


def core(settings: FlowSettings, seed: int) -> Core:
    """Return what the run compiles; the corpus and the cards of its parents must be there."""
    card, row = _card(settings), read_catalogue(settings.corpus)[0]
    config, schedule = _whole(card)
    model, vae = AniMatrix(config, attend), load_model(settings.vae).vae_config
    transform, _ = make_optimizer(settings.optimizer, settings.steps)

    def init(key: jax.Array) -> TrainState:
        shape = (1, *config.dit.patch, vae.z_dim)
        one = partial(model.init, latents=jnp.zeros(shape), timestep=jnp.zeros(1))
        params = init_experts(
            lambda k: one(k, conditions=_blank_conditions(card, shape)), key, len(card.experts)
        )
        return new_state(params, jax.vmap(transform.init)(params))

    t, h, w, z = vae.latent_shape(row.frames, row.height, row.width)
    examples = [_example(settings, card, (frames, h, w, z)) for frames in {1, t}]
    decay = settings.optimizer.ema_decay
    step = flow_step(model, schedule, settings.knee, transform, decay, seed, settings.tied)
    return Core(init, step, tuple(examples))


def prepare(settings: FlowSettings, seed: int) -> Recipe:
    """Build the run; the latent cache is held in memory where it fits."""
    catalogue = read_catalogue(settings.corpus)
    train, held_out = _split(catalogue, settings)
    vae, text = load_model(settings.vae), load_model(settings.text_encoder)
    parts = core(settings, seed)
    encode.run(settings.corpus, settings.vae, settings.cache)
    cache = LatentCache.open(settings.cache, memory_limit=MEMORY_LIMIT)
    card = _card(settings)
    config, schedule = _whole(card)
    tokenize = make_tokenizer(card.tokenizer, config.dit.text_length, text.folder)
    state = jax.jit(parts.init)(jax.random.key(seed))
    empty = text.encode_ids(tokenize([""]))[0]
    nulls = jnp.broadcast_to(empty, (len(card.experts), *empty.shape))
    params = {"params": {**state.params["params"], "null_text": nulls}}
    if settings.initial is not None:
        params = add_tag_channel(load_model(settings.initial).stacked_experts(), params)
    if settings.tied:
        params = jax.tree.map(lambda p: jnp.broadcast_to(p[:1], p.shape), params)
    state = replace(state, params=params, average=jax.tree.map(jnp.copy, params))

    def load(part: Catalogue, ratio: tuple[float, float, float], start: int) -> Iterator[Batch]:
        loader = LoaderSettings(
            settings.batch, seed, ratio, settings.perturbation, start=start * settings.batch
        )
        for batch in make_loader(part, cache, loader, tokenize):
            if card.reference is None:
                batch = {name: batch[name] for name in batch if name not in REFERENCE_KEYS}
            batch = {**batch, "text": text.encode_ids(batch.pop("text_ids"))}
            yield jax.tree.map(lambda x: x.reshape(len(card.experts), -1, *x.shape[2:]), batch)

    measure = measure_flow(AniMatrix(config, attend), schedule, settings.knee, seed)
    held_out_ratio = (0.0, *settings.task_ratio[1:])

    def evaluate(state: TrainState) -> dict[str, float]:
        count = max(1, len(held_out) // settings.batch)
        batches = islice(load(held_out, held_out_ratio, 0), count)
        losses = np.mean([measure(state.average, batch) for batch in batches], axis=0)
        return {f"held_out_loss_{n}": float(v) for n, v in zip(card.experts, losses, strict=True)}

    row = catalogue[0]
    clip = ClipShape(row.frames, row.height, row.width, row.fps)
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
        batches=lambda start: load(train, settings.task_ratio, start),
        evaluate=evaluate,
        export=export,
        total_steps=settings.steps,
        parents={"corpus": catalogue.digest, "vae": vae.vae_digest},
    )


def _split(catalogue: Catalogue, settings: FlowSettings) -> tuple[Catalogue, Catalogue]:
    rows = tuple(row for row in catalogue if row.tier in settings.tiers)
    if not 0 < settings.held_out < len(rows):
        raise ValueError(
            f"held_out {settings.held_out} leaves nothing of the {len(rows)} clips of tiers "
            f"{', '.join(settings.tiers)} in {settings.corpus} to train on"
        )
    return (
        replace(catalogue, rows=rows[: -settings.held_out]),
        replace(catalogue, rows=rows[-settings.held_out :]),
    )


def _card(settings: FlowSettings) -> ModelCard:
    """Return the card of the model to train: the initial one's, or one of the settings' sizes."""
    vae, text = load_model(settings.vae), load_model(settings.text_encoder)
    if settings.initial is not None:
        card = load_model(settings.initial).card
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


def _whole(card: ModelCard) -> tuple[AniMatrixConfig, Schedule]:
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
    (config, _), (batch, frames) = _whole(card), shape[:2]
    given = card.reference is not None
    return Conditions(
        text=jnp.zeros((batch, config.dit.text_length, config.dit.text_dim)),
        text_given=jnp.ones(batch, bool),
        tags=empty_tags(batch),
        tags_given=jnp.ones(batch, bool),
        reference=jnp.zeros(shape) if given else None,
        reference_mask=jnp.zeros((batch, frames, REFERENCE_MASK)) if given else None,
    )


def _example(settings: FlowSettings, card: ModelCard, latents: tuple[int, int, int, int]) -> Batch:
    """Return a batch of latents [t, h, w, z] as shapes, laid out by expert."""
    experts, (config, _) = len(card.experts), _whole(card)
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
