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
    dim: int = 32
    motion_dim: int = 24
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
    """What a stream [B, T, H, W, C] holds: pooled over all, and what stands where when."""

    features: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        batch, time, height, width, dim = x.shape
        coarse = x.reshape(batch, time, height // 2, 2, width // 2, 2, dim).mean(axis=(3, 5))
        placed = nn.silu(nn.Dense(self.features, name="placed")(coarse.reshape(batch, time, -1)))
        course = _over_time(_over_time(placed, self.features, "time0"), self.features, "time1")
        # The small number keeps the gradient finite where nothing changes in time.
        change = jnp.sqrt(placed.var(axis=1) + 1e-6)
        pooled = [x.mean(axis=(1, 2, 3)), x.max(axis=(1, 2, 3)), placed.mean(axis=1), change]
        return jnp.concatenate([*pooled, course.mean(axis=1), course.max(axis=1)], axis=-1)


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
        return _Summary(c.hidden // 3, name="summary")(x)


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
        return _Summary(c.hidden // 3, name="summary")(x)


def _over_time(x: jax.Array, features: int, name: str) -> jax.Array:
    """Mix each place of [B, T, …, C] with itself a frame before and after."""
    padded = jnp.pad(x, [(1, 1) if dim == 1 else (0, 0) for dim in range(x.ndim)])
    joined = jnp.concatenate([padded[:, :-2], padded[:, 1:-1], padded[:, 2:]], axis=-1)
    return nn.silu(nn.Dense(features, name=name)(joined))
