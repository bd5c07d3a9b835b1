"""Metrics on disk: one JSON line a record, and the same for TensorBoard."""

import json
import math
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from tensorboardX import summary
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event

SECONDS_TO_PLOT = 30.0
"""How long a number may wait before TensorBoard sees it."""


class Telemetry:
    """Appends to `metrics.jsonl` and to TensorBoard event files in a run's folder.

    Of several processes one is to write: with `silent` nothing is written, on stderr neither. A
    disk that is full stops no run: it is said once, and what fits no more is lost.
    """

    def __init__(self, workdir: Path, *, silent: bool = False) -> None:
        self._lines: TextIO | None = None
        if not silent:
            self._lines = _open_to_append(workdir / "metrics.jsonl")
        self._folder = workdir / "tensorboard"
        self._board: EventsWriter | None = None
        self._start = self._flushed = time.time()
        self._told = False

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Record `values` at `step`; a value that is not finite is written as null."""
        clean = {k: float(v) if math.isfinite(v) else None for k, v in values.items()}
        self.note(step, clean)
        if self._lines is None:
            return
        try:
            self._plot(step, {name: value for name, value in clean.items() if value is not None})
        except OSError as error:
            # What was written of a record would end the reading of its file: another is begun.
            self._board = None
            self._tell(error)

    def note(self, step: int, values: Mapping[str, Any]) -> None:
        """Record what is no number to plot, in `metrics.jsonl` alone."""
        if self._lines is None:
            return
        record = {"step": step, "seconds": round(time.time() - self._start, 3), **values}
        try:
            self._lines.write(json.dumps(record) + "\n")
            self._lines.flush()
        except OSError as error:
            self._tell(error)

    def say(self, sentence: str) -> None:
        """Tell whoever watches the run, on stderr."""
        if self._lines is not None:
            print(sentence, file=sys.stderr, flush=True)

    def flush(self) -> None:
        """Push what is buffered to disk."""
        try:
            for stream in (self._lines, self._board):
                if stream is not None:
                    stream.flush()
        except OSError as error:
            self._tell(error)

    def _plot(self, step: int, values: Mapping[str, float]) -> None:
        # TensorBoard's own queue stops whoever writes when its thread has met a full disk.
        if self._board is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            own = f".{os.getpid()}.{time.monotonic_ns()}"
            self._board = EventsWriter(str(self._folder / "events"), own)
        for name, value in values.items():
            scalar = summary.scalar(name, value)
            self._board.write_event(Event(wall_time=time.time(), step=step, summary=scalar))
        if time.time() - self._flushed > SECONDS_TO_PLOT:
            self._board.flush()
            self._flushed = time.time()

    def _tell(self, error: OSError) -> None:
        if not self._told:
            self.say(f"metrics are lost: {error}; training goes on")
        self._told = True


def read_metrics(workdir: Path) -> list[dict[str, Any]]:
    """Return the records of a run's `metrics.jsonl`; an unfinished line is left out."""
    records = []
    for line in (workdir / "metrics.jsonl").read_text(encoding="utf-8").splitlines():
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return records


def _open_to_append(path: Path) -> TextIO:
    """Open a file of lines, the last of which a kill may have cut short."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cut = path.exists() and path.read_bytes()[-1:] not in (b"", b"\n")
    lines = open(path, "a", encoding="utf-8")  # noqa: SIM115
    if cut:
        lines.write("\n")
    return lines
