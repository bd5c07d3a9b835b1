"""Distribution matching distillation of all noise experts in one step (section 7.1; decision 12).

A student that takes a few steps at fixed anchors learns from a frozen, guided teacher, by way of a
critic that follows the student. Each expert is distilled inside its own window of sigma: between
them nothing goes but numbers, and student, critic and teacher of one stand on the same devices.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh

from animatrix_jax.parallel.mesh import map_experts
from animatrix_jax.parallel.partition import pinned, whole
from animatrix_jax.training.distiller import Distillation, Distiller, Window
from animatrix_jax.training.flow import Update, accumulated, batch_conditions, everywhere
from animatrix_jax.training.guards import IN_A_ROW, SKIPPED, guarded, unasked
from animatrix_jax.training.moments import limit, seen
from animatrix_jax.training.state import Batch, Critic, Metrics, TrainState

DENOISER = "dit"
"""What is distilled: text, tags and their nulls keep the teacher's parameters."""
LEARNT = ("params", "average", "optimizer")
"""What of a state is the student's."""


def distillation_gradients(
    distiller: Distiller, windows: Window, mesh: Mesh, microbatches: int = 1
) -> Callable[..., tuple[Any, dict[str, jax.Array]]]:
    """Return a function of (student, critic, teacher, batch, learns) to gradients and losses.

    `learns` says, as two Python booleans, whether student and critic learn; the gradients of one
    that does not are 0. Gradients are a pair of trees, the losses `student` and `critic` [E, B].
    """

    def losses(
        pair: Any, batch: Batch, window: Window, teacher: Any, learns: tuple[bool, bool]
    ) -> tuple[jax.Array, dict[str, jax.Array]]:
        student, critic = map(only_denoiser, pair)
        conditions = batch_conditions(batch)
        clean = distiller.student_clean(student, batch, conditions, window)
        none = jnp.zeros(clean.shape[0])
        of = {"student": none, "critic": none}
        if learns[0]:
            of["student"] = distiller.matching(clean, critic, teacher, batch, conditions, window)
        if learns[1]:
            of["critic"] = distiller.following(critic, clean, batch, conditions, window)
        return jnp.mean(of["student"]) + jnp.mean(of["critic"]), of

    def own(
        learns: tuple[bool, bool], student: Any, critic: Any, teacher: Any, batch: Batch, w: Window
    ) -> tuple[Any, dict[str, jax.Array]]:
        def gradients(pair: Any, part: Batch, window: Any) -> tuple[Any, Any]:
            held = tuple(pinned(tree, mesh) for tree in pair)
            grads, of = jax.grad(losses, has_aux=True)(
                held, part, window, pinned(teacher, mesh), learns
            )
            return tuple(pinned(tree, mesh) for tree in grads), of

        by_parts: Any = accumulated(gradients, microbatches)
        found: tuple[Any, dict[str, jax.Array]] = by_parts((student, critic), batch, w)
        return found

    def of_all(
        student: Any, critic: Any, teacher: Any, batch: Batch, learns: tuple[bool, bool]
    ) -> tuple[Any, dict[str, jax.Array]]:
        mapped = map_experts(partial(own, learns), mesh)
        return mapped(student, critic, teacher, batch, windows)

    return of_all


def only_denoiser(params: Any) -> Any:
    """Return one expert's parameters, of which nothing but the transformer learns (section 7.1)."""
    own = params["params"]
    held = {name: jax.lax.stop_gradient(leaf) for name, leaf in own.items() if name != DENOISER}
    return {"params": held | {DENOISER: own[DENOISER]}}


def denoiser_alone(optimizer: optax.GradientTransformation) -> optax.GradientTransformation:
    """Return an optimiser that leaves everything but the transformer as it is, decay included."""

    def others(params: Any) -> Any:
        return jax.tree_util.tree_map_with_path(
            lambda path, _: path[1] != jax.tree_util.DictKey(DENOISER), params
        )

    return optax.chain(optimizer, optax.masked(optax.set_to_zero(), others))


