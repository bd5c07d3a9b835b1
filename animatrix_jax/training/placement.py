"""A training step on a mesh: compiled with the shardings of state and batch, the state donated."""

from collections.abc import Callable
from typing import Any

import jax
from jax.sharding import Mesh

from animatrix_jax.parallel.mesh import compiler_options, kernels_on
from animatrix_jax.parallel.partition import batch_sharding, replicated
from animatrix_jax.training.state import Batch, Step


def placed_step(step: Step, state: Any, mesh: Mesh) -> Step:
    """Return `step` compiled for a mesh, the state sharded as `state` says and given away.

    `state` is the tree of shardings of a `TrainState`; kernels run on each device's part.
    """

    def on_mesh(current: Any, batch: Batch) -> Any:
        with kernels_on(mesh):
            return step(current, batch)

    return jax.jit(
        on_mesh,
        in_shardings=(state, batch_sharding(mesh)),
        out_shardings=(state, replicated(mesh)),
        donate_argnums=0,
        compiler_options=compiler_options(mesh),
    )


def placed_measure(
    measure: Callable[[Any, Batch], jax.Array], params: Any, mesh: Mesh
) -> Callable[[Any, Batch], jax.Array]:
    """Return a function of parameters and batch compiled for a mesh, its result on every device."""

    def on_mesh(current: Any, batch: Batch) -> jax.Array:
        with kernels_on(mesh):
            return measure(current, batch)

    return jax.jit(
        on_mesh,
        in_shardings=(params, batch_sharding(mesh)),
        out_shardings=replicated(mesh),
        compiler_options=compiler_options(mesh),
    )
