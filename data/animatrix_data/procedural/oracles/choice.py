"""How likely each of a clip's paths is the camera's: a weighted sum of what is measured of each.

The chances are the softmax of the sums, and of one more that stands for none of the paths. The
weights are learnt from drawn clips by `data/benchmarks/teach_camera_path.py`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from animatrix_data.procedural.oracles.registration import Real

ASSET = Path(__file__).parent / "assets" / "camera_path.toml"
FARTHEST = 4.0
"""The most spreads that a measure may lie from its mean: beyond, nothing was learnt."""


@dataclass(frozen=True, eq=False)
class Choice:
    """What is subtracted from each measure, what divides it, and what it then weighs, by name, and
    the sum that stands for none of the paths."""

    measures: Mapping[str, tuple[float, float, float]]
    none: float

    def chances(self, measured: Mapping[str, Real]) -> Real:
        """Return how likely each of K paths is, [K]; what is missing to 1 is that none is.

        Raises KeyError for a measure that is missing.
        """
        table = np.stack([measured[name] for name in self.measures], axis=1)
        mean, spread, weight = np.array(list(self.measures.values())).T
        return softmax(levelled(table, mean, spread) @ weight, self.none)[0]


def levelled(table: Real, mean: Real, spread: Real) -> Real:
    """Return measures [..., F] by how many spreads they lie from their means."""
    return np.asarray(np.clip((table - mean) / spread, -FARTHEST, FARTHEST))


def softmax(scores: Real, none: float) -> tuple[Real, Real]:
    """Return the chances of paths by their scores [..., K], and that it is none of them, [...]."""
    most = np.maximum(scores.max(axis=-1, keepdims=True), none)
    strength, rest = np.exp(scores - most), np.exp(none - most)
    total = strength.sum(axis=-1, keepdims=True) + rest
    return strength / total, (rest / total)[..., 0]


def taken(likely: Real, other: NDArray[np.bool_]) -> tuple[int, float]:
    """Return the path that is taken, and how likely it or one like it is.

    Of chances [K], and [K, K] which paths differ: like paths share theirs.
    """
    shared = np.where(other, 0, likely).sum(axis=1)
    best = int((shared + 1e-6 * likely).argmax())
    return best, float(shared[best])


def read(text: str) -> Choice:
    """Return the choice that a TOML text holds (see `written`)."""
    table = tomllib.loads(text)
    measures = {
        name: (float(a), float(b), float(c)) for name, (a, b, c) in table["measures"].items()
    }
    return Choice(measures, float(table["none"]))


def written(choice: Choice, head: str) -> str:
    """Return a choice as TOML, with a comment on top."""
    lines = [*(f"# {line}".rstrip() for line in head.splitlines()), f"none = {choice.none:.6g}", "",
             "[measures]"]  # fmt: skip
    lines += [f'"{name}" = [{", ".join(f"{number:.6g}" for number in numbers)}]'
              for name, numbers in choice.measures.items()]  # fmt: skip
    return "\n".join(lines) + "\n"


@cache
def known() -> Choice:
    """Return the choice that ships."""
    return read(ASSET.read_text(encoding="utf-8"))
