"""The learned oracle: a small classifier that reads production tags off a clip's pixels.

Its streams are chosen by its config. `seen` is what stands in a few frames, `moved` how patches
move (matching costs, which need no parameters); those of `oracle_streams` know more: `posed` finds
named points of the figure and reads their course, `closer` looks at its head, `field` reads coarse
optical flow and `statistics` plain numbers of every frame.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax
from jaxtyping import Array, Float

from animatrix_data.procedural.oracles import GRID, STATISTICS
from animatrix_jax.models.oracle_streams import (
    HEAD,
    Backbone,
    Block,
    Closer,
    Course,
    Field,
    Numbers,
    Summary,
    tracks_of,
)
from animatrix_jax.models.vae import fold_pixels

STREAMS = ("seen", "moved", "posed", "closer", "field", "statistics")
HEAT, PRESENCE, TRACKS, LOOKED = "heat", "presence", "tracks", "looked"
"""What `OracleNet` returns beside logits: what it has looked at, and where it finds points."""
LOOKING = ("seen", "moved", "posed", "closer")
"""Beginnings of the names of the parameters that pixels pass; the others judge what came of it."""
FAULT = "Fault:"
"""What the names of answers about faults begin with."""


@dataclass(frozen=True)
class OracleConfig:
    """Sizes of an oracle, and what it answers.

    `labels` maps a sub-field to its answers; `frames`, `height` and `width` are the clip it reads,
    at every `skip`-th frame. `stride` is how many of these lie between those whose appearance is
    looked at; a patch is looked for up to `reach` half-pixels away (in frames of half the size)
    `gaps` frames later. `points` are what `posed` finds; `pairs` is how many pairs of frames
    `field` has. `join` is the width before the tags' answers (0: `hidden`), `fault_hidden` that
    before those named 'Fault:…'.
    """

    labels: Mapping[str, tuple[str, ...]]
    frames: int
    height: int
    width: int
    dim: int = 32
    motion_dim: int = 24
    hidden: int = 192
    stride: int = 2
    reach: int = 4
    gaps: tuple[int, ...] = (1, 4)
    dropout: float = 0.2
    streams: tuple[str, ...] = ("seen", "moved")
    skip: int = 1
    points: tuple[str, ...] = ()
    posed_dim: int = 48
    close_dim: int = 32
    course: int = 96
    pairs: int = 0
    join: int = 0
    fault_hidden: int = 96

    def __post_init__(self) -> None:
        """Check that the frames divide."""
        if self.height % 8 or self.width % 8:
            raise ValueError(
                f"an oracle reads frames with edges that 8 divides, not {self.height}x{self.width}"
            )
        if unknown := set(self.streams) - set(STREAMS):
            raise ValueError(
                f"an oracle has no stream {min(unknown)!r}: choose from {', '.join(STREAMS)}"
            )
        if "posed" in self.streams and (self.height % 32 or self.width % 32 or not self.points):
            raise ValueError(
                "an oracle that finds points needs their names and frames with edges that 32 "
                f"divides, not {len(self.points)} points in {self.height}x{self.width}"
            )
        if "closer" in self.streams and ("posed" not in self.streams or HEAD not in self.points):
            raise ValueError(f"an oracle that looks closer needs the posed point {HEAD!r}")
        if self.frames <= max(self.gaps):
            raise ValueError(
                f"an oracle that compares frames {max(self.gaps)} apart cannot read clips of "
                f"{self.frames} frames"
            )

    @property
    def shown(self) -> int:
        """How many frames the network is given."""
        return -(-self.frames // self.skip)

    def inputs(self, batch: int) -> dict[str, jax.ShapeDtypeStruct]:
        """Return what `OracleNet` takes, by the names of its arguments, as shapes."""
        shapes: dict[str, tuple[int, ...]] = {"frames": (self.shown, self.height, self.width, 3)}
        if "field" in self.streams:
            shapes["field"] = (self.pairs, GRID, GRID, 3)
        if "statistics" in self.streams:
            shapes["statistics"] = (self.frames, STATISTICS)
        return {name: jax.ShapeDtypeStruct((batch, *shape), jnp.float32)
                for name, shape in shapes.items()}  # fmt: skip


def displacements(reach: int) -> list[tuple[int, int]]:
    """Return the (y, x) places a patch is looked for: all near ones, far ones near the axes."""
    every = product(range(-reach, reach + 1), repeat=2)
    return [(y, x) for y, x in every if min(abs(y), abs(x)) <= max(1, reach - max(abs(y), abs(x)))]


def matching_costs(
    before: Float[Array, "N H W"], after: Float[Array, "N H W"], reach: int
) -> Float[Array, "N H/2 W/2 K"]:
    """Return what tells how each 2×2 patch moved.

    The first channels are a soft choice among the `displacements`; the last three the patch's
    least cost, its cost when nothing moves, and its texture.
    """
    # The pictures stand in the last dim, where a CPU takes many at once.
    before, after = before.transpose(1, 2, 0), after.transpose(1, 2, 0)
    height, width, _ = before.shape
    padded = jnp.pad(after, ((reach, reach), (reach, reach), (0, 0)), mode="edge")
    costs = []
    for dy, dx in displacements(reach):
        moved = padded[reach + dy : reach + dy + height, reach + dx : reach + dx + width]
        rows = jnp.abs(before - moved)
        rows = rows[0::2] + rows[1::2]
        costs.append(rows[:, 0::2] + rows[:, 1::2])
    cost = jnp.stack(costs, axis=2)
    for dim in (0, 1):
        wide = jnp.pad(cost, [(1, 1) if d == dim else (0, 0) for d in range(4)])
        parts = (lax.slice_in_dim(wide, k, k + cost.shape[dim], axis=dim) for k in range(3))
        cost = sum(parts, jnp.zeros(())) / 3
    cost = cost / 4
    texture = cost.mean(axis=2, keepdims=True)
    choice = jax.nn.softmax(-8.0 * cost / (texture + 0.02), axis=2)
    still = cost[:, :, displacements(reach).index((0, 0)), None]
    extra = jnp.concatenate([cost.min(axis=2, keepdims=True), still, texture], axis=2)
    return 4.0 * jnp.concatenate([choice, extra], axis=2).transpose(3, 0, 1, 2)


def halved_grey(frames: Float[Array, "B T H W 3"]) -> Float[Array, "B T H/2 W/2"]:
    """Return the brightness of frames in [−1, 1], halved in size, in [−0.5, 0.5]."""
    batch, time, height, width, _ = frames.shape
    grey = frames @ jnp.array([0.15, 0.3, 0.05])
    return grey.reshape(batch, time, height // 2, 2, width // 2, 2).mean(axis=(3, 5))


class OracleNet(nn.Module):
    """The classifier; its answers are logits."""

    config: OracleConfig

    @nn.compact
    def __call__(
        self,
        frames: Float[Array, "B T H W 3"] | None,
        field: jax.Array | None = None,
        statistics: jax.Array | None = None,
        looked: Mapping[str, jax.Array] | None = None,
        train: bool = False,
    ) -> dict[str, jax.Array]:
        """Map frames in [−1, 1] to logits [B, n] per sub-field; `train` needs an rng 'dropout'.

        `field` is the clip's `flow_field`, `statistics` its `frame_statistics`, where the streams
        read them. `LOOKED` [B, D] is what came of the pixels. Where points are found, `HEAT`
        [B, T, N, K] and `PRESENCE` [B, T, K] are logits of their place and of their being in the
        frame, `TRACKS` is `tracks_of` these. `looked` holds `LOOKED` and `TRACKS` of an earlier
        call: no frames are needed then.
        """
        c = self.config
        found = dict(looked) if looked is not None else self._look(frames)
        parts = [found[LOOKED]]
        if "posed" in c.streams:
            parts.append(Course(c.course, name="course")(found[TRACKS]))
        if "field" in c.streams:
            assert field is not None, "this oracle reads a clip's flow field"
            parts.append(Field(c.course, name="field")(field))
        if "statistics" in c.streams:
            assert statistics is not None, "this oracle reads a clip's statistics"
            parts.append(Numbers(c.course, name="statistics")(statistics))
        return self._answer(jnp.concatenate(parts, axis=-1), train) | found

    def _look(self, frames: jax.Array | None) -> dict[str, jax.Array]:
        """Return what the streams that look at pixels say, and the points found."""
        c, parts, found = self.config, [], {}
        assert frames is not None, "an oracle that has not looked yet needs frames"
        if "seen" in c.streams:
            parts.append(_Seen(c, name="seen")(frames))
        if "moved" in c.streams:
            half = halved_grey(frames)
            parts += [_Moved(c, gap, name=f"moved{gap}")(half) for gap in c.gaps]
        if "posed" in c.streams:
            deep, heat, presence = Backbone(c.posed_dim, len(c.points), name="posed")(frames)
            # What reads the points does not move them: their own loss does.
            tracks = lax.stop_gradient(tracks_of(heat, presence, c.width / c.height))
            found = {HEAT: heat, PRESENCE: presence, TRACKS: tracks}
            parts.append(Summary(c.hidden // 3, name="posed_summary")(deep))
            if "closer" in c.streams:
                head = tracks[:, :: c.stride, c.points.index(HEAD), :2]
                closer = Closer(c.close_dim, c.hidden // 4, name="closer")
                parts.append(closer(frames[:, :: c.stride], head))
        blank = jnp.zeros((len(frames), 0))
        return {LOOKED: jnp.concatenate([blank, *parts], axis=-1), **found}

    def _answer(self, features: jax.Array, train: bool) -> dict[str, jax.Array]:
        """Return the logits of every sub-field; faults are joined apart from tags."""
        c, joined = self.config, {}
        features = nn.Dropout(c.dropout, deterministic=not train)(features)
        for name, size in (("join", c.join or c.hidden), ("join_faults", c.fault_hidden)):
            if name == "join" or any(label.startswith(FAULT) for label in c.labels):
                wide = nn.silu(nn.Dense(size, name=name)(features))
                joined[name] = nn.Dropout(c.dropout, deterministic=not train)(wide)
        logits = {}
        for name, answers in sorted(c.labels.items()):
            wide = joined["join_faults" if name.startswith(FAULT) else "join"]
            head = "head_" + name.replace(":", "_")
            logits[name] = nn.Dense(len(answers), name=head)(wide)
        return logits


class _Seen(nn.Module):
    """What stands in the frames."""

    config: OracleConfig

    @nn.compact
    def __call__(self, frames: jax.Array) -> jax.Array:
        c = self.config
        x = fold_pixels(frames[:, :: c.stride], 4)
        batch, time, height, width, _ = x.shape
        x = x.reshape(batch * time, height, width, -1)
        x = Block(c.dim, name="block0")(x)
        x = Block(2 * c.dim, halve=True, name="block1")(x)
        x = Block(2 * c.dim, name="block2")(x)
        x = x.reshape(batch, time, height // 2, width // 2, -1)
        return Summary(c.hidden // 3, name="summary")(x)


class _Moved(nn.Module):
    """How patches move over `gap` frames."""

    config: OracleConfig
    gap: int

    @nn.compact
    def __call__(self, half: jax.Array) -> jax.Array:
        c = self.config
        batch, _, height, width = half.shape
        step = 1 if self.gap == 1 else 2
        before, after = half[:, : -self.gap : step], half[:, self.gap :: step]
        flat = (-1, height, width)
        cost = matching_costs(before.reshape(flat), after.reshape(flat), c.reach)
        x = nn.silu(nn.Dense(c.motion_dim, name="dense")(lax.stop_gradient(cost)))
        x = Block(2 * c.motion_dim, halve=True, name="block")(x)
        x = x.reshape(batch, -1, height // 4, width // 4, 2 * c.motion_dim)
        return Summary(c.hidden // 3, name="summary")(x)
