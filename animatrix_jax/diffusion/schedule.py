"""The flow-matching noise schedule: sigma in [0, 1], 1 = pure noise, shifted as Wan shifts it.

z_sigma = (1 − sigma)·z + sigma·noise, and the velocity is dz_sigma/dsigma = noise − z.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

SHIFTED_GRIDS = ("wan", "wan_dpm", "diffusers")
GRIDS = (*SHIFTED_GRIDS, "anchors")
BELOW = 1e-6
"""How far under its edge a window of sigma begins, so that its own expert is asked there."""


@dataclass(frozen=True)
class Schedule:
    """The flow shift and, on the shifted sigma, the boundary between the experts (decision 6).

    `boundary` None is a model of one expert.
    """

    shift: float = 5.0
    boundary: float | None = 0.9

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.shift <= 0:
            raise ValueError(f"shift must be positive, not {self.shift}")
        if self.boundary is not None and not 0 < self.boundary < 1:
            raise ValueError(f"boundary is a shifted sigma inside (0, 1), not {self.boundary}")

    def windows(self) -> tuple[tuple[float, float], ...]:
        """Return each expert's window of shifted sigma: the high one's, then the low one's."""
        if self.boundary is None:
            return ((0.0, 1.0),)
        return (self.boundary, 1.0), (0.0, self.boundary)

    def anchors(self, count: int) -> np.ndarray:
        """Return the sigmas [E, count] that a distilled model is asked at (decision 12).

        They are uniform in each expert's window, from its upper edge: hi − i·(hi − lo)/count.
        """
        windows = np.array(self.windows())
        steps = np.arange(count) / count
        return windows[:, 1:] - steps * (windows[:, 1:] - windows[:, :1])


def shift_sigma(sigma: Float[Array, "..."], shift: float) -> Float[Array, "..."]:
    """Return s·sigma/(1 + (s − 1)·sigma)."""
    return shift * sigma / (1 + (shift - 1) * sigma)


def unshift_sigma(sigma: Float[Array, "..."], shift: float) -> Float[Array, "..."]:
    """Undo `shift_sigma`."""
    return sigma / (shift - (shift - 1) * sigma)


def draw_sigma(
    uniform: Float[Array, "..."], window: tuple[float, float] | Float[Array, "2"], shift: float
) -> Float[Array, "..."]:
    """Map uniform draws in [0, 1) to shifted sigma inside `window`.

    The unshifted time is uniform on the window's preimage under the shift, so that both experts
    together see what one model without experts would.
    """
    edges: Any = window
    low, high = unshift_sigma(edges[0], shift), unshift_sigma(edges[1], shift)
    return shift_sigma(low + (high - low) * uniform, shift)


def interpolate(
    latents: Float[Array, "B ..."], noise: Float[Array, "B ..."], sigma: Float[Array, " B"]
) -> Float[Array, "B ..."]:
    """Return (1 − sigma)·latents + sigma·noise, sigma broadcast over a sample's dims."""
    sigma = sigma.reshape(sigma.shape + (1,) * (latents.ndim - sigma.ndim))
    return (1 - sigma) * latents + sigma * noise


def sampling_sigmas(steps: int, shift: float, grid: str = "wan") -> np.ndarray:
    """Return steps + 1 float64 sigmas from (about) 1 down to a final 0.

    Grids: `wan` is linspace(0.999, 0, steps + 1) without its last value, `wan_dpm` the same from
    1, `diffusers` linspace(1, 0.001, steps + 1) without its last; each shifted, `diffusers` with
    its first sigma less 10⁻⁶. Raises ValueError for another grid or fewer than one step.
    """
    if steps < 1:
        raise ValueError(f"sampling needs at least 1 step, not {steps}")
    if grid not in SHIFTED_GRIDS:
        raise ValueError(f"there is no sigma grid {grid!r}: there are {', '.join(SHIFTED_GRIDS)}")
    first = {"wan": 0.999, "wan_dpm": 1.0, "diffusers": 1.0}[grid]
    last = 0.001 if grid == "diffusers" else 0.0
    sigmas = np.linspace(first, last, steps + 1)[:-1]
    sigmas = shift * sigmas / (1 + (shift - 1) * sigmas)
    if grid == "diffusers":
        sigmas[0] -= 1e-6
    return np.append(sigmas, 0.0)


def grid_sigmas(steps: int, schedule: Schedule, grid: str) -> np.ndarray:
    """Return `sampling_sigmas` under a schedule, or the grid `anchors` of a distilled model.

    The latter asks each expert equally often, at `Schedule.anchors`. Raises ValueError as
    `sampling_sigmas`, and where the experts cannot share the steps.
    """
    if grid != "anchors":
        return sampling_sigmas(steps, schedule.shift, grid)
    experts = len(schedule.windows())
    if steps < 1 or steps % experts:
        raise ValueError(f"{experts} experts cannot share {steps} steps of the grid 'anchors'")
    anchors = schedule.anchors(steps // experts)
    anchors[1:, 0] -= BELOW
    return np.append(anchors.reshape(-1), 0.0)


def fold_sample(key: jax.Array, sample_index: jax.Array, purpose: int) -> jax.Array:
    """Return a key of (seed, global sample index, purpose); sample_index is two uint32 words."""
    key = jax.random.fold_in(key, purpose)
    return jax.random.fold_in(jax.random.fold_in(key, sample_index[0]), sample_index[1])


def draw_noise(
    key: jax.Array, sample_indices: jax.Array, purpose: int, shape: tuple[int, ...]
) -> jax.Array:
    """Return normal noise [B, *shape], each sample from its own index: [B, 2] uint32."""
    keys = jax.vmap(lambda index: fold_sample(key, index, purpose))(sample_indices)
    return jax.vmap(lambda k: jax.random.normal(k, shape))(keys)


def draw_uniform(key: jax.Array, sample_indices: jax.Array, purpose: int) -> Float[Array, " B"]:
    """Return one uniform draw in [0, 1) per sample, each from its own index."""
    keys = jax.vmap(lambda index: fold_sample(key, index, purpose))(sample_indices)
    return jax.vmap(lambda k: jax.random.uniform(k, dtype=jnp.float32))(keys)
