"""The loop's fixed order: evaluate, save, next batch, step, log the step before."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from animatrix_jax.training.ledger import Ledger
from animatrix_jax.training.loop import Hooks, LoopSettings, run_loop
from animatrix_jax.training.state import TrainState


@jax.jit
def onwards(step: jax.Array, params: jax.Array, index: jax.Array) -> tuple[jax.Array, ...]:
    return step + 1, params + 1, index.astype(jnp.float32)


class Recorder:
    """Plays every part that the loop calls, and writes down what was called."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.records: list[tuple[int, dict[str, float]]] = []
        self.marks: list[int] = []
        self.stop_before: int | None = None
        self.evaluated = True
        self.now = 0.0

    def batches(self, start: int) -> Iterator[dict[str, Any]]:
        for index in range(start, 100):
            self.events.append(f"batch {index}")
            yield {"index": np.asarray(index)}

    def step(self, state: TrainState, batch: dict[str, Any]) -> tuple[TrainState, dict]:
        index = int(batch["index"])
        self.events.append(f"step {index}")
        assert int(state.step) == index
        step, params, loss = onwards(state.step, state.params, batch["index"])
        return TrainState(step, params, state.average, None), {"loss": loss}

    def evaluate(self, state: TrainState) -> dict[str, float]:
        self.events.append(f"evaluate {int(state.step)}")
        return {"held_out": 1.0}

    def save(self, state: TrainState) -> None:
        self.events.append(f"save {int(state.step)}")

    def export(self, state: TrainState) -> None:
        self.events.append(f"export {int(state.step)}")

    def stop(self, step: int) -> bool:
        return step == self.stop_before

    def write(self, step: int, values: dict[str, float]) -> None:
        self.records.append((step, values))
        if "loss" in values:
            assert values["loss"] == step
            self.events.append(f"log {step}")

    def note(self, step: int, values: dict[str, Any]) -> None:
        assert values.keys() >= {"checkpoint", "wall_time"} and values["checkpoint"] == step
        self.marks.append(step)

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
            Hooks(
                evaluate=self.evaluate,
                save=self.save,
                export=self.export,
                stop=self.stop,
                evaluated=lambda step: self.evaluated,
            ),
            label="Testing",
            ledger=Ledger(lambda: self.now),
        )

    @property
    def losses(self) -> dict[int, dict[str, float]]:
        return {step: values for step, values in self.records if "loss" in values}


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


def words(text: str) -> list[str]:
    return [event.strip() for event in text.split(",")]


def test_the_order_is_kept(recorder: Recorder) -> None:
    settings = LoopSettings(5, log_every=1, evaluate_every=2, save_every=4, export_every=4)
    state = recorder.run(0, settings)
    assert int(state.step) == 5 and float(state.params) == 5
    assert recorder.events == words("""
        batch 0, step 0,
        batch 1, step 1, log 0,
        evaluate 2, batch 2, step 2, log 1,
        batch 3, step 3, log 2,
        evaluate 4, save 4, export 4, batch 4, step 4, log 3,
        evaluate 5, save 5, log 4, flush
    """)


def test_steps_are_logged_at_the_cadence_and_at_the_end(recorder: Recorder) -> None:
    recorder.run(0, LoopSettings(8, log_every=3, evaluate_every=100, save_every=100))
    assert list(recorder.losses) == [0, 3, 6, 7]
    for values in recorder.losses.values():
        told = {name for name in values if not name.startswith("goodput_")}
        assert told == {"loss", "data_wait_seconds", "wall_time"}


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
    def slow(first: int) -> Iterator[dict[str, Any]]:
        for index in range(first, 8):
            recorder.now += 2.0**index
            yield {"index": np.asarray(index)}

    def step(state: TrainState, batch: dict[str, Any]) -> tuple[TrainState, dict]:
        recorder.now += 1000  # what the step takes is no wait
        return Recorder.step(recorder, state, batch)

    monkeypatch.setattr(recorder, "batches", slow)
    monkeypatch.setattr(recorder, "step", step)
    recorder.run(start, LoopSettings(8, log_every=log_every, evaluate_every=2, save_every=100))
    waits = {step: values["data_wait_seconds"] for step, values in recorder.losses.items()}
    assert waits == expected
    last = recorder.records[-1][1]
    seconds = {name: value for name, value in last.items() if name.startswith("goodput_")}
    assert seconds["goodput_data_wait_seconds"] == sum(expected.values())
    assert seconds["goodput_compile_seconds"] == 1000
    assert seconds["goodput_step_seconds"] == 1000 * (7 - start)
    assert sum(seconds.values()) == last["wall_time"] == recorder.now


