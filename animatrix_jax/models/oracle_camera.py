"""The camera oracle: a small network that names a clip's camera movement by how it moves.

It reads `Patterns`, not pixels: the pattern that all frames move in, cell by cell, and the course
of the whole frame. Beside the movement it says how the background and the figure move, which truth
knows and nobody asks: it teaches the network what is background.

A clip that is mirrored or played backwards shows the mirrored or the reverse movement, so a reading
is the mean over the four ways in which a clip can be turned.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jaxtyping import Array, Bool, Float

from animatrix_data.procedural.oracles import backwards, mirror
from animatrix_data.procedural.oracles.parallax import FINE
from animatrix_data.procedural.oracles.patterns import (
    COURSES,
    IMAGE,
    MIRRORED,
    REVERSED,
    REVERSED_IMAGE,
    TOTALS,
)

FIELD = "CameraMotion"
TOLD = 13
"""What is said of the motion: of the background its way right and down, growth and turn, and the
figure's growth; of head and hip their ways right and down; and where these two stand."""
TOLD_MIRRORED = np.array([-1, 1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1], np.float32)
TOLD_REVERSED = np.array([-1.0] * 9 + [1.0] * 4, np.float32)

Patterned = tuple[Float[Array, "B 32 32 C"], Float[Array, "B P D"], Float[Array, "B E"]]
"""Image, course and totals of clips, as `Patterns` has them."""


