"""From requests to frames: noise, guidance, the hand-over between experts, decoding (section 4.2).

A request's noise comes from its own seed, and every batch of a run has one size, so that what a
request becomes does not depend on what it is batched with.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from animatrix_data.taxonomy import tag_arrays
from animatrix_jax.diffusion.guidance import Branch, guidance_chain
from animatrix_jax.diffusion.solvers import SOLVERS
from animatrix_jax.inference.placement import Guided, guided_velocity, mesh_velocity
from animatrix_jax.inference.references import reference_conditions
from animatrix_jax.inference.request import (
    Plan,
    Request,
    SamplerSettings,
    check_request,
    plan_sampling,
)
from animatrix_jax.models.animatrix import Conditions, place_reference
from animatrix_jax.models.conditioning import Tags
from animatrix_jax.models.experts import expert_of
from animatrix_jax.runtime.model import Model
from animatrix_jax.runtime.video import Tiling

START_NOISE = 5


def generate_clips(
    model: Model,
    requests: Sequence[Request],
    settings: SamplerSettings | None = None,
    on_step: Callable[[], None] = lambda: None,
) -> UInt8[np.ndarray, "N T H W 3"]:
    """Return the clips asked for, in order.

    Requests of one form (both channels, tags only, text only, neither) share batches; a batch that
    is not full is filled up, so that one shape is compiled. `on_step` is called after every solver
    step of every batch (see `count_steps`). Raises ValueError for a request or settings that the
    model cannot serve, before anything is sampled, and where the model's values are not finite.
    """
    settings = settings or SamplerSettings()
    plan = plan_sampling(model, settings)
    for request in requests:
        check_request(model, request, plan.clip[0])
    frames = np.zeros((len(requests), *plan.clip, 3), np.uint8)
    if not requests:
        return frames
    for rows in _batches(requests, settings.batch):
        padded = [*rows, *[rows[-1]] * (settings.batch - len(rows))]
        batch = [requests[row] for row in padded]
        latents = _sample(model, batch, plan, settings, on_step)
        if not bool(jnp.isfinite(latents).all()):
            raise ValueError(
                f"the model {model.folder} gave values that are not finite: its weights are "
                "damaged, or the guidance is far too strong"
            )
        # The VAE works on a device of its own, wherever the experts are.
        latents = latents if model.mesh is None else jnp.asarray(np.asarray(latents))
        frames[rows] = model.decode(latents, plan.tiling)[: len(rows)]
    return frames


def count_steps(model: Model, requests: Sequence[Request], settings: SamplerSettings) -> int:
    """Return how often `generate_clips` will call `on_step`."""
    steps = len(plan_sampling(model, settings).sigmas) - 1
    return steps * len(_batches(requests, settings.batch))


def _batches(requests: Sequence[Request], size: int) -> list[list[int]]:
    """Return the rows of each batch; a batch holds requests of one form."""
    forms: dict[tuple[bool, bool], list[int]] = {}
    for row, request in enumerate(requests):
        forms.setdefault(_form(request), []).append(row)
    return [
        rows[start : start + size] for rows in forms.values() for start in range(0, len(rows), size)
    ]


def _form(request: Request) -> tuple[bool, bool]:
    return bool(request.text), bool(request.spec.tags)


def _sample(
    model: Model,
    requests: Sequence[Request],
    plan: Plan,
    settings: SamplerSettings,
    on_step: Callable[[], None],
) -> Float[Array, "B t h w z"]:
    """Return the clean latents of requests of one form."""
    text, tags = _form(requests[0])
    chains = [guidance_chain(scales, text=text, tags=tags) for scales in plan.scales]
    given = batch_conditions(model, requests, plan.clip, plan.tiling)
    negative = model.encode_text([plan.negative])[0] if plan.negative else None
    # Wan has no null text: the encoding of an empty one is what it was trained with.
    has_null = model.transformer_config.conditioning is not None
    empty = None if has_null else model.encode_text([""])[0]
    conditions = [
        branch_conditions(given, [b for b, _ in chain], negative, empty) for chain in chains
    ]
    weights = [jnp.asarray([weight for _, weight in chain]) for chain in chains]
    conditions, weights = model.spread((conditions, weights))
    guided, active = _guided(model), ActiveExpert(model)

    def velocity(latents: jax.Array, timestep: float) -> jax.Array:
        expert = expert_of(timestep / 1000.0, plan.schedule.boundary)
        times = model.spread(jnp.full((len(requests),), timestep, jnp.float32))
        out = guided(active(expert), latents, times, conditions[expert], weights[expert])
        on_step()
        return out

    noise = start_noise([request.seed for request in requests], plan.latent_shape)
    noise = model.spread(noise)
    clean = SOLVERS[plan.solver](
        velocity, noise, plan.sigmas, integer_timestep=plan.integer_timestep
    )
    return place_reference(clean, given) if model.card.reference == "first_latent" else clean


def _guided(model: Model) -> Guided:
    """Return the guided velocity of a model's experts where they are."""
    if model.mesh is None:
        return partial(guided_velocity, model.transformer)
    return mesh_velocity(model.transformer_config, model.mesh)


