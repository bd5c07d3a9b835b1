"""The transformer's own choices: a timestep a token, the stream's type, what is recomputed."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from animatrix_jax.models.dit import Block, DiT, DiTConfig, sample_time
from animatrix_jax.runtime.attention import attend
from tests.tiny import random_like

CONFIG = DiTConfig(
    dim=16,
    ffn_dim=24,
    heads=2,
    layers=2,
    in_channels=3,
    out_channels=3,
    text_dim=6,
    text_length=5,
    freq_dim=8,
)
TOKENS = 8
RANDOM = np.random.default_rng(0)
LATENTS = RANDOM.normal(size=(2, 2, 4, 4, 3)).astype(np.float32)
TEXT = RANDOM.normal(size=(2, 5, 6)).astype(np.float32)
TIMESTEP = np.float32([900.0, 250.0])


@pytest.fixture(scope="module")
def params() -> Any:
    model = DiT(CONFIG, None, attend)
    shapes = jax.eval_shape(model.init, jax.random.key(0), LATENTS, TIMESTEP, TEXT)
    return random_like(shapes, 0)


@pytest.fixture(scope="module")
def velocity(params: Any) -> Callable[[np.ndarray], np.ndarray]:
    apply = jax.jit(DiT(CONFIG, None, attend).apply)
    return lambda timestep: np.asarray(apply(params, LATENTS, timestep, TEXT))


def test_equal_timesteps_of_tokens_are_a_samples(velocity: Callable) -> None:
    spread = np.repeat(TIMESTEP[:, None], TOKENS, axis=1)
    first, second = velocity(TIMESTEP), velocity(spread)
    np.testing.assert_allclose(second, first, atol=1e-5 * np.abs(first).max())


def test_a_tokens_timestep_is_its_own(velocity: Callable) -> None:
    """Through attention every token hears of it, but its own output changes most."""
    spread = np.repeat(TIMESTEP[:, None], TOKENS, axis=1)
    given = spread.copy()
    given[:, : TOKENS // 2] = 0.0
    change = np.abs(velocity(given) - velocity(spread)).reshape(2, 2, -1).mean(axis=-1)
    assert (change > 0).all() and (change[:, 0] > 2 * change[:, 1]).all()


def test_a_wrong_number_of_timesteps_is_refused(params: Any) -> None:
    with pytest.raises(ValueError, match="7 timesteps a sample for 8 tokens"):
        jax.eval_shape(DiT(CONFIG, None, attend).apply, params, LATENTS, jnp.zeros((2, 7)), TEXT)


def test_a_samples_time_is_its_latest_tokens() -> None:
    time = jnp.arange(12.0).reshape(2, 3, 2)
    timestep = jnp.array([[0.0, 5.0, 5.0], [7.0, 0.0, 3.0]])
    np.testing.assert_array_equal(sample_time(time, timestep), [[2, 3], [6, 7]])
    np.testing.assert_array_equal(sample_time(time[:, 0], timestep[:, 0]), time[:, 0])


@pytest.mark.parametrize("stream", ["float32", "bfloat16"])
def test_a_block_keeps_the_streams_type(stream: str) -> None:
    config = replace(CONFIG, dtype="bfloat16", residual_dtype=stream)
    block = Block(config, None, attend)
    x, modulation = jnp.zeros((2, TOKENS, 16), stream), jnp.zeros((2, 6, 16))
    rope = (jnp.zeros((TOKENS, 4)),) * 2
    inputs = (x, modulation, jnp.zeros((2, 16)), jnp.zeros((2, 5, 16)), None, rope)
    variables = jax.eval_shape(block.init, jax.random.key(0), *inputs)
    assert jax.eval_shape(block.apply, variables, *inputs)[0].dtype == jnp.dtype(stream)


def test_more_is_recomputed_the_less_is_kept(params: Any) -> None:
    """Counted in the products of the traced gradient, without running it."""

    def products(remat: bool | str) -> int:
        apply = DiT(replace(CONFIG, remat=remat), None, attend).apply
        loss = lambda p: jnp.sum(apply(p, LATENTS, TIMESTEP, TEXT))  # noqa: E731
        return str(jax.make_jaxpr(jax.grad(loss))(params)).count("dot_general")

    none, dots, full = (products(remat) for remat in ("none", "dots", "full"))
    assert none < dots < full
    assert products(False) == none and products(True) == full == products("offload")


def test_a_stream_that_waits_on_the_host_gives_the_same_gradients(params: Any) -> None:
    def gradients(remat: str) -> Any:
        apply = DiT(replace(CONFIG, remat=remat), None, attend).apply
        return jax.grad(lambda p: jnp.sum(jnp.square(apply(p, LATENTS, TIMESTEP, TEXT))))

    full, offload = (jax.jit(gradients(remat))(params) for remat in ("full", "offload"))
    jax.tree.map(np.testing.assert_array_equal, offload, full)
    assert "<host>" in str(jax.make_jaxpr(gradients("offload"))(params))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"remat": "most"}, "remat cannot be 'most': it is one of none, full, dots, offload"),
        ({"residual_dtype": "float16"}, "residual_dtype cannot be 'float16': it is one of float32"),
    ],
)
def test_unknown_choices_are_refused(changes: dict, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        replace(CONFIG, **changes)
