"""Learning rate, clipping, decay and the moving average against their definitions."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from animatrix_jax.training.optimizer import OptimizerSettings, make_optimizer, update_average


def test_the_rate_rises_and_falls() -> None:
    settings = OptimizerSettings(peak_lr=1e-3, final_lr=1e-4, warmup_steps=10)
    _, rate = make_optimizer(settings, 100)
    assert rate(0) == 0 and rate(5) == pytest.approx(5e-4)
    assert rate(10) == pytest.approx(1e-3)
    assert rate(55) == pytest.approx((1e-3 + 1e-4) / 2)
    assert rate(100) == pytest.approx(1e-4) and rate(500) == pytest.approx(1e-4)


@pytest.mark.parametrize("total", [1, 2, 3])
def test_a_run_of_few_steps_has_a_rate(total: int) -> None:
    _, rate = make_optimizer(OptimizerSettings(peak_lr=1.0, warmup_steps=100), total)
    rates = [float(rate(step)) for step in range(total + 1)]
    assert np.isfinite(rates).all() and max(rates) > 0.4


def test_gradients_are_clipped_to_each_experts_own_norm() -> None:
    transform, _ = make_optimizer(OptimizerSettings(clip_norm=1.0, beta1=0.9), 10)
    params = {"kernel": jnp.zeros((2, 3, 4)), "bias": jnp.zeros((2, 4))}
    grads = {"kernel": jnp.ones((2, 3, 4)), "bias": jnp.ones((2, 4))}
    scale = jnp.array([100.0, 1e-2])  # the high expert's is clipped, the low one's is not
    grads = jax.tree.map(lambda g: g * scale.reshape(2, *(1,) * (g.ndim - 1)), grads)
    state = jax.vmap(transform.init)(params)
    _, state = jax.jit(jax.vmap(transform.update))(grads, state, params)
    (adam,) = [s for s in jax.tree.leaves(state, is_leaf=is_adam) if is_adam(s)]
    seen = np.asarray(jax.vmap(optax.global_norm)(adam.mu)) / (1 - 0.9)
    np.testing.assert_allclose(seen, [1.0, 1e-2 * 4.0], rtol=1e-5)


def is_adam(state: object) -> bool:
    return isinstance(state, optax.ScaleByAdamState)


def test_only_kernels_decay() -> None:
    transform, _ = make_optimizer(
        OptimizerSettings(peak_lr=1.0, weight_decay=0.1, warmup_steps=1), 9
    )
    params = {
        name: {name: jnp.full((2, 2), 5.0)}
        for name in ("kernel", "bias", "gain", "embedding", "modulation", "gate")
    }
    zeros = jax.tree.map(jnp.zeros_like, params)
    update = jax.jit(transform.update)
    _, state = update(zeros, transform.init(params), params)
    updates, _ = update(zeros, state, params)
    moved = {name for name, leaf in updates.items() if np.abs(leaf[name]).max() > 0}
    assert moved == {"kernel"}
    np.testing.assert_allclose(updates["kernel"]["kernel"], -0.1 * 5.0, rtol=1e-5)


def test_the_average_warms_up_and_then_decays() -> None:
    average, values = 3.0, [1.0, -2.0, 4.0, 0.5]
    expected = average
    for step, value in enumerate(values):
        rate = min(0.2, (1 + step) / (10 + step))
        expected = rate * expected + (1 - rate) * value
        average = update_average(average, value, jnp.asarray(step), 0.2)
    assert float(average) == pytest.approx(expected, rel=1e-6)


def test_no_decay_follows_the_parameters() -> None:
    assert update_average({"a": 9.0}, {"a": 2.5}, jnp.asarray(7), 0.0)["a"] == 2.5


def test_muon_orthogonalises_each_stacked_matrix_and_leaves_the_rest_to_nadamw() -> None:
    random = np.random.default_rng(0)
    shapes = {"blocks": {"kernel": (2, 6, 6), "bias": (2, 6)}, "head": {"kernel": (6, 6)}}
    grads = jax.tree.map(
        lambda shape: jnp.asarray(random.normal(size=shape), jnp.float32),
        shapes,
        is_leaf=lambda leaf: isinstance(leaf, tuple),
    )
    params = jax.tree.map(jnp.zeros_like, grads)

    def second_update(transform: optax.GradientTransformation) -> dict:
        _, state = transform.update(grads, transform.init(params), params)
        return transform.update(grads, state, params)[0]

    numbers = OptimizerSettings(kind="muon", peak_lr=1.0, warmup_steps=1, clip_norm=1e9)
    transform, schedule = make_optimizer(numbers, 9)
    muon = second_update(transform)
    nadamw = second_update(optax.nadamw(schedule, b1=numbers.beta1, b2=numbers.beta2))
    np.testing.assert_allclose(muon["blocks"]["bias"], nadamw["blocks"]["bias"], rtol=1e-5)
    for matrix in (*muon["blocks"]["kernel"], muon["head"]["kernel"]):
        # Five Newton-Schulz steps bring singular values near 1; the scale is 0.2·√6.
        singular = np.linalg.svd(np.asarray(matrix), compute_uv=False) / (0.2 * 6**0.5)
        assert singular.min() > 0.3
        assert singular.max() < 1.4
