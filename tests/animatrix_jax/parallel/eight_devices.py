"""Run by `test_meshes` in a process with eight CPU devices: prints one JSON object of facts.

With `--every` all mixes of the five axes, in place of a few.
"""

import itertools
import json
import math
import sys
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from animatrix_data.taxonomy import MAX_TAGS
from animatrix_jax.diffusion.schedule import Schedule
from animatrix_jax.models.animatrix import AniMatrix
from animatrix_jax.models.shapes import transformer_shapes
from animatrix_jax.parallel.collectives import collectives
from animatrix_jax.parallel.mesh import AXES, MeshSettings, kernels_on, make_mesh
from animatrix_jax.parallel.partition import batch_sharding, shardings
from animatrix_jax.runtime.attention import attend_on
from animatrix_jax.training.flow import flow_gradients
from tests.tiny import random_like, tiny_card

FEW = (
    "expert 2, fsdp 4", "expert 2, data 2, context 2", "expert 2, context 2, tensor 2",
    "data 8", "fsdp 8", "context 8", "fsdp 2, tensor 4", "data 2, fsdp 2, context 2",
)  # fmt: skip
ROWS, LATENTS = 8, (2, 4, 6, 4)
SCHEDULE = Schedule(shift=3.0, boundary=0.9)


def config() -> Any:
    """Return the tiny model with as many heads as eight devices take."""
    found = tiny_card().transformer
    assert found is not None
    return replace(found, dit=replace(found.dit, dim=64, heads=8))


def batch() -> dict[str, Any]:
    """Return eight samples an expert, of every mode, with twelve tokens each."""
    random, layout = np.random.default_rng(0), (2, ROWS)
    values = random.integers(1, 3, (*layout, MAX_TAGS, 5)).astype(np.int32)
    mask = np.arange(MAX_TAGS) < random.integers(1, 6, (*layout, 1))
    index = np.arange(2 * ROWS).reshape(layout)
    return {
        "latents": random.normal(size=(*layout, *LATENTS)).astype(np.float32),
        "reference": random.normal(size=(*layout, *LATENTS)).astype(np.float32),
        "reference_mask": random.integers(0, 2, (*layout, LATENTS[0], 4)).astype(np.float32),
        "text": random.normal(size=(*layout, 24, 16)).astype(np.float32),
        "tags": {"values": values, "order": np.zeros(values.shape[:-1], np.int32), "mask": mask},
        "mode": (index % 4).astype(np.int32),
        "sample_index": np.stack([np.zeros(layout), index], -1).astype("u4"),
    }


def params() -> Any:
    """Return both experts' random parameters."""
    shapes = transformer_shapes(config())
    return {
        "params": jax.tree.map(lambda *p: np.stack(p), *(random_like(shapes, s) for s in (1, 2)))
    }


def on(settings: MeshSettings, microbatches: int = 1) -> tuple[Any, Any, list[Any]]:
    """Return gradients, sample losses and the collectives of the program on a mesh."""
    mesh = make_mesh(settings)
    model = AniMatrix(config(), attend_on(mesh))
    gradients = flow_gradients(model, SCHEDULE, 0.0, 0, mesh, microbatches)
    given = params()
    places = shardings(given, mesh)

    def run(*arguments: Any) -> Any:
        with kernels_on(mesh):
            return gradients(*arguments)

    split = jax.jit(
        run,
        in_shardings=(places, batch_sharding(mesh)),
        out_shardings=(places, batch_sharding(mesh)),
    )
    with jax.default_matmul_precision("highest"):
        compiled = split.lower(given, batch()).compile()
    placed = jax.device_put(given, places), jax.device_put(batch(), batch_sharding(mesh))
    grads, losses = compiled(*placed)
    return (
        jax.device_get(grads),
        jax.device_get(losses),
        list(collectives(compiled.as_text(), mesh)),
    )


def apart(found: Any, wanted: Any) -> float:
    """Return the relative L2 distance of two trees."""
    pairs = list(zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True))
    far = math.sqrt(sum(float(np.sum((a - b) ** 2, dtype=np.float64)) for a, b in pairs))
    return far / math.sqrt(sum(float(np.sum(b**2, dtype=np.float64)) for _, b in pairs))


def every() -> list[str]:
    """Return all mixes of eight devices, two at most for the two experts."""
    extents = itertools.product((1, 2), *[(1, 2, 4, 8)] * 4)
    mixes = [e for e in extents if math.prod(e) == 8]
    return [", ".join(f"{a} {n}" for a, n in zip(AXES, e, strict=True) if n > 1) for e in mixes]


def main() -> None:
    """Print what each mix differs by, and what goes across experts."""
    found = {}
    grads, losses, _ = on(MeshSettings())
    for mix in every() if "--every" in sys.argv else FEW:
        settings = MeshSettings(
            **{a: int(n) for a, n in (part.split() for part in mix.split(", "))}
        )
        shards = settings.data * settings.fsdp
        own, sampled, moved = on(settings, microbatches=1 if shards == ROWS else 2)
        across = [one for one in moved if "expert" in one.axes]
        found[mix] = {
            "gradients": apart(own, grads),
            "losses": apart(sampled, losses),
            "across": [f"{one.kind} {one.elements}" for one in across],
            "axes": sorted({axis for one in moved for axis in one.axes}),
        }
        print(mix, found[mix], file=sys.stderr)
    print(json.dumps(found))


if __name__ == "__main__":
    assert jax.device_count() == 8 and jnp is not None
    main()
