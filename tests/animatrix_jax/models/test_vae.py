"""The causal VAE: shapes and their refusals, causality, images, normalisation."""

from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from animatrix_jax.models.vae import VAE, VAEConfig, fold_pixels, unfold_pixels
from animatrix_jax.models.vae_presets import NORM_EPS, WAN_21, WAN_22
from tests.tiny import random_like

CONFIG = VAEConfig(
    base_dim=4,
    z_dim=3,
    multipliers=(1, 2, 2),
    res_blocks=1,
    strides=((2, 2), (2, 1)),
    temporal_kernels=(1, 3, 3),
    patch=2,
    linear_path=True,
    latents_mean=(0.5, -1.0, 0.0),
    latents_std=(2.0, 0.5, 1.0),
)
WITHOUT_PATH = replace(CONFIG, linear_path=False, patch=1, strides=((1, 2), (2, 2)))
RESIDUAL = VAEConfig(
    4, 3, (2, 2), 1, ((2, 2),), (3, 3), 2, decoder_dim=6, resampling="residual", norm_eps=NORM_EPS
)


class Small:
    """A VAE with random weights, its methods compiled."""

    def __init__(self, config: VAEConfig, frames: int) -> None:
        self.vae = VAE(config)
        random = np.random.default_rng(1)
        self.clip = random.uniform(-1.0, 1.0, (1, frames, 8, 8, 3)).astype(np.float32)
        shape = config.latent_shape(frames, 8, 8)
        self.latents = random.normal(size=(1, *shape)).astype(np.float32)
        init = partial(self.vae.init, method="reconstruct")
        shapes = jax.eval_shape(init, jax.random.key(0), self.clip, self.latents)
        self.params = random_like(shapes, 2)
        self.mean = np.array(config.latents_mean or (0.0,) * config.z_dim)
        self.std = np.array(config.latents_std or (1.0,) * config.z_dim)
        self._methods: dict[str, Any] = {}

    def __call__(self, method: str, *inputs: np.ndarray) -> Any:
        if method not in self._methods:
            self._methods[method] = jax.jit(partial(self.vae.apply, method=method))
        return jax.tree.map(np.asarray, self._methods[method](self.params, *inputs))


def changed_from(x: np.ndarray, frame: int) -> np.ndarray:
    return np.concatenate([x[:, :frame], -0.5 * x[:, frame:]], axis=1)


@pytest.fixture(scope="module", params=["linear path", "plain", "residual"])
def small(request: pytest.FixtureRequest) -> Small:
    kinds = {"linear path": (CONFIG, 9), "plain": (WITHOUT_PATH, 5), "residual": (RESIDUAL, 5)}
    return Small(*kinds[request.param])


def test_shapes(small: Small) -> None:
    frames, config = small.clip.shape[1], small.vae.config
    decoded, mean, log_variance = small("reconstruct", small.clip, small.latents)
    assert mean.shape == log_variance.shape == (1, *config.latent_shape(frames, 8, 8))
    assert decoded.shape == small.clip.shape
    assert mean.std() > 1e-3 and (log_variance >= -30).all()


def test_a_later_pixel_frame_never_changes_an_earlier_latent(small: Small) -> None:
    stride = small.vae.config.time_stride
    before = small("encode", small.clip)
    for changed in range(1, small.clip.shape[1]):
        after = small("encode", changed_from(small.clip, changed))
        first = 1 + (changed - 1) // stride
        np.testing.assert_array_equal(before[:, :first], after[:, :first])
        assert (before[:, first] != after[:, first]).any()


def test_a_later_latent_never_changes_an_earlier_frame(small: Small) -> None:
    stride = small.vae.config.time_stride
    before = small("decode", small.latents)
    for changed in range(1, small.latents.shape[1]):
        after = small("decode", changed_from(small.latents, changed))
        first = 1 + (changed - 1) * stride
        np.testing.assert_array_equal(before[:, :first], after[:, :first])
        assert (before[:, first:] != after[:, first:]).any()


def test_an_image_is_the_first_latent_frame_of_a_clip(small: Small) -> None:
    image, clip = small("encode", small.clip[:, :1]), small("encode", small.clip)
    np.testing.assert_allclose(image, clip[:, :1], atol=1e-5)
    decoded = small("decode", small.latents[:, :1])
    assert decoded.shape[1] == 1
    np.testing.assert_allclose(decoded, small("decode", small.latents)[:, :1], atol=1e-5)


