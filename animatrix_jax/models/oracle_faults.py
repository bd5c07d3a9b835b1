"""The fault oracle: a small network that finds what is broken in a frame, and where.

It looks at a frame beside the one before it and says of every cell how much of it a fault has
changed, and how much shows arms. The studio knows both, since it draws the same frame with and
without: a failure of a few pixels is learnt where it stands, not from a label of the whole picture.
What is said of the frame reads the features at the places that the map points to.

Cells are normalised one by one, so that what is learnt of squares holds for whole frames.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from animatrix_jax.models.oracle_streams import Block, folded, raised

CELL = 4
"""The edge of a cell of the map, in pixels."""
SCALE = 16
"""The edge of the network's coarsest cells, in pixels."""
RARE = -4.0
"""The map's first logit: few cells are broken."""
SHARPNESS = 1.5
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
    skip: int = 1
    dims: tuple[int, int, int] = (64, 128, 192)
    hidden: int = 128
    dropout: float = 0.2

    def __post_init__(self) -> None:
        """Check that there is something to find, and that the frames divide."""
        if not self.kinds:
            raise ValueError("a fault oracle needs kinds of faults to find, not none")
        if self.height % SCALE or self.width % SCALE:
            raise ValueError(
                f"a fault oracle reads frames with edges that {SCALE} divides, not "
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

    def inputs(self, batch: int) -> tuple[jax.ShapeDtypeStruct, jax.ShapeDtypeStruct]:
        """Return frames and those before them of a batch as shapes."""
        shape = jax.ShapeDtypeStruct((batch, self.height, self.width, 3), jnp.float32)
        return shape, shape


class FaultNet(nn.Module):
    """The network: maps of what is broken, and what is said of the frame."""

    config: FaultConfig

    @nn.compact
    def __call__(
        self,
        frames: Float[Array, "N H W 3"],
        before: Float[Array, "N H W 3"],
        train: bool = False,
    ) -> tuple[Float[Array, "N h w K+1"], Float[Array, "N K"]]:
        """Map frames in [−1, 1] and those before them, of any size that 16 divides, to logits: how
        much of a cell each kind has changed, and last how much of it shows arms; and whether each
        kind has broken the frame. `train` needs an rng 'dropout'."""
        c = self.config
        fine = self._fine(jnp.concatenate([frames, before], axis=-1))
        rare = nn.initializers.constant(RARE)
        shown = nn.Dense(len(c.kinds) + 1, bias_init=rare, name="shown")(fine)
        flat = shown[..., :-1].reshape(len(shown), -1, len(c.kinds))
        share = jax.nn.softmax(SHARPNESS * flat, axis=1)
        there = jnp.einsum("npk,npd->nkd", share, fine.reshape(len(fine), -1, c.dims[0]))
        peaks = [jnp.einsum("npk,npk->nk", share, flat), flat.max(axis=1)]
        seen = jnp.concatenate([there.reshape(len(there), -1), *peaks], axis=-1)
        seen = nn.Dropout(c.dropout, deterministic=not train)(seen)
        seen = nn.silu(nn.Dense(c.hidden, name="seen")(seen))
        kept = nn.Dropout(c.dropout, deterministic=not train)(seen)
        return shown, nn.Dense(len(c.kinds), name="broken")(kept)

    def _fine(self, x: jax.Array) -> jax.Array:
        """Return what is seen at a quarter of the edges, and around there at two coarser scales."""
        first, second, third = self.config.dims
        fine = _smaller(x, CELL, first, "to_fine")
        for turn in range(2):
            fine = fine + Block(first, local=True, name=f"fine{turn}")(fine)
        mid = _smaller(fine, 2, second, "to_mid")
        for turn in range(2):
            mid = mid + Block(second, local=True, name=f"mid{turn}")(mid)
        deep = _smaller(mid, 2, third, "to_deep")
        for turn in range(2):
            deep = deep + Block(third, local=True, name=f"deep{turn}")(deep)
        mid = mid + raised(nn.Dense(second, name="raise_deep")(deep), 2)
        mid = mid + Block(second, local=True, name="joined_mid")(mid)
        fine = fine + raised(nn.Dense(first, name="raise_mid")(mid), 2)
        return fine + Block(first, local=True, name="joined_fine")(fine)


def _smaller(x: jax.Array, times: int, features: int, name: str) -> jax.Array:
    """Return features of squares of `times` cells; call it inside a module's `__call__`."""
    x = nn.Dense(features, name=name)(folded(x, times))
    return nn.silu(nn.LayerNorm(name=f"{name}_norm")(x))


def clip_odds(odds: Float[Array, "T K"]) -> Float[Array, " K"]:
    """Return the logarithm of the odds that a clip is broken by those of its T frames: the mean of
    the higher three quarters, since a fault begins in the first third and stays."""
    most = -(-3 * len(odds) // 4)
    return jnp.sort(odds, axis=0)[-most:].mean(axis=0)
