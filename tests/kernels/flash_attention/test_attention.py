import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from animatrix_kernels.flash_attention import (
    flash_attention,
    flash_attention_gradients,
    reference,
)


def draw(seed: int, *shape: int, spread: float = 1.0) -> np.ndarray:
    return (spread * np.random.default_rng([seed, *shape]).standard_normal(shape)).astype("float32")


def exact(
    q: np.ndarray, k: np.ndarray, v: np.ndarray, lengths: Any, scale: float | None
) -> tuple[np.ndarray, np.ndarray]:
    """Softmax attention in float64, row by row."""
    q, k, v = (x.astype(np.float64) for x in (q, k, v))
    out, lse = np.zeros(q.shape), np.full(q.shape[:3], -np.inf)
    for b, length in enumerate(lengths):
        if length < 1:
            continue
        logits = np.einsum("qhd,khd->qhk", q[b], k[b, :length]) * (
            q.shape[-1] ** -0.5 if scale is None else scale
        )
        top = logits.max(-1, keepdims=True)
        weights = np.exp(logits - top)
        total = weights.sum(-1, keepdims=True)
        out[b] = np.einsum("qhk,khd->qhd", weights / total, v[b, :length])
        lse[b] = (top + np.log(total))[..., 0]
    return out, lse


@functools.partial(jax.jit, static_argnames="chunk")
def chunked(q: Any, k: Any, v: Any, lengths: Any, chunk: int) -> tuple[jax.Array, jax.Array]:
    return reference.attention(q, k, v, lengths, q.shape[-1] ** -0.5, chunk=chunk)


both = jax.jit(functools.partial(flash_attention, return_lse=True))


