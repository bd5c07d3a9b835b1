"""One expert's guided velocity on a mesh: every device works on the expert that is active."""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import jax
from jax.sharding import Mesh
from jaxtyping import Array, Float

from animatrix_jax.diffusion.guidance import guided
from animatrix_jax.models.animatrix import AniMatrix, AniMatrixConfig, Conditions
from animatrix_jax.models.shapes import transformer_shapes
from animatrix_jax.parallel.mesh import MeshSettings, compiler_options, kernels_on
from animatrix_jax.parallel.partition import expert_shardings, pinned, replicated
from animatrix_jax.runtime.attention import attend_on

type Guided = Callable[[Any, jax.Array, jax.Array, Any, jax.Array], jax.Array]
"""`guided_velocity` of a transformer: parameters, latents, timestep, conditions, weights."""


@partial(jax.jit, static_argnums=0)
def guided_velocity(
    transformer: AniMatrix,
    params: Any,
    latents: Float[Array, "B t h w z"],
    timestep: Float[Array, " B"],
    conditions: Conditions,
    weights: Float[Array, " K"],
) -> Float[Array, "B t h w z"]:
    """Return one expert's guided velocity; `conditions` hold K·B samples, branch by branch.

    Compiled once per shape: both experts, all steps and all scales share the program.
    """
    return guided(partial(_apply, transformer, params, conditions), weights)(latents, timestep)


def _apply(
    transformer: AniMatrix,
    params: Any,
    conditions: Conditions,
    latents: jax.Array,
    timestep: jax.Array,
) -> jax.Array:
    velocity: Any = transformer.apply(params, latents, timestep, conditions)
    return velocity


def sampling_mesh(devices: int) -> MeshSettings:
    """Return the mesh on which so many devices share a clip's tokens."""
    return MeshSettings(context=devices)


def placed_velocity(
    config: AniMatrixConfig, params: Any, mesh: Mesh, ulysses: int | None = None
) -> tuple[Guided, Any]:
    """Return one expert's guided velocity compiled for a mesh, and where its parameters go.

    `params` is the expert's tree, {"params": …} (shapes suffice), held in parts along `fsdp`,
    `context` and `tensor`; all else is whole on every device. The expert that waits has the same
    places, or those of `expert_shardings` with `pinned_host`. Raises ValueError for a mesh that
    splits experts, or that does not divide a dim.
    """
    if mesh.shape["expert"] > 1:
        raise ValueError("every device works on the active expert: give the axis expert 1 device")
    places, whole = expert_shardings(params, mesh), replicated(mesh)
    transformer = AniMatrix(config, attend_on(mesh, ulysses))

    def on_mesh(
        params: Any, latents: jax.Array, timestep: jax.Array, conditions: Any, weights: jax.Array
    ) -> jax.Array:
        with kernels_on(mesh):
            return guided_velocity(
                transformer, pinned(params, mesh), latents, timestep, conditions, weights
            )

    placed = jax.jit(
        on_mesh,
        in_shardings=(places, *[whole] * 4),
        out_shardings=whole,
        compiler_options=compiler_options(mesh),
    )
    return placed, places


@lru_cache(maxsize=8)
def mesh_velocity(config: AniMatrixConfig, mesh: Mesh) -> Guided:
    """Return `placed_velocity`, compiled once for models of equal sizes."""
    return placed_velocity(config, {"params": transformer_shapes(config)}, mesh)[0]
