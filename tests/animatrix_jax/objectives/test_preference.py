"""The preference loss against the formula in float64, and at its limits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from animatrix_jax.objectives.preference import DPO

ERRORS = np.array([[0.31, 0.52], [0.9, 0.4], [1.0, 1.0]], np.float32)
REFERENCE = np.array([[0.33, 0.51], [0.85, 0.42], [1.0, 1.0]], np.float32)
SIGMA = np.array([0.2, 0.7, 0.95], np.float32)


@pytest.mark.parametrize(("beta", "weight"), [(1.0, "one"), (50.0, "one"), (50.0, "epsilon")])
def test_the_loss_is_that_of_the_formula(beta: float, weight: str) -> None:
    found = DPO(beta, weight)(jnp.array(ERRORS), jnp.array(REFERENCE), jnp.array(SIGMA))
    errors, reference = ERRORS.astype(np.float64), REFERENCE.astype(np.float64)
    ratios = -0.5 * (errors - reference)
    share = (1 - SIGMA.astype(np.float64)) ** 2 if weight == "epsilon" else 1.0
    margins = beta * share * (ratios[:, 0] - ratios[:, 1])
    np.testing.assert_allclose(found.margins, margins, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.losses, -np.log(expit(margins)), rtol=1e-5)
    assert (found.margins > 0).tolist() == [True, False, False]


@given(
    errors=st.tuples(*[st.floats(0, 4, width=32)] * 2),
    sigma=st.floats(0, 1, width=32),
    beta=st.floats(1e-3, 1e5),
)
def test_a_model_at_its_reference_has_loss_log_two(
    errors: tuple[float, float], sigma: float, beta: float
) -> None:
    own = jnp.array([errors])
    for weight in ("one", "epsilon"):
        found = DPO(beta, weight)(own, own, jnp.array([sigma]))
        np.testing.assert_allclose(found.losses, np.log(2), rtol=1e-6)
        assert not (found.margins > 0).any()


@given(
    ratio=st.tuples(*[st.floats(-1, 1, width=32)] * 2),
    beta=st.floats(0.1, 1e5),
)
def test_losses_are_finite_and_a_positive_margin_is_a_loss_below_log_two(
    ratio: tuple[float, float], beta: float
) -> None:
    errors, sigma = jnp.array([ratio]), jnp.zeros(1)
    found = DPO(beta)(errors, jnp.zeros((1, 2)), sigma)
    assert np.isfinite(found.losses).all() and (np.asarray(found.losses) >= 0).all()
    assert float(found.losses[0]) <= np.log(2) + 1e-6 or float(found.margins[0]) <= 0
    # The same pair the other way round: margins are opposite, losses differ by the margin.
    turned = DPO(beta)(errors[:, ::-1], jnp.zeros((1, 2)), sigma)
    np.testing.assert_allclose(turned.margins, -found.margins, rtol=1e-6)
    np.testing.assert_allclose(
        turned.losses - found.losses, found.margins, rtol=1e-3, atol=1e-5 * (1 + beta)
    )


def test_gradients_lower_the_winner_raise_the_loser_and_stop_where_the_margin_is_wide() -> None:
    def loss(errors: jax.Array, beta: float) -> jax.Array:
        return DPO(beta)(errors, jnp.array(REFERENCE), jnp.array(SIGMA)).losses.sum()

    at_reference = jax.grad(loss)(jnp.array(REFERENCE), 8.0)
    # σ(0)·β/2 for each of the two.
    np.testing.assert_allclose(at_reference, [[2.0, -2.0]] * 3, rtol=1e-6)
    twice = jax.grad(loss)(jnp.array(REFERENCE), 16.0)
    np.testing.assert_allclose(twice, 2 * at_reference, rtol=1e-6)
    won = jnp.array(REFERENCE) - jnp.array([[0.5, 0.0]])
    assert np.abs(jax.grad(loss)(won, 5000.0)).max() == 0.0
    lost = jnp.array(REFERENCE) + jnp.array([[0.5, 0.0]])
    np.testing.assert_allclose(jax.grad(loss)(lost, 5000.0)[:, 0], 2500.0)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"beta": 0.0}, "above 0, not 0"),
        ({"beta": float("nan")}, "above 0, not nan"),
        ({"weight": "epsilom"}, "there is no weight 'epsilom': did you mean epsilon"),
    ],
)
def test_nonsense_is_refused_in_a_sentence(settings: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        DPO(**settings)
