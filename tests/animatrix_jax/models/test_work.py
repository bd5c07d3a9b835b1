"""Operations counted from sizes, against those of the traced network."""

import math
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from animatrix_jax.convert.variants import T2V_A14B
from animatrix_jax.models.animatrix import AniMatrix, AniMatrixConfig, Conditions
from animatrix_jax.models.conditioning import ConditioningConfig
from animatrix_jax.models.dit import DiTConfig
from animatrix_jax.models.shapes import empty_tags, transformer_shapes
from animatrix_jax.models.work import Work, token_count, training_work, velocity_work

LATENTS = (5, 32, 32)
DIT = DiTConfig(96, 192, 4, 3, 20, 8, 48, 32)
TAGS = ConditioningConfig(7, 16, 1, 2, 4, True)


def traced(config: AniMatrixConfig) -> Work:
    """The products of one sample's velocity as they are traced, attention by its shapes."""
    asked: dict[int, int] = {}

    def attend(q: Any, k: Any, v: Any, lengths: Any) -> Any:
        # A layer is traced more than once; its calls differ in their keys.
        asked[k.shape[1]] = 4 * math.prod(q.shape) * k.shape[1]
        return q

    tagged = config.conditioning is not None
    given = jnp.ones(1, bool)
    conditions = Conditions(
        jnp.zeros((1, DIT.text_length, DIT.text_dim)),
        given,
        empty_tags(1) if tagged else None,
        given if tagged else None,
        jnp.zeros((1, *LATENTS, 8)),
        jnp.zeros((1, LATENTS[0], 4)),
    )
    model, params = AniMatrix(config, attend), {"params": transformer_shapes(config)}
    latents = jax.ShapeDtypeStruct((1, *LATENTS, 8), jnp.float32)
    time = jax.ShapeDtypeStruct((1,), jnp.float32)
    jaxpr = jax.make_jaxpr(lambda p, x, t: model.apply(p, x, t, conditions))(params, latents, time)
    return Work(products(jaxpr.jaxpr), sum(asked.values()) * config.dit.layers)


def products(jaxpr: Any) -> float:
    """The operations of all products, those of a scan as often as it runs."""
    total = 0.0
    for equation in jaxpr.eqns:
        times = equation.params.get("length", 1) if equation.primitive.name == "scan" else 1
        for inner in jax.tree.leaves(
            equation.params, is_leaf=lambda x: hasattr(x, "eqns") or hasattr(x, "jaxpr")
        ):
            if hasattr(inner, "eqns") or hasattr(inner, "jaxpr"):
                total += times * products(getattr(inner, "jaxpr", inner))
        if equation.primitive.name == "dot_general":
            (contracted, _), _ = equation.params["dimension_numbers"]
            shape = equation.invars[0].aval.shape
            rows = math.prod(equation.outvars[0].aval.shape)
            total += 2.0 * rows * math.prod(shape[axis] for axis in contracted)
    return total


@pytest.mark.parametrize("tags", [TAGS, replace(TAGS, tag_gate=False), None])
def test_a_velocity_has_the_operations_that_are_traced(tags: ConditioningConfig | None) -> None:
    config = AniMatrixConfig(DIT, tags)
    counted, found = velocity_work(config, LATENTS), traced(config)
    assert counted.attention == found.attention
    assert counted.linear == pytest.approx(found.linear, rel=0.01)


def test_a_step_is_three_passes_and_what_is_computed_again() -> None:
    config = AniMatrixConfig(T2V_A14B.dit, None)
    latents = (21, 90, 160)
    forward = velocity_work(config, latents)
    assert token_count(config, latents) == 75600
    # 40 layers of 12·d² + 4·d·f a token, and 4·d·L² of attention.
    assert forward.linear == pytest.approx(40 * 75600 * (12 * 5120**2 + 4 * 5120 * 13824), rel=0.01)
    assert forward.attention == pytest.approx(40 * 4 * 5120 * 75600**2, rel=0.01)
    assert training_work(config, latents).total == pytest.approx(3 * forward.total)
    kept = training_work(config, latents, hardware=True)
    again = AniMatrixConfig(replace(T2V_A14B.dit, remat="full"), None)
    full = training_work(again, latents, hardware=True)
    assert kept.attention == pytest.approx(3.5 * forward.attention)
    assert full.attention == pytest.approx(4.5 * forward.attention)
    assert full.linear == pytest.approx(4 * forward.linear, rel=1e-3)
    linear_kept = training_work(
        replace(again, dit=replace(again.dit, remat="dots")), latents, hardware=True
    )
    assert linear_kept.linear == kept.linear and linear_kept.attention == full.attention
