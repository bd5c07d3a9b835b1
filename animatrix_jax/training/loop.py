"""The loop, in a fixed order: evaluate, save, next batch, step, log the step before."""

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from animatrix_data.progress import Ticker, ticking
from animatrix_jax.training.guards import Guards
from animatrix_jax.training.ledger import CHECKPOINT, Ledger
from animatrix_jax.training.placement import placed_roll_back
from animatrix_jax.training.profiling import Profile
from animatrix_jax.training.skips import Skips
from animatrix_jax.training.state import Batch, Metrics, Step, TrainState
from animatrix_jax.training.stopping import deadline
from animatrix_jax.training.telemetry import Telemetry


@dataclass(frozen=True)
class LoopSettings:
    """When the loop measures, saves, logs and exports, in steps.

    The last step does the first three in any case; an export every 0 steps is none.
    """

    total_steps: int
    log_every: int = 20
    evaluate_every: int = 500
    save_every: int = 500
    export_every: int = 0


@dataclass(frozen=True, kw_only=True)
class Hooks:
    """What the loop calls, each on the state before a step.

    `evaluate` returns the held-out numbers; `save` writes a checkpoint, whose failure is no error;
    `restore(like, at_most)` returns the newest state that was saved at the cadence's step
    `at_most` or before, None where there is none; `stop(step)` says whether to stop before it,
    `evaluated(step)` whether the state of this step was evaluated before it was saved.
    """

    evaluate: Callable[[TrainState], dict[str, float]]
    save: Callable[[TrainState], None]
    export: Callable[[TrainState], None] = lambda state: None
    restore: Callable[[TrainState, int], TrainState | None] = lambda like, at_most: None
    stop: Callable[[int], bool] = lambda step: False
    evaluated: Callable[[int], bool] = lambda step: True


def run_loop(
    state: TrainState,
    step: Step,
    batches: Callable[[int], Iterator[Batch]],
    settings: LoopSettings,
    telemetry: Telemetry,
    hooks: Hooks,
    *,
    label: str,
    guards: Guards | None = None,
    ledger: Ledger | None = None,
    profile: Profile | None = None,
) -> TrainState:
    """Train from the state's own step to `total_steps`, or to a stop, and return the last state.

    `batches(start)` yields the batch of step `start`, `start + 1`, …; a metric is fetched one step
    after it was computed, so that the device never waits for the log. Beside the metrics of a step
    stand `data_wait_seconds`, how long the loop waited for its batch and for those since the step
    that was logged before it, and the ledger. A stop saves, and leaves an evaluation that is due
    then to the run that goes on. Raises ValueError where skipped steps give the run up (`Guards`).
    """
    start, guards, ledger = int(state.step), guards or Guards(), ledger or Ledger()
    ledger.enter("other")
    loop = _Loop(step, settings, telemetry, hooks, guards, ledger, profile, state)
    loop.mark(start)
    source = batches(start)
    with contextlib.ExitStack() as stack:
        # In one process of several the bar of the first is enough.
        stream = stack.enter_context(open(os.devnull, "w")) if jax.process_index() else None
        ticker = stack.enter_context(ticking(label, settings.total_steps - start, stream))
        if profile is not None:
            stack.callback(profile.close)
        for index in range(start, settings.total_steps):
            state = loop.settle(index, state)
            if hooks.stop(index):
                loop.save(index, state)
                break
            if index > start:
                loop.between(index, state)
            elif index > 0:
                loop.catch_up(index, state)
            state = loop.advance(index, state, source, ticker)
        else:
            state = loop.settle(settings.total_steps, state)
            loop.evaluate(settings.total_steps, state)
            loop.save(settings.total_steps, state)
    loop.log_pending()
    telemetry.flush()
    return state


