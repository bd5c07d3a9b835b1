"""Small training states that a step's number alone decides, and processes that save them."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from animatrix_jax.checkpoint.training import Checkpoints
from animatrix_jax.training.state import TrainState


def state_of(step: int, scale: int = 1) -> TrainState:
    """Return the state of a step, of NumPy arrays: several types, shapes and an empty node."""
    rng = np.random.default_rng(step)
    params = {
        "dense": rng.standard_normal((8, 16 * scale)).astype(np.float32),
        "half": rng.standard_normal((16, 8)).astype(jnp.bfloat16),
        "bias": np.where(np.arange(8) == 3, np.nan, rng.standard_normal(8)).astype(np.float32),
    }
    average = {name: -leaf for name, leaf in params.items()}
    optimizer = ({"count": np.int32(step)}, (), rng.integers(0, 2**32, (8, 2), np.uint32))
    return TrainState(np.int32(step), params, average, optimizer)  # type: ignore[arg-type]


def on_device(step: int, scale: int = 1) -> Any:
    """Return the state of a step on the default device."""
    return jax.tree.map(jnp.asarray, state_of(step, scale))


def same_bits(found: Any, wanted: Any) -> bool:
    """Whether two states have the same tree, types, shapes and bits."""
    if jax.tree.structure(found) != jax.tree.structure(wanted):
        return False
    pairs = zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True)
    return all(
        a.dtype == b.dtype and a.shape == b.shape and np.asarray(a).tobytes() == b.tobytes()
        for a, b in pairs
    )


def save_for_ever(folder: Path, saving: Any) -> None:
    """Go on from the newest checkpoint and save step after step, until killed.

    `saving` is set when one more step is committed and the next is under way.
    """
    with Checkpoints(folder) as checkpoints:
        step = first = 0
        if checkpoints.newest is not None:
            step, state = checkpoints.restore(on_device(0, 512))
            assert same_bits(state, state_of(step, 512))
            first = step
        while True:
            step += 1
            checkpoints.save(step, on_device(step, 512))
            if step == first + 2:
                saving.set()