def distillation_step(
    gradients: Callable[..., tuple[Any, dict[str, jax.Array]]],
    settings: Distillation,
    update: Update,
    critic_optimizer: optax.GradientTransformation,
    names: tuple[str, ...],
    mesh: Mesh,
) -> Callable[[TrainState, Batch, Any], tuple[TrainState, Metrics]]:
    """Return the step of (state, batch, teacher); `update` is the student's (`expert_update`).

    Whoever does not learn in a step stays as it is, bit for bit.
    """
    rare = max(settings.student_every, settings.critic_every)
    usual = settings.student_every == 1, settings.critic_every == 1
    norm = map_experts(optax.tree.norm, mesh, in_turn=False)
    follow = _follow(critic_optimizer, settings, mesh)

    def step(state: TrainState, batch: Batch, teacher: Any) -> tuple[TrainState, Metrics]:
        critic = state.critic
        assert critic is not None
        turn = state.step % rare == 0
        operands = state.params, critic.params, teacher, batch
        (grads, followed), losses = jax.lax.cond(
            turn | critic.behind.any(),
            lambda given: gradients(*given, (True, True)),
            lambda given: gradients(*given, usual),
            operands,
        )
        # A student whose critic has lost track of it waits, and the critic learns at every step.
        student = whole((usual[0] | turn) & ~critic.behind, mesh)
        norms = everywhere(norm(grads), mesh)
        bound = whole(limit(critic.norm, settings.warmup), mesh)
        scale = whole(jnp.minimum(1.0, bound / norms), mesh)
        grads = jax.tree.map(lambda g: g * _like(scale, g), grads)
        after, metrics = update(state, grads, losses["student"], batch["sample_index"])
        parts = {name: getattr(after, name) for name in LEARNT}
        old = {name: getattr(state, name) for name in LEARNT}
        guard = whole(guarded(after.guard, state.guard, student), mesh)
        after = replace(after, **guarded(parts, old, student), guard=guard)
        counts = whole(jnp.isfinite(norms) & student, mesh)
        moments = seen(critic.norm, jnp.minimum(norms, bound), counts, settings.decay)
        asked = whole(usual[1] | turn | critic.behind, mesh)
        critic, told = follow(critic, followed, losses["critic"], asked)
        after = replace(after, critic=replace(critic, norm=whole(moments, mesh)))
        for index, name in enumerate(names):
            metrics |= {f"gradient_norm_{name}": norms[index]}
            metrics = _unlearnt(metrics, name, student[index], guard.skipped[index])
            metrics |= {f"{key}_{name}": value[index] for key, value in told.items()}
            metrics |= {f"clip_norm_{name}": bound[index]}
        return after, metrics

    return step


def _follow(
    optimizer: optax.GradientTransformation, settings: Distillation, mesh: Mesh
) -> Callable[[Critic, Any, jax.Array, jax.Array], tuple[Critic, dict[str, jax.Array]]]:
    """Return what takes a critic through its gradients, where it is `asked` to and they are finite.

    It is behind where its loss is out of the ordinary, until it is not. With the critic come its
    loss, and whether it is behind.
    """
    update = map_experts(optimizer.update, mesh, in_turn=False)
    norm = map_experts(optax.tree.norm, mesh, in_turn=False)

    def follow(
        critic: Critic, grads: Any, sampled: jax.Array, asked: jax.Array
    ) -> tuple[Critic, dict[str, jax.Array]]:
        loss = jnp.mean(everywhere(sampled, mesh), axis=1)
        ok = jnp.isfinite(loss) & jnp.isfinite(everywhere(norm(grads), mesh)) & asked
        ok = whole(ok, mesh)
        bound = whole(limit(critic.loss, settings.warmup), mesh)
        updates, statistics = update(grads, critic.optimizer, critic.params)
        params = optax.apply_updates(critic.params, updates)
        params, statistics = guarded((params, statistics), (critic.params, critic.optimizer), ok)
        moments = seen(critic.loss, jnp.minimum(loss, bound), ok, settings.decay)
        behind = jnp.where(ok, loss > bound, critic.behind)
        moments, behind = whole((moments, behind), mesh)
        told = {
            "critic_loss": whole(jnp.where(asked, loss, jnp.nan), mesh),
            "critic_behind": behind.astype(jnp.int32),
        }
        return Critic(params, statistics, critic.norm, moments, behind), told

    return follow


def _like(values: jax.Array, leaf: jax.Array) -> jax.Array:
    """Return one number an expert as the leaf's dims have it."""
    return values.reshape(values.shape + (1,) * (leaf.ndim - 1))


def _unlearnt(metrics: Metrics, name: str, learnt: jax.Array, row: jax.Array) -> Metrics:
    """Return the metrics of a step, blank where the student of expert `name` did not learn.

    `row` steps of its own in a row were skipped before.
    """

    def blank(key: str, value: jax.Array) -> jax.Array:
        if key == IN_A_ROW + name:
            return jnp.where(learnt, value, unasked(row))
        if key == SKIPPED + name:
            return jnp.where(learnt, value, 0)
        own = key == "loss" or key.endswith(f"_{name}")
        if own and value.dtype == jnp.float32 and not value.ndim:
            return jnp.where(learnt, value, jnp.nan)
        return value

    return {key: blank(key, value) for key, value in metrics.items()}
