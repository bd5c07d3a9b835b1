"""The goodput ledger: every second since a run's first start belongs to exactly one kind of time.

One clock is read, and the time since its last reading goes to the kind that was current: the kinds
add up to the wall time by construction. Goodput is the share of `step`.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

KINDS = ("init", "compile", "data_wait", "step", "checkpoint", "evaluate", "lost", "other")
"""`init` is until the loop begins, `compile` a step's first call on batches of a shape, `lost` what
a kill threw away and the time until the restart, `other` the loop itself and the export."""
WALL, CHECKPOINT = "wall_time", "checkpoint"
"""The keys of a record's time (seconds since 1970), and of the step whose state is on disk then."""


class Ledger:
    """Seconds by kind, from `init` on; `clock` gives seconds since 1970 and never goes back."""

    def __init__(self, clock: Callable[[], float] | None = None) -> None:
        self._clock = clock or _steady_clock()
        self._seconds = dict.fromkeys(KINDS, 0.0)
        self._kind = "init"
        self._read = self._began = self._clock()

    def enter(self, kind: str) -> None:
        """Let the time from now on be of a kind."""
        now = self._clock()
        self._seconds[self._kind] += now - self._read
        self._read, self._kind = now, kind

    @contextmanager
    def during(self, kind: str) -> Iterator[None]:
        """Let the time within be of a kind, and after it of the one before."""
        before = self._kind
        self.enter(kind)
        try:
            yield
        finally:
            self.enter(before)

    def seconds(self, kind: str) -> float:
        """Return the seconds of a kind up to the last change of kind."""
        return self._seconds[kind]

    def go_on(self, records: Sequence[Mapping[str, Any]], step: int) -> None:
        """Take over what an earlier process wrote, this one having started from `step`.

        What came after that step was saved is lost, and so is the time until this start.
        """
        known = [
            record
            for record in records
            if WALL in record and (record["step"] < step or record.get(CHECKPOINT) == step)
        ]
        if not known:
            return
        for kind in KINDS:
            self._seconds[kind] += known[-1][_field(kind)]
        self._seconds["lost"] += max(0.0, self._began - known[-1][WALL])

    def fields(self) -> dict[str, float]:
        """Return `goodput_<kind>_seconds` up to now, and the `wall_time` of now."""
        self.enter(self._kind)
        return {_field(kind): value for kind, value in self._seconds.items()} | {WALL: self._read}

    def line(self) -> str:
        """Return the goodput and its kinds in one line."""
        self.enter(self._kind)
        total = sum(self._seconds.values())
        share = self._seconds["step"] / total if total else 0.0
        kinds = ", ".join(f"{kind} {value:.1f}" for kind, value in self._seconds.items() if value)
        return f"goodput {share:.1%} of {total:.1f} s ({kinds} s)"


def _field(kind: str) -> str:
    return f"goodput_{kind}_seconds"


def _steady_clock() -> Callable[[], float]:
    # Of two clocks the one that says the date may be set back; it is read once.
    offset = time.time() - time.monotonic()
    return lambda: offset + time.monotonic()
