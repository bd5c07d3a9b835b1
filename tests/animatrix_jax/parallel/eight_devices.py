"""Run by `test_meshes` in a process with eight CPU devices: prints one JSON object of facts.

With `--every` a table of all mixes of the five axes, in place of a few.
"""

import itertools
import json
import math
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax

from animatrix_data.taxonomy import MAX_TAGS, Directive, parse_tags
from animatrix_jax.diffusion.schedule import Schedule
from animatrix_jax.inference.animator import load
from animatrix_jax.inference.pipeline import generate_clips
from animatrix_jax.inference.request import Request, SamplerSettings
from animatrix_jax.models.animatrix import AniMatrix
from animatrix_jax.models.experts import EXPERT_NAMES
from animatrix_jax.models.shapes import transformer_shapes
from animatrix_jax.objectives.preference import DPO
from animatrix_jax.parallel.collectives import collectives
from animatrix_jax.parallel.mesh import AXES, MeshSettings, kernels_on, make_mesh
from animatrix_jax.parallel.partition import batch_sharding, shardings
from animatrix_jax.runtime.attention import attend_on
from animatrix_jax.training.distillation import distillation_gradients, distillation_step
from animatrix_jax.training.distiller import (
    Distillation,
    Distiller,
    make_windows,
)
from animatrix_jax.training.flow import UNCONDITIONAL, expert_update, flow_gradients, flow_step
from animatrix_jax.training.guards import Guards
from animatrix_jax.training.optimizer import OptimizerSettings, make_optimizer
from animatrix_jax.training.placement import placed_step
from animatrix_jax.training.preference import preference_gradients
from animatrix_jax.training.state import new_critic, new_state
from tests.tiny import random_like, tiny_card, write_tiny_model

FEW = ("expert 2, fsdp 2, tensor 2", "data 2, context 4", "fsdp 2, context 2, tensor 2")
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


def pairs() -> dict[str, Any]:
    """Return eight pairs an expert, whose reference finds both clips as good."""
    found, layout = batch(), (2, ROWS)
    losers = np.random.default_rng(1).normal(size=found["latents"].shape)
    return found | {
        "latents": np.stack([found["latents"], losers.astype(np.float32)], axis=2),
        "pair": np.arange(2 * ROWS, dtype=np.uint32).reshape(layout),
        "draw": np.arange(2 * ROWS, dtype=np.uint32).reshape(layout) % 3,
        "reference_errors": np.ones((*layout, 2), np.float32),
    }


def on(
    settings: MeshSettings, microbatches: int = 1, preferred: bool = False
) -> tuple[Any, Any, list[Any]]:
    """Return gradients, sample losses and the collectives of the program on a mesh.

    They are of flow matching, or of what is `preferred`.
    """
    mesh = make_mesh(settings)
    model, shown = AniMatrix(config(), attend_on(mesh)), pairs() if preferred else batch()
    if preferred:
        objective = DPO(beta=2.0)
        gradients = preference_gradients(model, SCHEDULE, 0.0, 0, objective, mesh, microbatches)
    else:
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
        compiled = split.lower(given, shown).compile()
    placed = jax.device_put(given, places), jax.device_put(shown, batch_sharding(mesh))
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


def whole_step() -> list[str]:
    """Return what goes across experts in a compiled step: gradients, AdamW, average, metrics."""
    mesh = make_mesh(MeshSettings(expert=2, fsdp=2, tensor=2))
    optimizer, _ = make_optimizer(OptimizerSettings(), total_steps=10)
    gradients = flow_gradients(AniMatrix(config(), attend_on(mesh)), SCHEDULE, 0.0, 0, mesh, 2)
    step = flow_step(gradients, expert_update(optimizer, 0.99, EXPERT_NAMES, mesh, Guards()))

    given = params()
    state = jax.eval_shape(lambda: new_state(given, jax.vmap(optimizer.init)(given), 2))
    compiled = placed_step(step, shardings(state, mesh), mesh).lower(state, batch()).compile()
    found = collectives(compiled.as_text(), mesh)
    return [f"{one.kind} {one.elements}" for one in found if "expert" in one.axes]


