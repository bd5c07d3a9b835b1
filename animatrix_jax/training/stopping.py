"""How a run is stopped: by a signal after the step in progress, or by a deadline at once."""

import faulthandler
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import jax
from jax.experimental import multihost_utils

TERMINATED = 128 + signal.SIGTERM
"""The exit status of a run that SIGTERM stopped."""
NOTICE = b"stopping after this step, with a checkpoint; one more signal stops at once\n"


class Stopping:
    """Within it SIGTERM and SIGINT ask for a stop after the step in progress.

    A second signal ends the process at once. Where there are several processes, a signal to one
    stops all of them at the same step: JAX's preemption service, which then takes SIGTERM for
    itself, finds it; there a second SIGTERM does nothing more, a second SIGINT does. Outside the
    main thread no signal is taken.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Stopping":
        """Take the signals."""
        if threading.current_thread() is threading.main_thread():
            taken = [signal.SIGINT] if jax.process_count() > 1 else [signal.SIGINT, signal.SIGTERM]
            self._before = {number: signal.signal(number, self._ask) for number in taken}
        return self

    def __exit__(self, *_: object) -> None:
        """Give the signals back to whom they belonged."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def reached(self, step: int) -> bool:
        """Return whether to stop before this step; every process asks before every step."""
        if jax.process_count() > 1 and multihost_utils.reached_preemption_sync_point(step):
            self.signal = self.signal or signal.SIGTERM
            return True
        return jax.process_count() == 1 and self.signal is not None

    def end(self) -> None:
        """Raise what a stopped run ends with: KeyboardInterrupt, or SystemExit of `TERMINATED`."""
        if self.signal is not None:
            raise KeyboardInterrupt if self.signal == signal.SIGINT else SystemExit(TERMINATED)

    def _ask(self, number: int, _: FrameType | None) -> None:
        if self.signal is not None:
            signal.signal(number, signal.SIG_DFL)
            if number == signal.SIGINT:
                raise KeyboardInterrupt
            signal.raise_signal(number)
        self.signal = number
        os.write(2, NOTICE)
        if jax.process_count() > 1:
            os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def deadline(seconds: float | None) -> Iterator[None]:
    """End the process with status 1, all threads' stacks on stderr, unless done in time.

    None is no deadline. It holds where Python itself hangs, since a thread of C watches.
    """
    if seconds is None or sys.__stderr__ is None:
        yield
        return
    faulthandler.dump_traceback_later(seconds, exit=True, file=sys.__stderr__)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
