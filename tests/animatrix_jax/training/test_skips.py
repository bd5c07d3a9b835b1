"""Skipped steps in the loop: named, rolled back from, given up; and a restart changes nothing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from animatrix_jax.training.guards import (
    IN_A_ROW,
    SAMPLE_INDEX,
    SAMPLE_LOSSES,
    Guards,
    new_guard,
    unasked,
)
from animatrix_jax.training.loop import Hooks, LoopSettings, run_loop
from animatrix_jax.training.skips import Skips
from animatrix_jax.training.state import TrainState
from animatrix_jax.training.telemetry import Telemetry, read_metrics
from tests.animatrix_jax.training.toy import toy_batches, toy_state, toy_step

NAN = float("nan")
GUARDS = Guards(spike=5.0, warmup=2, roll_back_after=2, give_up_after=2)
STEP = toy_step(GUARDS)


def run(
    workdir: Path,
    batches: Callable[[int], Any],
    steps: int,
    stops: frozenset[int] = frozenset(),
) -> TrainState:
    """Run the toy, started again from what it saved after every stop."""
    saved: dict[int, TrainState] = {}
    state, begun = toy_state(), -1

    def save(current: TrainState) -> None:
        saved[int(current.step)] = jax.tree.map(jnp.copy, current)

    def restore(like: TrainState, at_most: int) -> TrainState | None:
        kept = [step for step in saved if step <= at_most and step % 3 == 0]
        return saved[max(kept)] if kept else None

    while int(state.step) < steps:
        begun = int(state.step)
        state = run_loop(
            state,
            STEP,
            batches,
            LoopSettings(steps, log_every=1, evaluate_every=100, save_every=3),
            Telemetry(workdir),
            Hooks(
                evaluate=lambda state: {},
                save=save,
                restore=restore,
                stop=lambda step, begun=begun: step in stops and step > begun,  # type: ignore[misc]
            ),
            label="Testing",
            guards=GUARDS,
        )
        state = saved[int(state.step)]
    return state


def assert_same(a: Any, b: Any) -> None:
    jax.tree.map(lambda x, y: np.testing.assert_array_equal(np.asarray(x), np.asarray(y)), a, b)


def test_a_batch_that_is_not_finite_leaves_its_expert_and_is_named(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    good = run(tmp_path / "good", toy_batches(2), 2)
    state = run(tmp_path / "bad", toy_batches(3, low={2: NAN}), 3)
    without = run(tmp_path / "without", toy_batches(3), 3)
    pick = lambda tree, expert: jax.tree.map(lambda x: x[expert], tree)  # noqa: E731
    for part in ("params", "average", "optimizer"):
        assert_same(pick(getattr(state, part), 1), pick(getattr(good, part), 1))
        assert_same(pick(getattr(state, part), 0), pick(getattr(without, part), 0))
    assert state.guard is not None and state.guard.skipped.tolist() == [0, 1]
    told = "step 2 of the expert 'low' is skipped: the loss of sample 11 is not finite\n"
    assert told in capfd.readouterr().err
    records = read_metrics(tmp_path / "bad")
    assert [r["skipped_samples_low"] for r in records if "skipped_samples_low" in r] == [[11]]
    assert [r["skipped_low"] for r in records if "skipped_low" in r] == [0, 0, 1]
    assert not any("sample_losses_low" in r for r in records)


def test_a_spike_names_the_largest_losses(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path, toy_batches(4, high={2: 50.0}), 4)
    told = "its gradient norm of 50 is no healthy one, the losses are largest of samples 9, 8\n"
    assert f"step 2 of the expert 'high' is skipped: {told}" in capfd.readouterr().err


def test_an_expert_goes_back_and_the_bad_samples_are_not_met_again(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    bad = toy_batches(9, low={5: NAN, 6: NAN})
    state = run(tmp_path, bad, 9)
    assert "before step 7: an expert was skipped too often in a row; it goes back to the " in (
        capfd.readouterr().err
    )
    records = read_metrics(tmp_path)
    assert [r["rolled_back_to"] for r in records if "rolled_back_to" in r] == [3]
    assert sorted(r["step"] for r in records if "loss" in r) == list(range(9))
    # Nine steps were met; of those of the low expert 0 to 2, 7 and 8 count.
    assert int(state.step) == 9 and state.optimizer["count"].tolist() == [9, 5]
    assert state.guard is not None and state.guard.rolled_back.tolist() == [0, 0]


def test_where_roll_backs_do_not_help_the_run_is_given_up(tmp_path: Path) -> None:
    bad = toy_batches(30, high=dict.fromkeys(range(2, 30), NAN))
    with pytest.raises(
        ValueError, match="given up before step 8: after 2 roll-backs in a row no step was accepted"
    ):
        run(tmp_path, bad, 30)


@pytest.mark.parametrize("first", range(1, 10))
def test_stops_and_restarts_change_nothing(tmp_path: Path, first: int) -> None:
    bad = toy_batches(12, low={3: NAN, 4: NAN, 6: NAN, 8: NAN, 9: NAN}, high={6: NAN, 7: 80.0})
    whole = run(tmp_path / "whole", bad, 12)
    assert_same(run(tmp_path / "stopped", bad, 12, frozenset(range(first, 12, 2))), whole)
    told = [
        sorted({(r["step"], r["loss"]) for r in read_metrics(tmp_path / name) if "loss" in r},
               key=lambda pair: pair[0])
        for name in ("whole", "stopped")
    ]  # fmt: skip
    assert told[0] == told[1]


def test_an_expert_that_a_step_does_not_ask_keeps_its_count(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    skips = Skips(new_guard(2), GUARDS, Telemetry(tmp_path))
    high, low = IN_A_ROW + "high", IN_A_ROW + "low"
    sampled = {SAMPLE_LOSSES + "low": np.array([NAN]), SAMPLE_INDEX + "low": np.zeros((1, 2))}
    skips.see(0, {high: np.array(0), low: np.array(1), **sampled})
    assert skips.near and not skips.too_many
    skips.see(1, {high: np.array(0), low: np.asarray(unasked(jnp.array(1))), **sampled})
    assert skips.near and not skips.too_many
    skips.see(2, {high: np.array(0), low: np.array(2), **sampled})
    assert skips.too_many
    told = [line for line in capfd.readouterr().err.splitlines() if "skipped" in line]
    assert [line.split(" of ")[0] for line in told] == ["step 0", "step 2"]
