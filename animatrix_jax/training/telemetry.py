"""Metrics on disk: one JSON line a record, and the same for TensorBoard."""

import json
import math
import time
from pathlib import Path
from typing import Any

from tensorboardX import SummaryWriter


class Telemetry:
    """Appends to `metrics.jsonl` and to TensorBoard event files in a run's folder."""

    def __init__(self, workdir: Path) -> None:
        workdir.mkdir(parents=True, exist_ok=True)
        self._lines = open(workdir / "metrics.jsonl", "a", encoding="utf-8")  # noqa: SIM115
        self._folder = str(workdir / "tensorboard")
        self._board: Any = None
        self._start = time.time()

    def write(self, step: int, values: dict[str, float]) -> None:
        """Record `values` at `step`; a value that is not finite is written as null."""
        clean = {k: float(v) if math.isfinite(v) else None for k, v in values.items()}
        record = {"step": step, "seconds": round(time.time() - self._start, 3), **clean}
        self._lines.write(json.dumps(record) + "\n")
        self._lines.flush()
        # Not before the first record: a writer that never wrote complains when the program ends.
        self._board = self._board or SummaryWriter(self._folder)
        for name, value in clean.items():
            if value is not None:
                self._board.add_scalar(name, value, step)

    def flush(self) -> None:
        """Push what is buffered to disk."""
        self._lines.flush()
        if self._board is not None:
            self._board.flush()


def read_metrics(workdir: Path) -> list[dict[str, float]]:
    """Return the records of a run's `metrics.jsonl`; an unfinished last line is left out."""
    records = []
    for line in (workdir / "metrics.jsonl").read_text(encoding="utf-8").splitlines():
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return records
