"""The noise schedule: the shift, the experts' windows, sampling grids, noise by sample."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest

from animatrix_jax.diffusion.schedule import (
    Schedule,
    draw_noise,
    draw_sigma,
    draw_uniform,
    fold_sample,
    interpolate,
    sampling_sigmas,
    shift_sigma,
    unshift_sigma,
)

sigmas, shifts = st.floats(0, 1), st.floats(0.1, 20)
boundaries = st.floats(0.01, 0.99)


@given(sigma=sigmas, shift=shifts)
def test_unshifting_undoes_shifting(sigma: float, shift: float) -> None:
    shifted = shift_sigma(sigma, shift)
    assert -1e-12 <= shifted <= 1 + 1e-12
    assert unshift_sigma(shifted, shift) == pytest.approx(sigma, abs=1e-9)
    assert shift_sigma(unshift_sigma(sigma, shift), shift) == pytest.approx(sigma, abs=1e-9)
    assert shift_sigma(sigma, 1.0) == sigma
    assert (shifted - sigma) * (shift - 1) >= -1e-12


@given(shift=shifts, boundary=boundaries, seed=st.integers(0, 2**32 - 1))
def test_a_drawn_sigma_stays_in_its_window(shift: float, boundary: float, seed: int) -> None:
    schedule = Schedule(shift, boundary)
    uniform = np.random.default_rng(seed).random(100)
    for window in schedule.windows():
        drawn = draw_sigma(np.append(uniform, 0.0), window, shift)
        assert (drawn >= window[0] - 1e-9).all() and (drawn <= window[1] + 1e-9).all()


@pytest.mark.parametrize("shift, boundary", [(5.0, 0.9), (12.0, 0.875), (3.0, 0.8), (1.0, 0.5)])
def test_both_windows_together_are_one_models_distribution(shift: float, boundary: float) -> None:
    """One model without experts draws the unshifted time uniformly from [0, 1]."""
    schedule, random = Schedule(shift, boundary), np.random.default_rng(0)
    edge = float(unshift_sigma(boundary, shift))
    shares = (1 - edge, edge)
    drawn = [
        draw_sigma(random.random(round(20000 * share)), window, shift)
        for share, window in zip(shares, schedule.windows(), strict=True)
    ]
    for part, (low, high) in zip(drawn, ((edge, 1.0), (0.0, edge)), strict=True):
        assert kstest(unshift_sigma(part, shift), "uniform", (low, high - low)).pvalue > 1e-3
    together = np.concatenate(drawn)
    found = kstest(together, lambda sigma: sigma / (shift - (shift - 1) * sigma))
    assert found.pvalue > 1e-3
    # Cut in unshifted time instead, the experts' shares would be those of another model.
    wrong = draw_sigma(random.random(2000), (boundary, 1.0), 1.0)
    assert kstest(unshift_sigma(wrong, shift), "uniform", (edge, 1 - edge)).pvalue < (
        1e-3 if shift > 1 else 1.1
    )


def test_the_boundary_is_a_shifted_sigma() -> None:
    assert Schedule(5.0, 0.9).windows() == ((0.9, 1.0), (0.0, 0.9))
    assert float(unshift_sigma(0.9, 5.0)) == pytest.approx(0.642857, abs=1e-6)


def test_interpolation_runs_from_clean_to_noise() -> None:
    latents, noise = np.full((3, 2, 1), 2.0), np.full((3, 2, 1), -1.0)
    noisy = interpolate(latents, noise, np.array([0.0, 0.25, 1.0]))
    np.testing.assert_allclose(noisy[:, 0, 0], [2.0, 1.25, -1.0])


def shifted(grid: np.ndarray, shift: float) -> np.ndarray:
    return shift * grid / (1 + (shift - 1) * grid)


@pytest.mark.parametrize("steps", [1, 4, 40])
@pytest.mark.parametrize("shift", [1.0, 5.0, 12.0])
def test_sampling_grids_are_their_sources(steps: int, shift: float) -> None:
    grids = {
        "wan": [0.999 - 0.999 * i / steps for i in range(steps)],
        "wan_dpm": [1.0 - i / steps for i in range(steps)],
        "diffusers": [1.0 - 0.999 * i / steps for i in range(steps)],
    }
    for name, grid in grids.items():
        found = sampling_sigmas(steps, shift, name)
        expected = shifted(np.array(grid), shift)
        expected[0] -= 1e-6 if name == "diffusers" else 0.0
        np.testing.assert_allclose(found[:-1], expected, atol=1e-12)
        assert found[-1] == 0 and (np.diff(found) < 0).all() and len(found) == steps + 1


def test_the_grids_differ_by_what_is_known_of_them() -> None:
    difference = sampling_sigmas(40, 12.0, "wan") - sampling_sigmas(40, 12.0, "diffusers")
    assert np.abs(difference).max() == pytest.approx(0.0073, abs=1e-4)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: sampling_sigmas(0, 5.0), "sampling needs at least 1 step, not 0"),
        (lambda: sampling_sigmas(4, 5.0, "karras"), "there is no sigma grid 'karras': there are"),
        (lambda: Schedule(shift=0.0), "shift must be positive, not 0.0"),
        (lambda: Schedule(boundary=1.0), r"inside \(0, 1\), not 1.0"),
    ],
)
def test_what_cannot_be_is_refused(make, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        make()


def indices(*numbers: int) -> np.ndarray:
    return np.array([[n >> 32, n & 0xFFFFFFFF] for n in numbers], np.uint32)


@jax.jit
def noises(seed: jax.Array, sample: jax.Array) -> jax.Array:
    return draw_noise(jax.random.key(seed), sample, 4, (2, 3))


def test_noise_depends_on_seed_and_index_alone() -> None:
    first = noises(0, indices(5, 2**32 + 5, 7))
    again = noises(0, indices(7, 5, 9))
    np.testing.assert_array_equal(first[0], again[1])
    np.testing.assert_array_equal(first[2], again[0])
    different = [first[0], first[1], first[2], again[2], noises(1, indices(5, 5, 5))[0]]
    for i, one in enumerate(different):
        assert all((one != other).all() for other in different[:i])


def test_noise_is_normal_and_purposes_are_apart() -> None:
    sample = indices(*range(500))
    key = jax.random.key(3)
    noise = np.asarray(jax.jit(draw_noise, static_argnums=(2, 3))(key, sample, 4, (8,)))
    assert kstest(noise.ravel(), "norm").pvalue > 1e-3
    uniform = [
        np.asarray(jax.jit(draw_uniform, static_argnums=2)(key, sample, purpose))
        for purpose in (3, 4)
    ]
    for values in uniform:
        assert (
            kstest(values, "uniform").pvalue > 1e-3 and (values >= 0).all() and (values < 1).all()
        )
    assert abs(np.corrcoef(*uniform)[0, 1]) < 0.2
    assert (
        jax.random.key_data(fold_sample(key, jnp.asarray(sample[0]), 3)).tolist()
        != jax.random.key_data(fold_sample(key, jnp.asarray(sample[0]), 4)).tolist()
    )
