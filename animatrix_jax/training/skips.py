"""What the loop does about skipped steps: it names their samples, and says when to roll back."""

from collections.abc import Mapping

import jax
import numpy as np

from animatrix_jax.training.guards import (
    IN_A_ROW,
    SAMPLE_INDEX,
    SAMPLE_LOSSES,
    Guards,
    GuardState,
    skipped_in_a_row,
)
from animatrix_jax.training.telemetry import Telemetry

NAMED = 8
"""Samples that one sentence names at most."""


class Skips:
    """Follows the skipped steps of a run through its metrics, each seen once."""

    def __init__(self, guard: GuardState | None, settings: Guards, telemetry: Telemetry) -> None:
        self._settings, self._telemetry = settings, telemetry
        self._row = 0 if guard is None else int(np.max(jax.device_get(guard.skipped)))
        self.watching = guard is not None

    @property
    def near(self) -> bool:
        """Whether the step that is not seen yet could be the one to roll back after."""
        return self.watching and self._row + 1 >= self._settings.roll_back_after

    @property
    def too_many(self) -> bool:
        """Whether the steps seen ask for a roll-back."""
        return self.watching and self._row >= self._settings.roll_back_after

    def see(self, step: int, metrics: Mapping[str, np.ndarray]) -> None:
        """Count a step, and tell of it where it was skipped, sample by sample."""
        rows = {
            name.removeprefix(IN_A_ROW): skipped_in_a_row(int(value))
            for name, value in metrics.items()
            if name.startswith(IN_A_ROW)
        }
        self._row = max((row for row, _ in rows.values()), default=0)
        for name, (_, skipped) in rows.items():
            if skipped:
                samples, why = _blame(name, metrics)
                self._telemetry.say(f"step {step} of the expert {name!r} is skipped: {why}")
                self._telemetry.note(step, {f"skipped_samples_{name}": samples})

    def rolled_back(self, guard: GuardState, step: int) -> None:
        """Count a roll-back before `step`; ValueError where there were too many for nothing.

        `guard` is that of the state before it.
        """
        row, times = jax.device_get((guard.skipped, guard.rolled_back))
        back = row >= self._settings.roll_back_after
        if (times[back] >= self._settings.give_up_after).any():
            raise ValueError(
                f"training is given up before step {step}: after {int(times[back].max())} "
                f"roll-backs in a row no step was accepted (metrics.jsonl names the samples)"
            )
        self._row = int(np.max(np.where(back, 0, row)))


def _blame(name: str, metrics: Mapping[str, np.ndarray]) -> tuple[list[int], str]:
    """Return the samples that a skipped step is put down to, and a sentence's end that says why."""
    losses, index = metrics[SAMPLE_LOSSES + name], metrics[SAMPLE_INDEX + name].astype(np.uint64)
    ids = (index[:, 0] << np.uint64(32)) | index[:, 1]
    bad = ~np.isfinite(losses)
    if bad.any():
        samples = [int(i) for i in ids[bad]]
        return samples, f"the loss of {_listed(samples)} is not finite"
    samples = [int(i) for i in ids[np.argsort(-losses, kind="stable")][: NAMED // 2]]
    norm = metrics.get(f"gradient_norm_{name}")
    size = "" if norm is None else f" of {float(norm):.3g}"
    return (
        samples,
        f"its gradient norm{size} is no healthy one, the losses are largest of {_listed(samples)}",
    )


def _listed(samples: list[int]) -> str:
    shown = ", ".join(map(str, samples[:NAMED]))
    more = f" and {len(samples) - NAMED} more" if len(samples) > NAMED else ""
    return f"sample{'s' if len(samples) > 1 else ''} {shown}{more}"
