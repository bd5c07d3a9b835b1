"""How often the instructions of a compiled program run."""

import jax
import jax.numpy as jnp
import pytest

from animatrix_jax.parallel.program import estimated_cycles, instructions

TEXT = """\
HloModule jit_step, is_scheduled=true

%part (x: f32[8]) -> f32[8] {
  ROOT %all-reduce.1 = f32[8]{0} all-reduce(%x), replica_groups={{0,1}}
}

%inner_body (p: (s32[], f32[8])) -> (s32[], f32[8]) {
  %fusion.1 = f32[8]{0} fusion(%x), calls=%part, backend_config={"estimated_cycles":"10"}
}

%inner_condition (p: (s32[], f32[8])) -> pred[] {
  %constant.1 = s32[]{:T(128)} constant(3)
  ROOT %lt = pred[] compare(%i, %constant.1), direction=LT
}

%outer_body (p: (s32[], f32[8])) -> (s32[], f32[8]) {
  %while.1 = (s32[], f32[8]) while(%p), condition=%inner_condition, body=%inner_body
  %copy.1 = f32[8]{0} copy(%x), backend_config={"estimated_cycles":"7"}
}

%outer_condition (p: (s32[], f32[8])) -> pred[] {
  ROOT %lt = pred[] compare(%i, %n), direction=LT
}

ENTRY %main (x: f32[8]) -> f32[8] {
  %while.2 = (s32[], f32[8]) while(%p), condition=%outer_condition, body=%outer_body, \
backend_config={"known_trip_count":{"n":"5"}}
  ROOT %copy.2 = f32[8]{0} copy(%x), backend_config={"estimated_cycles":"1"}
}
"""


def test_a_loop_in_a_loop_runs_as_often_as_both_together() -> None:
    found = {one.text.split(" = ")[0].removeprefix("ROOT "): one for one in instructions(TEXT)}
    assert (found["%copy.2"].times, found["%copy.1"].times, found["%fusion.1"].times) == (1, 5, 15)
    assert (found["%all-reduce.1"].times, found["%all-reduce.1"].fused) == (15, True)
    assert estimated_cycles(TEXT) == 1 + 5 * 7 + 15 * 10
    assert estimated_cycles(TEXT.replace("estimated_cycles", "other")) is None


@pytest.mark.parametrize("length", [3, 40])
def test_a_scan_of_this_machines_compiler_is_counted(length: int) -> None:
    def layers(x: jax.Array) -> jax.Array:
        return jax.lax.scan(lambda x, _: (jnp.sin(x @ x), None), x, length=length)[0]

    text = jax.jit(layers).lower(jnp.ones((8, 8))).compile().as_text()
    products = [one.times for one in instructions(text) if "dot" in one.text.split(" = ")[0]]
    assert products == [length]


def test_each_branch_of_a_condition_counts_as_its_share() -> None:
    def either(turn: jax.Array, x: jax.Array) -> jax.Array:
        return jax.lax.cond(turn, lambda x: jnp.sin(x @ x) @ x, lambda x: jnp.tanh(x @ x), x)

    text = jax.jit(either).lower(True, jnp.ones((64, 64))).compile().as_text()
    products = [one.times for one in instructions(text) if "dot" in one.text.split(" = ")[0]]
    assert products == [0.5] * 3
    line = "%c = f32[8]{0} conditional(%t, %x, %x), true_computation=%a, false_computation=%b"
    entry = "ENTRY %main (x: f32[8]) -> f32[8] {"
    parts = [
        f"%{name} (x: f32[8]) -> f32[8] {{\n  %{name}1 = f32[8]{{0}} copy(%x)\n}}" for name in "ab"
    ]
    old = "\n\n".join([*parts, f"{entry}\n  {line}\n}}"])
    assert [one.times for one in instructions(old)] == [1, 0.5, 0.5]
