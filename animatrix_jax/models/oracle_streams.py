"""Streams of the learned oracle that know what a figure and a camera are.

`posed` finds named points of the figure in every frame and reads how they move; `closer` looks at
the neighbourhood of the head at full resolution; `field` reads coarse optical flow; `statistics`
reads plain numbers of each frame. All return one vector a clip.
"""

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax
from jaxtyping import Array, Float

from animatrix_jax.models.conv import halve_space
from animatrix_jax.models.vae import fold_pixels

HEAD = "head"
"""The point that `closer` looks at."""


class Block(nn.Module):
    """A 3×3 convolution over frames [N, H, W, C], group norm and SiLU; `halve` strides by two."""

    features: int
    halve: bool = False

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Map frames [N, H, W, C] to [N, H, W, features], or half the edges."""
        shape = (3, 3, x.shape[-1], self.features)
        kernel = self.param("kernel", nn.initializers.he_normal(), shape)
        dims = ("NHWC", "HWIO", "NHWC")
        if self.halve:
            x = halve_space(x, kernel)
        else:
            x = lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=dims)
        x = x + self.param("bias", nn.initializers.zeros, (self.features,))
        return nn.silu(nn.GroupNorm(num_groups=8)(x))


class Summary(nn.Module):
    """What a stream [B, T, H, W, C] holds: pooled over all, and what stands where when."""

    features: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Map [B, T, H, W, C] to [B, 2 C + 4 features]."""
        batch, time, height, width, dim = x.shape
        coarse = x.reshape(batch, time, height // 2, 2, width // 2, 2, dim).mean(axis=(3, 5))
        placed = nn.silu(nn.Dense(self.features, name="placed")(coarse.reshape(batch, time, -1)))
        course = over_time(over_time(placed, self.features, "time0"), self.features, "time1")
        # The small number keeps the gradient finite where nothing changes in time.
        change = jnp.sqrt(placed.var(axis=1) + 1e-6)
        pooled = [x.mean(axis=(1, 2, 3)), x.max(axis=(1, 2, 3)), placed.mean(axis=1), change]
        return jnp.concatenate([*pooled, course.mean(axis=1), course.max(axis=1)], axis=-1)


def over_time(x: jax.Array, features: int, name: str, apart: int = 1) -> jax.Array:
    """Mix each place of [B, T, …, C] with itself `apart` frames before and after."""
    padded = jnp.pad(x, [(apart, apart) if dim == 1 else (0, 0) for dim in range(x.ndim)])
    time = x.shape[1]
    joined = jnp.concatenate([padded[:, k * apart : k * apart + time] for k in range(3)], axis=-1)
    return nn.silu(nn.Dense(features, name=name)(joined))


def _course(x: jax.Array, features: int) -> jax.Array:
    """Return what happens in time in [B, T, C]; call it inside a module's `__call__`."""
    x = nn.silu(nn.Dense(features, name="placed")(x))
    for turn, apart in enumerate((1, 2, 4)):
        mixed = over_time(x, features, f"time{turn}", apart)
        x = x + mixed if turn else mixed
    change = jnp.sqrt(x.var(axis=1) + 1e-6)
    return jnp.concatenate([x.mean(axis=1), x.max(axis=1), x.min(axis=1), change], axis=-1)


class Backbone(nn.Module):
    """Finds `points` named points in frames.

    Returns features [B, T, H/16, W/16, 2 dim], heat (logits of where each point stands)
    [B, T, H/4 · W/4, K] and presence (logits of whether it is in the frame) [B, T, K].
    """

    dim: int
    points: int

    @nn.compact
    def __call__(self, frames: Float[Array, "B T H W 3"]) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Return features, heat and presence of frames in [−1, 1]."""
        x = fold_pixels(frames, 4)
        batch, time, height, width, _ = x.shape
        x = x.reshape(batch * time, height, width, -1)
        x = nn.silu(nn.Dense(self.dim // 2, name="dense")(x))
        fine = Block(self.dim, halve=True, name="block0")(x)
        fine = Block(self.dim, name="block1")(fine)
        deep = Block(2 * self.dim, halve=True, name="block2")(fine)
        deep = Block(2 * self.dim, name="block3")(deep)
        raised = nn.Dense(self.dim, name="raise")(deep).repeat(2, axis=1).repeat(2, axis=2)
        # The whole frame is told to every place: which side is the figure's is not local.
        whole = nn.Dense(self.dim, name="whole")(deep.mean(axis=(1, 2)))[:, None, None]
        joined = Block(self.dim, name="block4")(fine + raised + whole)
        heat = nn.Dense(4 * self.points, name="heat")(joined)
        heat = heat.reshape(-1, height // 2, width // 2, 2, 2, self.points)
        heat = heat.transpose(0, 1, 3, 2, 4, 5).reshape(batch, time, height * width, self.points)
        presence = nn.Dense(self.points, name="presence")(
            jnp.concatenate([deep.mean(axis=(1, 2)), deep.max(axis=(1, 2))], axis=-1)
        )
        deep = deep.reshape(batch, time, height // 4, width // 4, -1)
        return deep, heat, presence.reshape(batch, time, -1)


def tracks_of(
    heat: Float[Array, "B T N K"], presence: Float[Array, "B T K"], aspect: float
) -> Float[Array, "B T K 3"]:
    """Return each point's expected place (x right, y down, half frame heights from the centre) and
    the probability that it is in the frame. `aspect` is the frame's width over its height."""
    cells = heat.shape[2]
    height = round((cells / aspect) ** 0.5)
    width = cells // height
    share = jax.nn.softmax(heat, axis=2)
    y = (2 * jnp.arange(height) + 1) / height - 1
    x = ((2 * jnp.arange(width) + 1) / width - 1) * aspect
    places = jnp.stack([jnp.tile(x, height), jnp.repeat(y, width)], axis=-1)
    found = jnp.einsum("btnk,nd->btkd", share, places)
    return jnp.concatenate([found, jax.nn.sigmoid(presence)[..., None]], axis=-1)


class Course(nn.Module):
    """How tracked points [B, T, K, 3] move: as they stand, and relative to the figure."""

    features: int

    @nn.compact
    def __call__(self, tracks: jax.Array) -> jax.Array:
        """Map tracks [B, T, K, 3] to [B, 5 features]."""
        batch, time = tracks.shape[:2]
        places, sure = tracks[..., :2], tracks[..., 2:]
        total = sure.sum(axis=2, keepdims=True) + 1e-3
        centre = (places * sure).sum(axis=2, keepdims=True) / total
        spread = (jnp.square(places - centre) * sure).sum(axis=(2, 3), keepdims=True) / total
        size = jnp.sqrt(spread.mean(axis=1, keepdims=True) + 1e-3)
        own = jnp.clip((places - centre) / size, -4, 4) * sure
        raw = places * sure
        steps = [jnp.diff(v, axis=1, prepend=v[:, :1]) * gain for v, gain in ((own, 2), (raw, 4))]
        body = (centre - centre.mean(axis=1, keepdims=True)) / size
        extent = jnp.log(spread + 1e-3)
        parts = [own, raw, *steps, sure, jnp.clip(body, -4, 4), centre, extent]
        x = jnp.concatenate([part.reshape(batch, time, -1) for part in parts], axis=-1)
        swing = jnp.concatenate([own, raw], axis=-1).reshape(batch, time, -1)
        swing = swing - swing.mean(axis=1, keepdims=True)
        pitch = jnp.log1p(jnp.abs(jnp.fft.rfft(swing, axis=1))).reshape(batch, -1)
        pitch = nn.silu(nn.Dense(self.features, name="pitch")(pitch))
        return jnp.concatenate([_course(x, self.features), pitch], axis=-1)


class Closer(nn.Module):
    """The neighbourhood of a point in some frames, at full resolution."""

    dim: int
    features: int

    @nn.compact
    def __call__(self, frames: jax.Array, places: Float[Array, "B T 2"]) -> jax.Array:
        """Look at `places` [B, T, 2] (half frame heights from the centre) of the frames."""
        batch, time, height, width, _ = frames.shape
        crops = crops_at(frames.reshape(-1, height, width, 3), places.reshape(-1, 2), height // 2)
        x = fold_pixels(crops[:, None], 4)[:, 0]
        x = Block(self.dim, name="block0")(x)
        x = Block(2 * self.dim, halve=True, name="block1")(x)
        x = Block(2 * self.dim, name="block2")(x)
        return Summary(self.features, name="summary")(x.reshape(batch, time, *x.shape[1:]))


def crops_at(
    frames: Float[Array, "N H W 3"], places: Float[Array, "N 2"], edge: int
) -> Float[Array, "N e e 3"]:
    """Return squares of `edge` pixels around places (x, y in half heights from the centre); what
    lies outside of a frame is 0."""
    height, width = frames.shape[1:3]
    half = edge // 2
    padded = jnp.pad(frames, ((0, 0), (half, half), (half, half), (0, 0)))
    # Corners come in steps of four pixels, so that a crop folds as the frame does.
    corner = 4 * jnp.round((places[:, ::-1] * height + jnp.array([height, width])) / 8)
    corner = lax.stop_gradient(corner).astype(jnp.int32)

    def crop(frame: jax.Array, at: jax.Array) -> jax.Array:
        return lax.dynamic_slice(frame, (at[0], at[1], 0), (edge, edge, 3))

    return jax.vmap(crop)(padded, corner)


class Field(nn.Module):
    """Coarse flow [B, P, h, w, 3] (u, v, weight): as it is, added up, and against its median."""

    features: int

    @nn.compact
    def __call__(self, field: jax.Array) -> jax.Array:
        """Map flow [B, P, h, w, 3] to [B, 5 features]."""
        batch, pairs = field.shape[:2]
        flow, weight = field[..., :2], field[..., 2:]
        median = jnp.median(flow, axis=(2, 3), keepdims=True)
        own, path = flow - median, jnp.cumsum(median, axis=1)
        way = jnp.cumsum(flow, axis=1)
        parts = [(flow, 40), (own, 80), (weight, 1), (way, 10), (median, 60), (path, 20)]
        x = jnp.concatenate(
            [jnp.arcsinh(gain * part).reshape(batch, pairs, -1) for part, gain in parts], axis=-1
        )
        whole = jnp.concatenate([way[:, -1], jnp.abs(own).mean(axis=1)], axis=-1)
        whole = jnp.arcsinh(20 * whole).reshape(batch, -1)
        whole = nn.silu(nn.Dense(self.features, name="whole")(whole))
        return jnp.concatenate([_course(x, self.features), whole], axis=-1)


class Numbers(nn.Module):
    """Statistics of frames [B, T, S]: as they are, and against their own mean."""

    features: int

    @nn.compact
    def __call__(self, numbers: jax.Array) -> jax.Array:
        """Map statistics [B, T, S] to [B, 4 features + 3 S]."""
        own = numbers - numbers.mean(axis=1, keepdims=True)
        ends = jnp.concatenate([numbers.mean(axis=1), own.max(axis=1), own.min(axis=1)], axis=-1)
        both = jnp.concatenate([numbers, 3 * own], axis=-1)
        return jnp.concatenate([_course(both, self.features), ends], axis=-1)
