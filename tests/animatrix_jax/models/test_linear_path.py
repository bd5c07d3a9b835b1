"""The linear path starts where a principal component analysis ends."""

from functools import partial

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from animatrix_jax.models.linear_path import (
    LinearPath,
    fold_blocks,
    principal_maps,
    unfold_blocks,
)

TIME, SPACE, Z = 2, 4, 6


def smooth_clips() -> np.ndarray:
    """Clips whose blocks are well told by a few components, and not by a mean."""
    random = np.random.default_rng(0)
    y, x, t = np.meshgrid(np.arange(16), np.arange(16), np.arange(5), indexing="ij")
    clips = []
    for _ in range(24):
        a, b, c = random.normal(size=3) / 8
        wave = np.sin(a * x + b * y + c * t + random.uniform(0, 6))
        clips.append(wave.transpose(2, 0, 1)[..., None] * random.uniform(-1, 1, 3))
    return np.asarray(clips) + 0.05 * random.normal(size=(24, 5, 16, 16, 3)) + 0.2


@pytest.fixture(scope="module")
def clips() -> np.ndarray:
    return smooth_clips().astype(np.float32)


@pytest.fixture(scope="module")
def maps(clips: np.ndarray) -> dict[str, np.ndarray]:
    return principal_maps(clips, TIME, SPACE, Z, seed=0)


def analysis_error(blocks: np.ndarray) -> float:
    """The mean squared error that the best Z components leave, by singular values."""
    centred = blocks - blocks.mean(axis=0)
    singular = np.linalg.svd(centred, compute_uv=False)
    return float(np.sum(singular[Z:] ** 2) / centred.size)


def blocks_of(frames: np.ndarray, time: int) -> np.ndarray:
    count, length, height, width, _ = frames.shape
    cut = frames.reshape(
        count, length // time, time, height // SPACE, SPACE, width // SPACE, SPACE, 3
    )
    return cut.transpose(0, 1, 3, 5, 2, 4, 6, 7).reshape(-1, time * SPACE**2 * 3).astype(float)


def test_the_start_reconstructs_as_principal_components_do(
    clips: np.ndarray, maps: dict[str, np.ndarray]
) -> None:
    apply = partial(LinearPath(TIME, SPACE, Z).apply, {"params": maps})
    decoded = np.asarray(apply(apply(jnp.asarray(clips), method="encode"), method="decode"))
    for part, time in ((slice(0, 1), 1), (slice(1, None), TIME)):
        error = float(np.mean((decoded[:, part].astype(float) - clips[:, part]) ** 2))
        expected = analysis_error(blocks_of(clips[:, part], time))
        assert error == pytest.approx(expected, rel=1e-3)
        assert expected < 0.2 * clips[:, part].var()


def test_channels_share_the_variance_of_the_later_blocks(
    clips: np.ndarray, maps: dict[str, np.ndarray]
) -> None:
    path = LinearPath(TIME, SPACE, Z)
    latents = np.asarray(path.apply({"params": maps}, jnp.asarray(clips), method="encode"))[:, 1:]
    assert float(np.mean(latents**2)) == pytest.approx(1.0, rel=1e-3)
    spread = latents.reshape(-1, Z).std(axis=0)
    own = np.linalg.eigvalsh(np.cov(latents.reshape(-1, Z), rowvar=False)) ** 0.5
    assert spread.max() / spread.min() < 0.5 * own.max() / own.min()


def test_the_first_frame_speaks_the_language_of_the_later_ones() -> None:
    still = np.repeat(smooth_clips()[:, :1], 5, axis=1).astype(np.float32)
    path = LinearPath(TIME, SPACE, Z)
    params = {"params": principal_maps(still, TIME, SPACE, Z, seed=1)}
    latents = np.asarray(path.apply(params, jnp.asarray(still), method="encode"))
    np.testing.assert_allclose(latents[:, 0], latents[:, 1], atol=0.05)


def test_the_start_depends_on_its_seed_alone(clips: np.ndarray) -> None:
    first, again, other = (principal_maps(clips[:8], TIME, SPACE, Z, s) for s in (0, 0, 1))
    for name, leaf in first.items():
        np.testing.assert_array_equal(leaf, again[name])
    assert np.abs(first["rest_in"] - other["rest_in"]).max() > 1e-3


@given(
    time=st.integers(1, 3),
    space=st.integers(1, 3),
    grid=st.tuples(st.integers(0, 2), st.integers(1, 2), st.integers(1, 3)),
)
def test_unfolding_blocks_undoes_folding(time: int, space: int, grid: tuple[int, int, int]) -> None:
    t, h, w = grid
    frames = np.random.default_rng(0).normal(size=(2, t * time, h * space, w * space, 3))
    blocks = fold_blocks(frames, time, space)
    assert blocks.shape == (2, t, h, w, time * space**2 * 3)
    np.testing.assert_array_equal(unfold_blocks(blocks, time, space), frames)
