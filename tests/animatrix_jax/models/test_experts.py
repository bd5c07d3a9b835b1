"""Index 0 is the high expert, 1 the low one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from animatrix_jax.diffusion.schedule import Schedule
from animatrix_jax.models.experts import (
    EXPERT_NAMES,
    HIGH,
    LOW,
    expert_of,
    init_experts,
    pick_expert,
)


def test_high_is_first() -> None:
    assert (EXPERT_NAMES[HIGH], EXPERT_NAMES[LOW]) == ("high", "low") and HIGH == 0


@pytest.mark.parametrize("sigma, expert", [(1.0, HIGH), (0.9, HIGH), (0.8999, LOW), (0.0, LOW)])
def test_the_boundary_belongs_to_the_high_expert(sigma: float, expert: int) -> None:
    assert expert_of(sigma, 0.9) == expert


@given(sigma=st.floats(0, 1), boundary=st.floats(0.01, 0.99))
def test_an_expert_is_asked_inside_its_training_window(sigma: float, boundary: float) -> None:
    low, high = Schedule(boundary=boundary).windows()[expert_of(sigma, boundary)]
    assert low <= sigma <= high


def test_experts_start_apart_and_are_picked_whole() -> None:
    def init(key: jax.Array) -> dict[str, jax.Array]:
        return {"kernel": jax.random.normal(key, (3, 2)), "bias": jnp.zeros(2)}

    params = init_experts(init, jax.random.key(0))
    assert params["kernel"].shape == (2, 3, 2) and params["bias"].shape == (2, 2)
    high, low = pick_expert(params, HIGH), pick_expert(params, LOW)
    assert (high["kernel"] != low["kernel"]).all()
    np.testing.assert_array_equal(params["kernel"][1], low["kernel"])