class _Loop:
    """What one call of `run_loop` does at each step."""

    def __init__(
        self,
        step: Step,
        settings: LoopSettings,
        telemetry: Telemetry,
        hooks: Hooks,
        guards: Guards,
        ledger: Ledger,
        profile: Profile | None,
        state: TrainState,
    ) -> None:
        self._step, self._settings, self._hooks = step, settings, hooks
        self._guards, self._ledger, self._telemetry = guards, ledger, telemetry
        self._profile = profile
        self._skips = Skips(state.guard, guards, telemetry)
        self._pending: _Pending | None = None
        self._shapes: set[Any] = set()
        # Seconds waited for all batches up to the last step that was logged.
        self._logged = 0.0

    def mark(self, index: int) -> None:
        """Write down the ledger of a state that is on disk."""
        self._telemetry.note(index, {CHECKPOINT: index} | self._ledger.fields())

    def evaluate(self, index: int, state: TrainState) -> None:
        self._wait(state)
        with self._ledger.during("evaluate"):
            self._telemetry.write(index, self._hooks.evaluate(state))

    def save(self, index: int, state: TrainState) -> None:
        self._wait(state)
        with self._ledger.during("checkpoint"):
            self._hooks.save(state)
        self.mark(index)

    def between(self, index: int, state: TrainState) -> None:
        """Evaluate, save and export where the cadence says so."""
        s = self._settings
        if index % s.evaluate_every == 0:
            self.evaluate(index, state)
        if index % s.save_every == 0:
            self.save(index, state)
        if s.export_every and index % s.export_every == 0:
            self._wait(state)
            self._hooks.export(state)

    def catch_up(self, index: int, state: TrainState) -> None:
        """Make the evaluation that a stop left out, and let the checkpoint have its numbers."""
        if index % self._settings.evaluate_every == 0 and not self._hooks.evaluated(index):
            self.evaluate(index, state)
            self.save(index, state)

    def advance(
        self, index: int, state: TrainState, source: Iterator[Batch], ticker: Ticker
    ) -> TrainState:
        """Take the next batch, step, and log the step before."""
        ledger, guards = self._ledger, self._guards
        with deadline(guards.hung_seconds), ledger.during("data_wait"):
            batch = jax.tree.map(_on_device, next(source))
        if self._profile is not None:
            self._profile.before(index)
        shapes = _shapes(batch)
        new = shapes not in self._shapes
        self._shapes.add(shapes)
        with (
            deadline(guards.compile_seconds if new else guards.hung_seconds),
            # Compiling may read constants off a device.
            jax.transfer_guard("allow" if new else "disallow"),
        ):
            with ledger.during("compile" if new else "step"):
                state, metrics = self._step(state, batch)
            before, waited = self._pending, ledger.seconds("data_wait")
            self._pending = _Pending(index, metrics, waited)
            note = self._log(before)
        if self._profile is not None:
            self._profile.after(index, metrics)
        ticker.advance(note=note)
        return state

    def settle(self, index: int, state: TrainState) -> TrainState:
        """Look at the step before at once where it may be the one to roll back after.

        Whether to is a function of the state alone: a restart in between changes nothing.
        """
        if self._skips.near and self._pending is not None:
            with deadline(self._guards.hung_seconds):
                self._see(self._pending)
        if not self._skips.too_many:
            return state
        guard, guards = state.guard, self._guards
        assert guard is not None
        self._skips.rolled_back(guard, index)
        with self._ledger.during("checkpoint"):
            return self._roll_back(index, state, guards.roll_back_after)

    def log_pending(self) -> None:
        """Log the last step of all."""
        if self._pending is not None:
            self._write(self._pending)
            self._pending = None

    def _roll_back(self, index: int, state: TrainState, after: int) -> TrainState:
        # The state of before the first of the skipped steps, as far as the cadence kept it.
        every = self._settings.save_every
        saved = self._hooks.restore(state, max(index - after, 0) // every * every)
        if saved is None:
            saved, where = state, "there is no checkpoint to go back to: it stays as it is"
        else:
            where = f"it goes back to the checkpoint of step {int(saved.step)}"
        self._telemetry.say(
            f"before step {index}: an expert was skipped too often in a row; {where}"
        )
        self._telemetry.note(index, {"rolled_back_to": int(saved.step)})
        return placed_roll_back(state, saved, after)

    def _log(self, pending: "_Pending | None") -> str:
        """Log a step where it is its turn; return what the progress bar says of it."""
        if pending is None:
            return ""
        if self._skips.watching:
            self._see(pending)
        if pending.index % self._settings.log_every:
            return ""
        return f"loss {self._write(pending)['loss']:.4f}"

    def _see(self, pending: "_Pending") -> None:
        values = self._fetch(pending)
        if not pending.seen:
            self._skips.see(pending.index, values)
        pending.seen = True

    def _write(self, pending: "_Pending") -> dict[str, float]:
        if self._skips.watching:
            self._see(pending)
        scalars = {n: float(v) for n, v in self._fetch(pending).items() if not np.ndim(v)}
        waited = {"data_wait_seconds": pending.waited - self._logged}
        self._telemetry.write(pending.index, scalars | waited | self._ledger.fields())
        self._logged = pending.waited
        return scalars

    def _fetch(self, pending: "_Pending") -> dict[str, np.ndarray]:
        if pending.values is None:
            with self._ledger.during("step"):
                pending.values = jax.device_get(pending.metrics)
        return pending.values

    def _wait(self, state: TrainState) -> None:
        # The device may be a step behind: its time is the step's, not that of what comes now.
        with deadline(self._guards.hung_seconds), self._ledger.during("step"):
            jax.block_until_ready(state)


@dataclass
class _Pending:
    """A step whose metrics are still on the device, with all the seconds waited until then."""

    index: int
    metrics: Metrics
    waited: float
    values: dict[str, np.ndarray] | None = None
    seen: bool = False


def _on_device(leaf: Any) -> jax.Array:
    return leaf if isinstance(leaf, jax.Array) else jax.device_put(leaf)


def _shapes(batch: Batch) -> tuple[Any, ...]:
    leaves, structure = jax.tree.flatten(batch)
    return structure, tuple((leaf.shape, str(leaf.dtype)) for leaf in leaves)
