"""What student, critic and teacher of a distillation make of one expert's batch (section 7.1)."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float

from animatrix_data.settings import near
from animatrix_jax.diffusion.guidance import guided, repeat_batch
from animatrix_jax.diffusion.schedule import (
    Schedule,
    draw_noise,
    draw_sigma,
    draw_uniform,
    interpolate,
)
from animatrix_jax.models.animatrix import AniMatrix, Conditions, place_reference
from animatrix_jax.objectives.distribution_matching import (
    distribution_direction,
    matching_losses,
    motion,
)
from animatrix_jax.objectives.flow_matching import sample_means
from animatrix_jax.parallel.mesh import map_experts
from animatrix_jax.training.flow import batch_conditions, clip_losses, given_frames
from animatrix_jax.training.state import Batch

ANCHOR, START, RENOISE, RENOISED, CRITIC_SIGMA, CRITIC_NOISE = range(5, 11)
MODES = {"paper": (1, 2, "difference"), "dmd2": (5, 1, "teacher")}
"""Every how many steps the student and the critic learn, and what eq. 20 is divided by."""
BRANCHES = 3
"""The teacher's forwards: without text and tags, with the text, with both (eq. 13)."""

Velocity = Callable[[jax.Array, jax.Array], jax.Array]


@dataclass(frozen=True)
class Distillation:
    """How a student is distilled (decision 12).

    It takes `anchors` steps in each expert's window. Noise levels at which teacher and critic are
    asked lie in the same window, pushed up by the flow shift `shift` (eq. 19). `mode` is `paper`
    (the critic learns at every second step, eq. 20's own normaliser) or `dmd2` (the student learns
    at every fifth, Yin et al. 2024). Gradients of the student are clipped at mean + 3·√variance of
    their norms, over about 1 / (1 − `decay`) steps after `warmup` of them. A critic whose loss is
    beyond the same bound of its own has lost track: the student waits until it has caught up.
    Raises ValueError for what cannot be.
    """

    anchors: int = 4
    mode: str = "paper"
    shift: float = 10.0
    decay: float = 0.98
    warmup: int = 20

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ValueError(f"there is no mode {self.mode!r}{near(self.mode, MODES)}")
        if self.warmup < 2:
            raise ValueError(f"a variance takes a warmup of 2 steps or more, not {self.warmup}")
        if self.anchors < 1:
            raise ValueError(f"a student takes 1 step or more, not {self.anchors}")
        if not 0 < self.shift < math.inf or not 0 < self.decay < 1:
            raise ValueError("shift must be above 0, and decay above 0 and below 1")

    @property
    def student_every(self) -> int:
        """Every how many steps the student learns."""
        return MODES[self.mode][0]

    @property
    def critic_every(self) -> int:
        """Every how many steps the critic learns."""
        return MODES[self.mode][1]

    @property
    def normaliser(self) -> str:
        """What the direction is divided by (`objectives.distribution_matching`)."""
        return MODES[self.mode][2]


@dataclass(frozen=True)
class Window:
    """What one expert is distilled with: its window's edges [2], anchors [N], guidance [3].

    Leaves have the experts' dim first until `map_experts` takes it away.
    """

    edges: Any
    anchors: Any
    weights: Any


jax.tree_util.register_dataclass(Window)


def make_windows(
    schedule: Schedule, anchors: int, text: tuple[float, float], tag: tuple[float, float]
) -> Window:
    """Return the windows of all experts; `text` and `tag` are the guidance of (high, low).

    The weights are those of v_∅ + ω_text·(v_text − v_∅) + ω_tag·(v_both − v_text), eq. 13.
    """
    edges = np.asarray(schedule.windows(), np.float32)
    scales = list(zip(text, tag, strict=True))[: len(edges)]
    weights = [(1 - t, t - g, g) for t, g in scales]
    levels = schedule.anchors(anchors).astype(np.float32)
    return Window(edges, levels, np.asarray(weights, np.float32))


