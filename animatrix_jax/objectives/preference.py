"""Direct preference optimisation of a flow model (section 5.4, eq. 18; decision 10)."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from animatrix_data.settings import near

WEIGHTS = ("one", "epsilon")
WINNER, LOSER = 0, 1
"""The places of a pair's two clips."""


class Preferences(NamedTuple):
    """What eq. 18 says of B pairs.

    `margins` are the implicit rewards, the winner's less the loser's: above 0 the model, unlike its
    reference, leans to the winner.
    """

    losses: Float[Array, " B"]
    margins: Float[Array, " B"]


@dataclass(frozen=True)
class DPO:
    """The loss −log σ(margin), margin = −β/2 · w · [(ℓ_w − ℓ_w^ref) − (ℓ_l − ℓ_l^ref)].

    ℓ is the mean over a clip's elements of the squared velocity error, w = 1 for the weight `one`.
    For `epsilon` w = (1 − σ)²: the error of the noise that a velocity implies, as eq. 18 is
    printed. Raises ValueError for a `beta` that is not above 0, and for another weight.
    """

    beta: float = 5000.0
    weight: str = "one"

    def __post_init__(self) -> None:
        """Check the range of beta and the weight's name."""
        if not (math.isfinite(self.beta) and self.beta > 0):
            raise ValueError(
                f"beta weighs the distance from the reference: above 0, not {self.beta:g}"
            )
        if self.weight not in WEIGHTS:
            raise ValueError(f"there is no weight {self.weight!r}{near(self.weight, WEIGHTS)}")

    def __call__(
        self,
        errors: Float[Array, "B 2"],
        reference_errors: Float[Array, "B 2"],
        sigma: Float[Array, " B"],
    ) -> Preferences:
        """Return the preferences of pairs with errors (winner's, loser's), at one sigma each."""
        further = errors - reference_errors
        weight = jnp.square(1.0 - sigma) if self.weight == "epsilon" else 1.0
        margins = -0.5 * self.beta * weight * (further[:, WINNER] - further[:, LOSER])
        return Preferences(-jax.nn.log_sigmoid(margins), margins)
