"""What the tests of every network's table share: our tensors, and the way out and in again."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from animatrix_jax.convert.networks import network_of
from animatrix_jax.convert.rules import Rule, to_foreign, to_ours


def random_ours(part: str, config: Any) -> dict[str, np.ndarray]:
    """Our tensors of a part of some sizes, every number another."""
    random = np.random.default_rng(0)
    shapes = network_of(part).shapes(config)
    return {name: random.normal(size=s).astype(np.float32) for name, s in shapes.items()}


def check_there_and_back(
    table: Iterable[Rule], system: str, ours: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Assert that no tensor is lost and every byte comes back; return the foreign tensors."""
    table = tuple(table)
    foreign = to_foreign(table, system, ours)
    assert len(foreign) == len(ours)
    back = to_ours(table, system, foreign)
    assert back.keys() == ours.keys()
    for name, tensor in ours.items():
        assert back[name].tobytes() == tensor.tobytes(), name
    return foreign
