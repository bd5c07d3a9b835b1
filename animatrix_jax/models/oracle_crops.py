"""What the learned oracle sees from near: the head and the body of the figure, at one size.

A face that is out of joint or an arm too many is a small part of a frame, and as large as the shot
makes it. A small network that sees nothing but the head, always of one size, learns it from a few
thousand crops. Where to look follows from the points that `FrameNet` finds.
"""

from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from animatrix_jax.models.oracle_streams import Block, answered, folded

POINTS = ("head", "neck", "hip")
"""The points that crops are placed by."""
HEAD_RADIUS, HEAD_MARGIN, BODY_MARGIN = 1.09, 1.25, 2.1
"""A head's radius in distances from its centre to the neck; half a crop's edge in radii of the
head, and in lengths from neck to hip."""
FILLING, TORSO = 1.16, 2.0
"""The radius (half frame heights) of a head whose neck is never seen, since it fills the frame; the
length of a body, in radii of the head, whose hip is never seen."""
LEAST = 0.02
"""Half of the least edge of a crop, in half frame heights."""
CROPS: Mapping[str, int] = {"head": 64, "body": 80}
"""What is looked at, and the edge of its crop in pixels."""


def crop_boxes(
    tracks: Float[Array, "B T K 3"], points: Sequence[str]
) -> dict[str, Float[Array, "B T 3"]]:
    """Return where to look in every frame: the centre of a crop (x right, y down) and half of its
    edge, in half frame heights from the frame's centre.

    `tracks` are the places of `points` and how sure it is that they are in the frame. A clip's
    crops have one size, so that what grows and shrinks is seen to.
    """
    at = {name: tracks[:, :, list(points).index(name)] for name in POINTS}
    head, neck, hip = (at[name][..., :2] for name in POINTS)
    sure_neck = at["head"][..., 2] * at["neck"][..., 2]
    sure_hip = at["neck"][..., 2] * at["hip"][..., 2]
    radius = HEAD_RADIUS * _mean_length(neck - head, sure_neck, FILLING / HEAD_RADIUS)
    torso = _mean_length(hip - neck, sure_hip, TORSO * radius)
    neck = _seen_or_below(neck, at["neck"], head, radius / HEAD_RADIUS)
    hip = _seen_or_below(hip, at["hip"], neck, torso)
    sizes = (HEAD_MARGIN * radius, BODY_MARGIN * torso)
    centres = (head, 0.7 * neck + 0.3 * hip)
    boxes = {}
    for name, centre, half in zip(CROPS, centres, sizes, strict=True):
        wide = jnp.broadcast_to(jnp.maximum(half, LEAST)[:, None, None], (*centre.shape[:2], 1))
        boxes[name] = jnp.concatenate([centre, wide], axis=-1)
    return boxes


def _seen_or_below(
    place: jax.Array, track: jax.Array, above: jax.Array, length: Float[Array, " B"]
) -> jax.Array:
    """Return a point's place [B, T, 2], or where it is out of the frame one below another."""
    seen = track[..., 2:]
    down = jnp.stack([jnp.zeros_like(length), length], axis=-1)[:, None]
    return seen * place + (1 - seen) * (above + down)


def _mean_length(
    step: Float[Array, "B T 2"], sure: Float[Array, "B T"], otherwise: jax.Array | float
) -> Float[Array, " B"]:
    """Return the mean length of a step over the frames that show it, else `otherwise`."""
    length = jnp.sqrt(jnp.square(step).sum(axis=-1) + 1e-9)
    weight = jnp.square(sure)
    total = weight.sum(axis=1)
    known = jnp.clip(total, 0, 1)
    mean = (length * weight).sum(axis=1) / jnp.maximum(total, 1e-6)
    return known * mean + (1 - known) * otherwise


def cropped(
    frames: Float[Array, "N H W 3"], boxes: Float[Array, "N 3"], edge: int
) -> Float[Array, "N e e 3"]:
    """Return squares of frames in [−1, 1], resized to `edge` pixels; outside of a frame is 0."""
    height, width = frames.shape[1:3]

    def one(frame: jax.Array, box: jax.Array) -> jax.Array:
        scale = edge / (box[2] * height)
        middle = jnp.stack([(box[1] + 1) * height / 2, box[0] * height / 2 + width / 2])
        moved = edge / 2 - scale * middle
        both = jnp.stack([scale, scale])
        return jax.image.scale_and_translate(
            frame, (edge, edge, 3), (0, 1), both, moved, "linear", antialias=True
        )

    return jax.vmap(one)(frames, boxes)


class CropNet(nn.Module):
    """Reads crops of one edge, which 16 divides: features and logarithms of probabilities."""

    labels: Mapping[str, tuple[str, ...]]
    dims: tuple[int, int, int, int]
    look: int
    dropout: float

    @nn.compact
    def __call__(
        self, crops: Float[Array, "N e e 3"], train: bool = False
    ) -> tuple[Float[Array, "N F"], dict[str, jax.Array]]:
        """Return features [N, look + the last of dims] and, by sub-field, answers [N, n]."""
        x = Block(self.dims[0], name="block0")(folded(crops, 2))
        for turn, dim in enumerate(self.dims[1:], 1):
            x = nn.Dense(dim, name=f"to{turn}")(folded(x, 2))
            x = nn.silu(nn.GroupNorm(8, name=f"norm{turn}")(x))
            if turn + 1 < len(self.dims):
                x = x + Block(dim, name=f"block{turn}")(x)
        kept = nn.Dropout(self.dropout, deterministic=not train)
        placed = nn.silu(nn.Dense(self.look, name="placed")(kept(x.reshape(len(x), -1))))
        seen = jnp.concatenate([placed, x.max(axis=(1, 2))], axis=-1)
        return seen, answered(kept(seen), self.labels)


class Closer(nn.Module):
    """Reads the crops of frames; `labels` are by crop the sub-fields and their answers."""

    labels: Mapping[str, Mapping[str, tuple[str, ...]]]
    dims: tuple[int, int, int, int]
    look: int
    dropout: float

    @nn.compact
    def __call__(
        self,
        frames: Float[Array, "N H W 3"],
        boxes: Mapping[str, Float[Array, "N 3"]],
        train: bool = False,
    ) -> dict[str, tuple[jax.Array, dict[str, jax.Array]]]:
        """Return by crop what `CropNet` sees at its box in frames in [−1, 1]."""
        return {
            name: CropNet(self.labels[name], self.dims, self.look, self.dropout, name=name)(
                cropped(frames, boxes[name], edge), train
            )
            for name, edge in CROPS.items()
        }
