"""Both forms of every convolution are one function, with one gradient."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from animatrix_jax.models import conv


def normal(seed: int, *shape: int) -> jax.Array:
    return jax.random.normal(jax.random.key(seed), shape)


def agree(first: Callable, second: Callable, x: jax.Array, kernel: jax.Array) -> None:
    """Outputs agree, and so do the gradients of a fixed linear reading of them."""

    def of(form: Callable) -> tuple:
        out, back = jax.vjp(form, x, kernel)
        return out, *back(normal(7, *out.shape))

    pairs = jax.jit(lambda: (of(first), of(second)))()
    for a, b in zip(*pairs, strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("size", "frames"), [((3, 3, 3), 4), ((1, 3, 3), 2), ((3, 1, 1), 1)], ids=str
)
def test_forms_of_the_causal_convolution_agree(size: tuple[int, int, int], frames: int) -> None:
    x, kernel = normal(0, 2, frames, 4, 5, 3), normal(1, *size, 3, 2)
    forms = (conv._conv3d_native, conv._conv3d_summed)
    native, summed = (partial(form, before=size[0] - 1) for form in forms)
    agree(native, summed, x, kernel)


def test_the_causal_convolution_is_its_definition() -> None:
    x = np.asarray(normal(0, 1, 3, 4, 4, 2), np.float64)
    kernel = np.asarray(normal(1, 3, 3, 3, 2, 2), np.float64)
    padded = np.pad(x, ((0, 0), (2, 0), (1, 1), (1, 1), (0, 0)))
    expected = np.zeros((1, 3, 4, 4, 2))
    for t, i, j in np.ndindex(3, 4, 4):
        window = padded[0, t : t + 3, i : i + 3, j : j + 3]
        expected[0, t, i, j] = np.einsum("tijc,tijcd->d", window, kernel)
    found = jax.jit(conv.causal_conv3d)(x.astype(np.float32), kernel.astype(np.float32))
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("edges", [(6, 8), (2, 2)], ids=str)
def test_forms_of_the_halving_agree(edges: tuple[int, int]) -> None:
    x, kernel = normal(0, 3, *edges, 3), normal(1, 3, 3, 3, 4)
    assert jax.eval_shape(conv.halve_space, x, kernel).shape == (3, edges[0] // 2, edges[1] // 2, 4)
    agree(conv._halve_native, conv._halve_folded, x, kernel)


def test_no_frame_sees_a_later_one() -> None:
    x, kernel = normal(0, 1, 5, 4, 4, 2), normal(1, 3, 3, 3, 2, 2)
    later = x.at[:, 3:].add(1.0)
    convolve = jax.jit(conv.causal_conv3d)
    before, after = convolve(x, kernel), convolve(later, kernel)
    np.testing.assert_array_equal(before[:, :3], after[:, :3])
    assert (before[:, 3:] != after[:, 3:]).any()


@pytest.mark.parametrize("sizes", [(1, 4), (2, 3), (1, 1, 3), (1, 0, 4)], ids=str)
def test_a_layer_continues_from_the_chunk_before(sizes: tuple[int, ...]) -> None:
    x, layer = normal(0, 1, 5, 4, 4, 2), conv.CausalConv(3)
    params, memory, chunks = layer.init(jax.random.key(1), x), {}, []
    for start, size in zip(np.cumsum((0, *sizes)), sizes, strict=False):
        chunk = x[:, start : start + size]
        out, memory = layer.apply({**params, **memory}, chunk, mutable=[conv.MEMORY])
        chunks.append(out)
    assert params.keys() == {"params"}
    np.testing.assert_allclose(jnp.concatenate(chunks, 1), layer.apply(params, x), atol=1e-6)


def test_a_layer_computes_in_the_type_of_its_input() -> None:
    x, layer = normal(0, 1, 2, 4, 4, 2), conv.CausalConv(3)
    params = layer.init(jax.random.key(1), x)
    narrow = layer.apply(params, x.astype(jnp.bfloat16))
    assert narrow.dtype == jnp.bfloat16
    np.testing.assert_allclose(narrow.astype(np.float32), layer.apply(params, x), atol=0.1)


def test_a_clip_without_frames_stays_one() -> None:
    out = jax.jit(conv.causal_conv3d)(jnp.zeros((2, 0, 4, 4, 3)), jnp.ones((3, 1, 1, 3, 6)))
    assert out.shape == (2, 0, 4, 4, 6)
