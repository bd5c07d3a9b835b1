"""What a run does with its checkpoints: the one place of the train job that knows them."""

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import jax

from animatrix_jax.checkpoint.training import Checkpoints
from animatrix_jax.training.state import TrainState
from animatrix_jax.training.telemetry import Telemetry


class Saves:
    """Saves a run's states; a failure is told in the log and the metrics, and training goes on."""

    def __init__(self, checkpoints: Checkpoints, telemetry: Telemetry) -> None:
        self._checkpoints, self._telemetry = checkpoints, telemetry
        self._told = 0
        self._asked = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._checkpoints.close()

    def resume(self, like: TrainState) -> TrainState:
        """Return the newest state that was saved, in place of `like`; `like` where there is none.

        Either is bound to its devices, so that a run compiles the same programs after a restart.
        Raises ValueError where it does not fit `like`.
        """
        newest = self.restore(like)
        if newest is not None:
            return newest
        return jax.tree.map(lambda leaf: jax.device_put(leaf, leaf.sharding), like)

    def save(self, state: TrainState, numbers: Mapping[str, float] | None = None) -> None:
        """Save a state in the background, beside it its held-out numbers, where it has any."""
        self._asked, step = time.monotonic(), int(state.step)
        self._checkpoints.save(step, state, dict(numbers or {}))
        self._note_failures(step)

    def evaluated(self, step: int) -> bool:
        """Whether the state of a step was saved with held-out numbers."""
        return bool(self._checkpoints.metrics(step))

    def restore(self, like: TrainState, at_most: int | None = None) -> TrainState | None:
        """Return the newest state that was saved, at step `at_most` or before; None without one."""
        self._checkpoints.wait()
        if self._checkpoints.newest_until(at_most) is None:
            return None
        _, restored = self._checkpoints.restore(like, at_most)
        state: TrainState = restored
        return state

    def finish(self, step: int) -> float:
        """Wait until what was saved is on disk; OSError where the state of `step` is not.

        Returns the seconds since the last save was asked for, which the loop does when the step
        before it has ended.
        """
        self._checkpoints.wait()
        self._note_failures(step)
        if self._checkpoints.newest != step:
            raise OSError(self._checkpoints.failures[-1])
        return time.monotonic() - self._asked

    def _note_failures(self, step: int) -> None:
        for sentence in self._checkpoints.failures[self._told :]:
            self._telemetry.note(step, {"save_failed": sentence})
        self._told = len(self._checkpoints.failures)
