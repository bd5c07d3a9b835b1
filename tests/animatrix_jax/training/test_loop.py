"""The loop's fixed order: evaluate, save, next batch, step, log the step before."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import jax.numpy as jnp
import pytest

from animatrix_jax.training import loop
from animatrix_jax.training.loop import LoopSettings, run_loop
from animatrix_jax.training.state import TrainState


class Recorder:
    """Plays every part that the loop calls, and writes down what was called."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.records: list[tuple[int, dict[str, float]]] = []

    def batches(self, start: int) -> Iterator[dict[str, Any]]:
        for index in range(start, 100):
            self.events.append(f"batch {index}")
            yield {"index": index}

    def step(self, state: TrainState, batch: dict[str, Any]) -> tuple[TrainState, dict]:
        self.events.append(f"step {batch['index']}")
        assert int(state.step) == batch["index"]
        new = TrainState(state.step + 1, state.params + 1, state.average, None)
        return new, {"loss": jnp.asarray(float(batch["index"]))}

    def evaluate(self, state: TrainState) -> dict[str, float]:
        self.events.append(f"evaluate {int(state.step)}")
        return {"held_out": 1.0}

    def save(self, state: TrainState) -> None:
        self.events.append(f"save {int(state.step)}")

    def write(self, step: int, values: dict[str, float]) -> None:
        self.records.append((step, values))
        if "loss" in values:
            assert values["loss"] == step
            self.events.append(f"log {step}")

    def flush(self) -> None:
        self.events.append("flush")

    def run(self, start: int, settings: LoopSettings) -> TrainState:
        state = TrainState(jnp.asarray(start), jnp.zeros(()), None, None)
        return run_loop(
            state,
            self.step,
            self.batches,
            settings,
            self,  # type: ignore[arg-type]
            on_eval=self.evaluate,
            on_save=self.save,
            label="Testing",
        )


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


def test_the_order_is_kept(recorder: Recorder) -> None:
    settings = LoopSettings(5, log_every=1, evaluate_every=2, save_every=4)
    state = recorder.run(0, settings)
    assert int(state.step) == 5 and float(state.params) == 5
    expected = """
        batch 0, step 0,
        batch 1, step 1, log 0,
        evaluate 2, batch 2, step 2, log 1,
        batch 3, step 3, log 2,
        evaluate 4, save 4, batch 4, step 4, log 3,
        evaluate 5, save 5, log 4, flush
    """
    assert recorder.events == [event.strip() for event in expected.split(",")]


def test_steps_are_logged_at_the_cadence_and_at_the_end(recorder: Recorder) -> None:
    recorder.run(0, LoopSettings(8, log_every=3, evaluate_every=100, save_every=100))
    assert [step for step, values in recorder.records if "loss" in values] == [0, 3, 6, 7]
    lines = [values for _, values in recorder.records if "loss" in values]
    assert all(values.keys() == {"loss", "data_wait_seconds"} for values in lines)


@pytest.mark.parametrize(
    ("start", "log_every", "expected"),
    [
        (0, 1, {0: 1, 1: 2, 2: 4, 3: 8, 4: 16, 5: 32, 6: 64, 7: 128}),
        (0, 3, {0: 1, 3: 2 + 4 + 8, 6: 16 + 32 + 64, 7: 128}),
        (0, 7, {0: 1, 7: 2 + 4 + 8 + 16 + 32 + 64 + 128}),
        (2, 3, {3: 4 + 8, 6: 16 + 32 + 64, 7: 128}),
        (5, 100, {7: 32 + 64 + 128}),
    ],
)
def test_every_wait_for_a_batch_is_told_once_with_its_step(
    recorder: Recorder,
    monkeypatch: pytest.MonkeyPatch,
    start: int,
    log_every: int,
    expected: dict[int, int],
) -> None:
    now = [0.0]

    def slow(first: int) -> Iterator[dict[str, Any]]:
        for index in range(first, 8):
            now[0] += 2.0**index
            yield {"index": index}

    def step(state: TrainState, batch: dict[str, Any]) -> tuple[TrainState, dict]:
        now[0] += 1000  # what the step takes is no wait
        return Recorder.step(recorder, state, batch)

    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(recorder, "batches", slow)
    monkeypatch.setattr(recorder, "step", step)
    recorder.run(start, LoopSettings(8, log_every=log_every, evaluate_every=2, save_every=100))
    told = {step: values for step, values in recorder.records if "loss" in values}
    assert {step: values["data_wait_seconds"] for step, values in told.items()} == expected


def test_a_resumed_run_starts_at_its_own_step(recorder: Recorder) -> None:
    recorder.run(3, LoopSettings(5, log_every=1, evaluate_every=3, save_every=3))
    assert recorder.events[:2] == ["batch 3", "step 3"]
    assert recorder.events[-4:] == ["evaluate 5", "save 5", "log 4", "flush"]


def test_a_finished_run_only_measures_and_saves(recorder: Recorder) -> None:
    state = recorder.run(5, LoopSettings(5))
    assert recorder.events == ["evaluate 5", "save 5", "flush"] and int(state.step) == 5