class ActiveExpert:
    """The parameters of the expert that was asked for last: the other one's are let go."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._expert: int | None = None
        self._params: Any = None

    def __call__(self, expert: int) -> Any:
        """Return an expert's parameters on the devices."""
        if expert != self._expert:
            self._params = None
            self._expert, self._params = expert, self._model.active(expert)
        return self._params


def start_noise(seeds: Sequence[int], shape: tuple[int, ...]) -> Float[Array, "B t h w z"]:
    """Return the noise that sampling starts from, each sample's from its own seed."""

    def draw(seed: jax.Array) -> jax.Array:
        return jax.random.normal(jax.random.fold_in(jax.random.key(seed), START_NOISE), shape)

    return jax.vmap(draw)(jnp.asarray(seeds, jnp.uint32))


def batch_conditions(
    model: Model,
    requests: Sequence[Request],
    clip: tuple[int, int, int],
    tiling: Tiling | None = None,
) -> Conditions:
    """Return the conditions [B] of requests for clips of (frames, height, width).

    Every channel that is there is given.
    """
    config = model.transformer_config
    texts = [request.text for request in requests]
    if any(texts) or config.conditioning is None:
        states = model.encode_text(texts)
    else:
        states = jnp.zeros((len(texts), config.dit.text_length, config.dit.text_dim))
    tags, reference, mask = None, None, None
    if config.conditioning is not None:
        arrays = [tag_arrays(request.spec) for request in requests]
        tags = Tags(
            *(
                jnp.asarray(np.stack([getattr(a, name) for a in arrays]))
                for name in ("values", "order", "mask")
            )
        )
    if model.card.reference is not None:
        pictures = [request.references for request in requests]
        reference, mask = reference_conditions(model, pictures, clip, tiling)
    return Conditions(
        text=states,
        text_given=jnp.asarray([bool(text) for text in texts]),
        tags=tags,
        tags_given=None if tags is None else tags.mask.any(axis=1),
        reference=reference,
        reference_mask=mask,
    )


def branch_conditions(
    given: Conditions,
    branches: Sequence[Branch],
    negative: Float[Array, "L d"] | None = None,
    empty: Float[Array, "L d"] | None = None,
) -> Conditions:
    """Return conditions [K·B]: those of the B samples as each branch withholds some of them.

    `negative`, the states of a text to steer away from, stands in for the null text in the branch
    that the others are measured against: the first of several. `empty` stands in elsewhere, for a
    model that has no null text. Tags of axes that a branch lacks are masked; a sample left with
    none gets the null tags.
    """
    away = empty if negative is None or len(branches) == 1 else negative
    parts = [
        _branch(given, branch, away if index == 0 else empty)
        for index, branch in enumerate(branches)
    ]
    return jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *parts)


def _branch(given: Conditions, branch: Branch, stand_in: jax.Array | None) -> Conditions:
    text, text_given = given.text, given.text_given & branch.text
    if stand_in is not None:
        text = jnp.where(text_given[:, None, None], text, stand_in)
        text_given = jnp.ones_like(text_given)
    tags, tags_given = given.tags, given.tags_given
    if tags is not None and tags_given is not None:
        kept = jnp.isin(tags.values[..., 0], jnp.asarray(branch.axes, jnp.int32))
        tags = replace(tags, mask=tags.mask & kept)
        tags_given = tags_given & tags.mask.any(axis=1)
    return replace(given, text=text, text_given=text_given, tags=tags, tags_given=tags_given)
