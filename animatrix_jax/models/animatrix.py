"""AniMatrix: Wan's transformer with the tag encoder, nulls and reference channels around it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax import struct
from jaxtyping import Array, Bool, Float

from animatrix_jax.models.conditioning import (
    ConditioningConfig,
    TagEncoder,
    TagNulls,
    Tags,
)
from animatrix_jax.models.dit import Attend, DiT, DiTConfig

PREDICTIONS = ("velocity", "clean", "preconditioned")
SIGMA_FLOOR = 0.1
"""Below this sigma a clean prediction's velocity keeps the floor in its denominator."""


@dataclass(frozen=True)
class AniMatrixConfig:
    """One expert's sizes: the transformer and, unless None, the tag channel beside the text.

    Without the tag channel the network is Wan's, weight for weight.

    `prediction` says what the transformer's output is: the velocity (Wan), or the clean latents,
    whose velocity is (noisy − clean)/sigma. The latter suits a transformer narrower than its
    patches, through which noise does not pass (Li and He, 2025, "Back to basics").
    `preconditioned` leaves to the transformer what a filter of latents of unit variance cannot
    know: see `precondition`.
    """

    dit: DiTConfig
    conditioning: ConditioningConfig | None
    prediction: str = "velocity"

    def __post_init__(self) -> None:
        """Check the kind of prediction."""
        if self.prediction not in PREDICTIONS:
            raise ValueError(
                f"prediction cannot be {self.prediction!r}: it is one of {', '.join(PREDICTIONS)}"
            )


@struct.dataclass
class Conditions:
    """Everything a velocity depends on besides latents and time.

    `text` [B, N, text_dim] is the text encoder's zero-padded output; `text_given` and `tags_given`
    [B] say which channel is used and which is replaced by its null (eq. 12). Wan has no null text:
    there `text` is what is used, given or not. `reference` [B, t, h, w, z] is the VAE's encoding of
    the given pixel frames, zeros elsewhere (all zeros where none is given), and `reference_mask`
    [B, t, 4] marks the given frames, folded by the VAE's time stride: Wan's I2V condition. Both are
    None for a text-to-video transformer.

    A transformer that takes no more channels than the latents have (TI2V-5B) gets its references
    in their place: a marked latent frame is the reference's, at timestep 0.
    """

    text: Float[Array, "B N text_dim"]
    text_given: Bool[Array, " B"]
    tags: Tags | None = None
    tags_given: Bool[Array, " B"] | None = None
    reference: Float[Array, "B t h w z"] | None = None
    reference_mask: Float[Array, "B t 4"] | None = None


class AniMatrix(nn.Module):
    """Velocity of one noise expert under the dual-channel condition (section 4.1)."""

    config: AniMatrixConfig
    attend: Attend

    @property
    def references_in_place(self) -> bool:
        """Whether reference frames take the place of latents: no channels are left for them."""
        return self.config.dit.in_channels == self.config.dit.out_channels

    @nn.compact
    def __call__(
        self,
        latents: Float[Array, "B t h w z"],
        timestep: Float[Array, " B"],
        conditions: Conditions,
    ) -> Float[Array, "B t h w z"]:
        """Return the velocity dz/dsigma = noise − clean; timestep = 1000·sigma."""
        c = self.config
        text, states = conditions.text, None
        if c.conditioning is not None:
            shape = (c.dit.text_length, c.dit.text_dim)
            null_text = self.param("null_text", nn.initializers.zeros, shape)
            text = jnp.where(conditions.text_given[:, None, None], text, null_text)
            if conditions.tags is None or conditions.tags_given is None:
                raise ValueError("a model with a tag encoder needs tags (or tags_given all False)")
            states = TagEncoder(c.conditioning, c.dit.dim, name="tag_encoder")(conditions.tags)
            states = TagNulls(c.dit.dim, name="tag_nulls")(states, conditions.tags_given)
        inputs, times = latents, timestep
        if conditions.reference is not None and self.references_in_place:
            inputs = place_reference(latents, conditions)
            times = _token_times(timestep, conditions, c.dit.patch, latents.shape)
        elif conditions.reference is not None:
            inputs = jnp.concatenate([latents, *_reference_channels(conditions)], axis=-1)
        dit = DiT(c.dit, c.conditioning, self.attend, name="dit")
        out = dit(inputs, times, text, states)
        if c.prediction == "velocity":
            return out
        if c.prediction == "preconditioned":
            return precondition(latents, out, timestep / 1000.0)
        sigma = jnp.maximum(timestep / 1000.0, SIGMA_FLOOR)
        return (latents - out) / sigma[:, None, None, None, None]