def distilled() -> dict[str, Any]:
    """Return how far a distillation's updates are from one device's, and what goes across experts.

    Of student and critic, after a step in which both learn: plain gradients, scaled.
    """
    settings, optimizer = Distillation(anchors=2), optax.sgd(1e-3)
    windows = make_windows(SCHEDULE, 2, (3.0, 3.0), (2.0, 2.0))
    given, updates, across = params(), [], list[str]()
    # Where nothing is given, teacher and critic say the same: all that is left would be rounding.
    asked = batch() | {"mode": batch()["mode"] % UNCONDITIONAL}
    for mix in (MeshSettings(), MeshSettings(expert=2, fsdp=2, tensor=2)):
        mesh = make_mesh(mix)
        distiller = Distiller(AniMatrix(config(), attend_on(mesh)), settings, 0)
        step = distillation_step(
            distillation_gradients(distiller, windows, mesh, microbatches=2),
            settings,
            expert_update(optimizer, 0.99, EXPERT_NAMES, mesh, Guards()),
            optimizer,
            EXPERT_NAMES,
            mesh,
        )
        moments = jax.vmap(optimizer.init)(given)
        state = replace(new_state(given, moments, 2), critic=new_critic(given, moments, 2))
        places = shardings(state, mesh)
        held = (places.params,)
        arguments = jax.device_put(
            (state, asked, given), (places, batch_sharding(mesh), places.params)
        )
        with jax.default_matmul_precision("highest"):
            compiled = placed_step(step, places, mesh, held).lower(*arguments).compile()
        after, _ = compiled(*arguments)
        trained = after.params, after.critic.params
        updates.append(jax.tree.map(np.subtract, jax.device_get(trained), (given, given)))
        found = collectives(compiled.as_text(), mesh)
        across = [f"{one.kind} {one.elements}" for one in found if "expert" in one.axes]
    student, critic = zip(*updates, strict=True)
    return {"student": apart(*student), "critic": apart(*critic), "across": across}


def generated(folder: Path) -> dict[str, float]:
    """Return how far the clips and velocities of a mesh are from those of one device."""
    card = tiny_card()
    write_tiny_model(folder, replace(card, transformer=config()))
    requests = [Request.of(Directive(parse_tags("VFX: Rain"), "a girl waits"), seed=3)]
    settings = SamplerSettings(steps=3, batch=1)
    found = {}
    for name, mesh, offload in (
        ("alone", None, False),
        ("context", "context=4,tensor=2", False),
        ("offloaded", "fsdp=4,tensor=2", True),
    ):
        animator = load(folder, mesh, offload=offload)
        clips = generate_clips(animator.model, requests, settings)
        latents = np.random.default_rng(0).normal(size=(1, 2, 4, 4, 4)).astype(np.float32)
        velocity = animator.velocity(latents, 500.0, ["a girl"], ["VFX: Rain"])
        held = {len(leaf.sharding.device_set) for leaf in jax.tree.leaves(animator.model.active(1))}
        found[name] = (clips.astype(float), np.asarray(velocity), held)
    wanted = found["alone"]
    return {
        name: {
            "frames": float(np.abs(clips - wanted[0]).max()),
            "velocity": apart(velocity, wanted[1]),
            "devices": sorted(held),
        }
        for name, (clips, velocity, held) in found.items()
        if name != "alone"
    }


def preferred() -> dict[str, Any]:
    """Return how far preference gradients on a mesh are from those of one device."""
    grads, losses, _ = on(MeshSettings(), preferred=True)
    own, sampled, moved = on(MeshSettings(expert=2, fsdp=2, context=2), 2, preferred=True)
    across = [f"{one.kind} {one.elements}" for one in moved if "expert" in one.axes]
    found = {"gradients": apart(own, grads), "losses": apart(sampled, losses)}
    return found | {"across": across}


def main() -> None:
    """Print what each mix differs by, what goes across experts, what generation differs by."""
    found = {}
    grads, losses, _ = on(MeshSettings())
    every_mix = "--every" in sys.argv
    for mix in every() if every_mix else FEW:
        settings = MeshSettings(
            **{a: int(n) for a, n in (part.split() for part in mix.split(", "))}
        )
        shards = settings.data * settings.fsdp
        own, sampled, moved = on(settings, microbatches=1 if shards == ROWS else 2)
        found[mix] = {
            "gradients": apart(own, grads),
            "losses": apart(sampled, losses),
            "across": [f"{one.kind} {one.elements}" for one in moved if "expert" in one.axes],
            "axes": sorted({axis for one in moved for axis in one.axes}),
        }
        if every_mix:
            numbers = f"{found[mix]['gradients']:.1e} | {found[mix]['losses']:.1e}"
            print(
                f"| {mix} | {numbers} | {', '.join(found[mix]['across']) or 'none'} |", flush=True
            )
    if not every_mix:
        with tempfile.TemporaryDirectory() as folder:
            clips = generated(Path(folder) / "tiny")
        facts = {"mixes": found, "step": whole_step(), "distilled": distilled()}
        print(json.dumps(facts | {"generated": clips, "preferred": preferred()}))


if __name__ == "__main__":
    assert jax.device_count() == 8, "run with XLA_FLAGS=--xla_force_host_platform_device_count=8"
    main()