@settings(max_examples=15)
@given(st.data())
def test_both_forms_are_softmax_attention(data: st.DataObject) -> None:
    batch, heads, dim = (data.draw(st.integers(1, 3)) for _ in range(3))
    q_length, kv_length = (data.draw(st.integers(1, 9)) for _ in range(2))
    lengths = data.draw(
        st.none() | st.lists(st.integers(0, kv_length), min_size=batch, max_size=batch)
    )
    spread = data.draw(st.sampled_from([0.1, 1.0, 30.0]))
    q = draw(0, batch, q_length, heads, dim, spread=spread)
    k, v = (
        draw(1, batch, kv_length, heads, dim, spread=spread),
        draw(2, batch, kv_length, heads, dim),
    )
    counted = [kv_length] * batch if lengths is None else lengths
    wanted, wanted_lse = exact(q, k, v, counted, None)
    kv_lengths = None if lengths is None else jnp.array(lengths)
    out, lse = both(q, k, v, kv_lengths=kv_lengths)
    assert out.shape == q.shape and lse.shape == q.shape[:3]
    np.testing.assert_allclose(out, wanted, rtol=2e-4, atol=2e-5)
    np.testing.assert_allclose(lse, wanted_lse, rtol=1e-5, atol=2e-5)
    chunk = data.draw(st.integers(1, kv_length))
    out, lse = chunked(q, k, v, kv_lengths, chunk)
    np.testing.assert_allclose(out, wanted, rtol=2e-4, atol=2e-5)
    np.testing.assert_allclose(lse, wanted_lse, rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize("chunk", [3, 4, 11])
def test_gradients_agree_with_those_of_the_plain_softmax(chunk: int) -> None:
    q, k, v = draw(0, 2, 5, 2, 4), draw(1, 2, 11, 2, 4), draw(2, 2, 11, 2, 4)
    lengths = jnp.array([11, 6])
    d_out, d_lse = draw(3, *q.shape), draw(4, *q.shape[:3])

    def plain(q: Any, k: Any, v: Any) -> jax.Array:
        logits = jnp.einsum("bqhd,bkhd->bqhk", q, k) / 2
        hidden = jnp.arange(11) >= lengths[:, None, None, None]
        logits = jnp.where(hidden, -jnp.inf, logits)
        out = jnp.einsum("bqhk,bkhd->bqhd", jax.nn.softmax(logits), v)
        return (d_out * out).sum() + (d_lse * jax.nn.logsumexp(logits, -1)).sum()

    def ours(q: Any, k: Any, v: Any) -> jax.Array:
        out, lse = chunked(q, k, v, lengths, chunk)
        return (d_out * out).sum() + (d_lse * lse).sum()

    wanted = jax.grad(plain, (0, 1, 2))(q, k, v)
    for got, want in zip(jax.grad(ours, (0, 1, 2))(q, k, v), wanted, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("chunk", [2, 6])
def test_what_does_not_count_may_be_anything_and_gets_no_gradient(chunk: int) -> None:
    q, k, v = draw(0, 2, 3, 1, 4), draw(1, 2, 6, 1, 4), draw(2, 2, 6, 1, 4)
    lengths = np.array([4, 0])
    wanted, _ = exact(q, k, v, lengths, None)
    for b, length in enumerate(lengths):
        k[b, length:], v[b, length:] = np.nan, np.inf

    def total(q: Any, k: Any, v: Any) -> tuple[jax.Array, jax.Array]:
        out, lse = chunked(q, k, v, jnp.array(lengths), chunk)
        return out.sum() + jnp.where(jnp.isfinite(lse), lse, 0).sum(), out

    gradients, out = jax.grad(total, (0, 1, 2), has_aux=True)(q, k, v)
    np.testing.assert_allclose(out, wanted, rtol=1e-4, atol=1e-6)
    assert not out[1].any()
    assert all(np.isfinite(g).all() for g in gradients)
    assert not gradients[0][1].any() and not gradients[1][0, 4:].any()
    assert gradients[1][0, :4].any() and not gradients[2][1].any()


def test_halves_merge_by_their_log_sum_exp() -> None:
    q, k, v = draw(0, 1, 4, 2, 8), draw(1, 1, 10, 2, 8), draw(2, 1, 10, 2, 8)
    whole, lse = flash_attention(q, k, v, return_lse=True)
    parts = [flash_attention(q, k[:, s], v[:, s], return_lse=True)
             for s in (slice(0, 3), slice(3, 10))]  # fmt: skip
    shares = [jnp.exp(part_lse - lse)[..., None] for _, part_lse in parts]
    merged = sum(out * share for (out, _), share in zip(parts, shares, strict=True))
    np.testing.assert_allclose(merged, whole, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(sum(shares), 1.0, rtol=1e-5)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_gradients_of_blocks_of_keys_are_those_of_all_keys(dtype: Any) -> None:
    """By the output and log-sum-exp of all of them; one block has keys that do not count."""
    q, k, v, d_out = (jnp.asarray(draw(n, 2, 8, 2, 8), dtype) for n in range(4))
    lengths = jnp.array([8, 5])

    @jax.jit
    def both(q: Any, k: Any, v: Any) -> tuple[tuple[jax.Array, ...], tuple[jax.Array, ...]]:
        attend = functools.partial(flash_attention, kv_lengths=lengths)
        out, lse = attend(q, k, v, return_lse=True)
        first, second = (
            flash_attention_gradients(
                q, k[:, part], v[:, part], out, lse, d_out, kv_lengths=lengths - part.start
            )
            for part in (slice(0, 3), slice(3, 8))
        )
        d_k, d_v = (jnp.concatenate([first[n], second[n]], axis=1) for n in (1, 2))
        return (first[0] + second[0], d_k, d_v), jax.vjp(attend, q, k, v)[1](d_out)

    bound = 1e-6 if dtype == jnp.float32 else 1e-2
    for got, want in zip(*both(q, k, v), strict=True):
        assert got.dtype == jnp.float32 and want.dtype == dtype
        want = np.asarray(want, np.float32)
        assert np.linalg.norm(got - want) <= bound * np.linalg.norm(want)


def test_scale_and_half_precision() -> None:
    q, k, v = draw(0, 1, 3, 1, 8), draw(1, 1, 7, 1, 8), draw(2, 1, 7, 1, 8)
    wanted, _ = exact(q, k, v, [7], 0.7)
    np.testing.assert_allclose(flash_attention(q, k, v, scale=0.7), wanted, rtol=1e-4, atol=1e-5)
    halves = [jnp.asarray(x, jnp.bfloat16) for x in (q, k, v)]
    out, lse = flash_attention(*halves, scale=0.7, return_lse=True)
    assert out.dtype == jnp.bfloat16 and lse.dtype == jnp.float32
    np.testing.assert_allclose(out.astype(np.float32), wanted, atol=0.03)


def test_long_keys_never_make_a_square(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forward and backward over 4096 keys hold less than half of the logits' matrix."""
    monkeypatch.setattr(reference, "LOGITS_AT_ONCE", 2**20)
    shape = jax.ShapeDtypeStruct((1, 2**12, 1, 8), jnp.float32)

    def loss(q: jax.Array, k: jax.Array, v: jax.Array) -> jax.Array:
        return flash_attention(q, k, v).sum()

    compiled = jax.jit(jax.grad(loss, (0, 1, 2))).lower(shape, shape, shape).compile()
    assert 0 < compiled.memory_analysis().temp_size_in_bytes < 4 * 2**24 // 2


def test_the_chunk_fits_the_memory() -> None:
    assert reference._fitting_chunk(2**10, 2**10) == 2**10
    assert reference._fitting_chunk(2**16, 2**20) == 2**10
    assert reference._fitting_chunk(2**26, 2**20) == reference.SMALLEST_CHUNK


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"backend": "hoper"}, "there is no attention backend 'hoper': there are hopper"),
        ({"k": np.zeros((2, 5, 2, 8))}, r"not \(2, 3, 2, 4\), \(2, 5, 2, 8\) and"),
        ({"q": np.zeros((3, 2, 4))}, "attention takes q"),
        ({"kv_lengths": np.zeros(3, int)}, r"one length a batch element, \(2,\), not \(3,\)"),
    ],
)
def test_a_mistake_is_one_sentence(arguments: dict[str, Any], sentence: str) -> None:
    fine: dict[str, Any] = {name: np.zeros((2, 5, 2, 4)) for name in "kv"}
    with pytest.raises(ValueError, match=sentence):
        flash_attention(**(fine | {"q": np.zeros((2, 3, 2, 4))} | arguments))
