"""Times of calls that a device runs while Python goes on: warmed, interleaved, medians."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

REPEATS = 5
SHORTEST = 0.02
"""Seconds that one measurement takes at least: short calls are repeated within it."""

MOST_CALLS = 100


@dataclass(frozen=True)
class Call:
    """Something to time: `start` enqueues it, `wait` blocks until what that returned is there."""

    start: Callable[[], Any]
    wait: Callable[[Any], Any]

    def seconds(self, calls: int) -> float:
        """Seconds that one of several calls in a row takes."""
        began = time.perf_counter()
        result = None
        for _ in range(calls):
            result = self.start()
        self.wait(result)
        return (time.perf_counter() - began) / calls


class Clock:
    """What is left of the time that a session may take."""

    def __init__(self, minutes: float) -> None:
        self.until = time.monotonic() + 60 * minutes

    def left(self) -> float:
        """Seconds left, none below zero."""
        return max(0.0, self.until - time.monotonic())

    def share(self, fraction: float) -> "Clock":
        """A clock for a part of what is left."""
        return Clock(self.left() * fraction / 60)


def medians(calls: Mapping[str, Call], clock: Clock, repeats: int = REPEATS) -> dict[str, float]:
    """Median seconds of each call; every repeat runs all of them, so that all see the same heat.

    Stops after a repeat when the clock has run out.
    """
    counts = {}
    for name, call in calls.items():
        call.seconds(1)
        counts[name] = min(MOST_CALLS, max(1, round(SHORTEST / max(call.seconds(1), 1e-7))))
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            times[name].append(call.seconds(counts[name]))
        if clock.left() == 0:
            break
    return {name: statistics.median(some) for name, some in times.items()}
