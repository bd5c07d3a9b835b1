"""Solvers of dz/dsigma = velocity from noise to clean latents: Euler, DPM-Solver++ and UniPC.

A solver takes `velocity(latents, timestep)`, latents at `sigmas[0]` and a falling grid of sigmas
(see `sampling_sigmas`), and returns the latents at `sigmas[-1]`. Coefficients are computed on the
host in float64; the arrays keep their own type.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float

VelocityAt = Callable[[Any, float], Any]
"""Velocity of latents at a timestep, 1000·sigma on the host."""


def timestep_of(sigma: float, integer: bool) -> float:
    """Return 1000·sigma, cut to an integer where asked, as Wan's sampling hands it to the model."""
    timestep = 1000.0 * float(sigma)
    return float(int(timestep)) if integer else timestep


def euler(
    velocity: VelocityAt,
    latents: Float[Array, "B ..."],
    sigmas: np.ndarray,
    *,
    integer_timestep: bool = False,
) -> Float[Array, "B ..."]:
    """Follow the velocity in straight steps, one evaluation each (first order)."""
    for sigma, following in pairwise(sigmas):
        step = float(following - sigma)
        latents = latents + step * velocity(latents, timestep_of(sigma, integer_timestep))
    return latents


@dataclass(frozen=True)
class _Known:
    """The clean latents predicted at one grid point, with its λ = log((1 − sigma)/sigma).

    λ is −∞ at sigma 1: what follows takes its limit there, in which that point's step is of order 1
    and nothing later looks back at it.
    """

    clean: Any
    log_ratio: float


def _log_ratio(sigma: float) -> float:
    with np.errstate(divide="ignore"):
        return float(np.log1p(-sigma) - np.log(sigma))


def dpmpp(
    velocity: VelocityAt,
    latents: Float[Array, "B ..."],
    sigmas: np.ndarray,
    *,
    integer_timestep: bool = False,
) -> Float[Array, "B ..."]:
    """Step by the newest predicted clean latents and the ones before them, one evaluation a step.

    DPM-Solver++(2M) (Lu et al., 2022, algorithm 2, midpoint form), with order 1 in the first and
    the last step, as Wan's second solver has it. It is UniPC's predictor without the corrector.
    """
    last = len(sigmas) - 2
    known: list[_Known] = []
    for index, (sigma, following) in enumerate(pairwise(map(float, sigmas))):
        clean = latents - sigma * velocity(latents, timestep_of(sigma, integer_timestep))
        known = [*known[-1:], _Known(clean, _log_ratio(sigma))]
        use = known if index < last else known[-1:]
        latents = _predict(latents, use, sigma, following)
    return latents


def unipc(
    velocity: VelocityAt,
    latents: Float[Array, "B ..."],
    sigmas: np.ndarray,
    *,
    integer_timestep: bool = False,
) -> Float[Array, "B ..."]:
    """Predict and correct with the unified multistep method, one evaluation a step.

    UniPC (Zhao et al., 2023) of order 2 with B(h) = e^h − 1, on predicted clean latents, with the
    corrector at every point but the last, and order 1 in the first and the last step: what Wan
    samples with.
    """
    last = len(sigmas) - 2
    known: list[_Known] = []
    before = latents
    for index in range(last + 1):
        sigma, following = float(sigmas[index]), float(sigmas[index + 1])
        timestep = timestep_of(sigma, integer_timestep)
        clean = latents - sigma * velocity(latents, timestep)
        now = _Known(clean, _log_ratio(sigma))
        if index > 0:
            previous = float(sigmas[index - 1])
            latents = _correct(before, now, known, previous, sigma)
        known = [*known[-1:], now]
        use = known if index < last else known[-1:]
        before, latents = latents, _predict(latents, use, sigma, following)
    return latents


def _exponential_step(
    latents: jax.Array, known: _Known, start: float, end: float
) -> tuple[jax.Array, float]:
    """Return (the first-order step, the factor (1 − end)·(1 − e^−h) of what corrects it)."""
    # In sigma alone, so that sigma = 0 and 1 need no limit: the factor is 1 − end/start.
    kept = end / start
    return kept * latents + (1.0 - kept) * known.clean, 1.0 - kept


def _predict(latents: jax.Array, known: list[_Known], start: float, end: float) -> jax.Array:
    """UniP: from `start` to `end` by the newest prediction and, where given, the one before it."""
    moved, factor = _exponential_step(latents, known[-1], start, end)
    if len(known) == 1:
        return moved
    h = _log_ratio(end) - known[-1].log_ratio
    ratio = (known[-2].log_ratio - known[-1].log_ratio) / h
    return moved + (0.5 * factor / ratio) * (known[-2].clean - known[-1].clean)


def _correct(
    latents: jax.Array, now: _Known, known: list[_Known], start: float, end: float
) -> jax.Array:
    """UniC: take the step from `start` to `end` again, knowing what was predicted at its end."""
    moved, factor = _exponential_step(latents, known[-1], start, end)
    gain = now.clean - known[-1].clean
    if len(known) == 1:
        return moved + (0.5 * factor) * gain
    h = now.log_ratio - known[-1].log_ratio
    ratio = (known[-2].log_ratio - known[-1].log_ratio) / h
    first, second = _moments(h)
    older = (first - second) / (1.0 - ratio)
    return moved + factor * (
        (older / ratio) * (known[-2].clean - known[-1].clean) + (first - older) * gain
    )


def _moments(h: float) -> tuple[float, float]:
    """Return φ_2/B and 2·φ_3/B at −h, with φ_1·(−h) = B = e^−h − 1: the corrector's conditions."""
    whole = float(np.expm1(-h))
    second = whole / -h - 1.0
    third = second / -h - 0.5
    return second / whole, 2.0 * third / whole


SOLVERS = {"unipc": unipc, "dpmpp": dpmpp, "euler": euler}
