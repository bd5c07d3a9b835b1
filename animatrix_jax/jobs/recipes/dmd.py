"""Recipe `dmd`: distil a model into a student of few steps and no guidance (section 7.1)."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh

from animatrix_data.pipeline.conditioning import Perturbation
from animatrix_jax.checkpoint.folder import ModelCard
from animatrix_jax.diffusion.guidance import high_low
from animatrix_jax.jobs.recipes.flow import check_mesh, clips_of, starting_state
from animatrix_jax.jobs.recipes.flow_card import examples, microbatches, model_card, whole
from animatrix_jax.jobs.recipes.flow_data import FlowClips
from animatrix_jax.jobs.recipes.flow_model import exporter, network_on, new_experts
from animatrix_jax.jobs.recipes.flow_settings import FlowSettings
from animatrix_jax.jobs.recipes.recipe import Core, Recipe
from animatrix_jax.models.work import Work, training_work, velocity_work
from animatrix_jax.parallel.mesh import MeshSettings, make_mesh
from animatrix_jax.parallel.partition import put_whole, shardings
from animatrix_jax.runtime.model import Model, load_model
from animatrix_jax.runtime.tokenizer import make_tokenizer
from animatrix_jax.training.distillation import (
    denoiser_alone,
    distillation_gradients,
    distillation_step,
)
from animatrix_jax.training.distiller import (
    BRANCHES,
    Distillation,
    Distiller,
    Window,
    make_windows,
    measure_distillation,
)
from animatrix_jax.training.flow import expert_update
from animatrix_jax.training.guards import Guards
from animatrix_jax.training.optimizer import OptimizerSettings, make_optimizer
from animatrix_jax.training.placement import on_host, placed_measure, placed_step
from animatrix_jax.training.state import Batch, Metrics, TrainState, new_critic, new_state

GIVEN = Perturbation(p_hybrid=0.8, p_tag=0.1, p_text=0.1, p_none=0.0, p_drop=0.0, p_conflict=0.0)
"""How a student is asked: by text and tags or by either, as it is sampled; nothing is dropped."""

__all__ = ["DMDSettings", "check_mesh", "core", "cost", "examples", "prepare", "sampled_card"]


@dataclass(frozen=True, kw_only=True)
class DMDSettings(FlowSettings):
    """What a distillation fixes, besides a flow run's settings.

    `initial` is the teacher, from which student and critic start; its guidance and its negative
    text, or those said here, are distilled into the student, of which the transformer alone learns.
    A run goes on with the teacher that it began with alone. The teacher's weights are held as
    `teacher_dtype`. Held-out clips are measured against `teacher_steps` of its steps in each
    expert's window; a student that moves less than `still` times as much is told of. Raises
    ValueError without an initial model and for tied experts.
    """

    perturbation: Perturbation = GIVEN
    distillation: Distillation = Distillation()
    critic_optimizer: OptimizerSettings = OptimizerSettings()
    teacher_dtype: str = "float32"
    teacher_steps: int = 20
    still: float = 0.8

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.initial is None:
            raise ValueError("a distillation starts from its teacher: say settings.initial")
        if self.tied:
            raise ValueError("experts are distilled each in its own window: they cannot be tied")
        if self.teacher_steps < 1:
            raise ValueError(f"teacher_steps must be 1 or more, not {self.teacher_steps}")


def core(
    settings: DMDSettings, seed: int, mesh: Mesh | None = None, guards: Guards | None = None
) -> Core:
    """Return what the run compiles; where its parents are not there yet, `variant` gives sizes."""
    mesh = mesh or make_mesh(MeshSettings())
    card, d = model_card(settings), settings.distillation
    transform = _optimizer(settings.optimizer, settings.steps // d.student_every)
    following = _optimizer(settings.critic_optimizer, settings.steps // d.critic_every)
    fresh, experts = new_experts(settings, card), len(card.experts)

    def init(key: jax.Array) -> TrainState:
        params = fresh(key)
        state = new_state(params, jax.vmap(transform.init)(params), experts)
        own = jax.tree.map(jnp.copy, params)
        return replace(state, critic=new_critic(own, jax.vmap(following.init)(own), experts))

    ema, parts = settings.optimizer.ema_decay, microbatches(settings, card, mesh)
    distiller, windows = _distiller(settings, card, seed, mesh), _windows(settings, card)
    step = distillation_step(
        distillation_gradients(distiller, windows, mesh, parts),
        d,
        expert_update(transform, ema, card.experts, mesh, guards or Guards()),
        following,
        card.experts,
        mesh,
    )
    state = jax.eval_shape(init, jax.random.key(0))
    places = shardings(state, mesh)
    held = (places.params,)
    places = on_host(places) if settings.offload_optimizer else places
    dtype = jnp.dtype(settings.teacher_dtype)
    teacher = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, dtype), state.params)
    placed = placed_step(step, places, mesh, held)
    return Core(init, placed, examples(settings), places, (teacher,), held)


def prepare(
    settings: DMDSettings, seed: int, mesh: Mesh | None = None, guards: Guards | None = None
) -> Recipe:
    """Build the run; latents are encoded first where a cache is asked for and not there."""
    mesh = mesh or make_mesh(MeshSettings())
    vae, text = load_model(settings.vae), load_model(settings.text_encoder)
    # Of several processes the first alone keeps the record, and reads the weights for it.
    model, first = load_model(settings.initial or ""), jax.process_index() == 0
    own = {"teacher": model.digest} if first else {}
    parts, card = core(settings, seed, mesh, guards), model_card(settings)
    clips = clips_of(FlowClips, settings, seed, card, vae, text, mesh)
    places, state = parts.places, starting_state(settings, card, parts, seed, text, mesh)
    assert state.critic is not None
    critic = replace(state.critic, params=jax.tree.map(jnp.copy, state.params))
    state = replace(state, critic=critic)
    teacher = _teacher(settings, card, text, state.params, places.params)

    def step(state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        return parts.step(state, batch, teacher)

    return Recipe(
        state=state,
        step=step,
        batches=clips.train,
        evaluate=_evaluation(settings, card, seed, mesh, clips, teacher, places),
        export=exporter(settings, sampled_card(settings), vae, text),
        total_steps=settings.steps,
        parents={**clips.digests, "vae": vae.vae_digest, **own},
    )


def cost(settings: DMDSettings, latents: tuple[int, int, int]) -> tuple[Work, Work]:
    """Return a step's operations at latents of (frames, height, width): of the models, and all.

    The mean over steps in which student and critic learn and those in which one of them does.
    """
    (config, _), d = whole(model_card(settings)), settings.distillation
    student, critic = 1 / d.student_every, 1 / d.critic_every
    # Its own steps up to an anchor; its word where it is not taught; teacher and critic.
    forwards = (d.anchors - 1) + (1 - student) + student * (BRANCHES + 1)
    found = [
        [velocity_work(config, latents) * forwards, training_work(config, latents, hardware=all_)]
        for all_ in (False, True)
    ]
    trained = [(forward, taught * (student + critic)) for forward, taught in found]
    works = [
        Work(a.linear + b.linear, a.attention + b.attention) * settings.batch for a, b in trained
    ]
    return works[0], works[1]


def sampled_card(settings: DMDSettings) -> ModelCard:
    """Return the card that a student is sampled by: in straight steps between its anchors.

    It is asked once a step, with everything that is given (CFG = 1).
    """
    card = model_card(settings)
    return replace(
        card,
        guidance_text=1.0,
        guidance_tag=1.0,
        negative="",
        steps=settings.distillation.anchors * len(card.experts),
        solver="euler",
        grid="anchors",
    )


def _optimizer(settings: OptimizerSettings, steps: int) -> optax.GradientTransformation:
    return denoiser_alone(make_optimizer(settings, steps)[0])


def _distiller(settings: DMDSettings, card: ModelCard, seed: int, mesh: Mesh) -> Distiller:
    network = network_on(settings, card, mesh)
    return Distiller(network, settings.distillation, seed, settings.knee)


def _windows(settings: DMDSettings, card: ModelCard) -> Window:
    text = high_low(card.guidance_text, "guidance_text")
    tag = high_low(card.guidance_tag, "guidance_tag")
    return make_windows(whole(card)[1], settings.distillation.anchors, text, tag)


def _teacher(settings: DMDSettings, card: ModelCard, text: Model, params: Any, places: Any) -> Any:
    """Return the frozen teacher; where its card steers away from a text, that is its null text."""
    dtype = jnp.dtype(settings.teacher_dtype)
    # Copies: the student's own are given away to its steps.
    held = jax.tree.map(lambda leaf: jnp.copy(leaf.astype(dtype)), params)
    if card.negative:
        length, null = whole(card)[0].dit.text_length, held["params"]["null_text"]
        ids = make_tokenizer(card.tokenizer, length, text.folder)([card.negative])
        away = jnp.broadcast_to(text.encode_ids(ids)[0].astype(dtype), null.shape)
        held = {"params": {**held["params"], "null_text": away}}
    return jax.tree.map(put_whole, held, places)


def _evaluation(
    settings: DMDSettings,
    card: ModelCard,
    seed: int,
    mesh: Mesh,
    clips: Any,
    teacher: Any,
    places: TrainState,
) -> Callable[[TrainState], dict[str, float]]:
    """Return what measures a student on held-out clips, beside its teacher."""
    measure = placed_measure(
        measure_distillation(
            _distiller(settings, card, seed, mesh),
            _windows(settings, card),
            settings.teacher_steps,
            mesh,
        ),
        places.average,
        mesh,
        (places.params,),
    )

    def evaluate(state: TrainState) -> dict[str, float]:
        batches = clips.measure(max(1, clips.held_out // settings.batch))
        found = np.mean([measure(state.average, batch, teacher) for batch in batches], axis=0)
        numbers: dict[str, float] = {}
        for name, (apart, student, of_teacher) in zip(card.experts, found.tolist(), strict=True):
            numbers[f"held_out_distance_{name}"] = apart
            if of_teacher == 0:
                continue
            moves = numbers[f"held_out_motion_{name}"] = student / of_teacher
            if moves < settings.still and jax.process_index() == 0:
                print(
                    f"the student of the expert {name!r} moves {moves:.2f} times as much as its "
                    f"teacher, less than {settings.still:g}",
                    file=sys.stderr,
                )
        return numbers

    return evaluate
