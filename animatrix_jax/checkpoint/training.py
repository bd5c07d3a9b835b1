"""Training checkpoints: Orbax behind one door."""

from pathlib import Path
from typing import Any

import orbax.checkpoint as ocp


class Checkpoints:
    """The checkpoints of one run, a folder per step; the newest `keep` stay."""

    def __init__(self, folder: Path, keep: int = 2) -> None:
        options = ocp.CheckpointManagerOptions(max_to_keep=keep, enable_async_checkpointing=False)
        self._manager = ocp.CheckpointManager(folder.absolute(), options=options)

    @property
    def newest(self) -> int | None:
        """The newest step that is saved, None where there is none."""
        return self._manager.latest_step()

    def save(self, step: int, state: Any) -> None:
        """Save a state whole (Orbax commits by renaming); a step already saved is left alone."""
        if step not in self._manager.all_steps():
            self._manager.save(step, args=ocp.args.StandardSave(state))
            self._manager.wait_until_finished()

    def restore(self, like: Any) -> Any:
        """Return the newest state, in the shapes, types and placement of `like`.

        Raises ValueError when it does not fit `like`: the run was made by another config.
        """
        try:
            return self._manager.restore(self.newest, args=ocp.args.StandardRestore(like))
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"the checkpoint of step {self.newest} in {self._manager.directory} does not fit "
                f"this config: start in another workdir or use the config that made it ({error})"
            ) from error
