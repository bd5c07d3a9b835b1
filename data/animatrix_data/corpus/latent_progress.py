"""How far a latent cache has come: files of lines, each appended once its rows are on disk.

Every encoding process appends to a file of its own, `done-<process>-of-<processes>.jsonl`; what
the files say together is what is done, whatever their number and order.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

PATTERN = "done-*.jsonl"


class Progress:
    """Which rows of a cache are written, how long their texts are, and which were skipped.

    `done` bool [rows]; `lengths` int32 [rows, wordings], tokens; `skipped` row → reason. A row
    that is done is never skipped.
    """

    def __init__(self, path: Path, rows: int, wordings: int) -> None:
        self._path = path
        self.done = np.zeros(rows, bool)
        self.lengths = np.zeros((rows, wordings), np.int32)
        self.skipped: dict[int, str] = {}
        for file in sorted(path.glob(PATTERN)):
            text = file.read_text()
            # A line without its end was cut short by a crash: its rows are not done.
            for line in text[: text.rfind("\n") + 1].splitlines():
                self._take(json.loads(line))

    def repair(self, writer: str) -> None:
        """Remove a line of the writer's own file that a crash cut short."""
        file = self._file(writer)
        if file.exists():
            content = file.read_bytes()
            with file.open("r+b") as stream:
                stream.truncate(content.rfind(b"\n") + 1)

    def add_done(self, writer: str, rows: Sequence[int], lengths: np.ndarray | None) -> None:
        """Append that `rows` are written, with `lengths` int [rows, wordings] of their texts."""
        kept = [] if lengths is None else np.asarray(lengths).tolist()
        self._append(writer, {"rows": [int(row) for row in rows], "lengths": kept})

    def add_skipped(self, writer: str, reasons: Mapping[int, str]) -> None:
        """Append that rows are skipped, each for its reason."""
        self._append(writer, {"skipped": {int(row): reason for row, reason in reasons.items()}})

    def _append(self, writer: str, record: dict[str, Any]) -> None:
        with self._file(writer).open("a") as stream:
            stream.write(json.dumps(record) + "\n")
        self._take(record)

    def _take(self, record: Mapping[str, Any]) -> None:
        rows = record.get("rows", [])
        self.done[rows] = True
        if record.get("lengths"):
            self.lengths[rows] = record["lengths"]
        for row, reason in record.get("skipped", {}).items():
            self.skipped[int(row)] = reason
        for row in [row for row in self.skipped if self.done[row]]:
            del self.skipped[row]

    def _file(self, writer: str) -> Path:
        return self._path / f"done-{writer}.jsonl"
