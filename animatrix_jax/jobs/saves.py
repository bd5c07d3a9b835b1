"""What a run does with its checkpoints: the one place of the train job that knows them."""

import jax

from animatrix_jax.checkpoint.training import Checkpoints
from animatrix_jax.training.state import TrainState
from animatrix_jax.training.telemetry import Telemetry


class Saves:
    """Saves a run's states; a failure is told in the log and the metrics, and training goes on."""

    def __init__(self, checkpoints: Checkpoints, telemetry: Telemetry) -> None:
        self._checkpoints, self._telemetry = checkpoints, telemetry
        self._failed: str | None = None

    def resume(self, like: TrainState) -> TrainState:
        """Return the newest state that was saved, in place of `like`; `like` where there is none.

        Either is bound to its devices, so that a run compiles the same programs after a restart.
        Raises ValueError where it does not fit `like`.
        """
        newest = self.restore(like, int(like.step))
        if newest is not None:
            return newest
        return jax.tree.map(lambda leaf: jax.device_put(leaf, leaf.sharding), like)

    def save(self, state: TrainState) -> None:
        """Save a state."""
        step = int(state.step)
        try:
            self._checkpoints.save(step, state)
            self._failed = None
        except (OSError, ValueError, RuntimeError) as error:
            self._failed = f"the checkpoint of step {step} could not be saved: {error}"
            self._telemetry.say(f"{self._failed}; training goes on, the older ones stay")
            self._telemetry.note(step, {"save_failed": str(error)})

    def restore(self, like: TrainState, at_most: int) -> TrainState | None:
        """Return the newest state that was saved, None where there is none."""
        if self._checkpoints.newest is None:
            return None
        restored: TrainState = self._checkpoints.restore(like)
        return restored

    def finish(self) -> None:
        """Wait until what was saved is on disk; OSError where the last save failed."""
        if self._failed is not None:
            raise OSError(self._failed)
