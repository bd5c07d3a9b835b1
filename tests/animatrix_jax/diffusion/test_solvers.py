"""Solvers against a flow whose exact path is known, and UniPC against its definition."""

import math
from itertools import pairwise

import numpy as np
import pytest

from animatrix_jax.diffusion.schedule import sampling_sigmas
from animatrix_jax.diffusion.solvers import SOLVERS, dpmpp, euler, timestep_of, unipc

MEAN = np.array([0.7, -1.2])
DEVIATION = np.array([0.3, 0.8])
START = np.array([[1.1, -0.4], [0.2, 2.0]])


def moments_at(sigma):
    return (1 - sigma) * MEAN, ((1 - sigma) * DEVIATION) ** 2 + sigma**2


def gaussian_velocity(x, timestep):
    """E[noise − clean | x] for clean ~ N(MEAN, DEVIATION²), in closed form."""
    sigma = timestep / 1000
    centre, variance = moments_at(sigma)
    clean = MEAN + (1 - sigma) * DEVIATION**2 / variance * (x - centre)
    return sigma / variance * (x - centre) - clean


def exact(x, start, end):
    """The flow keeps the standardised value."""
    (m0, v0), (m1, v1) = moments_at(start), moments_at(end)
    return m1 + (x - m0) / np.sqrt(v0) * np.sqrt(v1)


def error(solver, sigmas):
    x = START
    found = solver(gaussian_velocity, x, sigmas)
    return np.abs(found - exact(x, sigmas[0], sigmas[-1])).max()


# DPM-Solver++'s first-order first step is never corrected: it is between the other two here.
@pytest.mark.parametrize(("name", "order"), [("euler", 1), ("dpmpp", 1.6), ("unipc", 2)])
def test_order_of_convergence(name, order):
    errors = [error(SOLVERS[name], sampling_sigmas(n, 3.0)) for n in (16, 32, 64, 128)]
    rates = [math.log2(a / b) for a, b in pairwise(errors)]
    assert rates[-1] > order - 0.15
    assert errors[-1] < errors[0] / 4


def test_second_order_beats_first_at_forty_steps():
    sigmas = sampling_sigmas(40, 3.0)
    assert error(unipc, sigmas) < error(dpmpp, sigmas) < error(euler, sigmas) / 3


def unipc_by_definition(velocity, x, sigmas):
    """UniPC-2 (B₂, data prediction) from Zhao et al. (2023), algorithms 5 to 8, by linear solves.

    Lambda may be infinite at the last point only, where the order is 1.
    """
    alpha, sigma = 1 - sigmas, sigmas
    with np.errstate(divide="ignore"):
        lam = np.log(alpha) - np.log(sigma)
    clean, states, orders = [], [x], [0]
    n = len(sigmas) - 1

    def update(x, i, order, end_clean):
        h = lam[i + 1] - lam[i]
        first = np.expm1(-h)
        out = sigma[i + 1] / sigma[i] * x - alpha[i + 1] * first * clean[i]
        ratios = [(lam[i - k] - lam[i]) / h for k in range(1, order)]
        changes = [(clean[i - k] - clean[i]) / r for k, r in enumerate(ratios, start=1)]
        if end_clean is not None:
            ratios, changes = [*ratios, 1.0], [*changes, end_clean - clean[i]]
        if not ratios:
            return out
        count = len(ratios)
        matrix = np.array([[r**p for r in ratios] for p in range(count)])
        target, phi = [], first / -h - 1
        for power in range(1, count + 1):
            target.append(phi * math.factorial(power) / first)
            phi = phi / -h - 1 / math.factorial(power + 1)
        weights = np.array([0.5]) if count == 1 else np.linalg.solve(matrix, np.array(target))
        return out - alpha[i + 1] * first * sum(
            w * c for w, c in zip(weights, changes, strict=True)
        )

    for i in range(n):
        now = x - sigma[i] * velocity(x, 1000 * sigma[i])
        if i > 0:
            x = update(states[-1], i - 1, orders[-1], now)
        clean.append(now)
        states.append(x)
        orders.append(min(2, i + 1, n - i))
        x = update(x, i, orders[-1], None)
    return x


@pytest.mark.parametrize("steps", [1, 2, 3, 8, 40])
def test_unipc_is_the_published_method(steps):
    sigmas = sampling_sigmas(steps, 5.0)

    def velocity(x, timestep):
        return np.sin(3 * x) + x * timestep / 1000

    found = unipc(velocity, START, sigmas)
    np.testing.assert_allclose(found, unipc_by_definition(velocity, START, sigmas), rtol=1e-9)


@pytest.mark.parametrize("name", ["dpmpp", "unipc"])
def test_pure_noise_is_the_limit_of_almost_pure_noise(name):
    sigmas = sampling_sigmas(6, 5.0, "wan_dpm")
    near = np.append(1 - 1e-13, sigmas[1:])
    found, limit = (SOLVERS[name](gaussian_velocity, START, grid) for grid in (sigmas, near))
    assert sigmas[0] == 1.0
    np.testing.assert_allclose(found, limit, rtol=0.02)


@pytest.mark.parametrize("name", list(SOLVERS))
def test_constant_velocity_is_followed_exactly(name):
    sigmas = sampling_sigmas(7, 5.0, "wan_dpm")
    noise, clean = np.full((1, 2), 2.0), np.array([[0.5, -3.0]])
    found = SOLVERS[name](lambda x, t: noise - clean, noise, sigmas)
    np.testing.assert_allclose(found, clean, atol=1e-9)


@pytest.mark.parametrize("name", list(SOLVERS))
def test_timesteps_asked_for(name):
    sigmas = sampling_sigmas(5, 5.0)
    seen = []

    def velocity(x, timestep):
        seen.append(timestep)
        return x

    SOLVERS[name](velocity, START, sigmas)
    np.testing.assert_allclose(seen, 1000 * sigmas[:-1])
    seen.clear()
    SOLVERS[name](velocity, START, sigmas, integer_timestep=True)
    assert seen == [float(int(1000 * sigma)) for sigma in sigmas[:-1]]
    assert seen != [1000 * sigma for sigma in sigmas[:-1]]


def test_timestep_is_cut_not_rounded():
    assert timestep_of(0.9998, True) == 999.0
    assert timestep_of(0.9998, False) == pytest.approx(999.8)
