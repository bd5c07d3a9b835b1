"""The learned oracle: a small classifier that reads production tags off a clip's pixels.

Two streams meet on an 8×8 grid: what stands in the frames (convolutions over a few of them), and
how it moves (matching costs of small patches between frames, which need no parameters).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax
from jaxtyping import Array, Float

from animatrix_jax.models.conv import halve_space
from animatrix_jax.models.vae import fold_pixels


@dataclass(frozen=True)
class OracleConfig:
    """Sizes of an oracle, and what it answers.

    `labels` maps a sub-field to its answers; `frames`, `height` and `width` are the clip it reads.
    `stride` is how many frames lie between those whose appearance is looked at; a patch is looked
    for up to `reach` half-pixels away (in frames of half the size) `gaps` frames later.
    """

    labels: Mapping[str, tuple[str, ...]]
    frames: int
    height: int
    width: int
    dim: int = 48
    motion_dim: int = 32
    hidden: int = 192
    stride: int = 2
    reach: int = 4
    gaps: tuple[int, ...] = (1, 4)
    dropout: float = 0.2

    def __post_init__(self) -> None:
        """Check that the frames divide."""
        if self.height % 8 or self.width % 8:
            raise ValueError(
                f"an oracle reads frames with edges that 8 divides, not {self.height}x{self.width}"
            )
        if self.frames <= max(self.gaps):
            raise ValueError(
                f"an oracle that compares frames {max(self.gaps)} apart cannot read clips of "
                f"{self.frames} frames"
            )


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
    count, height, width = before.shape
    padded = jnp.pad(after, ((0, 0), (reach, reach), (reach, reach)), mode="edge")
    costs = []
    for dy, dx in displacements(reach):
        moved = padded[:, reach + dy : reach + dy + height, reach + dx : reach + dx + width]
        blocks = jnp.abs(before - moved).reshape(count, height // 2, 2, width // 2, 2)
        costs.append(blocks.mean(axis=(2, 4)))
    cost = jnp.stack(costs, axis=-1)
    window = (1, 3, 3, 1)
    cost = lax.reduce_window(cost, 0.0, lax.add, window, (1, 1, 1, 1), "SAME") / 9.0
    texture = cost.mean(axis=-1, keepdims=True)
    choice = jax.nn.softmax(-8.0 * cost / (texture + 0.02), axis=-1)
    still = cost[..., displacements(reach).index((0, 0)), None]
    extra = jnp.concatenate([cost.min(axis=-1, keepdims=True), still, texture], axis=-1)
    return jnp.concatenate([4.0 * choice, 4.0 * extra], axis=-1)


def halved_grey(frames: Float[Array, "B T H W 3"]) -> Float[Array, "B T H/2 W/2"]:
    """Return the brightness of frames in [−1, 1], halved in size, in [−0.5, 0.5]."""
    batch, time, height, width, _ = frames.shape
    grey = frames @ jnp.array([0.15, 0.3, 0.05])
    return grey.reshape(batch, time, height // 2, 2, width // 2, 2).mean(axis=(3, 5))


class _Block(nn.Module):
    """A 3×3 convolution over frames [N, H, W, C], group norm and SiLU; `halve` strides by two."""

    features: int
    halve: bool = False

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        shape = (3, 3, x.shape[-1], self.features)
        kernel = self.param("kernel", nn.initializers.he_normal(), shape)
        dims = ("NHWC", "HWIO", "NHWC")
        if self.halve:
            x = halve_space(x, kernel)
        else:
            x = lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=dims)
        x = x + self.param("bias", nn.initializers.zeros, (self.features,))
        return nn.silu(nn.GroupNorm(num_groups=8)(x))


class _Summary(nn.Module):
    """What a stream [B, T, 8, 8, C] holds: pooled over all, and where things are on average."""

    features: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        # The small number keeps the gradient finite where nothing changes in time.
        change = jnp.sqrt(x.mean(axis=(2, 3)).var(axis=1) + 1e-6)
        pooled = [x.mean(axis=(1, 2, 3)), x.max(axis=(1, 2, 3)), change]
        batch, _, height, width, dim = x.shape
        coarse = x.mean(axis=1).reshape(batch, height // 2, 2, width // 2, 2, dim).mean(axis=(2, 4))
        placed = nn.Dense(self.features)(coarse.reshape(batch, -1))
        return jnp.concatenate([*pooled, placed], axis=-1)


class OracleNet(nn.Module):
    """The classifier; its answers are logits."""

    config: OracleConfig

    @nn.compact
    def __call__(
        self, frames: Float[Array, "B T H W 3"], train: bool = False
    ) -> dict[str, Float[Array, "B n"]]:
        """Map frames in [−1, 1] to logits per sub-field; `train` needs an rng called 'dropout'."""
        c = self.config
        half = halved_grey(frames)
        moved = [_Moved(c, gap, name=f"moved{gap}")(half) for gap in c.gaps]
        features = jnp.concatenate([_Seen(c, name="seen")(frames), *moved], axis=-1)
        features = nn.Dropout(c.dropout, deterministic=not train)(features)
        features = nn.silu(nn.Dense(c.hidden, name="join")(features))
        features = nn.Dropout(c.dropout, deterministic=not train)(features)
        return {name: nn.Dense(len(answers), name=f"head_{name}")(features)
                for name, answers in sorted(c.labels.items())}  # fmt: skip


class _Seen(nn.Module):
    """What stands in the frames."""

    config: OracleConfig

    @nn.compact
    def __call__(self, frames: jax.Array) -> jax.Array:
        c = self.config
        x = fold_pixels(frames[:, :: c.stride], 4)
        batch, time, height, width, _ = x.shape
        x = x.reshape(batch * time, height, width, -1)
        x = _Block(c.dim, name="block0")(x)
        x = _Block(2 * c.dim, halve=True, name="block1")(x)
        x = _Block(2 * c.dim, name="block2")(x)
        x = x.reshape(batch, time, height // 2, width // 2, -1)
        return _Summary(c.hidden // 3, name="summary")(_over_time(x, 2 * c.dim, "time"))


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
        x = _Block(2 * c.motion_dim, halve=True, name="block")(x)
        x = x.reshape(batch, -1, height // 4, width // 4, 2 * c.motion_dim)
        return _Summary(c.hidden // 3, name="summary")(_over_time(x, 2 * c.motion_dim, "time"))


def _over_time(x: jax.Array, features: int, name: str) -> jax.Array:
    """Mix each place [B, T, H, W, C] with itself a frame before and after."""
    padded = jnp.pad(x, ((0, 0), (1, 1), (0, 0), (0, 0), (0, 0)))
    joined = jnp.concatenate([padded[:, :-2], padded[:, 1:-1], padded[:, 2:]], axis=-1)
    return nn.silu(nn.Dense(features, name=name)(joined))
