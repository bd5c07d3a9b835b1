"""Our transformer against diffusers', from the same weights under their names."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import jax
import numpy as np

from animatrix_jax.convert.dit import PREFIX, config_of, rules
from animatrix_jax.models.dit import DiT, DiTConfig
from animatrix_jax.runtime.attention import attend
from tests.parity.case import (
    BFLOAT16_BOUND,
    Case,
    float32_bound,
    read_references,
    relative_l2,
)
from tests.parity.ours import random_parameters
from tests.parity.specs import DIT_BFLOAT16, DIT_CASES, DiTCase

NARROW = (
    ("bfloat16", {"dtype": "bfloat16"}),
    ("bfloat16 stream too", {"dtype": "bfloat16", "residual_dtype": "bfloat16"}),
)


def cases() -> Iterator[Case]:
    """Compare every stored case in float32, and one in bfloat16."""
    expected, meta = read_references("dit")
    for case in DIT_CASES:
        config, shapes = config_for(case, meta["shapes"][case.name]), meta["shapes"][case.name]
        theirs = expected[case.name]
        error = relative_l2(velocity(case, config, shapes), theirs)
        yield Case("dit", case.name, error, float32_bound(meta["own_error"][case.name]))
        if case.name != DIT_BFLOAT16:
            continue
        for name, changes in NARROW:
            found = velocity(case, replace(config, **changes), shapes)
            error = relative_l2(found, theirs)
            yield Case("dit", f"{case.name}, {name}", error, BFLOAT16_BOUND)


def config_for(case: DiTCase, shapes: Mapping[str, list[int]]) -> DiTConfig:
    """Read the sizes off the foreign tensors, as conversion does."""
    config = {"num_attention_heads": case.heads, "eps": 1e-6, "text_len": case.text_length}
    return config_of("diffusers", {n: tuple(s) for n, s in shapes.items()}, config)


def velocity(case: DiTCase, config: DiTConfig, shapes: Mapping[str, list[int]]) -> np.ndarray:
    """Return our velocity in their layout."""
    latents, timesteps, text = case.inputs()
    params = random_parameters(rules(config), shapes, case.seed)[PREFIX]
    with jax.default_matmul_precision("highest"):
        out = _apply(config)({"params": params}, np.moveaxis(latents, 1, -1), timesteps, text)
    return np.moveaxis(np.asarray(out), -1, 1)


@cache
def _apply(config: DiTConfig) -> Callable[..., Any]:
    return jax.jit(DiT(config, None, attend).apply)
