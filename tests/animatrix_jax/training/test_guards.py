"""Guards: a bad step leaves its expert bit for bit as it was; what the guard counts."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from animatrix_jax.training.guards import (
    Guards,
    GuardState,
    after_step,
    guard_metrics,
    guarded,
    healthy,
    new_guard,
)
from animatrix_jax.training.state import new_state, rolled_back

SETTINGS = Guards(spike=4.0, warmup=2, decay=0.5)


def bits(tree: object) -> list[bytes]:
    return [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(tree)]


def test_an_expert_that_is_not_ok_keeps_its_leaves_bit_for_bit() -> None:
    old = {"w": jnp.array([[0.1, -0.0], [jnp.nan, 3.0]]), "n": jnp.array([4, 5])}
    new = {"w": jnp.array([[jnp.nan, jnp.inf], [1.0, 2.0]]), "n": jnp.array([6, 7])}
    out = jax.jit(guarded)(new, old, jnp.array([False, True]))
    assert bits(jax.tree.map(lambda x: x[0], out)) == bits(jax.tree.map(lambda x: x[0], old))
    assert bits(jax.tree.map(lambda x: x[1], out)) == bits(jax.tree.map(lambda x: x[1], new))
    one = guarded({"w": jnp.ones((2, 3))}, {"w": jnp.zeros((2, 3))}, jnp.array(False))
    np.testing.assert_array_equal(one["w"], np.zeros((2, 3)))


@pytest.mark.parametrize(
    ("loss", "norm", "accepted", "ok"),
    [
        (1.0, 1.0, 9, True),
        (np.nan, 1.0, 9, False),
        (1.0, np.inf, 9, False),
        (1.0, 8.1, 9, False),
        (1.0, 7.9, 9, True),
        (1.0, 8.1, 1, True),
        (np.inf, 1.0, 0, False),
    ],
)
def test_what_a_healthy_step_is(loss: float, norm: float, accepted: int, ok: bool) -> None:
    guard = replace(
        new_guard(1), log_norm=jnp.log(jnp.array([2.0])), accepted=jnp.array([accepted])
    )
    found = healthy(jnp.array([loss]), jnp.array([norm]), guard, SETTINGS)
    assert found.tolist() == [ok]
    finite = bool(np.isfinite(loss) and np.isfinite(norm))
    for spike in (None, 0.0):
        lax = healthy(jnp.array([loss]), jnp.array([norm]), guard, replace(SETTINGS, spike=spike))
        assert lax.tolist() == [finite]


def test_the_average_is_that_of_logarithms_of_accepted_norms() -> None:
    guard = new_guard(2)
    for norms, ok in (([1.0, 2.0], [1, 1]), ([4.0, np.nan], [1, 0]), ([16.0, np.inf], [1, 0])):
        guard = after_step(guard, jnp.array(norms), jnp.array(ok, bool), SETTINGS)
    # The plain mean of the first two, then half of what is new.
    np.testing.assert_allclose(jnp.exp(guard.log_norm), [2.0**0.5 * 16.0**0.5, 2.0], rtol=1e-6)
    assert guard.accepted.tolist() == [3, 1] and guard.skipped.tolist() == [0, 2]
    guard = after_step(guard, jnp.array([1.0, 2.0]), jnp.array([False, True]), SETTINGS)
    assert guard.accepted.tolist() == [3, 2] and guard.skipped.tolist() == [1, 0]


def test_the_loop_is_told_of_every_expert_by_name() -> None:
    guard = replace(new_guard(2), skipped=jnp.array([0, 3]))
    losses, index = jnp.array([[1.0], [2.0]]), jnp.array([[[0, 7]], [[1, 8]]], jnp.uint32)
    metrics = guard_metrics(("high", "low"), guard, losses, index)
    assert metrics["skipped_high"] == 0 and metrics["skipped_low"] == 1
    assert metrics["skipped_in_a_row_low"] == 3
    assert metrics["sample_losses_low"].tolist() == [2.0]
    assert metrics["sample_index_low"].tolist() == [[1, 8]]


def test_a_roll_back_takes_what_was_saved_of_the_experts_that_were_skipped() -> None:
    saved = new_state({"w": jnp.array([[1.0], [2.0]])}, {"m": jnp.array([3.0, 4.0])}, 2)
    now = replace(
        saved,
        step=jnp.asarray(9),
        params={"w": jnp.array([[10.0], [20.0]])},
        optimizer={"m": jnp.array([30.0, 40.0])},
        guard=GuardState(
            jnp.array([0.5, 0.6]), jnp.array([5, 6]), jnp.array([1, 3]), jnp.array([0, 1])
        ),
    )
    back = rolled_back(now, saved, 3)
    assert int(back.step) == 9
    assert back.params["w"].tolist() == [[10.0], [2.0]] and back.optimizer["m"].tolist() == [30, 4]
    assert back.average["w"].tolist() == [[1.0], [2.0]]
    assert back.guard is not None
    assert back.guard.accepted.tolist() == [5, 0]
    assert back.guard.skipped.tolist() == [1, 0] and back.guard.rolled_back.tolist() == [0, 2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"spike": -1.0}, "spike is a multiple of the average norm, not -1"),
        ({"decay": 1.0}, "decay must be at least 0 and below 1, not 1"),
        ({"hung_seconds": 0.0}, "hung_seconds must be above 0 or None, not 0"),
        ({"roll_back_after": 0}, "roll_back_after must be 1 or more, not 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(change: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(SETTINGS, **change)
