"""Our text encoder against transformers', from the same weights under their names."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import jax
import numpy as np

from animatrix_jax.convert.umt5 import config_of, rules
from animatrix_jax.models.umt5 import UMT5Config, UMT5Encoder
from tests.parity.case import (
    BFLOAT16_BOUND,
    Case,
    float32_bound,
    read_references,
    relative_l2,
)
from tests.parity.ours import random_parameters
from tests.parity.specs import UMT5_BFLOAT16, UMT5_CASES, UMT5Case


def cases() -> Iterator[Case]:
    """Compare every stored case in float32, and one in bfloat16."""
    expected, meta = read_references("umt5")
    for case in UMT5_CASES:
        shapes, theirs = meta["shapes"][case.name], expected[case.name]
        config = config_of("diffusers", {n: tuple(s) for n, s in shapes.items()}, {})
        error = relative_l2(states(case, config, shapes), theirs)
        yield Case("umt5", case.name, error, float32_bound(meta["own_error"][case.name]))
        if case.name == UMT5_BFLOAT16:
            found = states(case, replace(config, dtype="bfloat16"), shapes)
            yield Case("umt5", f"{case.name}, bfloat16", relative_l2(found, theirs), BFLOAT16_BOUND)


def states(case: UMT5Case, config: UMT5Config, shapes: Mapping[str, list[int]]) -> np.ndarray:
    """Return our encoder's output."""
    model = UMT5Encoder(config)
    params = random_parameters(rules(config), shapes, case.seed)
    with jax.default_matmul_precision("highest"):
        return np.asarray(jax.jit(model.apply)({"params": params}, case.ids()))