def test_a_shape_is_compiled_once(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    def batches(first: int) -> Iterator[dict[str, Any]]:
        for index in range(first, 6):
            yield {"index": np.asarray(index), "clip": np.zeros(1 + index % 2)}

    def step(state: TrainState, batch: dict[str, Any]) -> tuple[TrainState, dict]:
        recorder.now += 1
        return Recorder.step(recorder, state, batch)

    monkeypatch.setattr(recorder, "batches", batches)
    monkeypatch.setattr(recorder, "step", step)
    recorder.run(0, LoopSettings(6))
    last = recorder.records[-1][1]
    assert (last["goodput_compile_seconds"], last["goodput_step_seconds"]) == (2, 4)


def test_a_resumed_run_starts_at_its_own_step(recorder: Recorder) -> None:
    recorder.run(3, LoopSettings(5, log_every=1, evaluate_every=3, save_every=3))
    assert recorder.events[:2] == ["batch 3", "step 3"]
    assert recorder.events[-4:] == ["evaluate 5", "save 5", "log 4", "flush"]


def test_a_finished_run_only_measures_and_saves(recorder: Recorder) -> None:
    state = recorder.run(5, LoopSettings(5))
    assert recorder.events == ["evaluate 5", "save 5", "flush"] and int(state.step) == 5


def test_a_stop_saves_and_logs_and_neither_measures_nor_steps(recorder: Recorder) -> None:
    recorder.stop_before = 2
    state = recorder.run(0, LoopSettings(5, log_every=4, evaluate_every=2, save_every=2))
    assert int(state.step) == 2
    assert recorder.events == words("batch 0, step 0, batch 1, step 1, log 0, save 2, log 1, flush")


@pytest.mark.parametrize(
    ("start", "evaluated", "first"),
    [
        (2, False, "evaluate 2, save 2, batch 2, step 2"),
        (2, True, "batch 2, step 2"),
        (3, False, "batch 3, step 3"),
        (0, False, "batch 0, step 0"),
    ],
)
def test_an_evaluation_that_a_stop_left_out_is_made_once(
    recorder: Recorder, start: int, evaluated: bool, first: str
) -> None:
    recorder.evaluated = evaluated
    recorder.run(start, LoopSettings(5, log_every=4, evaluate_every=2, save_every=2))
    assert recorder.events[: len(words(first))] == words(first)
    assert recorder.events.count("evaluate 2") == (first.count("evaluate") or start == 0)
    # The step whose state was on disk before it, and again when its checkpoint has the numbers.
    assert recorder.marks.count(start) == 1 + first.count("evaluate")


def test_a_run_that_is_stopped_where_it_began_evaluates_nothing(recorder: Recorder) -> None:
    recorder.evaluated, recorder.stop_before = False, 2
    recorder.run(2, LoopSettings(5, evaluate_every=2))
    assert recorder.events == ["save 2", "flush"]


def test_a_transfer_that_nobody_asked_for_is_an_error(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def step(state: TrainState, batch: dict[str, Any]) -> tuple[TrainState, dict]:
        onwards(state.step, np.zeros(()), batch["index"])  # type: ignore[arg-type]
        return Recorder.step(recorder, state, batch)

    monkeypatch.setattr(recorder, "step", step)
    with pytest.raises(jax.errors.JaxRuntimeError, match="Disallowed host-to-device transfer"):
        recorder.run(0, LoopSettings(5))
