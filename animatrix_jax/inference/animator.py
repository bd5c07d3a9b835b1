"""A model as notebooks and scripts hold it: arrays in, arrays out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from animatrix_data.taxonomy import Directive, ProductionSpec, parse_directive, parse_tags
from animatrix_jax.inference.pipeline import batch_conditions, generate_clips
from animatrix_jax.inference.references import References
from animatrix_jax.inference.request import Request, SamplerSettings, check_request
from animatrix_jax.models.experts import expert_of
from animatrix_jax.parallel.mesh import make_mesh, parse_mesh
from animatrix_jax.runtime.model import Model, load_model
from animatrix_jax.runtime.video import Tiling


@dataclass(frozen=True)
class Animator:
    """A model folder at work; weights load when they are first used.

    B clips of T frames, H×W pixels, become latents [B, t, h, w, z]: `Model.vae_config` says how.
    """

    model: Model

    def encode_text(self, texts: Sequence[str]) -> Float[Array, "B L d"]:
        """Return the text encoder's states, zero where a text is padded."""
        return self.model.encode_text(list(texts))

    def encode_video(
        self, frames: UInt8[Array, "B T H W 3"], tiling: Tiling | None = None
    ) -> Float[Array, "B t h w z"]:
        """Return normalised latents; ValueError for a frame count or size that does not suit."""
        return self.model.encode_video(frames, tiling)

    def decode(
        self, latents: Float[Array, "B t h w z"], tiling: Tiling | None = None
    ) -> UInt8[np.ndarray, "B T H W 3"]:
        """Return the frames of normalised latents."""
        return self.model.decode(latents, tiling)

    def velocity(
        self,
        latents: Float[Array, "B t h w z"],
        timestep: float,
        text: Sequence[str] | Float[Array, "B L d"],
        tags: Sequence[ProductionSpec | str] | None = None,
        reference: Sequence[References] | None = None,
    ) -> Float[Array, "B t h w z"]:
        """Return dz/dsigma = noise − clean of latents at one timestep, 1000·sigma, unguided.

        The expert whose window holds the timestep answers. `text` is a text a clip, an empty one
        being a channel not given, or what `encode_text` returned; `tags` is a specification, or its
        text, a clip; `reference` pictures by frame, a clip. Raises ValueError for what the model
        cannot take.
        """
        model, count = self.model, len(latents)
        for name, given in (("text", text), ("tags", tags), ("reference", reference)):
            if given is not None and len(given) != count:
                raise ValueError(f"{name} is given for {len(given)} clips, latents for {count}")
        specs = [parse_tags(t) if isinstance(t, str) else t for t in tags or [""] * count]
        states, texts = None, [""] * count
        if isinstance(text, np.ndarray | jax.Array):
            states = jnp.asarray(text)
        else:
            texts = list(text)
        requests = [
            Request(spec, words, references=pictures)
            for spec, words, pictures in zip(specs, texts, reference or [{}] * count, strict=True)
        ]
        frames, height, width = latents.shape[1:4]
        time, space = model.vae_config.time_stride, model.vae_config.space_stride
        clip = ((frames - 1) * time + 1, height * space, width * space)
        for request in requests:
            check_request(model, request, clip[0])
        conditions = batch_conditions(model, requests, clip)
        if states is not None:
            given = jnp.ones(count, bool)
            conditions = replace(conditions, text=states, text_given=given)
        schedule = model.card.schedule
        expert = expert_of(timestep / 1000.0, None if schedule is None else schedule.boundary)
        times = jnp.full(count, timestep, jnp.float32)
        return model.velocity(expert, jnp.asarray(latents), times, conditions)

    def generate(
        self,
        directive: Directive | str,
        *,
        seed: int = 0,
        references: References | None = None,
        on_step: Callable[[], None] = lambda: None,
        **settings: Any,
    ) -> UInt8[np.ndarray, "T H W 3"]:
        """Return the clip that a directive, or its text of three sections, asks for.

        `references` are pictures by frame; the other keywords are those of `SamplerSettings`.
        Raises ValueError for what the model cannot serve, before anything is sampled.
        """
        asked = parse_directive(directive) if isinstance(directive, str) else directive
        request = Request.of(asked, seed, references)
        plan = SamplerSettings(**{"batch": 1, **settings})
        return generate_clips(self.model, [request], plan, on_step)[0]


def load(name: str | Path, mesh: str | None = None, *, offload: bool = False) -> Animator:
    """Return the model in a folder, of a run, or shipped as `pocket`; ValueError for another.

    `mesh` spreads its experts over devices (`context=4,tensor=2`), `offload` keeps the expert that
    is not at work in the host's memory.
    """
    devices = None if mesh is None else make_mesh(parse_mesh(mesh))
    return Animator(load_model(name, devices, offload=offload))
