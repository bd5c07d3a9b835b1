"""Progress of long work: a bar on a terminal, a line every few seconds elsewhere."""

import sys
import time
from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

SECONDS_BETWEEN_LINES = 5.0


class Ticker:
    """Counts steps of long work; `note` is a short text shown beside the count.

    Made by `ticking`; `advance` is cheap enough to call at every step.
    """

    def __init__(self, label: str, total: int | None, stream: TextIO, bar: Progress | None) -> None:
        self._label, self._total, self._stream, self._bar = label, total, stream, bar
        self._task = bar.add_task(label, total=total, note="") if bar else None
        self._done = 0
        self._start = self._last_line = time.monotonic()

    @property
    def done(self) -> int:
        """Steps counted so far."""
        return self._done

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Count `steps` more."""
        self._done += steps
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, advance=steps, note=note)
        elif time.monotonic() - self._last_line >= SECONDS_BETWEEN_LINES:
            self.line(note)

    def line(self, note: str = "") -> None:
        """Write one plain line with the count, the rate and the time left."""
        self._last_line = time.monotonic()
        seconds = self._last_line - self._start
        rate = self._done / seconds if seconds > 0 else 0.0
        parts = [f"{self._label}: {self._done}" + (f"/{self._total}" if self._total else "")]
        parts.append(f"{seconds:.0f} s")
        if self._total and 0 < self._done < self._total and rate > 0:
            parts.append(f"{(self._total - self._done) / rate:.0f} s left")
        if note:
            parts.append(note)
        print(", ".join(parts), file=self._stream, flush=True)


@contextmanager
def ticking(label: str, total: int | None = None, stream: TextIO | None = None) -> Iterator[Ticker]:
    """Yield a `Ticker` for work of `total` steps (None when unknown), shown on `stream` (stderr).

    On a terminal it is a bar; elsewhere a line at most every five seconds and one at the end.
    """
    stream = stream or sys.stderr
    if not stream.isatty():
        ticker = Ticker(label, total, stream, None)
        try:
            yield ticker
        finally:
            ticker.line()
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=Console(file=stream)) as bar:
        yield Ticker(label, total, stream, bar)


def track[Item](
    iterable: Iterable[Item], total: int | None = None, label: str = "Working"
) -> Iterator[Item]:
    """Yield the items of `iterable`, showing how far the work on them has come.

    `total` defaults to the length of `iterable` where it has one.
    """
    if total is None and isinstance(iterable, Sized):
        total = len(iterable)
    with ticking(label, total) as ticker:
        for item in iterable:
            yield item
            ticker.advance()
