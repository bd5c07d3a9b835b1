"""The fused small kernels: each form against plain JAX, and plain JAX against flax and Wan."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from jax._src.pallas.mosaic_gpu.interpret import interpret_pallas_call as interpreter
from jax.experimental.pallas import mosaic_gpu as plgpu

from animatrix_kernels.fused import adaln, forms, hopper_norm_rope, hopper_rows, qk_norm_rope

BF16 = jnp.dtype(jnp.bfloat16)
FORMS = ("tpu", "hopper")
INTERPRETED = {"tpu": True, "hopper": plgpu.InterpretGPUParams(detect_races=True)}
FLOOR = 2e-6
"""Relative error that float32 sums in another order may have where plain JAX has none."""


def draw(seed: int, *shape: int, dtype: Any = jnp.float32) -> jax.Array:
    return jnp.asarray(np.random.default_rng([seed, *shape]).standard_normal(shape), dtype)


def angles(length: int, half: int) -> tuple[jax.Array, jax.Array]:
    turn = draw(9, length, half)
    return jnp.cos(turn), jnp.sin(turn)


def relative(got: Any, wanted: Any) -> float:
    got, wanted = (np.asarray(x, np.float64) for x in (got, wanted))
    return float(np.linalg.norm(got - wanted) / np.linalg.norm(wanted))


def both_ways(
    function: Callable[..., jax.Array], *arrays: jax.Array, jitted: bool = True
) -> list[jax.Array]:
    """The result and all gradients, for an incoming gradient in the result's type."""

    def run(d_out: jax.Array, *arrays: jax.Array) -> tuple[jax.Array, ...]:
        out, back = jax.vjp(function, *arrays)
        return out, *back(d_out.astype(out.dtype))

    shape = jax.eval_shape(function, *arrays).shape
    # The gradient comes in as bfloat16 for all, so that none has a better one.
    run = jax.jit(run) if jitted else run
    return list(run(draw(7, *shape, dtype=BF16), *arrays))


def check(ours: Any, plain: Any, *arrays: jax.Array, form: str = "tpu") -> None:
    """Holds a form's errors against float32 to 1.5 times those of plain JAX at the same types."""
    exact = both_ways(plain, *(x.astype(jnp.float32) for x in arrays))
    usual = both_ways(plain, *arrays)
    # Pallas' GPU interpreter calls back to the host, which a partitioned call cannot under jit.
    results = both_ways(ours, *arrays, jitted=form == "tpu")
    for got, use, want in zip(results, usual, exact, strict=True):
        assert got.dtype == use.dtype and got.shape == use.shape
        assert relative(got, want) <= 1.5 * relative(use, want) + FLOOR
    assert form != "hopper" or not interpreter.get_races().races_found


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("heads", "dim", "turned"), [(4, 64, True), (2, 128, False)])
def test_norm_and_rotation(form: str, heads: int, dim: int, turned: bool) -> None:
    length = 19
    x, gain = draw(0, 2, length, heads * dim, dtype=BF16), 1 + 0.1 * draw(1, heads * dim)
    rotary = angles(length, dim // 2) if turned else None

    def ours(x: jax.Array, gain: jax.Array) -> jax.Array:
        return qk_norm_rope.apply(form, x, gain, heads, rotary, 1e-6, INTERPRETED[form])

    def plain(x: jax.Array, gain: jax.Array) -> jax.Array:
        return qk_norm_rope.reference(x, gain, heads, rotary, 1e-6)

    check(ours, plain, x, gain, form=form)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("dtype", "per_token"), [(BF16, False), (jnp.dtype("float32"), True)])
