"""Rotary angles, the timestep sinusoid, and patches, each against another derivation."""

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from animatrix_jax.models.embeddings import (
    fold_tokens,
    rotary_table,
    timestep_sinusoid,
    unfold_tokens,
)
from animatrix_kernels.fused.qk_norm_rope import rotate


def wan_rotation(x: np.ndarray, grid: tuple[int, int, int]) -> np.ndarray:
    """Wan's rope_apply: one complex factor a channel pair, in float64."""
    dim = x.shape[-1]
    sizes = [dim - 4 * (dim // 6), 2 * (dim // 6), 2 * (dim // 6)]
    out = np.empty(x.shape)
    for token, place in enumerate(np.ndindex(grid)):
        factors = np.concatenate(
            [
                np.exp(1j * position / 10000.0 ** (np.arange(0, size, 2) / size))
                for position, size in zip(place, sizes, strict=True)
            ]
        )
        pairs = x[:, token].reshape(*x.shape[:1], *x.shape[2:-1], -1, 2).astype(np.float64)
        turned = (pairs[..., 0] + 1j * pairs[..., 1]) * factors
        out[:, token] = np.stack([turned.real, turned.imag], axis=-1).reshape(out[:, token].shape)
    return out


@pytest.mark.parametrize("dim", [128, 16])
def test_rotation_is_wans(dim: int) -> None:
    grid = (3, 2, 4)
    x = np.random.default_rng(0).normal(size=(2, 24, 3, dim)).astype(np.float32)
    cos, sin = rotary_table(*grid, dim)
    assert cos.shape == sin.shape == (24, dim // 2)
    np.testing.assert_allclose(jax.jit(rotate)(x, cos, sin), wan_rotation(x, grid), atol=2e-6)


def test_the_head_of_128_is_split_22_21_21() -> None:
    _, sin = rotary_table(2, 2, 2, 128)
    assert not sin[0].any()
    # Tokens (1, 0, 0), (0, 1, 0) and (0, 0, 1): a step along one of frame, row and column.
    moved = [np.flatnonzero(sin[token]) for token in (4, 2, 1)]
    assert [(m.min(), m.max()) for m in moved] == [(0, 21), (22, 42), (43, 63)]


def test_scores_depend_on_the_distance_alone() -> None:
    both = np.random.default_rng(0).normal(size=(2, 1, 1, 24)).astype(np.float32)
    turned = np.asarray(jax.jit(rotate)(both.repeat(12, axis=1), *rotary_table(1, 1, 12, 24)))
    scores = turned[0, :, 0] @ turned[1, :, 0].T
    for distance in range(-6, 7):
        diagonal = np.diagonal(scores, distance)
        np.testing.assert_allclose(diagonal, diagonal[0], atol=1e-4)


def test_the_timestep_sinusoid() -> None:
    timesteps = np.array([0.0, 1.0, 333.25, 999.0, 1000.0], np.float32)
    found = np.asarray(jax.jit(timestep_sinusoid, static_argnums=1)(timesteps, 32))
    angles = timesteps[:, None].astype(np.float64) * 10000.0 ** (-np.arange(16) / 16)
    # An angle of 1000 has a spacing of 6e-5 in float32.
    expected = np.concatenate([np.cos(angles), np.sin(angles)], axis=1)
    np.testing.assert_allclose(found, expected, atol=2e-4)
    np.testing.assert_array_equal(found[0], [1.0] * 16 + [0.0] * 16)
    by_token = timestep_sinusoid(timesteps[:4].reshape(2, 2), 32)
    np.testing.assert_allclose(by_token.reshape(4, 32), found[:4], atol=2e-4)


@given(
    patch=st.tuples(st.integers(1, 2), st.integers(1, 3), st.integers(1, 3)),
    grid=st.tuples(st.integers(1, 2), st.integers(1, 3), st.integers(1, 3)),
)
def test_unfolding_tokens_undoes_folding(
    patch: tuple[int, int, int], grid: tuple[int, int, int]
) -> None:
    shape = tuple(p * g for p, g in zip(patch, grid, strict=True))
    latents = np.random.default_rng(0).normal(size=(2, *shape, 3))
    tokens = fold_tokens(latents, patch)
    assert tokens.shape == (2, np.prod(grid), 3 * np.prod(patch))
    np.testing.assert_array_equal(unfold_tokens(tokens, patch, shape), latents)
    np.testing.assert_array_equal(
        tokens[1, -1], latents[1, -patch[0] :, -patch[1] :, -patch[2] :].ravel()
    )
