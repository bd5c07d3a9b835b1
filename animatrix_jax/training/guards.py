"""Guards in the step: a step that is not finite, or that spikes, leaves its expert as it was.

Everything is per expert: each leaf's leading dims are those of the guard's own, [E] for stacked
experts and none for one network. Nothing here crosses from one expert to another.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, UInt32

SKIPPED, IN_A_ROW = "skipped_", "skipped_in_a_row_"
SAMPLE_LOSSES, SAMPLE_INDEX = "sample_losses_", "sample_index_"
"""What the names of a step's metrics begin with, before the expert's: whether it was skipped, for
how many steps in a row, and the loss and the index of every sample. The last two are arrays, which
the loop reads and does not log."""
SMALLEST = 1e-30


@dataclass(frozen=True)
class Guards:
    """When a step is skipped, what follows on that, and how long a step may take.

    A step is skipped where loss or gradient norm are not finite, and where the norm is above
    `spike` times its running average (None: never), once `warmup` steps have been accepted; the
    average is that of logarithms, over about 1 / (1 − `decay`) steps. After `roll_back_after`
    skipped steps in a row an expert goes back to a checkpoint; after `give_up_after` times without
    a step accepted between them the run stops. A step that takes longer than `hung_seconds`, or
    `compile_seconds` where a shape is new, ends the process with every thread's stack (None:
    never). A process that is silent for `heartbeat_seconds` is dead to the others, which end too.
    """

    spike: float | None = None
    warmup: int = 100
    decay: float = 0.98
    roll_back_after: int = 10
    give_up_after: int = 3
    hung_seconds: float | None = 1800.0
    compile_seconds: float | None = 7200.0
    heartbeat_seconds: int = 100

    def __post_init__(self) -> None:
        if self.spike is not None and self.spike < 0:
            raise ValueError(f"spike is a multiple of the average norm, not {self.spike:g}")
        if not 0 <= self.decay < 1:
            raise ValueError(f"decay must be at least 0 and below 1, not {self.decay:g}")
        for name in ("hung_seconds", "compile_seconds"):
            if (seconds := getattr(self, name)) is not None and seconds <= 0:
                raise ValueError(f"{name} must be above 0 or None, not {seconds:g}")
        for name in ("roll_back_after", "give_up_after", "heartbeat_seconds"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, not {getattr(self, name)}")


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class GuardState:
    """What the guard knows of each expert, as part of the run's state.

    `log_norm` is the running mean of the gradient norm's logarithm, `accepted` how many steps it
    has seen, `skipped` how many steps in a row were skipped just now, `rolled_back` how many times
    the expert went back to a checkpoint since a step was last accepted. Every process holds all of
    it.
    """

    log_norm: Float[Array, " *E"]
    accepted: Int[Array, " *E"]
    skipped: Int[Array, " *E"]
    rolled_back: Int[Array, " *E"]


def new_guard(experts: int | None = None) -> GuardState:
    """Return a guard that has seen nothing, of so many experts (None: of one network)."""
    shape = () if experts is None else (experts,)
    counts = [jnp.zeros(shape, jnp.int32) for _ in range(3)]
    return GuardState(jnp.zeros(shape), *counts)


def healthy(
    losses: Float[Array, " *E"], norms: Float[Array, " *E"], guard: GuardState, settings: Guards
) -> Bool[Array, " *E"]:
    """Return which experts' steps are finite in loss and gradient norm, and no spike."""
    ok = jnp.isfinite(losses) & jnp.isfinite(norms)
    if settings.spike:
        limit = settings.spike * jnp.exp(guard.log_norm)
        ok &= (guard.accepted < settings.warmup) | (norms <= limit)
    return ok


def guarded(new: Any, old: Any, ok: Bool[Array, " *E"]) -> Any:
    """Return `new` where an expert is ok, and `old` bit for bit where it is not.

    Both are trees of leaves [*E, …].
    """

    def select(a: jax.Array, b: jax.Array) -> jax.Array:
        return jnp.where(ok.reshape(ok.shape + (1,) * (a.ndim - ok.ndim)), a, b)

    return jax.tree.map(select, new, old)


def after_step(
    guard: GuardState,
    norms: Float[Array, " *E"],
    ok: Bool[Array, " *E"],
    settings: Guards,
) -> GuardState:
    """Return the guard after a step: an accepted norm enters the average, a skipped one does not.

    The average begins as the plain mean of the first norms.
    """
    count = guard.accepted.astype(jnp.float32)
    rate = jnp.minimum(settings.decay, count / (count + 1))
    mean = rate * guard.log_norm + (1 - rate) * jnp.log(jnp.maximum(norms, SMALLEST))
    none = jnp.zeros_like(guard.skipped)
    passed = GuardState(mean, guard.accepted + 1, none, none)
    return guarded(passed, replace(guard, skipped=guard.skipped + 1), ok)


def guard_metrics(
    names: Sequence[str],
    guard: GuardState,
    sample_losses: Float[Array, "E B"],
    sample_index: UInt32[Array, "E B 2"],
) -> dict[str, jax.Array]:
    """Return what the loop has to know of a step, from the guard after it and its samples."""
    metrics: dict[str, jax.Array] = {}
    for expert, name in enumerate(names):
        row = guard.skipped[expert]
        metrics[SKIPPED + name] = (row > 0).astype(jnp.int32)
        metrics[IN_A_ROW + name] = row
        metrics[SAMPLE_LOSSES + name] = sample_losses[expert]
        metrics[SAMPLE_INDEX + name] = sample_index[expert]
    return metrics


def unasked(row: Int[Array, ""]) -> Int[Array, ""]:
    """Return the metric of skipped steps in a row for an expert that a step did not ask to learn.

    `row` of them went before. It is negative, so that `skipped_in_a_row` can tell.
    """
    return -1 - row


def skipped_in_a_row(value: int) -> tuple[int, bool]:
    """Return how many steps in a row were skipped, as the metric says, and whether this one was."""
    return (value, value > 0) if value >= 0 else (-1 - value, False)
