"""A training step on a mesh: compiled with the shardings of state and batch, the state donated."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
from jax.sharding import Mesh, NamedSharding

from animatrix_jax.parallel.mesh import compiler_options, kernels_on
from animatrix_jax.parallel.partition import batch_sharding, replicated
from animatrix_jax.training.state import Batch, Metrics, TrainState, rolled_back

HOST = "pinned_host"
"""The memory of the host, from which a device reads by itself."""


def on_host(places: TrainState) -> TrainState:
    """Return the shardings of a state whose optimiser statistics wait in the host's memory."""

    def kept(tree: Any) -> Any:
        return jax.tree.map(lambda place: place.with_memory_kind(HOST), tree)

    critic = places.critic
    if critic is not None:
        critic = replace(critic, optimizer=kept(critic.optimizer))
    return replace(places, optimizer=kept(places.optimizer), critic=critic)


def placed_step(
    step: Callable[..., tuple[TrainState, Metrics]],
    places: TrainState,
    mesh: Mesh,
    frozen: tuple[Any, ...] = (),
) -> Callable[..., tuple[TrainState, Metrics]]:
    """Return `step` compiled for a mesh, the state sharded as `places` says and given away.

    `frozen` are the shardings of what the step takes besides state and batch. Kernels run on each
    device's part. What waits in the host's memory (`on_host`) is fetched for the step and put back.
    """

    def on_mesh(state: TrainState, batch: Batch, *held: Any) -> tuple[TrainState, Metrics]:
        fetched = jax.tree.map(_fetched, state, places)
        with kernels_on(mesh):
            stepped, metrics = step(fetched, batch, *held)
        return jax.tree.map(_put_back, stepped, places), metrics

    return jax.jit(
        on_mesh,
        in_shardings=(places, batch_sharding(mesh), *frozen),
        out_shardings=(places, replicated(mesh)),
        donate_argnums=0,
        compiler_options=compiler_options(mesh),
    )


def placed_roll_back(state: TrainState, saved: TrainState, after: int) -> TrainState:
    """Return `rolled_back`, every leaf where the state has it."""
    places = jax.tree.map(lambda leaf: leaf.sharding, state)

    def back(state: TrainState, saved: TrainState) -> TrainState:
        state, saved = (jax.tree.map(_fetched, tree, places) for tree in (state, saved))
        return jax.tree.map(_put_back, rolled_back(state, saved, after), places)

    return jax.jit(back, out_shardings=places)(state, saved)


def _fetched(leaf: jax.Array, place: NamedSharding) -> jax.Array:
    if place.memory_kind != HOST:
        return leaf
    return jax.device_put(leaf, place.with_memory_kind("device"))


def _put_back(leaf: jax.Array, place: NamedSharding) -> jax.Array:
    return jax.device_put(leaf, place) if place.memory_kind == HOST else leaf


def placed_measure[Result](
    measure: Callable[..., Result], params: Any, mesh: Mesh, frozen: tuple[Any, ...] = ()
) -> Callable[..., Result]:
    """Return a function of parameters and batch compiled for a mesh, its result on every device.

    `params` are the parameters' shardings, `frozen` those of what it takes besides.
    """

    def on_mesh(current: Any, batch: Batch, *held: Any) -> Result:
        with kernels_on(mesh):
            return measure(current, batch, *held)

    return jax.jit(
        on_mesh,
        in_shardings=(params, batch_sharding(mesh), *frozen),
        out_shardings=replicated(mesh),
        compiler_options=compiler_options(mesh),
    )