def add_tag_channel(wan: Any, fresh: Any) -> Any:
    """Return the tree of `fresh`, a new AniMatrix, with Wan's weights where Wan has them.

    What is left is the tag channel as it starts: the model computes Wan, whatever the tags say
    (decisions 1, 2). Raises ValueError where a weight of Wan's has no place, or another shape.
    """
    if not isinstance(wan, Mapping):
        if wan.shape != fresh.shape:
            raise ValueError(f"a weight of shape {wan.shape} does not fit one of {fresh.shape}")
        return wan
    if not wan.keys() <= fresh.keys():
        raise ValueError(f"the model has no place for {sorted(wan.keys() - fresh.keys())}")
    return {
        name: add_tag_channel(wan[name], leaf) if name in wan else leaf
        for name, leaf in fresh.items()
    }


def precondition(
    noisy: Float[Array, "B t h w z"], out: Float[Array, "B t h w z"], sigma: Float[Array, " B"]
) -> Float[Array, "B t h w z"]:
    """Return the velocity (2·sigma − 1)·noisy/s − out/√s with s = (1 − sigma)² + sigma².

    Karras et al. (2022, eq. 7), with data of unit variance, on the straight path of flow matching:
    the clean latents are c_skip·noisy + c_out·out with c_skip = (1 − sigma)/s, c_out = sigma/√s.
    An output of 0 is the best that each number alone can say; the output's target has unit
    variance, is the clean latents at sigma 1 and the negative noise at sigma 0, so that no
    sigma divides.
    """
    sigma = sigma[:, None, None, None, None]
    power = jnp.square(1 - sigma) + jnp.square(sigma)
    return (2 * sigma - 1) / power * noisy - out * jax.lax.rsqrt(power)


def place_reference(
    latents: Float[Array, "B t h w z"], conditions: Conditions
) -> Float[Array, "B t h w z"]:
    """Return latents with every marked frame replaced by the reference's."""
    reference, mask = _reference(conditions)
    given = mask.any(axis=-1)[:, :, None, None, None]
    return jnp.where(given, reference, latents)


def _token_times(
    timestep: Float[Array, " B"],
    conditions: Conditions,
    patch: tuple[int, int, int],
    shape: tuple[int, ...],
) -> Float[Array, "B L"]:
    """Return each token's timestep: 0 where its frames are marked."""
    _, mask = _reference(conditions)
    given = mask.any(axis=-1)[:, :: patch[0]]
    tokens = shape[2] // patch[1] * (shape[3] // patch[2])
    return jnp.repeat(jnp.where(given, 0.0, timestep[:, None]), tokens, axis=1)


def _reference(conditions: Conditions) -> tuple[jax.Array, jax.Array]:
    reference, mask = conditions.reference, conditions.reference_mask
    assert reference is not None
    if mask is None:
        raise ValueError("a reference needs its mask: which pixel frames are given")
    return reference, mask


def _reference_channels(conditions: Conditions) -> tuple[jax.Array, jax.Array]:
    reference, mask = _reference(conditions)
    wide = jnp.broadcast_to(mask[:, :, None, None, :], (*reference.shape[:-1], mask.shape[-1]))
    return wide.astype(reference.dtype), reference