def test_norm_and_modulation(form: str, dtype: jnp.dtype, per_token: bool) -> None:
    length, width = 19, 256
    x = (2 + draw(0, 2, length, width)).astype(dtype)
    rows = length if per_token else 1
    scale, shift = 0.3 * draw(1, 2, rows, width), 0.3 * draw(2, 2, rows, width)
    outer = (1 + 0.1 * draw(3, 2, 1, width), 0.1 * draw(4, 2, 1, width))

    def ours(x: jax.Array, scale: jax.Array, shift: jax.Array, *outer: jax.Array) -> jax.Array:
        return adaln.apply_norm(form, x, 1 + scale, shift, outer, 1e-6, dtype, INTERPRETED[form])

    def plain(x: jax.Array, scale: jax.Array, shift: jax.Array, *outer: jax.Array) -> jax.Array:
        return adaln.modulated_norm(x, scale, shift, outer=outer, dtype=x.dtype, backend="xla")

    check(ours, plain, x, scale, shift, *outer, form=form)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("dtype", "per_token"), [(BF16, True), (jnp.dtype("float32"), False)])
def test_gate_and_sum(form: str, dtype: jnp.dtype, per_token: bool) -> None:
    length, width = 19, 256
    x, update = draw(0, 2, length, width, dtype=dtype), draw(1, 2, length, width, dtype=BF16)
    gate = draw(2, 2, length if per_token else 1, width)
    ours = functools.partial(adaln.apply_gate, form, interpret=INTERPRETED[form])
    check(ours, functools.partial(adaln.gated_sum, backend="xla"), x, gate, update, form=form)


@pytest.mark.parametrize("form", FORMS)
def test_learned_gain_and_bias_are_one_for_the_batch(form: str) -> None:
    x, gain, bias = draw(0, 2, 5, 128), 1 + draw(1, 128), draw(2, 128)

    def ours(x: jax.Array, gain: jax.Array, bias: jax.Array) -> jax.Array:
        factors = (gain[None, None], bias[None, None])
        return adaln.apply_norm(form, x, *factors, None, 1e-6, x.dtype, INTERPRETED[form])

    check(ours, functools.partial(adaln.affine_norm, backend="xla"), x, gain, bias, form=form)


@pytest.mark.parametrize("form", FORMS)
def test_experts_each_have_their_own_gain(form: str) -> None:
    x, gain, rotary = draw(0, 2, 1, 5, 256, dtype=BF16), 1 + draw(1, 2, 256), angles(5, 64)
    ours = functools.partial(
        qk_norm_rope.apply, form, heads=2, rotary=rotary, eps=1e-6, interpret=INTERPRETED[form]
    )
    plain = functools.partial(qk_norm_rope.reference, heads=2, rotary=rotary, eps=1e-6)
    check(jax.vmap(ours), jax.vmap(plain), x, gain, form=form)
    gate, update = draw(2, 2, 1, 1, 256), draw(3, 2, 1, 5, 256)
    ours = jax.vmap(functools.partial(adaln.apply_gate, form, interpret=INTERPRETED[form]))
    plain = jax.vmap(functools.partial(adaln.gated_sum, backend="xla"))
    check(ours, plain, x, gate, update, form=form)


def test_what_is_not_a_number_stays_none_in_words() -> None:
    """A GPU's own has all mantissa bits set, and would round up into minus zero."""
    bits = jnp.array([0x7FFFFFFF, 0xFFFFFFFF, 0x7F800001, 0x7F800000, 0x7F7FFFFF], jnp.uint32)
    values = jax.lax.bitcast_convert_type(bits, jnp.float32)
    words = hopper_norm_rope._pack(values, values)
    pairs = jax.lax.bitcast_convert_type(words, BF16).astype(jnp.float32)
    for half in pairs.T:
        np.testing.assert_array_equal(half, [np.nan, np.nan, np.nan, np.inf, np.inf])


def test_a_preferred_form_reaches_what_was_traced_without_it() -> None:
    x = jnp.ones((1, 2, 128))
    add = jax.jit(adaln.gated_sum)
    add(x, x, x)
    with forms.prefer("tpu"), pytest.raises(ValueError, match="'tpu' form of adaln cannot serve"):
        add(x, x, x)


