"""Streams of the learned oracle that judge what happens in time.

`Course` reads how the figure's points move, `Field` coarse optical flow, `Numbers` anything said of
each frame. All return one vector a clip.
"""

from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax
from jaxtyping import Array, Float

from animatrix_jax.models.conv import halve_space
from animatrix_jax.models.vae import fold_pixels


class Block(nn.Module):
    """A 3×3 convolution over frames [N, H, W, C], group norm and SiLU; `halve` strides by two.

    With `local` the channels of each cell are normalised by themselves, so that what is said of a
    cell does not depend on what else is in the picture.
    """

    features: int
    halve: bool = False
    local: bool = False

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
        return nn.silu((nn.LayerNorm() if self.local else nn.GroupNorm(num_groups=8))(x))


def folded(x: Float[Array, "N H W C"], edge: int) -> Float[Array, "N h w D"]:
    """Return squares of `edge` pixels as channels."""
    return fold_pixels(x[:, None], edge)[:, 0]


def raised(x: Float[Array, "N h w D"], times: int) -> Float[Array, "N H W D"]:
    """Return each cell as `times` × `times` cells."""
    batch, height, width, dim = x.shape
    # A broadcast: the gradient of `jnp.repeat` is a scatter, which is slow on a CPU.
    cells = jnp.broadcast_to(x[:, :, None, :, None], (batch, height, times, width, times, dim))
    return cells.reshape(batch, height * times, width * times, dim)


def answered(
    x: Float[Array, "N D"], labels: Mapping[str, tuple[str, ...]]
) -> dict[str, Float[Array, "N n"]]:
    """Return the logarithms of the probabilities of every answer, sub-fields in alphabetical order;
    call it inside a module's `__call__`."""
    return {
        name: jax.nn.log_softmax(head(name, known)(x)) for name, known in sorted(labels.items())
    }


def head(name: str, known: Sequence[str]) -> nn.Dense:
    """Return the layer that answers a sub-field."""
    return nn.Dense(len(known), name="head_" + name.replace(":", "_"))


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


class Field(nn.Module):
    """Coarse flow [B, P, h, w, 3] (u, v, weight): pair by pair, and over the whole clip."""

    features: int
    dim: int = 32

    @nn.compact
    def __call__(self, field: jax.Array) -> jax.Array:
        """Map flow [B, P, h, w, 3] to [B, 6 features]."""
        batch, pairs, height, width, _ = field.shape
        flow, weight = field[..., :2], field[..., 2:]
        median = jnp.median(flow, axis=(2, 3), keepdims=True)
        own = flow - median
        steps = jnp.concatenate(
            [jnp.arcsinh(40 * flow), jnp.arcsinh(80 * own), weight], axis=-1
        ).reshape(batch * pairs, height, width, -1)
        way, trust = flow.sum(axis=1), weight.mean(axis=1)
        wild = jnp.abs(own).mean(axis=1)
        rest = way - jnp.median(way, axis=(1, 2), keepdims=True)
        parts = [(way, 10), (rest, 40), (wild, 80)]
        total = jnp.concatenate([trust, *(jnp.arcsinh(gain * x) for x, gain in parts)], axis=-1)
        course = self._places(steps, "pair").reshape(batch, pairs, -1)
        path = jnp.concatenate([60 * median, 20 * jnp.cumsum(median, axis=1)], axis=-1)
        course = jnp.concatenate([course, jnp.arcsinh(path).reshape(batch, pairs, -1)], axis=-1)
        whole = nn.silu(nn.Dense(2 * self.features, name="whole")(self._places(total, "total")))
        return jnp.concatenate([_course(course, self.features), whole], axis=-1)

    def _places(self, x: jax.Array, name: str) -> jax.Array:
        """Return what lies where in [N, h, w, C], as [N, features]."""
        x = Block(self.dim, name=f"{name}0")(x)
        x = Block(2 * self.dim, halve=True, name=f"{name}1")(x)
        count, height, width, dim = x.shape
        x = x.reshape(count, height // 2, 2, width // 2, 2, dim).mean(axis=(2, 4))
        return nn.silu(nn.Dense(self.features, name=f"{name}_placed")(x.reshape(count, -1)))


class Numbers(nn.Module):
    """What is said of every frame [B, T, S]: as it is, and against its own mean."""

    features: int

    @nn.compact
    def __call__(self, numbers: jax.Array) -> jax.Array:
        """Map statistics [B, T, S] to [B, 4 features + 3 S]."""
        own = numbers - numbers.mean(axis=1, keepdims=True)
        ends = jnp.concatenate([numbers.mean(axis=1), own.max(axis=1), own.min(axis=1)], axis=-1)
        both = jnp.concatenate([numbers, 3 * own], axis=-1)
        return jnp.concatenate([_course(both, self.features), ends], axis=-1)
