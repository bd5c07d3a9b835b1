"""The shortcuts without weights around Wan 2.2's levels: averages down, copies up.

Both regroup the block of time·space² positions that a resampler merges or splits into channels,
channel-major, so that a channel's positions lie together.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float


def average_down(
    x: Float[Array, "B T H W C"], features: int, time: int, space: int
) -> Float[Array, "B t h w D"]:
    """Average groups of C·time·space²/D neighbours into `features` channels (Wan's AvgDown3D).

    Zero frames before the first fill T up to a multiple of `time`: the first of a clip stays one.
    """
    batch, frames, height, width, channels = x.shape
    missing = -frames % time
    x = jnp.pad(x, ((0, 0), (missing, 0), (0, 0), (0, 0), (0, 0)))
    grid = (batch, (frames + missing) // time, height // space, width // space)
    x = x.reshape(batch, grid[1], time, grid[2], space, grid[3], space, channels)
    x = x.transpose(0, 1, 3, 5, 7, 2, 4, 6)
    return x.reshape(*grid, features, -1).mean(axis=-1)


def duplicate_up(
    x: Float[Array, "B t h w C"], features: int, time: int, space: int, first: bool
) -> Float[Array, "B T H W D"]:
    """Copy channels into `features` channels of a finer grid (Wan's DupUp3D).

    Where x starts with a clip's `first` frame, that frame becomes one and not `time`.
    """
    batch, frames, height, width, channels = x.shape
    x = x.repeat(features * time * space**2 // channels, axis=-1)
    x = x.reshape(batch, frames, height, width, features, time, space, space)
    x = x.transpose(0, 1, 5, 2, 6, 3, 7, 4)
    x = x.reshape(batch, frames * time, height * space, width * space, features)
    return x[:, time - 1 :] if first else x
