"""Streams and tiles give what the whole gives."""

from dataclasses import replace
from functools import cache, partial
from typing import Any

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from animatrix_jax.models.vae import VAE, VAEConfig
from animatrix_jax.runtime.video import (
    Tiling,
    _step,
    decode_clip,
    decode_stream,
    encode_clip,
    encode_stream,
)
from tests.tiny import random_like

POCKET = VAEConfig(
    base_dim=4,
    z_dim=3,
    multipliers=(1, 2),
    res_blocks=1,
    strides=((2, 2),),
    temporal_kernels=(1, 3),
    patch=2,
    linear_path=True,
    latents_mean=(0.5, -1.0, 0.0),
    latents_std=(2.0, 0.5, 1.0),
)
WAN_21 = replace(POCKET, temporal_kernels=(3, 3), patch=1, linear_path=False, resampling="half")
WAN_22 = replace(WAN_21, multipliers=(2, 2), decoder_dim=6, patch=2, resampling="residual")
KINDS = pytest.mark.parametrize("config", [POCKET, WAN_21, WAN_22], ids=["ours", "2.1", "2.2"])
FRAMES, EDGE = 7, 8


@cache
def params_of(config: VAEConfig) -> Any:
    clip, latents = (
        np.zeros((1, 3, EDGE, EDGE, 3)),
        np.zeros((1, *config.latent_shape(3, EDGE, EDGE))),
    )
    init = partial(VAE(config).init, method="reconstruct")
    return random_like(jax.eval_shape(init, jax.random.key(0), clip, latents), 1)


def clip_of(frames: int = FRAMES, width: int = EDGE) -> np.ndarray:
    random = np.random.default_rng(2)
    return random.uniform(-1.0, 1.0, (1, frames, EDGE, width, 3)).astype(np.float32)


def latents_of(config: VAEConfig, width: int = EDGE) -> np.ndarray:
    shape = config.latent_shape(FRAMES, EDGE, width)
    return np.random.default_rng(3).normal(size=(1, *shape)).astype(np.float32)


def whole(config: VAEConfig, method: str, x: np.ndarray) -> np.ndarray:
    vae = VAE(config)
    return np.asarray(jax.jit(partial(vae.apply, method=method))(params_of(config), x))


@KINDS
def test_a_stream_is_the_whole(config: VAEConfig) -> None:
    vae, params, before = VAE(config), params_of(config), _step._cache_size()
    latents = list(encode_stream(vae, params, clip_of()))
    assert [chunk.shape[1] for chunk in latents] == [1, 1, 1, 1]
    np.testing.assert_allclose(
        np.concatenate(latents, 1), whole(config, "encode", clip_of()), atol=3e-6
    )
    frames = list(decode_stream(vae, params, latents_of(config)))
    assert [chunk.shape[1] for chunk in frames] == [1, 2, 2, 2]
    np.testing.assert_allclose(
        np.concatenate(frames, 1), whole(config, "decode", latents_of(config)), atol=3e-6
    )
    # The first chunk and all later ones: one program each, both ways.
    assert _step._cache_size() == before + 4


def test_a_clip_may_come_in_pieces_of_any_length() -> None:
    vae, params, clip = VAE(WAN_21), params_of(WAN_21), clip_of()
    pieces = (clip[:, :2], clip[:, 2:2], clip[:, 2:6], clip[:, 6:])
    found = list(encode_stream(vae, params, pieces))
    np.testing.assert_array_equal(found, list(encode_stream(vae, params, clip)))


def test_pixels_are_frames() -> None:
    vae, params = VAE(WAN_21), params_of(WAN_21)
    pixels = np.round((clip_of(1) + 1.0) * 127.5).astype(np.uint8)
    floats = pixels.astype(np.float32) / 127.5 - 1.0
    np.testing.assert_allclose(
        encode_clip(vae, params, pixels), encode_clip(vae, params, floats), atol=1e-6
    )


