"""AniMatrix: Wan's transformer with the tag encoder, nulls and reference channels around it."""

from dataclasses import dataclass

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
    [B] say which channel is used and which is replaced by its null (eq. 12). `reference`
    [B, t, h, w, z] is the VAE's encoding of the given pixel frames, zeros elsewhere (all zeros
    where none is given), and `reference_mask` [B, t, 4] marks the given frames, folded by the
    VAE's time stride: Wan's I2V condition. Both are None for a text-to-video transformer.
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

    @nn.compact
    def __call__(
        self,
        latents: Float[Array, "B t h w z"],
        timestep: Float[Array, " B"],
        conditions: Conditions,
    ) -> Float[Array, "B t h w z"]:
        """Return the velocity dz/dsigma = noise − clean; timestep = 1000·sigma."""
        c = self.config
        shape = (c.dit.text_length, c.dit.text_dim)
        null_text = self.param("null_text", nn.initializers.zeros, shape)
        text = jnp.where(conditions.text_given[:, None, None], conditions.text, null_text)
        states = None
        if c.conditioning is not None:
            if conditions.tags is None or conditions.tags_given is None:
                raise ValueError("a model with a tag encoder needs tags (or tags_given all False)")
            states = TagEncoder(c.conditioning, c.dit.dim, name="tag_encoder")(conditions.tags)
            states = TagNulls(c.dit.dim, name="tag_nulls")(states, conditions.tags_given)
        inputs = latents
        if conditions.reference is not None:
            inputs = jnp.concatenate([latents, *_reference_channels(conditions)], axis=-1)
        dit = DiT(c.dit, c.conditioning, self.attend, name="dit")
        out = dit(inputs, timestep, text, states)
        if c.prediction == "velocity":
            return out
        if c.prediction == "preconditioned":
            return precondition(latents, out, timestep / 1000.0)
        sigma = jnp.maximum(timestep / 1000.0, SIGMA_FLOOR)
        return (latents - out) / sigma[:, None, None, None, None]


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


def _reference_channels(conditions: Conditions) -> tuple[jax.Array, jax.Array]:
    reference, mask = conditions.reference, conditions.reference_mask
    assert reference is not None
    if mask is None:
        raise ValueError("a reference needs its mask: which pixel frames are given")
    wide = jnp.broadcast_to(mask[:, :, None, None, :], (*reference.shape[:-1], mask.shape[-1]))
    return wide.astype(reference.dtype), reference
