"""Running mean and variance of a number per expert, and the limit that they set (section 7.1)."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

DEVIATIONS = 3.0
"""A number is out of the ordinary beyond mean + 3·√variance: "adaptive gradient clip", 7.1."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Moments:
    """Mean and variance of what each expert has seen, over about 1 / (1 − decay) numbers."""

    mean: Float[Array, " E"]
    variance: Float[Array, " E"]
    count: Int[Array, " E"]


def new_moments(experts: int) -> Moments:
    """Return the moments of nothing seen."""
    return Moments(jnp.zeros(experts), jnp.zeros(experts), jnp.zeros(experts, jnp.int32))


def limit(moments: Moments, warmup: int) -> Float[Array, " E"]:
    """Return mean + 3·√variance, infinite until `warmup` numbers were seen."""
    bound = moments.mean + DEVIATIONS * jnp.sqrt(moments.variance)
    return jnp.where(moments.count < warmup, jnp.inf, bound)


def seen(
    moments: Moments, values: Float[Array, " E"], counts: Bool[Array, " E"], decay: float
) -> Moments:
    """Return the moments after one number of each expert, where it `counts`.

    The first numbers are averaged plainly (Welford), later ones forget.
    """
    number = moments.count.astype(jnp.float32)
    rate = jnp.maximum(1.0 - decay, 1.0 / (number + 1.0))
    gap = values - moments.mean
    mean = moments.mean + rate * gap
    variance = (1.0 - rate) * (moments.variance + rate * jnp.square(gap))
    after = Moments(mean, variance, moments.count + 1)
    return jax.tree.map(lambda new, old: jnp.where(counts, new, old), after, moments)
