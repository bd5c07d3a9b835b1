"""Our generation, from text to frames, against diffusers' Wan pipelines with the same noise."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np

from animatrix_jax.checkpoint.folder import ClipShape, ModelCard
from animatrix_jax.convert import dit, umt5, vae
from animatrix_jax.convert.rules import to_ours
from animatrix_jax.diffusion.schedule import Schedule
from animatrix_jax.inference import pipeline
from animatrix_jax.inference.request import Request, SamplerSettings
from animatrix_jax.models.animatrix import AniMatrixConfig
from animatrix_jax.runtime.model import Model
from tests.parity.case import Case, read_references, relative_l2
from tests.parity.ours import tree_of
from tests.parity.pipeline_cases import (
    CASES,
    DIT,
    GUIDANCE,
    HIGH,
    LOW,
    NEGATIVE,
    PROMPT,
    SHIFT,
    STEPS,
    TEXT,
    TEXT_LENGTH,
    VAE,
    Pipeline,
    part_tensors,
)
from tests.parity.vae_cases import chosen

BOUND = 1e-4
TABLES = {HIGH: dit, LOW: dit, TEXT: umt5, VAE: vae}


def cases() -> Iterator[Case]:
    """Compare the frames of every case, before they are rounded to bytes."""
    expected, meta = read_references("pipeline")
    for case in CASES:
        with jax.default_matmul_precision("highest"):
            found = frames_of(case, model_of(case, meta["shapes"][case.name]))
        error = relative_l2(chosen(found), expected[case.name])
        yield Case("pipeline", case.name, error, BOUND)


def model_of(case: Pipeline, shapes: Mapping[str, Any]) -> Model:
    """Return our model of the networks that the public pipeline had, converted by the tables."""
    told = {TEXT: {}, VAE: case.statistics}
    told[HIGH] = told[LOW] = {**DIT, "text_len": TEXT_LENGTH}
    configs, trees = {}, {}
    for part, of_part in shapes.items():
        sizes = {name: tuple(shape) for name, shape in of_part.items()}
        configs[part] = TABLES[part].config_of("diffusers", sizes, told[part])
        tensors = to_ours(
            TABLES[part].rules(configs[part]), "diffusers", part_tensors(part, of_part)
        )
        trees[part] = tree_of(tensors)
    height, width = case.size
    reference = "first_latent" if case.in_place else "channels"
    card = ModelCard(
        vae=configs[VAE],
        text_encoder=configs[TEXT],
        transformer=AniMatrixConfig(configs[HIGH], None),
        schedule=Schedule(SHIFT, case.boundary),
        clip=ClipShape(case.frames, height, width, 16.0),
        reference=reference if case.given else None,
        guidance_text=GUIDANCE if case.boundary else GUIDANCE[0],
        negative=NEGATIVE,
    )
    model = Model(Path("random"), card)
    experts = [trees[part] for part in (HIGH, LOW) if part in trees]
    # What the model would read from its folder.
    model.__dict__.update(
        vae_params={"params": trees[VAE]},
        text_params={"params": trees[TEXT]},
        experts=tuple({"params": tree} for tree in experts),
    )
    return model


def frames_of(case: Pipeline, model: Model) -> np.ndarray:
    """Generate as the product does, from the given noise; return frames [T, H, W, 3]."""
    noise = jnp.asarray(np.moveaxis(case.noise(), 1, -1))
    settings = SamplerSettings(steps=STEPS, grid="diffusers", batch=1)
    request = Request(text=PROMPT, references={frame: case.picture(frame) for frame in case.given})
    sampled: list[jax.Array] = []

    def decode(_: Model, latents: jax.Array, *__: Any) -> np.ndarray:
        sampled.append(latents)
        return np.zeros((1, case.frames, *case.size, 3), np.uint8)

    with (
        mock.patch.object(pipeline, "start_noise", lambda seeds, shape: noise),
        mock.patch.object(Model, "decode", decode),
    ):
        pipeline.generate_clips(model, [request], settings)
    frames: Any = model.vae.apply(model.vae_params, sampled[0], method="decode")
    return np.clip(np.asarray(frames[0]), -1.0, 1.0)
