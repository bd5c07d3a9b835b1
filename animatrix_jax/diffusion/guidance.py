"""Dual classifier-free guidance (eq. 13), in velocity space, as a chain of conditions.

Each branch of the chain adds a condition to the one before it: ∅, then the text, then the tags.
With velocities v_0 … v_n and scales w_1 … w_n the result is v_0 + Σ w_i·(v_i − v_{i−1}), which is a
weighted sum of the branches; branches of weight 0 are not run. The forms with one channel are
shorter chains.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

ALL_AXES = (1, 2, 3, 4)
"""Style, motion, camera, VFX: the axis ids of tag rows, in the order that guidance adds them."""

Velocity = Callable[[jax.Array, jax.Array], jax.Array]


@dataclass(frozen=True)
class Branch:
    """One forward's condition: whether the text is given, and the axes whose tags are."""

    text: bool
    axes: tuple[int, ...] = ()


@dataclass(frozen=True)
class Scales:
    """Guidance of one expert: `text` and `tag` are ω_text and ω_tag of eq. 13.

    `fields`, where not None, splits the tag term over S, M, C, V by adding one axis at a time
    (decision 4), each with its own scale in place of `tag`.
    """

    text: float
    tag: float
    fields: tuple[float, float, float, float] | None = None


def guidance_chain(scales: Scales, *, text: bool, tags: bool) -> tuple[tuple[Branch, float], ...]:
    """Return the branches to run, with their weights, where text and tags are given or not.

    Both: eq. 13. One: v_∅ + ω·(v − v_∅). None: v_∅. The weights sum to 1.
    """
    chain, steps = [Branch(False)], []
    if text:
        chain.append(Branch(True))
        steps.append(scales.text)
    if tags and scales.fields is None:
        chain.append(Branch(text, ALL_AXES))
        steps.append(scales.tag)
    elif tags:
        chain += [Branch(text, ALL_AXES[: count + 1]) for count in range(len(ALL_AXES))]
        steps += scales.fields or ()
    weights = [a - b for a, b in zip([1.0, *steps], [*steps, 0.0], strict=True)]
    return tuple((b, w) for b, w in zip(chain, weights, strict=True) if w != 0.0)


def combine(
    velocities: Float[Array, "K B ..."], weights: Float[Array, " K"]
) -> Float[Array, "B ..."]:
    """Return the weighted sum of the branches' velocities, in float32."""
    return jnp.tensordot(weights.astype(jnp.float32), velocities.astype(jnp.float32), axes=1)


def guided(velocity: Velocity, weights: Float[Array, " K"]) -> Velocity:
    """Return a velocity of [B] samples from one of [K·B]: all branches in one batch.

    `velocity(latents, timestep)` holds the conditions of every branch, branch by branch.
    """

    def combined(latents: jax.Array, timestep: jax.Array) -> jax.Array:
        count = weights.shape[0]
        stacked = velocity(repeat_batch(latents, count), repeat_batch(timestep, count))
        return combine(stacked.reshape(count, *latents.shape), weights)

    return combined


def repeat_batch(x: Float[Array, "B ..."], count: int) -> Float[Array, "K*B ..."]:
    """Return x laid end to end `count` times along its first dim."""
    return jnp.tile(x, (count,) + (1,) * (x.ndim - 1))


def high_low(value: float | Sequence[float] | str, name: str) -> tuple[float, float]:
    """Return a guidance scale as (high, low): one number for both experts, or two.

    A text is read as a flag's: "5" or "4,3". Raises ValueError for anything else.
    """
    parts = value.split(",") if isinstance(value, str) else value
    numbers = parts if isinstance(parts, Sequence) else (parts, parts)
    try:
        pair = [float(number) for number in numbers]
    except (TypeError, ValueError):
        pair = []
    pair = pair * 2 if len(pair) == 1 else pair
    if len(pair) != 2 or not all(abs(number) < float("inf") for number in pair):
        raise ValueError(f"{name} takes a number, or two as high,low, not {value!r}")
    return pair[0], pair[1]
