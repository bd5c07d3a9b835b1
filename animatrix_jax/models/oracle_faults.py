"""The fault oracle: a small network that finds what is broken in a frame, and where.

It looks at a frame beside the one before it and says of every cell how much of it a fault has
changed. The studio knows that, since it draws the same frame with and without: a failure of a few
pixels is learnt where it stands, not from a label of the whole picture. What is said of the frame
reads the features at the places that the map points to.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from animatrix_jax.models.oracle_streams import Block, folded, raised

CELL = 4
"""The edge of a cell of the map, in pixels."""
SPREAD = 0.5
"""How sharply the map's logits choose where to look."""


@dataclass(frozen=True)
class FaultConfig:
    """Sizes of a fault oracle, and which kinds of faults it finds.

    `frames`, `height` and `width` are the clip it reads, at every `skip`-th frame after the first.
    `dims` are the channels at a quarter, an eighth and a sixteenth of the frame's edges, `hidden`
    the width before the answers.
    """

    kinds: tuple[str, ...]
    frames: int
    height: int
    width: int
    skip: int = 2
    dims: tuple[int, int, int] = (64, 128, 192)
    hidden: int = 128
    dropout: float = 0.2

    def __post_init__(self) -> None:
        """Check that there is something to find, and that the frames divide."""
        if not self.kinds:
            raise ValueError("a fault oracle needs kinds of faults to find, not none")
        if self.height % 16 or self.width % 16:
            raise ValueError(
                "a fault oracle reads frames with edges that 16 divides, not "
                f"{self.height}x{self.width}"
            )
        if self.frames < 2:
            raise ValueError(
                f"a fault oracle compares frames, so a clip must have 2 or more, not {self.frames}"
            )

    @property
    def looked(self) -> tuple[int, ...]:
        """Which frames are looked at, each beside the one before it."""
        return tuple(range(1, self.frames, self.skip))

    @property
    def cells(self) -> tuple[int, int]:
        """The map's height and width."""
        return self.height // CELL, self.width // CELL


class FaultNet(nn.Module):
    """The network: maps of what is broken, and what is said of the frame."""

    config: FaultConfig

    @nn.compact
    def __call__(
        self,
        frames: Float[Array, "N H W 3"],
        before: Float[Array, "N H W 3"],
        train: bool = False,
    ) -> tuple[Float[Array, "N h w K"], Float[Array, "N K"]]:
        """Map frames in [−1, 1] and those before them to logits by kind: how much of a cell is
        changed, and whether the frame is broken; `train` needs an rng 'dropout'."""
        c = self.config
        fine, mid, deep = self._scales(jnp.concatenate([frames, before], axis=-1))
        whole = nn.Dense(c.dims[0], name="whole")(deep.mean(axis=(1, 2)))[:, None, None]
        mid = mid + raised(nn.Dense(c.dims[1], name="raise_deep")(deep), 2)
        mid = Block(c.dims[1], name="joined_mid")(mid)
        fine = fine + raised(nn.Dense(c.dims[0], name="raise_mid")(mid), 2) + whole
        fine = Block(c.dims[0], name="joined_fine")(fine)
        changed = nn.Dense(len(c.kinds), name="changed")(fine)
        flat = changed.reshape(len(changed), -1, len(c.kinds))
        share = jax.nn.softmax(SPREAD * flat, axis=1)
        there = jnp.einsum("npk,npd->nkd", share, fine.reshape(len(fine), -1, c.dims[0]))
        peaks = [jnp.einsum("npk,npk->nk", share, flat), flat.max(axis=1), flat.mean(axis=1)]
        parts = [there.reshape(len(there), -1), *peaks, deep.mean(axis=(1, 2)), deep.max(axis=(1, 2))]
        seen = nn.Dropout(c.dropout, deterministic=not train)(jnp.concatenate(parts, axis=-1))
        seen = nn.silu(nn.Dense(c.hidden, name="seen")(seen))
        kept = nn.Dropout(c.dropout, deterministic=not train)(seen)
        return changed, nn.Dense(len(c.kinds), name="broken")(kept)

    def _scales(self, x: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Return features at a quarter, an eighth and a sixteenth of the edges."""
        first, second, third = self.config.dims
        fine = Block(first, name="fine0")(folded(x, CELL))
        fine = fine + Block(first, name="fine1")(fine)
        mid = nn.Dense(second, name="to_mid")(folded(fine, 2))
        mid = nn.silu(nn.GroupNorm(8, name="mid")(mid))
        for turn in range(2):
            mid = mid + Block(second, name=f"mid{turn}")(mid)
        deep = nn.Dense(third, name="to_deep")(folded(mid, 2))
        deep = nn.silu(nn.GroupNorm(8, name="deep")(deep))
        for turn in range(2):
            deep = deep + Block(third, name=f"deep{turn}")(deep)
        return fine, mid, deep


def clip_odds(odds: Float[Array, "T K"]) -> Float[Array, " K"]:
    """Return the logarithm of the odds that a clip is broken by those of its frames: the mean of
    the higher half, since a fault that has begun stays."""
    half = -(-len(odds) // 2)
    return jnp.sort(odds, axis=0)[-half:].mean(axis=0)
