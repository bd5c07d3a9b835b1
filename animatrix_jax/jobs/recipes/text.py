"""Recipe `text`: pre-train a small text encoder on a corpus' own directives."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from animatrix_data.corpus.catalogue import read_catalogue
from animatrix_data.taxonomy.directive import parse_directive
from animatrix_jax.checkpoint.folder import ModelCard, save_part, write_card
from animatrix_jax.jobs.recipes.recipe import Core, Recipe, batch_random
from animatrix_jax.models.umt5 import ByteDenoiser, UMT5Config
from animatrix_jax.runtime.tokenizer import BYTE_MASK, make_tokenizer
from animatrix_jax.training.optimizer import OptimizerSettings, make_optimizer
from animatrix_jax.training.state import TrainState, new_state
from animatrix_jax.training.text_encoder import denoising_step


@dataclass(frozen=True)
class TextSettings:
    """What a text-encoder experiment fixes; `rate` of the bytes are hidden in runs of `span`."""

    corpus: Path
    model: UMT5Config
    steps: int
    batch: int
    length: int
    rate: float = 0.3
    span: int = 4
    optimizer: OptimizerSettings = OptimizerSettings()
    export_dtype: str = "float32"


def core(settings: TextSettings, seed: int) -> Core:
    """Return what the run compiles; no corpus is needed."""
    model = ByteDenoiser(settings.model)
    transform, _ = make_optimizer(settings.optimizer, settings.steps)

    def init(key: jax.Array) -> TrainState:
        params = model.init(key, jnp.zeros((1, settings.length), jnp.int32))
        return new_state(params, transform.init(params))

    step = denoising_step(
        model,
        transform,
        settings.optimizer.ema_decay,
        seed,
        rate=settings.rate,
        span=settings.span,
        mask_id=BYTE_MASK,
    )
    example = {
        "text_ids": jax.ShapeDtypeStruct((settings.batch, settings.length), jnp.int32),
        "sample_index": jax.ShapeDtypeStruct((settings.batch, 2), jnp.uint32),
    }
    return Core(init, step, (example,))


def prepare(settings: TextSettings, seed: int) -> Recipe:
    """Build the run over the texts that the text channel will see."""
    catalogue = read_catalogue(settings.corpus)
    texts = [parse_directive(row.directive).text for row in catalogue]
    ids = make_tokenizer("byte", settings.length)(texts)
    parts = core(settings, seed)

    def batches(start: int) -> Iterator[dict[str, Any]]:
        for step in range(start, settings.steps):
            first = step * settings.batch
            indices = range(first, first + settings.batch)
            random = batch_random(seed, step)
            yield {
                "text_ids": ids[random.integers(len(ids), size=settings.batch)],
                "sample_index": np.array([[i >> 32, i & 0xFFFFFFFF] for i in indices], "u4"),
            }

    def export(state: TrainState, folder: Path) -> None:
        encoder = state.average["params"]["encoder"]
        save_part(folder, "text_encoder", encoder, jnp.dtype(settings.export_dtype))
        write_card(folder, ModelCard(text_encoder=settings.model))

    return Recipe(
        state=jax.jit(parts.init)(jax.random.key(seed)),
        step=parts.step,
        batches=batches,
        evaluate=lambda state: {},
        export=export,
        total_steps=settings.steps,
        parents={"corpus": catalogue.digest},
    )
