"""What the learned oracle sees in a single frame: named points, tags, faults.

A clip's frames are alike, so that a network learns more of a frame of each of many clips than of
all frames of a few. `FrameNet` therefore looks at one frame and at what has changed since the frame
before, and is trained so; what happens in time is judged from what it says of each frame.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax
from jaxtyping import Array, Float

from animatrix_jax.models.oracle_streams import Block, answered, folded, raised, tracks_of

HEAT, PRESENCE, TRACKS, LOOKED = "heat", "presence", "tracks", "looked"
"""What is returned beside logits: where points stand, and all that was seen."""


class FrameNet(nn.Module):
    """Looks at frames; `labels` are the sub-fields and answers that can be read off one frame.

    dims: channels at a quarter, an eighth and a sixteenth of the frame's edges; look: the width of
    what is said of a frame; points: how many named points are found.
    """

    labels: Mapping[str, tuple[str, ...]]
    dims: tuple[int, int, int]
    look: int
    points: int
    dropout: float

    @nn.compact
    def __call__(
        self,
        frames: Float[Array, "N H W 3"],
        before: Float[Array, "N H W 3"],
        train: bool = False,
    ) -> dict[str, jax.Array]:
        """Map frames in [−1, 1] and those before them to logits [N, n] per sub-field.

        `HEAT` [N, H/2 · W/2, K] and `PRESENCE` [N, K] are logits of the points' places and of
        their being in the frame, `TRACKS` [N, K, 3] is `tracks_of` these. `LOOKED` [N, D] holds
        features, the logarithms of the answers' probabilities and the colours at the points.
        """
        changed = 2 * (frames - before).mean(axis=-1, keepdims=True)
        fine, mid, deep = self._scales(jnp.concatenate([frames, changed], axis=-1))
        heat, presence = self._points(fine, mid, deep)
        share = lax.stop_gradient(_shares(heat, fine.shape[1], fine.shape[2]))
        colours = jnp.einsum("nyxk,nyxc->nkc", share, _pooled(frames, 4)).reshape(len(frames), -1)
        # Halved shares add up where cells of `mid` cover four of them.
        coarse = 4 * _pooled(share, 2)
        there = [
            jnp.einsum("nyxk,nyxc->nkc", of, x).reshape(len(frames), -1)
            for of, x in ((share, fine), (coarse, mid))
        ]
        places = _pooled(deep, 2).reshape(len(frames), -1)
        parts = [
            deep.mean(axis=(1, 2)),
            deep.max(axis=(1, 2)),
            nn.silu(nn.Dense(self.look, name="placed")(places)),
            nn.silu(nn.Dense(self.look // 2, name="pointed")(jnp.concatenate(there, axis=-1))),
        ]
        seen = nn.Dropout(self.dropout, deterministic=not train)(jnp.concatenate(parts, axis=-1))
        seen = nn.silu(nn.Dense(self.look, name="seen")(seen))
        kept = nn.Dropout(self.dropout, deterministic=not train)(seen)
        answers = answered(kept, self.labels)
        aspect = frames.shape[2] / frames.shape[1]
        tracks = lax.stop_gradient(tracks_of(heat[:, None], presence[:, None], aspect))[:, 0]
        looked = jnp.concatenate([seen, *answers.values(), colours], axis=-1)
        return answers | {HEAT: heat, PRESENCE: presence, TRACKS: tracks, LOOKED: looked}

    def _scales(self, x: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Return features at a quarter, an eighth and a sixteenth of the edges."""
        first, second, third = self.dims
        fine = Block(first, name="fine0")(folded(x, 4))
        fine = fine + Block(first, name="fine1")(fine)
        mid = nn.Dense(second, name="to_mid")(folded(fine, 2))
        mid = nn.silu(nn.GroupNorm(8, name="mid")(mid))
        for turn in range(2):
            mid = mid + Block(second, name=f"mid{turn}")(mid)
        deep = nn.Dense(third, name="to_deep")(folded(mid, 2))
        deep = nn.silu(nn.GroupNorm(8, name="deep")(deep))
        return fine, mid, deep + Block(third, name="deep0")(deep)

    def _points(
        self, fine: jax.Array, mid: jax.Array, deep: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """Return heat in cells of half the features' size, and presence."""
        width = self.dims[0]
        whole = nn.Dense(width, name="whole")(deep.mean(axis=(1, 2)))[:, None, None]
        around = raised(nn.Dense(width, name="raise_mid")(mid), 2)
        around = around + raised(nn.Dense(width, name="raise_deep")(deep), 4)
        joined = Block(width, name="joined")(fine + around + whole)
        heat = nn.Dense(4 * self.points, name="heat")(joined)
        count, height, wide = heat.shape[:3]
        heat = heat.reshape(count, height, wide, 2, 2, self.points).transpose(0, 1, 3, 2, 4, 5)
        pooled = jnp.concatenate([deep.mean(axis=(1, 2)), deep.max(axis=(1, 2))], axis=-1)
        presence = nn.Dense(self.points, name="presence")(pooled)
        return heat.reshape(count, 4 * height * wide, self.points), presence


def _pooled(x: jax.Array, edge: int) -> jax.Array:
    """Return the mean of squares of `edge` cells of [N, H, W, C]."""
    count, height, width, dim = x.shape
    return x.reshape(count, height // edge, edge, width // edge, edge, dim).mean(axis=(2, 4))


def _shares(heat: jax.Array, height: int, width: int) -> jax.Array:
    """Return each point's probability in cells [N, height, width, K] of twice the heat's size."""
    share = jax.nn.softmax(heat, axis=1).reshape(len(heat), 2 * height, 2 * width, -1)
    return 4 * _pooled(share, 2)
