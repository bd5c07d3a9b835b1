"""The smallest guarded run of two experts, for tests of the loop and of whole processes."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from animatrix_jax.training.guards import Guards, after_step, guard_metrics, guarded, healthy
from animatrix_jax.training.state import Metrics, Step, TrainState, new_state

NAMES = ("high", "low")
SAMPLES = 2


def toy_state() -> TrainState:
    """Return two experts of three numbers each, and an optimiser that counts their steps."""
    params = {"w": jnp.arange(6, dtype=jnp.float32).reshape(2, 3)}
    return new_state(params, {"count": jnp.zeros(2, jnp.int32)}, experts=2)


def toy_step(settings: Guards, wrap: Callable[..., Any] = jax.jit) -> Step:
    """Return a step whose sample losses are w² · x and whose gradient's size is that of x."""

    def step(state: TrainState, batch: dict[str, Any]) -> tuple[TrainState, Metrics]:
        w, x = state.params["w"], batch["x"]
        losses = jnp.square(w).sum(-1, keepdims=True) * x
        grads = 2 * w * x.mean(-1, keepdims=True)
        norms = jnp.abs(x).max(-1)
        assert state.guard is not None
        ok = healthy(losses.mean(-1), norms, state.guard, settings)
        new = replace(
            state,
            params={"w": w - 0.01 * grads},
            average={"w": 0.9 * state.average["w"] + 0.1 * w},
            optimizer={"count": state.optimizer["count"] + 1},
        )
        parts = ("params", "average", "optimizer")
        kept = {name: guarded(getattr(new, name), getattr(state, name), ok) for name in parts}
        guard = after_step(state.guard, norms, ok, settings)
        metrics = guard_metrics(NAMES, guard, losses, batch["sample_index"])
        metrics |= {"loss": losses.mean(), "gradient_norm_high": norms[0]}
        return replace(state, step=state.step + 1, guard=guard, **kept), metrics

    jitted: Step = wrap(step)
    return jitted


def toy_batches(total: int, **bad: dict[int, float]) -> Callable[[int], Iterator[dict[str, Any]]]:
    """Return batches from a step on; `bad` are by expert the steps whose last sample is replaced.

    The samples of step n are 4 n to 4 n + 3.
    """

    def batches(start: int) -> Iterator[dict[str, Any]]:
        for step in range(start, total):
            random = np.random.default_rng(step)
            x = random.uniform(0.5, 1.0, (2, SAMPLES)).astype(np.float32)
            for expert, name in enumerate(NAMES):
                x[expert, -1] = bad.get(name, {}).get(step, x[expert, -1])
            index = 4 * step + np.arange(4).reshape(2, SAMPLES)
            yield {"x": x, "sample_index": np.stack([index >> 32, index], -1).astype("u4")}

    return batches
