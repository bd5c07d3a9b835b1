"""Recipe `flow`: train both noise experts by flow matching on cached latents (CT, SFT, QT)."""

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
from animatrix_data.taxonomy import load_vocabulary
from animatrix_jax.checkpoint.folder import (
    ClipShape,
    ModelCard,
    copy_part,
    load_experts,
    save_experts,
    write_card,
)
from animatrix_jax.diffusion.schedule import Schedule
from animatrix_jax.jobs import encode
from animatrix_jax.jobs.recipes.recipe import Recipe
from animatrix_jax.models.animatrix import AniMatrix, AniMatrixConfig, Conditions
from animatrix_jax.models.conditioning import ConditioningConfig
from animatrix_jax.models.dit import DiTConfig
from animatrix_jax.models.experts import EXPERT_NAMES, init_experts
from animatrix_jax.runtime.attention import attend
from animatrix_jax.runtime.model import Model, empty_tags, load_model, transformer_shapes
from animatrix_jax.runtime.tokenizer import make_tokenizer
from animatrix_jax.training.flow import flow_step, measure_flow
from animatrix_jax.training.optimizer import OptimizerSettings, make_optimizer
from animatrix_jax.training.state import Batch, TrainState, new_state

REFERENCE = "channels"
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
    tag_dim: int
    tag_heads: int
    patch: tuple[int, int, int] = (1, 2, 2)
    freq_dim: int = 256
    tag_layers: int = 3
    adaln_rank: int | None = None
    tag_gate: bool = True
    prediction: str = "velocity"
    dtype: str = "float32"
    remat: bool = False


@dataclass(frozen=True)
class FlowSettings:
    """What a flow-matching experiment fixes.

    `cache` is where the corpus' latents are, or are put first. `vae` and `text_encoder` are model
    folders (or runs), frozen here. `initial` is a model folder to go on from, whose sizes, schedule
    and guidance then hold; without it `transformer` is needed and the start is random. `tiers`
    says which clips are used; the last `held_out` of them are only measured on.
    """

    corpus: Path
    cache: Path
    vae: Path
    text_encoder: Path
    steps: int
    batch: int
    transformer: TransformerSettings | None = None
    schedule: Schedule = Schedule()
    initial: Path | None = None
    optimizer: OptimizerSettings = OptimizerSettings()
    task_ratio: tuple[float, float, float] = (0.2, 0.4, 0.4)
    perturbation: Perturbation = Perturbation()
    tiers: tuple[str, ...] = ("S", "A", "B")
    held_out: int = 64
    guidance_text: float = 5.0
    guidance_tag: float = 2.0
    export_dtype: str = "float32"
    note: str = ""


def prepare(settings: FlowSettings, seed: int) -> Recipe:
    """Build the run; the latent cache is held in memory where it fits."""
    catalogue = read_catalogue(settings.corpus)
    train, held_out = _split(catalogue, settings)
    vae, text = load_model(settings.vae), load_model(settings.text_encoder)
    encode.run(settings.corpus, settings.vae, settings.cache)
    cache = LatentCache.open(settings.cache, memory_limit=MEMORY_LIMIT)
    initial = load_model(settings.initial) if settings.initial else None
    card = initial.card if initial else _new_card(settings, vae, text)
    config, schedule = _whole(card)
    model = AniMatrix(config, attend)
    tokenize = make_tokenizer("byte", config.dit.text_length)
    transform, _ = make_optimizer(settings.optimizer, settings.steps)
    shapes = transformer_shapes(model, vae.vae_config.z_dim, REFERENCE)
    weights = load_experts(initial.folder, shapes) if initial else None
    empty = text.encode_ids(tokenize([""]))[0]

    def init(key: jax.Array) -> TrainState:
        if weights is not None:
            params = {"params": weights}
        else:
            params = init_experts(partial(_init_expert, model, vae), key)
            nulls = jnp.broadcast_to(empty, (len(EXPERT_NAMES), *empty.shape))
            params = {"params": {**params["params"], "null_text": nulls}}
        return new_state(params, jax.vmap(transform.init)(params))

    def load(part: Catalogue, ratio: tuple[float, float, float], start: int) -> Iterator[Batch]:
        loader = LoaderSettings(
            settings.batch, seed, ratio, settings.perturbation, start=start * settings.batch
        )
        for batch in make_loader(part, cache, loader, tokenize):
            yield {**batch, "text": text.encode_ids(batch.pop("text_ids"))}

    measure = measure_flow(model, schedule, seed)
    held_out_ratio = (0.0, *settings.task_ratio[1:])

    def evaluate(state: TrainState) -> dict[str, float]:
        count = max(1, len(held_out) // settings.batch)
        batches = islice(load(held_out, held_out_ratio, 0), count)
        losses = np.mean([measure(state.average, batch) for batch in batches], axis=0)
        return {f"held_out_loss_{n}": float(v) for n, v in zip(EXPERT_NAMES, losses, strict=True)}

    row = catalogue[0]
    card = replace(card, clip=ClipShape(row.frames, row.height, row.width, row.fps))

    def export(state: TrainState, folder: Path) -> None:
        save_experts(folder, state.average["params"], jnp.dtype(settings.export_dtype))
        copy_part(vae.folder, folder, "vae")
        copy_part(text.folder, folder, "text_encoder")
        write_card(folder, card)

    return Recipe(
        state=jax.jit(init)(jax.random.key(seed)),
        step=flow_step(model, schedule, transform, settings.optimizer.ema_decay, seed),
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


def _new_card(settings: FlowSettings, vae: Model, text: Model) -> ModelCard:
    if settings.transformer is None:
        raise ValueError("settings.transformer gives the sizes of a model without an initial one")
    return ModelCard(
        vae=vae.vae_config,
        text_encoder=text.text_config,
        transformer=_transformer_config(settings.transformer, vae, text),
        schedule=settings.schedule,
        reference=REFERENCE,
        guidance_text=settings.guidance_text,
        guidance_tag=settings.guidance_tag,
        note=settings.note,
    )


def _whole(card: ModelCard) -> tuple[AniMatrixConfig, Schedule]:
    if card.transformer is None or card.schedule is None:
        raise ValueError("the initial model has no transformer to go on from")
    return card.transformer, card.schedule


def _transformer_config(t: TransformerSettings, vae: Model, text: Model) -> AniMatrixConfig:
    z = vae.vae_config.z_dim
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
        dtype=t.dtype,
        remat=t.remat,
    )
    values = len(load_vocabulary().ids)
    conditioning = ConditioningConfig(
        values, t.tag_dim, t.tag_layers, t.tag_heads, t.adaln_rank, t.tag_gate
    )
    return AniMatrixConfig(dit, conditioning, t.prediction)


def _init_expert(model: AniMatrix, vae: Model, key: jax.Array) -> Any:
    dit = model.config.dit
    latents = jnp.zeros((1, *dit.patch, vae.vae_config.z_dim))
    conditions = Conditions(
        text=jnp.zeros((1, dit.text_length, dit.text_dim)),
        text_given=jnp.ones(1, bool),
        tags=empty_tags(1),
        tags_given=jnp.ones(1, bool),
        reference=latents,
        reference_mask=jnp.zeros((1, dit.patch[0], 4)),
    )
    return model.init(key, latents, jnp.zeros(1), conditions)
