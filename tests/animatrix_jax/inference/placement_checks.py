"""Run by `test_placement` in a process with eight CPU devices: prints one JSON object of facts."""

import json
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from animatrix_jax.inference.pipeline import guided_velocity
from animatrix_jax.inference.placement import placed_velocity, sampling_mesh
from animatrix_jax.models.animatrix import AniMatrix, AniMatrixConfig, Conditions
from animatrix_jax.models.conditioning import ConditioningConfig
from animatrix_jax.models.dit import DiTConfig
from animatrix_jax.models.shapes import empty_tags
from animatrix_jax.parallel.mesh import MeshSettings, make_mesh
from animatrix_jax.runtime.attention import attend

CONFIG = AniMatrixConfig(
    DiTConfig(64, 96, 4, 2, 12, 4, 16, 8), ConditioningConfig(7, 16, 1, 2, 8, True)
)
BRANCHES, LATENTS = 3, (3, 4, 6, 4)
"""18 tokens, which eight devices do not divide."""
MESHES = {
    "8 of context": sampling_mesh(8),
    "context and tensor": MeshSettings(context=4, tensor=2),
    "with fsdp": MeshSettings(fsdp=2, context=2, tensor=2),
}


def draw(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


def main() -> None:
    given = jnp.array([False, True, True])
    conditions = Conditions(
        text=jnp.asarray(draw(0, BRANCHES, 8, 16)),
        text_given=given,
        tags=empty_tags(BRANCHES),
        tags_given=given,
        reference=jnp.asarray(draw(1, BRANCHES, *LATENTS)),
        reference_mask=jnp.ones((BRANCHES, LATENTS[0], 4)),
    )
    alone = AniMatrix(CONFIG, attend)
    inputs: Any = (
        draw(2, 1, *LATENTS),
        np.full(1, 700.0, "float32"),
        conditions,
        draw(3, BRANCHES),
    )
    shapes = jax.eval_shape(
        partial(alone.init, jax.random.key(0)),
        jnp.zeros((BRANCHES, *LATENTS)), jnp.zeros(BRANCHES), conditions,
    )  # fmt: skip
    params = jax.tree.map(lambda leaf: 0.2 * draw(leaf.size, *leaf.shape), shapes)
    wanted = np.asarray(guided_velocity(alone, params, *inputs), np.float64)
    found = {}
    for name, settings in MESHES.items():
        placed, places = placed_velocity(CONFIG, params, make_mesh(settings))
        held = jax.device_put(params, places)
        got = np.asarray(placed(held, *inputs), np.float64)
        found[name] = {
            "error": float(np.linalg.norm(got - wanted) / np.linalg.norm(wanted)),
            "share": sum(leaf.addressable_shards[0].data.size for leaf in jax.tree.leaves(held))
            / sum(leaf.size for leaf in jax.tree.leaves(held)),
        }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