def test_normalisation_is_undone_by_decoding(small: Small) -> None:
    decoded, mean, _ = small("reconstruct", small.clip, np.zeros_like(small.latents))
    normal = small("encode", small.clip)
    expected = (mean - small.mean) / small.std
    np.testing.assert_allclose(normal, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(small("decode", normal), decoded, atol=1e-4)


def test_the_training_pass_adds_the_posterior_noise(small: Small) -> None:
    noise = small.latents
    decoded, mean, log_variance = small("reconstruct", small.clip, noise)
    drawn = mean + np.exp(0.5 * log_variance) * noise
    normal = (drawn - small.mean) / small.std
    np.testing.assert_allclose(small("decode", normal.astype(np.float32)), decoded, atol=1e-4)


def test_a_linear_path_stands_alone_at_the_start() -> None:
    config = VAEConfig(2, 3, (1, 1), 1, ((2, 2),), (1, 3), linear_path=True)
    vae, clip = VAE(config), jax.random.uniform(jax.random.key(0), (1, 3, 4, 4, 3))
    noise = jnp.zeros((1, *config.latent_shape(3, 4, 4)))

    @jax.jit
    def at_start() -> tuple[jax.Array, ...]:
        params = vae.init(jax.random.key(1, impl="rbg"), clip, noise, method="reconstruct")
        decoded, mean, log_variance = vae.apply(params, clip, noise, method="reconstruct")
        linear = vae.apply(params, clip, method=lambda v, x: v.linear.encode(x))
        alone = vae.apply(params, linear, method=lambda v, x: v.linear.decode(x))
        return decoded, alone, mean, linear, log_variance

    decoded, alone, mean, linear, log_variance = at_start()
    np.testing.assert_allclose(mean, linear, atol=1e-6)
    np.testing.assert_allclose(decoded, alone, atol=1e-5)
    assert log_variance.max() < -5


@pytest.mark.parametrize(
    ("frames", "height", "width", "says"),
    [
        (6, 8, 8, "a clip needs 4n+1 frames, not 6: 5 and 9 are nearest"),
        (0, 8, 8, "a clip needs 4n+1 frames, not 0: 1 and 5 are nearest"),
        (-3, 8, 8, "a clip needs 4n+1 frames, not -3: 1 and 5 are nearest"),
        (5, 10, 8, "height 10 is not a positive multiple of 4"),
        (5, 8, 0, "width 0 is not a positive multiple of 4"),
    ],
)
def test_a_clip_that_does_not_fit_is_refused(
    frames: int, height: int, width: int, says: str
) -> None:
    with pytest.raises(ValueError) as error:
        CONFIG.latent_shape(frames, height, width)
    assert str(error.value) == says


@given(n=st.integers(0, 30), rows=st.integers(1, 40), columns=st.integers(1, 40))
def test_latent_shape_of_a_clip_that_fits(n: int, rows: int, columns: int) -> None:
    for wan, stride, channels in ((WAN_21, 8, 16), (WAN_22, 16, 48)):
        assert (wan.time_stride, wan.space_stride) == (4, stride)
        shape = wan.latent_shape(4 * n + 1, stride * rows, stride * columns)
        assert shape == (n + 1, rows, columns, channels)


def test_levels_that_do_not_agree_are_refused() -> None:
    with pytest.raises(ValueError, match="3 levels needs 2 strides and 3 temporal kernels, not 1"):
        replace(CONFIG, strides=((2, 2),))


def test_shortcuts_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match=r"cannot share 1·1 channels between 3: its multipliers"):
        replace(RESIDUAL, multipliers=(1, 3))


@given(
    patch=st.integers(1, 3),
    shape=st.tuples(st.integers(1, 2), st.integers(1, 3), st.integers(1, 3), st.integers(1, 3)),
    seed=st.integers(0, 99),
)
def test_unfolding_pixels_undoes_folding(
    patch: int, shape: tuple[int, int, int, int], seed: int
) -> None:
    batch, time, rows, columns = shape
    frames = np.random.default_rng(seed).normal(
        size=(batch, time, rows * patch, columns * patch, 3)
    )
    folded = fold_pixels(frames, patch)
    assert folded.shape == (batch, time, rows, columns, 3 * patch**2)
    np.testing.assert_array_equal(unfold_pixels(folded, patch), frames)
    np.testing.assert_array_equal(folded[0, 0, 0, 0, :3], frames[0, 0, 0, 0])
