"""The loop, in a fixed order: evaluate, save, next batch, step, log the step before."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import jax

from animatrix_data.progress import ticking
from animatrix_jax.training.state import Batch, Metrics, Step, TrainState
from animatrix_jax.training.telemetry import Telemetry


@dataclass(frozen=True)
class LoopSettings:
    """When the loop measures, saves and logs, in steps; the last step always does all three."""

    total_steps: int
    log_every: int = 20
    evaluate_every: int = 500
    save_every: int = 500


def run_loop(
    state: TrainState,
    step: Step,
    batches: Callable[[int], Iterator[Batch]],
    settings: LoopSettings,
    telemetry: Telemetry,
    *,
    on_eval: Callable[[TrainState], dict[str, float]],
    on_save: Callable[[TrainState], None],
    label: str,
) -> TrainState:
    """Train from the state's own step to `total_steps` and return the last state.

    `batches(start)` yields the batch of step `start`, `start + 1`, …; a metric is fetched one step
    after it was computed, so that the device never waits for the log. Beside the metrics of a step
    stands `data_wait_seconds`: how long the loop waited for its batch and for those since the step
    that was logged before it.
    """
    start = int(state.step)
    source = batches(start)
    pending: tuple[int, Metrics, float] | None = None
    # Seconds waited: for all batches so far, and up to the last step that was logged.
    waited = logged = 0.0
    with ticking(label, settings.total_steps - start) as ticker:
        for index in range(start, settings.total_steps + 1):
            last = index == settings.total_steps
            if last or (index > start and index % settings.evaluate_every == 0):
                telemetry.write(index, on_eval(state))
            if last or (index > start and index % settings.save_every == 0):
                on_save(state)
            if last:
                break
            began = time.monotonic()
            batch = next(source)
            # What is logged below is the step before: its sum, kept with it, has not this wait.
            waited += time.monotonic() - began
            state, metrics = step(state, batch)
            note = ""
            if pending is not None and pending[0] % settings.log_every == 0:
                values = _fetch(pending[1])
                telemetry.write(pending[0], values | {"data_wait_seconds": pending[2] - logged})
                logged = pending[2]
                note = f"loss {values['loss']:.4f}"
            ticker.advance(note=note)
            pending = (index, metrics, waited)
    if pending is not None:
        values = _fetch(pending[1])
        telemetry.write(pending[0], values | {"data_wait_seconds": pending[2] - logged})
    telemetry.flush()
    return state


def _fetch(metrics: Metrics) -> dict[str, float]:
    return {name: float(value) for name, value in jax.device_get(metrics).items()}