@dataclass(frozen=True)
class CameraConfig:
    """Sizes of a camera oracle, and what it answers.

    `labels` holds the answers to `FIELD`; `frames`, `height` and `width` are the clip it reads, at
    every `skip`-th frame. `cells` are the channels at three scales (two, four and eight cells of
    the grid), `course` the width of what is said over time, `hidden` that before the answers.
    """

    labels: Mapping[str, tuple[str, ...]]
    frames: int
    height: int
    width: int
    skip: int = 1
    cells: tuple[int, int, int] = (48, 64, 96)
    course: int = 32
    hidden: int = 128
    dropout: float = 0.3

    def __post_init__(self) -> None:
        """Check the answers and that there are enough frames; ValueError says what is wrong."""
        if set(self.labels) != {FIELD}:
            raise ValueError(f"a camera oracle answers {FIELD} alone, not {sorted(self.labels)}")
        known = self.labels[FIELD]
        for turned in (mirror, backwards):
            if lacking := {*map(turned, known)} - {*known}:
                raise ValueError(
                    f"a camera oracle that answers the reverse needs the answer {min(lacking)!r}"
                )

    @property
    def shown(self) -> int:
        """How many frames are read."""
        return -(-self.frames // self.skip)

    @property
    def answers(self) -> tuple[str, ...]:
        """The answers in order."""
        return self.labels[FIELD]

    def inputs(self, batch: int) -> tuple[jax.ShapeDtypeStruct, ...]:
        """Return image, course and totals of a batch as shapes."""
        shapes = ((FINE, FINE, IMAGE), (self.shown - 1, COURSES), (TOTALS,))
        return tuple(jax.ShapeDtypeStruct((batch, *shape), jnp.float32) for shape in shapes)


class CameraNet(nn.Module):
    """The network: logits of the answers, and what is said of the motion."""

    config: CameraConfig

    @nn.compact
    def __call__(
        self,
        image: Float[Array, "B 32 32 C"],
        course: Float[Array, "B P D"],
        totals: Float[Array, "B E"],
        train: bool = False,
    ) -> tuple[Float[Array, "B n"], Float[Array, "B 13"]]:
        """Map image, course and totals to logits and `TOLD`; `train` needs an rng 'dropout'."""
        c = self.config

        def dropped(x: jax.Array) -> jax.Array:
            return nn.Dropout(c.dropout, deterministic=not train)(x)

        whole = [self._times(course), nn.Dense(32, name="totals")(totals)]
        where = dropped(self._places(image, jnp.concatenate(whole, axis=-1)))
        everywhere = jnp.concatenate([where.mean(axis=(1, 2)), where.max(axis=(1, 2))], axis=-1)
        placed = nn.Dense(c.hidden, name="placed")(where.reshape(len(where), -1))
        parts = [placed, everywhere, *whole]
        seen = dropped(nn.gelu(jnp.concatenate(parts, axis=-1)))
        seen = nn.gelu(nn.LayerNorm()(nn.Dense(c.hidden, name="seen")(seen)))
        told = nn.Dense(TOLD, name="told")(seen)
        judged = nn.Dense(c.hidden, name="judged")(jnp.concatenate([dropped(seen), told], axis=-1))
        return nn.Dense(len(c.answers), name="head_" + FIELD)(nn.gelu(judged)), told

    def _places(self, image: jax.Array, whole: jax.Array) -> jax.Array:
        """Return what moves where [B, 4, 4, D], seen beside what the whole frame does [B, E]."""
        first, second, third = self.config.cells
        at = np.linspace(-1, 1, FINE // 2, dtype=np.float32)
        place = np.stack(np.meshgrid(at, at), axis=-1)
        x = _gathered(image)
        x = jnp.concatenate([x, jnp.broadcast_to(place, (*x.shape[:3], 2))], axis=-1)
        x = nn.gelu(nn.LayerNorm()(nn.Dense(first, name="cell")(x)))
        beside = nn.Dense(second, name="beside")(nn.gelu(whole))[:, None, None]
        x = nn.gelu(nn.LayerNorm()(nn.Dense(second, name="four")(_gathered(x)) + beside))
        x = x + nn.Dense(second, name="around")(_around(nn.gelu(nn.LayerNorm()(x))))
        x = x.reshape(len(x), FINE // 8, 2, FINE // 8, 2, second).max(axis=(2, 4))
        return nn.gelu(nn.LayerNorm()(nn.Dense(third, name="far")(_around(x))))

    def _times(self, course: jax.Array) -> jax.Array:
        """Return what happens in time [B, 4 course]."""
        width, pairs = self.config.course, course.shape[1] // 2
        # Two pairs of frames at a time; of an odd number the last is left out.
        course = course[:, : 2 * pairs].reshape(len(course), pairs, -1)
        x = nn.Dense(width, name="pair")(course)
        for turn in range(2):
            padded = jnp.pad(nn.gelu(nn.LayerNorm()(x)), ((0, 0), (1, 1), (0, 0)))
            near = jnp.concatenate([padded[:, k : k + pairs] for k in range(3)], axis=-1)
            x = x + nn.Dense(width, name=f"time{turn}")(near)
        # The small number keeps the gradient finite where nothing changes in time.
        change = jnp.sqrt(x.var(axis=1) + 1e-6)
        return jnp.concatenate([x.mean(axis=1), x.max(axis=1), x.min(axis=1), change], axis=-1)


def _gathered(x: Float[Array, "B H W C"]) -> Float[Array, "B h w D"]:
    """Return squares of two cells as channels."""
    batch, height, width, dim = x.shape
    x = x.reshape(batch, height // 2, 2, width // 2, 2, dim).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(batch, height // 2, width // 2, 4 * dim)


def _around(x: Float[Array, "B H W C"]) -> Float[Array, "B H W D"]:
    """Return each cell with its eight neighbours as channels: what a 3×3 convolution reads. On a
    CPU the matrix product that follows is much faster than a convolution."""
    height, width = x.shape[1:3]
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    rows = [padded[:, i : i + height, j : j + width] for i in range(3) for j in range(3)]
    return jnp.concatenate(rows, axis=-1)


def turned(
    clips: Patterned, mirrored: Bool[Array, " B"], reversed_: Bool[Array, " B"]
) -> Patterned:
    """Return the patterns of clips, some of them mirrored left to right or played backwards."""
    image, course, totals = clips
    image = _where(mirrored, image[:, :, ::-1] * MIRRORED[0], image)
    image = _where(reversed_, image[..., np.array(REVERSED_IMAGE)] * REVERSED[0], image)
    course = _where(mirrored, course * MIRRORED[1], course)
    course = _where(reversed_, course[:, ::-1] * REVERSED[1], course)
    totals = _where(mirrored, totals * MIRRORED[2], totals)
    return image, course, _where(reversed_, totals * REVERSED[2], totals)


def turned_told(
    told: Float[Array, "B 13"], mirrored: Bool[Array, " B"], reversed_: Bool[Array, " B"]
) -> Float[Array, "B 13"]:
    """Return what is said of the motion of clips that are mirrored or played backwards."""
    told = _where(mirrored, told * TOLD_MIRRORED, told)
    return _where(reversed_, told * TOLD_REVERSED, told)


def turned_answers(
    rows: Float[Array, "B n"],
    answers: Sequence[str],
    mirrored: Bool[Array, " B"],
    reversed_: Bool[Array, " B"],
) -> Float[Array, "B n"]:
    """Return rows over the answers as those of clips that are mirrored or played backwards."""
    other = [np.array([answers.index(of(text)) for text in answers]) for of in (mirror, backwards)]
    rows = _where(mirrored, rows[:, other[0]], rows)
    return _where(reversed_, rows[:, other[1]], rows)


def _where(chosen: jax.Array, some: jax.Array, others: jax.Array) -> jax.Array:
    return jnp.where(chosen.reshape(-1, *[1] * (others.ndim - 1)), some, others)


def read_movement(net: CameraNet, params: object, clips: Patterned) -> Float[Array, "B n"]:
    """Return the probability of each answer, the mean over the four ways to turn a clip."""
    total: jax.Array = jnp.zeros(())
    for mirrored in (False, True):
        for reversed_ in (False, True):
            ways = [jnp.full(len(clips[0]), way) for way in (mirrored, reversed_)]
            logits, _ = net.apply(params, *turned(clips, *ways))  # type: ignore[arg-type, misc]
            total += turned_answers(jax.nn.softmax(logits), net.config.answers, *ways)
    return total / 4
