"""umT5: T5's rule for position buckets; padding never matters."""

import math
from collections.abc import Callable
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from animatrix_jax.models.umt5 import ByteDenoiser, UMT5Config, UMT5Encoder, relative_buckets
from tests.tiny import random_like

CONFIG = UMT5Config(vocab=40, dim=16, ffn_dim=24, heads=2, head_dim=8, layers=2)


def bucket(distance: int, buckets: int, farthest: int) -> int:
    """T5's rule for key − query = `distance`: half of the buckets to each side; the near half of
    those one place each, the others in steps that grow by a constant factor."""
    side, half = (buckets // 2 if distance > 0 else 0), buckets // 2
    near, far = half // 2, abs(distance)
    if far < near:
        return side + far
    # The largest step whose place the distance has reached; exact powers are not left to rounding.
    step = 0
    while step + 1 < half - near and far >= near * (farthest / near) ** (
        (step + 1) / (half - near)
    ) * (1 - 1e-12):
        step += 1
    return side + near + step


@pytest.mark.parametrize("buckets, farthest", [(32, 128), (16, 40)])
def test_buckets_are_t5s(buckets: int, farthest: int) -> None:
    length = 200
    found = np.asarray(relative_buckets(length, buckets, farthest))
    for query, key in [(0, k) for k in range(length)] + [(length - 1, k) for k in range(length)]:
        assert found[query, key] == bucket(key - query, buckets, farthest), key - query
    assert found.min() == 0 and found.max() == buckets - 1


def test_buckets_depend_on_the_distance_alone() -> None:
    found = np.asarray(relative_buckets(50, 32, 128))
    for distance in (-40, -3, 0, 1, 17, 40):
        assert len(set(np.diagonal(found, distance).tolist())) == 1


@pytest.fixture(scope="module")
def encode() -> Callable[[np.ndarray], np.ndarray]:
    model = UMT5Encoder(CONFIG)
    shapes = jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, 2), jnp.int32))
    apply, params = jax.jit(model.apply), random_like(shapes, 0)
    return lambda ids: np.asarray(apply(params, ids))


def test_padding_never_matters(encode: Callable[[np.ndarray], np.ndarray]) -> None:
    ids = np.random.default_rng(0).integers(1, 40, (2, 10)).astype(np.int32)
    padded = np.pad(ids, ((0, 0), (0, 6)))
    short, long = encode(ids), encode(padded)
    np.testing.assert_allclose(long[:, :10], short, atol=1e-5)
    np.testing.assert_array_equal(long[:, 10:], 0.0)
    assert np.abs(short).max() > 0.1


def test_every_token_is_seen_from_both_sides(encode: Callable[[np.ndarray], np.ndarray]) -> None:
    ids = np.full((2, 10), 5, np.int32)
    for changed, read in ((0, 9), (9, 0)):
        other = ids.copy()
        other[0, changed] = 9
        before, after = encode(ids), encode(other)
        assert np.abs(before[0, read] - after[0, read]).max() > 1e-5


def test_one_layer_is_its_definition() -> None:
    """Unscaled attention with a bias by distance, a gated GELU, RMS norms, in float64."""
    config = UMT5Config(vocab=9, dim=8, ffn_dim=12, heads=2, head_dim=4, layers=1)
    model = UMT5Encoder(config)
    ids = np.array([[3, 1, 8, 2]], np.int32)
    params = random_like(jax.eval_shape(model.init, jax.random.key(0), ids), 1)
    p = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params)["params"]
    layer = p["layer0"]

    def norm(x: np.ndarray, gain: np.ndarray) -> np.ndarray:
        return x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6) * gain

    def gelu(x: np.ndarray) -> np.ndarray:
        return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))

    x = p["embedding"]["embedding"][ids[0]]
    h = norm(x, layer["norm1"]["gain"])
    q, k, v = ((h @ layer[n]["kernel"]).reshape(4, 2, 4) for n in "qkv")
    table = layer["position_bias"]["embedding"]
    bias = np.array([[table[bucket(j - i, 32, 128)] for j in range(4)] for i in range(4)])
    scores = np.exp(np.einsum("qhd,khd->qkh", q, k) + bias)
    weights = scores / scores.sum(axis=1, keepdims=True)
    x = x + np.einsum("qkh,khd->qhd", weights, v).reshape(4, 8) @ layer["o"]["kernel"]
    h = norm(x, layer["norm2"]["gain"])
    h = gelu(h @ layer["gate"]["kernel"]) * (h @ layer["up"]["kernel"])
    expected = norm(x + h @ layer["down"]["kernel"], p["norm"]["gain"])
    np.testing.assert_allclose(jax.jit(model.apply)(params, ids)[0], expected, atol=2e-5)


def test_linear_layers_in_bfloat16_keep_a_float32_stream(
    encode: Callable[[np.ndarray], np.ndarray],
) -> None:
    model = UMT5Encoder(replace(CONFIG, dtype="bfloat16"))
    ids = np.random.default_rng(0).integers(1, 40, (2, 10)).astype(np.int32)
    shapes = jax.eval_shape(model.init, jax.random.key(0), ids)
    assert {leaf.dtype for leaf in jax.tree.leaves(shapes)} == {jnp.dtype("float32")}
    found, exact = np.asarray(jax.jit(model.apply)(random_like(shapes, 0), ids)), encode(ids)
    assert found.dtype == np.float32
    assert 1e-5 < np.linalg.norm(found - exact) / np.linalg.norm(exact) < 2e-2


def test_the_xxl_encoder_can_be_expressed() -> None:
    config = UMT5Config(256384, 4096, 10240, 64, 64, 24)
    ids = jax.ShapeDtypeStruct((1, 512), jnp.int32)
    params = jax.eval_shape(UMT5Encoder(config).init, jax.random.key(0), ids)
    # 5.68 billion, of which the embedding is 1.05.
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == 5_680_910_336


def test_the_denoiser_names_every_position() -> None:
    model = ByteDenoiser(CONFIG)
    ids = jax.ShapeDtypeStruct((2, 5), jnp.int32)
    params = jax.eval_shape(model.init, jax.random.key(0), ids)
    assert jax.eval_shape(model.apply, params, ids).shape == (2, 5, CONFIG.vocab)
    assert set(params["params"]) == {"encoder", "head"}