class Distiller:
    """One expert's part of the step: what student, critic and teacher make of a batch.

    All randomness is of (seed, sample index); `knee` weighs the critic's samples as in
    `flow_matching_losses`.
    """

    def __init__(
        self, model: AniMatrix, settings: Distillation, seed: int, knee: float = 0.0
    ) -> None:
        self.model, self._settings, self._seed, self._knee = model, settings, seed, knee

    def velocity(self, params: Any, conditions: Conditions) -> Velocity:
        """Return a network's velocity under conditions."""

        def of(latents: jax.Array, timestep: jax.Array) -> jax.Array:
            out: Any = self.model.apply(params, latents, timestep, conditions)
            return out

        return of

    def teacher_velocity(self, params: Any, conditions: Conditions, window: Window) -> Velocity:
        """Return the teacher's velocity, guided by text and tags (eq. 13)."""
        stacked = jax.tree.map(lambda leaf: repeat_batch(leaf, BRANCHES), conditions)
        count = conditions.text_given.shape[0]
        branch = jnp.repeat(jnp.arange(BRANCHES), count)
        assert stacked.tags_given is not None
        stacked = replace(
            stacked,
            text_given=stacked.text_given & (branch >= 1),
            tags_given=stacked.tags_given & (branch >= 2),
        )
        return guided(self.velocity(params, stacked), window.weights)

    def noise(self, batch: Batch, purpose: int) -> jax.Array:
        """Return noise for the latents of a batch."""
        shape = batch["latents"].shape[1:]
        return draw_noise(jax.random.key(self._seed), batch["sample_index"], purpose, shape)

    def uniform(self, batch: Batch, purpose: int) -> jax.Array:
        """Return one uniform number a sample."""
        return draw_uniform(jax.random.key(self._seed), batch["sample_index"], purpose)

    def start(self, batch: Batch, window: Window) -> jax.Array:
        """Return latents at the window's upper edge: noise, or a noised clip for the low expert."""
        top = jnp.broadcast_to(window.edges[1], batch["latents"].shape[:1])
        return interpolate(batch["latents"], self.noise(batch, START), top)

    def student_clean(
        self, student: Any, batch: Batch, conditions: Conditions, window: Window
    ) -> jax.Array:
        """Return the clean latents that a student says from one of its anchors.

        It gets there by its own steps, through which no gradient passes.
        """
        velocity, count = self.velocity(student, conditions), len(window.anchors)
        which = jnp.floor(self.uniform(batch, ANCHOR) * count).astype(jnp.int32)
        latents = straight_steps(velocity, self.start(batch, window), window.anchors, which)
        latents, sigma = jax.lax.stop_gradient(latents), window.anchors[which]
        return latents - _wide(sigma) * velocity(latents, 1000.0 * sigma).astype(jnp.float32)

    def matching(
        self,
        clean: jax.Array,
        critic: Any,
        teacher: Any,
        batch: Batch,
        conditions: Conditions,
        window: Window,
    ) -> jax.Array:
        """Return the student's loss of every sample [B] (eq. 20)."""
        s, fixed = self._settings, jax.lax.stop_gradient(clean)
        sigma = draw_sigma(self.uniform(batch, RENOISE), window.edges, s.shift)
        given = given_frames(self.model, conditions)
        direction = distribution_direction(
            fixed,
            self.noise(batch, RENOISED),
            sigma,
            self.teacher_velocity(teacher, conditions, window),
            self.velocity(jax.lax.stop_gradient(critic), conditions),
            s.normaliser,
            given,
        )
        return matching_losses(clean, direction, given)

    def following(
        self, critic: Any, clean: jax.Array, batch: Batch, conditions: Conditions, window: Window
    ) -> jax.Array:
        """Return the critic's loss of every sample [B]: flow matching of what the student says."""
        sigma = draw_sigma(self.uniform(batch, CRITIC_SIGMA), window.edges, self._settings.shift)
        noise, fixed = self.noise(batch, CRITIC_NOISE), jax.lax.stop_gradient(clean)
        return clip_losses(self.model, critic, conditions, fixed, noise, sigma, self._knee)


def straight_steps(
    velocity: Velocity, latents: jax.Array, sigmas: jax.Array, taken: jax.Array
) -> jax.Array:
    """Return latents after the first `taken` [B] of the straight steps between `sigmas`."""

    def step(z: jax.Array, k: jax.Array) -> tuple[jax.Array, None]:
        timestep = jnp.broadcast_to(1000.0 * sigmas[k], taken.shape)
        moved = z + (sigmas[k + 1] - sigmas[k]) * velocity(z, timestep)
        return jnp.where((k < taken)[:, None, None, None, None], moved, z), None

    return jax.lax.scan(step, latents, jnp.arange(len(sigmas) - 1))[0]


def measure_distillation(
    distiller: Distiller, windows: Window, teacher_steps: int, mesh: Mesh
) -> Callable[[Any, Batch, Any], Float[Array, "E 3"]]:
    """Return a function of (student, batch, teacher) to three numbers of every expert.

    Both start from the same latents at the window's upper edge, the student takes its steps, the
    teacher `teacher_steps` of its own. Measured on the clean latents that each says at its last
    step: the mean |difference|, and how much either moves (`motion`).
    """

    def measure(student: Any, batch: Batch, teacher: Any, window: Window) -> jax.Array:
        conditions = batch_conditions(batch)
        start = distiller.start(batch, window)
        low, high = window.edges
        fine = high - (high - low) * jnp.arange(teacher_steps) / teacher_steps
        given = given_frames(distiller.model, conditions)
        found = [
            _last_clean(velocity, start, sigmas, None if given is None else conditions)
            for velocity, sigmas in (
                (distiller.velocity(student, conditions), window.anchors),
                (distiller.teacher_velocity(teacher, conditions, window), fine),
            )
        ]
        apart = jnp.mean(sample_means(jnp.abs(found[0] - found[1]), given))
        return jnp.stack([apart, *(jnp.mean(motion(clean)) for clean in found)])

    mapped = map_experts(measure, mesh)
    return lambda student, batch, teacher: mapped(student, batch, teacher, windows)


def _last_clean(
    velocity: Velocity, start: jax.Array, sigmas: jax.Array, placed: Conditions | None
) -> jax.Array:
    """Return the clean latents of the last step, references where `placed` says."""
    every = jnp.full(start.shape[:1], len(sigmas))
    latents = straight_steps(velocity, start, sigmas, every)
    last = jnp.broadcast_to(sigmas[-1], every.shape)
    clean = latents - _wide(last) * velocity(latents, 1000.0 * last).astype(jnp.float32)
    return clean if placed is None else place_reference(clean, placed)


def _wide(sigma: jax.Array) -> jax.Array:
    return sigma[:, None, None, None, None]
