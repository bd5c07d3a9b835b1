"""A profiler's trace of some steps of a run."""

from pathlib import Path

import jax

from animatrix_jax.training.state import Metrics


class Profile:
    """Traces steps `first` to `last` into a folder, for TensorBoard or Perfetto.

    Raises ValueError where these are not two steps in order.
    """

    def __init__(self, folder: Path, first: int, last: int) -> None:
        if not 0 <= first <= last:
            raise ValueError(f"steps to profile are FIRST,LAST in order, not {first},{last}")
        self._folder, self._first, self._last = folder, first, last
        self._running = False

    def before(self, step: int) -> None:
        """Start before the first step; a run that goes on amid them starts there."""
        if self._first <= step <= self._last and not self._running:
            jax.profiler.start_trace(self._folder)
            self._running = True

    def after(self, step: int, metrics: Metrics) -> None:
        """Stop after the last step, once the device has done it."""
        if step >= self._last and self._running:
            jax.block_until_ready(metrics)
            self.close()

    def close(self) -> None:
        """Stop where it still runs."""
        if self._running:
            jax.profiler.stop_trace()
            self._running = False