@pytest.mark.parametrize(
    ("frames", "says"),
    [
        (clip_of(4), "a clip needs 2n.1 frames, not 4: 3 and 5 are nearest"),
        ((clip_of(4),), "a clip needs 2n.1 frames, not 4: 3 and 5 are nearest"),
        ((clip_of(1)[:, :, :5],), "height 5 is not a positive multiple of 2"),
        ((), "a clip of no frames cannot be encoded"),
    ],
    ids=["array", "pieces", "height", "nothing"],
)
def test_clips_that_do_not_fit_are_refused(frames: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        list(encode_stream(VAE(WAN_21), params_of(WAN_21), frames))


@given(
    length=st.integers(1, 60), size=st.integers(1, 20), overlap=st.integers(0, 19), unit=st.just(2)
)
def test_shares_of_tiles_are_together_one(length: int, size: int, overlap: int, unit: int) -> None:
    tiling = Tiling(unit * max(size, overlap + 1), unit * overlap)
    starts, shares = tiling.along(length, unit)
    np.testing.assert_allclose(shares.sum(axis=0), 1.0, atol=1e-6)
    assert (shares >= 0).all() and shares.shape == (len(starts), length)
    edge = min(tiling.size // unit, length)
    assert starts[0] == 0 and starts[-1] == length - edge and starts == sorted(set(starts))
    for start, share in zip(starts, shares, strict=True):
        assert set(np.flatnonzero(share)) <= set(range(start, start + edge))


def test_shares_are_linear_where_two_tiles_overlap() -> None:
    starts, shares = Tiling(6, 3).along(9, 1)
    assert starts == [0, 3]
    np.testing.assert_allclose(shares[0], [1, 1, 1, 0.75, 0.5, 0.25, 0, 0, 0])


@pytest.mark.parametrize("tiling", [None, Tiling(EDGE, 4), Tiling(1024, 512)], ids=str)
def test_one_tile_is_the_stream_bit_for_bit(tiling: Tiling | None) -> None:
    vae, params, latents = VAE(WAN_21), params_of(WAN_21), latents_of(WAN_21)
    streamed = np.concatenate(list(encode_stream(vae, params, clip_of())), axis=1)
    np.testing.assert_array_equal(encode_clip(vae, params, clip_of(), tiling), streamed)
    streamed = np.concatenate(list(decode_stream(vae, params, latents)), axis=1)
    np.testing.assert_array_equal(decode_clip(vae, params, latents, tiling), streamed)


def test_tiles_change_nothing_away_from_seams() -> None:
    vae, params, width = VAE(WAN_21), params_of(WAN_21), 160
    # Attention sees a whole tile: without it, a position sees about 14 latents around itself.
    params = jax.tree_util.tree_map_with_path(
        lambda path, leaf: 0 * leaf if "middle_attention" in str(path) else leaf, params
    )
    tiling = Tiling(96, 32)  # Tiles of 48 latents from 0 and 32.
    for transform, x in (
        (encode_clip, clip_of(1, width)),
        (decode_clip, latents_of(WAN_21, width)[:, :1]),
    ):
        untiled, tiled = transform(vae, params, x), transform(vae, params, x, tiling)
        unit = untiled.shape[3] // 80
        inside = np.zeros(80, bool)
        inside[:32] = inside[48:] = True
        inside = inside.repeat(unit)
        difference = np.abs(tiled - untiled).mean(axis=(0, 1, 2, 4))
        assert difference[inside].max() < 1e-6
        assert 0 < difference[~inside].max() < 0.2 * untiled.std()


def test_tiles_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="tiles of 8 pixels cannot overlap by 8"):
        Tiling(8, 8)
    with pytest.raises(ValueError, match=r"tiles of 5 pixels that overlap by 2 .* multiples of 2"):
        decode_clip(VAE(WAN_21), params_of(WAN_21), latents_of(WAN_21), Tiling(5, 2))
