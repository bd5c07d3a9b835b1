"""A step compiled for a mesh: what waits in the host's memory comes back to it."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from animatrix_jax.parallel.mesh import MeshSettings, make_mesh
from animatrix_jax.training.placement import HOST, on_host, placed_step
from animatrix_jax.training.state import Batch, Metrics, TrainState, new_state

MESH = make_mesh(MeshSettings())


def momentum(state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
    """A step of gradient descent with momentum on the batch itself."""
    moments = jax.tree.map(lambda m: 0.9 * m + batch["x"].mean(), state.optimizer)
    params = jax.tree.map(lambda p, m: p - 0.1 * m, state.params, moments)
    return TrainState(state.step + 1, params, state.average, moments), {"loss": batch["x"].mean()}


def test_an_optimizer_that_waits_on_the_host_steps_as_any_other() -> None:
    whole = NamedSharding(MESH, PartitionSpec())
    found = {}
    for name in ("device", "host"):
        state = new_state({"w": jnp.arange(4.0)}, {"w": jnp.zeros(4)})
        places = jax.tree.map(lambda _: whole, state)
        places = on_host(places) if name == "host" else places
        state, step = jax.device_put(state, places), placed_step(momentum, places, MESH)
        for _ in range(3):
            state, _ = step(state, {"x": jnp.ones((1, 2))})
        found[name] = state
    assert found["host"].optimizer["w"].sharding.memory_kind == HOST
    assert found["host"].params["w"].sharding.memory_kind != HOST
    for part in ("params", "optimizer"):
        kept, other = (np.asarray(getattr(found[name], part)["w"]) for name in ("host", "device"))
        np.testing.assert_array_equal(kept, other)
