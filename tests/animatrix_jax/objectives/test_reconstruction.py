"""The VAE's loss and the masked denoising loss, with numbers known beforehand."""

import jax.numpy as jnp
import numpy as np
import pytest

from animatrix_jax.objectives.reconstruction import Reconstruction, masked_denoising_loss, psnr

SHAPE = (1, 2, 2, 2, 3)
UNIT = (jnp.zeros((1, 1, 1, 1, 4)), jnp.zeros((1, 1, 1, 1, 4)))


@pytest.mark.parametrize("error, decibels", [(4.0, 0.0), (0.04, 20.0), (4e-6, 60.0)])
def test_psnr_of_a_range_of_two(error: float, decibels: float) -> None:
    assert psnr(jnp.asarray(error)) == pytest.approx(decibels, abs=1e-4)


def test_psnr_of_no_error_is_finite() -> None:
    assert np.isfinite(psnr(jnp.asarray(0.0)))


def test_a_constant_error_has_no_edges() -> None:
    frames = jnp.zeros(SHAPE)
    loss, terms = Reconstruction(edges=1.0, divergence=1.0)(frames, frames + 0.2, *UNIT)
    assert loss == pytest.approx(0.04) and terms["psnr"] == pytest.approx(20.0, abs=1e-3)
    assert terms["edges"] == 0 and terms["divergence"] == 0


def test_edges_are_differences_along_time_rows_and_columns() -> None:
    frames = jnp.zeros(SHAPE)
    decoded = frames.at[:, 1].set(0.6)
    loss, terms = Reconstruction(edges=0.5, divergence=0.0)(frames, decoded, *UNIT)
    assert terms["edges"] == pytest.approx(0.6 / 3, rel=1e-5)
    assert loss == pytest.approx(0.18 + 0.5 * 0.2, rel=1e-5)


def test_divergence_from_the_unit_normal() -> None:
    frames = jnp.zeros(SHAPE)
    mean, log_variance = jnp.full((1, 1, 1, 1, 4), 2.0), jnp.full((1, 1, 1, 1, 4), 1.0)
    loss, terms = Reconstruction(divergence=0.1)(frames, frames, mean, log_variance)
    by_hand = 0.5 * (4 + np.e - 1 - 1)
    assert terms["divergence"] == pytest.approx(by_hand, rel=1e-5)
    assert loss == pytest.approx(0.1 * by_hand, rel=1e-5)


def test_only_masked_tokens_are_named() -> None:
    logits = jnp.log(jnp.array([[[0.5, 0.25, 0.25], [0.1, 0.1, 0.8], [1.0, 1e-9, 1e-9]]]))
    targets, masked = jnp.array([[0, 1, 2]]), jnp.array([[True, True, False]])
    by_hand = -(np.log(0.5) + np.log(0.1)) / 2
    assert masked_denoising_loss(logits, targets, masked) == pytest.approx(by_hand, rel=1e-5)
    assert masked_denoising_loss(logits, targets, jnp.zeros((1, 3), bool)) == 0