def test_plain_norms_are_those_of_flax_to_the_bit() -> None:
    x, scale, shift = 3 + draw(0, 2, 5, 24), draw(1, 2, 1, 24), draw(2, 2, 1, 24)
    norm = nn.LayerNorm(1e-6, use_bias=False, use_scale=False)
    wanted = norm.apply({}, x) * (1 + scale) + shift
    np.testing.assert_array_equal(adaln.modulated_norm(x, scale, shift), wanted)
    params = {"params": {"scale": scale[0, 0], "bias": shift[0, 0]}}
    wanted = nn.LayerNorm(1e-6).apply(params, x)
    np.testing.assert_array_equal(adaln.affine_norm(x, scale[0, 0], shift[0, 0]), wanted)


def for_cuda(function: Any, *arrays: jax.ShapeDtypeStruct) -> None:
    """Lowers for CUDA, as one kernel: types, layouts, shared memory; not the machine code."""
    safe = jax.export.DisabledSafetyCheck.custom_call("mosaic_gpu_v2")
    exported = jax.export.export(jax.jit(function), platforms=["cuda"], disabled_checks=[safe])
    module = exported(*arrays).mlir_module()
    assert module.count("stablehlo.custom_call @mosaic_gpu_v2") == 1


@pytest.mark.parametrize("semantics", list(plgpu.LoweringSemantics), ids=lambda s: s.name)
def test_the_hopper_forms_lower_at_wans_sizes(semantics: plgpu.LoweringSemantics) -> None:
    length, heads, dim = 75600, 40, 128
    shape = jax.ShapeDtypeStruct
    x = shape((1, length, heads, dim), BF16)
    gain, table = shape((heads, dim), jnp.float32), shape((length, dim // 2), jnp.float32)

    def forward(x: Any, gain: Any, *table: Any) -> Any:
        return hopper_norm_rope.forward(x, gain, table, 1e-6, False, semantics)

    def backward(x: Any, gain: Any, *table: Any) -> Any:
        return hopper_norm_rope.backward(x, gain, x, table, 1e-6, False, semantics)

    for_cuda(forward, x, gain, table, table)
    for_cuda(backward, x, gain, table, table)

    def rows(x: jax.Array, scale: jax.Array) -> tuple[jax.Array, ...]:
        normal, inverse = adaln._standard(x, 1e-6)
        return normal * scale, inverse * normal

    def over(x: Any, scale: Any) -> Any:
        return hopper_rows.over_rows(rows, (x,), (scale,), (BF16,), 1, False, semantics)

    flat = shape((2, length, heads * dim), jnp.float32)
    for_cuda(over, flat, shape((2, 1, heads * dim), jnp.float32))
    for_cuda(over, flat, flat)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda x: qk_norm_rope.qk_norm_rope(x, jnp.ones(8), 2), "a gain"),
        (lambda x: qk_norm_rope.qk_norm_rope(x, jnp.ones(12), 4), "even parts"),
        (
            lambda x: qk_norm_rope.qk_norm_rope(x, jnp.ones(12), 2, angles(4, 3)),
            r"cosines and sines are \(5, 3\) here, not \(4, 3\)",
        ),
        (
            lambda x: qk_norm_rope.qk_norm_rope(x, jnp.ones(12), 2, backend="hoper"),
            "there is no form 'hoper' of qk_norm_rope: there are hopper, tpu, xla",
        ),
        (
            lambda x: adaln.gated_sum(x, jnp.ones((2, 1, 12)), x, backend="tpu"),
            r"'tpu' form of adaln cannot serve this call \(it runs on tpu, not on cpu\): 'xla' can",
        ),
        (lambda x: adaln.modulated_norm(x, jnp.ones((2, 3, 12)), x), "what goes with x"),
    ],
)
def test_a_mistake_is_one_sentence(call: Callable[[jax.Array], Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        call(jnp.ones((2, 5, 12)))
