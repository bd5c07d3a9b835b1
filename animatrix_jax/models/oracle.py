"""The learned oracle: a small classifier that reads production tags off a clip's pixels.

Its streams are chosen by its config. `seen` is what stands in a few frames, `moved` how patches
move (matching costs, which need no parameters). `framed` looks at every frame by itself
(`oracle_frames`) and reads the course of what it says and of the points it finds, `closer` adds
what is seen of head and body from near (`oracle_crops`); `field` reads coarse optical flow and
`statistics` plain numbers of every frame.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import product

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax
from jaxtyping import Array, Float

from animatrix_data.procedural.oracles import GRID, STATISTICS
from animatrix_jax.models.oracle_crops import CROPS, POINTS, Closer, crop_boxes
from animatrix_jax.models.oracle_frames import HEAT, LOOKED, PRESENCE, TRACKS, FrameNet
from animatrix_jax.models.oracle_streams import Block, Course, Field, Numbers, Summary, head
from animatrix_jax.models.vae import fold_pixels

STREAMS = ("seen", "moved", "framed", "closer", "field", "statistics")
FRAMED, CLOSER = LOOKING = ("framed", "closer")
"""The parameters that frames pass one by one; the others judge what came of them."""
FAULT = "Fault:"
"""What the names of answers about faults begin with."""


@dataclass(frozen=True)
class OracleConfig:
    """Sizes of an oracle, and what it answers.

    `labels` maps a sub-field to its answers; `frames`, `height` and `width` are the clip it reads,
    at every `skip`-th frame. `stride` is how many of these lie between those whose appearance is
    looked at; a patch is looked for up to `reach` half-pixels away (in frames of half the size)
    `gaps` frames later. `framed` names the sub-fields that the stream of this name reads off single
    frames, with `frame_dims` channels at three scales and `look` of what is said of a frame;
    `points` are what it finds. `near` names by crop those that `closer` reads, with `near_dims`
    channels at four scales and `near_look` of what is said. `pairs` is how many pairs of frames
    `field` has. `course` is the width of a stream in time, `listen` that of what is said of frames.
    `join` is the width before the tags' answers (0: `hidden`), `fault_hidden` that before those
    named 'Fault:…'.
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
    framed: tuple[str, ...] = ()
    frame_dims: tuple[int, int, int] = (48, 96, 192)
    look: int = 256
    near: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    near_dims: tuple[int, int, int, int] = (32, 64, 96, 128)
    near_look: int = 128
    course: int = 96
    listen: int = 192
    pairs: int = 0
    join: int = 0
    fault_hidden: int = 96

    def __post_init__(self) -> None:
        """Check the streams, and that the frames divide."""
        if self.height % 8 or self.width % 8:
            raise ValueError(
                f"an oracle reads frames with edges that 8 divides, not {self.height}x{self.width}"
            )
        if unknown := set(self.streams) - set(STREAMS):
            raise ValueError(
                f"an oracle has no stream {min(unknown)!r}: choose from {', '.join(STREAMS)}"
            )
        if not self.streams or ("closer" in self.streams and "framed" not in self.streams):
            raise ValueError(
                "an oracle needs streams, and 'closer' needs 'framed', not "
                f"{', '.join(self.streams) or 'none'}"
            )
        if "framed" in self.streams and (self.height % 32 or self.width % 32 or not self.points):
            raise ValueError(
                "an oracle that looks at single frames needs the names of points and frames with "
                f"edges that 32 divides, not {len(self.points)} points in "
                f"{self.height}x{self.width}"
            )
        if "closer" in self.streams and not {*POINTS} <= {*self.points}:
            raise ValueError(
                f"an oracle that looks closer needs the points {', '.join(POINTS)}, not only "
                f"{', '.join(self.points) or 'none'}"
            )
        if unknown := {*self.framed, *(n for names in self.near.values() for n in names)} - {
            *self.labels
        }:
            raise ValueError(f"no answers are listed for {min(unknown)!r}, to be read off frames")
        if "moved" in self.streams and self.frames <= max(self.gaps):
            raise ValueError(
                f"an oracle that compares frames {max(self.gaps)} apart cannot read clips of "
                f"{self.frames} frames"
            )

    @property
    def shown(self) -> int:
        """How many frames the network is given."""
        return -(-self.frames // self.skip)

    @property
    def looks_only(self) -> bool:
        """Whether all that it answers is read off single frames."""
        return {*self.streams} <= {*LOOKING}

    def near_labels(self) -> dict[str, dict[str, tuple[str, ...]]]:
        """Return by crop the sub-fields that are read off it, with their answers."""
        return {crop: {n: self.labels[n] for n in self.near.get(crop, ())} for crop in CROPS}

    def told(self) -> list[tuple[str, int]]:
        """Return what `LOOKED` holds, in order: sub-fields ('' for features), and their widths."""
        parts = [("", self.look), *_widths(self.framed, self.labels), ("", 3 * len(self.points))]
        if "closer" in self.streams:
            for names in self.near_labels().values():
                parts += [("", self.near_look + self.near_dims[-1]), *_widths(names, names)]
        return parts

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
        before: Float[Array, "B T H W 3"] | None = None,
        field: jax.Array | None = None,
        statistics: jax.Array | None = None,
        looked: Mapping[str, jax.Array] | None = None,
        train: bool = False,
    ) -> dict[str, jax.Array]:
        """Map frames in [−1, 1] to logits [B, n] per sub-field; `train` needs an rng 'dropout'.

        `before` are the frames before those shown where these are not a whole clip. `field` is the
        clip's `flow_field`, `statistics` its `frame_statistics`, where the streams read them. Where
        frames are looked at one by one, `HEAT`, `PRESENCE`, `TRACKS` and `LOOKED` of `FrameNet`
        [B, T, …] are returned too; `looked` holds an earlier call's `LOOKED` and `TRACKS`: no
        frames are needed then.
        """
        c, parts, read, found = self.config, [], {}, {}
        if "seen" in c.streams:
            assert frames is not None, "this oracle reads whole frames"
            parts.append(_Seen(c, name="seen")(frames))
        if "moved" in c.streams:
            assert frames is not None, "this oracle reads whole frames"
            half = halved_grey(frames)
            parts += [_Moved(c, gap, name=f"moved{gap}")(half) for gap in c.gaps]
        if "framed" in c.streams:
            found = dict(looked) if looked is not None else self._look(frames, before, train)
            read = said(found[LOOKED], c)
            if c.looks_only:
                return read | found
            parts.append(Numbers(c.listen, name="listen")(found[LOOKED]))
            parts.append(Course(c.course, name="course")(found[TRACKS]))
        if "field" in c.streams:
            assert field is not None, "this oracle reads a clip's flow field"
            parts.append(Field(c.course, name="field")(field))
        if "statistics" in c.streams:
            assert statistics is not None, "this oracle reads a clip's statistics"
            parts.append(Numbers(c.course, name="statistics")(statistics))
        judged = self._judge(jnp.concatenate(parts, axis=-1), train)
        return {name: logits + read.get(name, 0.0) for name, logits in judged.items()} | found

    def _look(
        self, frames: jax.Array | None, before: jax.Array | None, train: bool
    ) -> dict[str, jax.Array]:
        """Return what is seen of every frame by itself."""
        c = self.config
        assert frames is not None, "an oracle that has not looked yet needs frames"
        if before is None:
            before = jnp.concatenate([frames[:, :1], frames[:, :-1]], axis=1)
        batch, time = frames.shape[:2]
        now, past = (x.reshape(batch * time, *x.shape[2:]) for x in (frames, before))
        labels = {name: c.labels[name] for name in c.framed}
        net = FrameNet(labels, c.frame_dims, c.look, len(c.points), c.dropout, name=FRAMED)
        out = net(now, past, train=train)
        kept = (HEAT, PRESENCE, TRACKS, LOOKED)
        found = {name: out[name].reshape(batch, time, *out[name].shape[1:]) for name in kept}
        if "closer" in c.streams:
            boxes = crop_boxes(found[TRACKS], c.points)
            flat = {name: box.reshape(batch * time, 3) for name, box in boxes.items()}
            near = Closer(c.near_labels(), c.near_dims, c.near_look, c.dropout, name=CLOSER)
            seen = near(now, flat, train)
            more = [x for told, answers in seen.values() for x in (told, *answers.values())]
            looked = jnp.concatenate([out[LOOKED], *more], axis=-1)
            found[LOOKED] = looked.reshape(batch, time, -1)
        return found

    def _judge(self, features: jax.Array, train: bool) -> dict[str, jax.Array]:
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
            logits[name] = head(name, answers)(wide)
        return logits


def said(looked: Float[Array, "B T D"], config: OracleConfig) -> dict[str, jax.Array]:
    """Return what frames and crops say by themselves: the mean over time, and over those that say
    something, of their answers' log-probabilities [B, n]."""
    mean, start = looked.mean(axis=1), 0
    heard: dict[str, list[jax.Array]] = {}
    for name, width in config.told():
        if name:
            heard.setdefault(name, []).append(mean[:, start : start + width])
        start += width
    return {name: sum(parts, jnp.zeros(())) / len(parts) for name, parts in heard.items()}


def _widths(names: Iterable[str], labels: Mapping[str, tuple[str, ...]]) -> list[tuple[str, int]]:
    return [(name, len(labels[name])) for name in sorted(names)]


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
