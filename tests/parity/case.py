"""What a comparison says, and the small files that hold what the public implementations gave.

NumPy only, and no newer Python than theirs: the torch scripts import it too.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).parent / "references"
META = "meta"
FLOAT32_BOUND = 1e-5
BFLOAT16_BOUND = 2e-2


@dataclass(frozen=True)
class Case:
    """One comparison: relative L2 `error` of our output against theirs, and what it may be."""

    network: str
    case: str
    error: float
    bound: float

    @property
    def holds(self) -> bool:
        """Whether the error is a number within the bound."""
        return bool(self.error <= self.bound)


def relative_l2(found: Any, expected: Any) -> float:
    """Return ‖found − expected‖ / ‖expected‖ in float64; ValueError where the shapes differ."""
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    if found.shape != expected.shape:
        raise ValueError(f"ours has shape {found.shape}, theirs {expected.shape}")
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


def float32_bound(own_error: float) -> float:
    """Return what our float32 may err by, given torch's own error of float32 against float64."""
    return max(FLOAT32_BOUND, 4 * own_error)


def write_references(network: str, arrays: Mapping[str, np.ndarray], meta: Any) -> None:
    """Write a network's outputs by case, and what JSON holds beside them."""
    FOLDER.mkdir(exist_ok=True)
    written = np.frombuffer(json.dumps(meta, sort_keys=True).encode(), np.uint8)
    np.savez_compressed(FOLDER / f"{network}.npz", **arrays, **{META: written})


def read_references(network: str) -> tuple[dict[str, np.ndarray], Any]:
    """Return what `write_references` wrote."""
    with np.load(FOLDER / f"{network}.npz") as stored:
        arrays = {name: stored[name] for name in stored.files}
    return arrays, json.loads(arrays.pop(META).tobytes().decode())
