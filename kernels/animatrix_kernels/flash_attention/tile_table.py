"""A table of kernel sizes by shape: a JSON file, a row a line; the nearest shape counts."""

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Shape:
    """What sizes depend on; `dtype` is the name of the type that the products take."""

    head_dim: int
    dtype: str
    q_length: int
    kv_length: int


def read[T](path: Path, parse: Callable[[dict[str, Any]], T], what: str) -> dict[Shape, T]:
    """Return a table whose rows, but for their shape, are read by `parse`.

    Raises:
      ValueError: a row that lacks a field or has one too many; `what` is what it should hold.
    """
    table = {}
    for row in json.loads(path.read_text()):
        try:
            table[Shape(**row["shape"])] = parse(row)
        except (TypeError, KeyError) as error:
            raise ValueError(f"{path.name} has a row that is no shape and {what}: {row}") from error
    return table


def write(path: Path, rows: Iterable[tuple[Shape, dict[str, Any]]]) -> None:
    """Write a table of shapes and of what else stands in their rows."""
    lines = [json.dumps({"shape": asdict(shape)} | sizes) for shape, sizes in rows]
    path.write_text("[\n  " + ",\n  ".join(lines) + "\n]\n")


def nearest[T](table: Mapping[Shape, T], q_length: int, kv_length: int) -> T:
    """Return the sizes of the nearest shape, by the ratios of its lengths."""

    def distance(shape: Shape) -> float:
        ratios = shape.q_length / q_length, shape.kv_length / kv_length
        return sum(abs(math.log(ratio)) for ratio in ratios)

    return table[min(table, key=distance)]
