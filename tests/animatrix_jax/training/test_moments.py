"""Running moments are the plain ones at first, forget later, and set a limit per expert."""

import jax.numpy as jnp
import numpy as np

from animatrix_jax.training.moments import limit, new_moments, seen

VALUES = np.random.default_rng(0).gamma(3.0, size=(2, 12)).astype(np.float32)
BOTH = jnp.ones(2, bool)


def test_the_first_numbers_have_their_mean_and_variance() -> None:
    moments = new_moments(2)
    assert np.isinf(limit(moments, 1)).all()
    for column in VALUES.T:
        moments = seen(moments, jnp.asarray(column), BOTH, 0.99)
    np.testing.assert_allclose(moments.mean, VALUES.mean(1), rtol=1e-5)
    np.testing.assert_allclose(moments.variance, VALUES.var(1), rtol=1e-4)
    bound = VALUES.mean(1) + 3 * VALUES.std(1)
    np.testing.assert_allclose(limit(moments, 12), bound, rtol=1e-4)
    assert np.isinf(limit(moments, 13)).all()


def test_what_does_not_count_changes_nothing_and_old_numbers_are_forgotten() -> None:
    moments = seen(new_moments(2), jnp.asarray([1.0, 2.0]), BOTH, 0.9)
    only = seen(moments, jnp.asarray([5.0, np.nan]), jnp.asarray([True, False]), 0.9)
    np.testing.assert_allclose(only.mean, [3.0, 2.0])
    np.testing.assert_array_equal(only.count, [2, 1])
    for _ in range(200):
        only = seen(only, jnp.asarray([7.0, 7.0]), BOTH, 0.9)
    np.testing.assert_allclose(only.mean, 7.0, rtol=1e-5)
    np.testing.assert_allclose(only.variance, 0.0, atol=1e-4)
