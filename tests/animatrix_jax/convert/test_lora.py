import json

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from animatrix_jax.convert.lora import (
    STYLES,
    Difference,
    Factors,
    LoRA,
    export_lora,
    extract_lora,
    import_lora,
    merge,
)
from animatrix_jax.convert.rules import Rule

Q, NORM, PATCH = (
    "dit.blocks.0.self_attention.q",
    "dit.blocks.0.cross_norm",
    "dit.patch_embedding",
)
RULES = (
    Rule(f"{Q}.kernel", "blocks.0.self_attn.q.weight", "blocks.0.attn1.to_q.weight", "o i -> i o"),
    Rule(f"{Q}.bias", "blocks.0.self_attn.q.bias", "blocks.0.attn1.to_q.bias"),
    Rule(f"{NORM}.scale", "blocks.0.norm3.weight", "blocks.0.norm2.weight"),
    Rule("dit.blocks.0.modulation", "blocks.0.modulation", "blocks.0.scale_shift_table"),
    Rule(f"{PATCH}.kernel", "patch_embedding.weight", "patch_embedding.weight"),
)
DOWN = np.arange(6, dtype=np.float32).reshape(2, 3)
UP = np.arange(8, dtype=np.float32).reshape(4, 2)


def same(left: LoRA, right: LoRA) -> None:
    assert left.keys() == right.keys()
    for name, delta in left.items():
        other = right[name]
        assert type(delta) is type(other)
        if isinstance(delta, Factors) and isinstance(other, Factors):
            assert delta.alpha == other.alpha
            np.testing.assert_array_equal(delta.down, other.down)
            np.testing.assert_array_equal(delta.up, other.up)
        else:
            np.testing.assert_array_equal(delta.values(), other.values())


@pytest.mark.parametrize(
    "tensors",
    [
        {
            "transformer.blocks.0.attn1.to_q.lora_A.weight": DOWN,
            "transformer.blocks.0.attn1.to_q.lora_B.weight": UP,
        },
        {"blocks.0.attn1.to_q.lora_A.default.weight": DOWN,
         "blocks.0.attn1.to_q.lora_B.default.weight": UP},
        {
            "diffusion_model.blocks.0.self_attn.q.lora_down.weight": DOWN,
            "diffusion_model.blocks.0.self_attn.q.lora_up.weight": UP,
        },
        {
            "diffusion_model.blocks.0.self_attn.q.lora_A.weight": DOWN,
            "diffusion_model.blocks.0.self_attn.q.lora_B.weight": UP,
        },
        {
            "lora_unet_blocks_0_self_attn_q.lora_down.weight": DOWN,
            "lora_unet_blocks_0_self_attn_q.lora_up.weight": UP,
        },
    ],
)  # fmt: skip
def test_every_style_names_the_same_tensor(tensors: dict[str, np.ndarray]) -> None:
    same(import_lora(tensors, RULES)[None], {f"{Q}.kernel": Factors(DOWN, UP)})


def test_alpha_over_rank_is_the_scale_and_none_is_one() -> None:
    base = "lora_unet_blocks_0_self_attn_q"
    tensors = {f"{base}.lora_down.weight": DOWN, f"{base}.lora_up.weight": UP}
    delta = import_lora(tensors, RULES)[None][f"{Q}.kernel"]
    np.testing.assert_array_equal(delta.values(), UP @ DOWN)
    delta = import_lora(tensors | {f"{base}.alpha": np.float32(8)}, RULES)[None][f"{Q}.kernel"]
    np.testing.assert_array_equal(delta.values(), 8 / 2 * UP @ DOWN)
    said = json.dumps({"transformer.lora_alpha": 6, "transformer.r": 2})
    name = "transformer.blocks.0.attn1.to_q"
    tensors = {f"{name}.lora_A.weight": DOWN, f"{name}.lora_B.weight": UP}
    found = import_lora(tensors, RULES, {"lora_adapter_metadata": said})[None]
    np.testing.assert_array_equal(found[f"{Q}.kernel"].values(), 3 * UP @ DOWN)


def test_one_file_may_hold_both_experts() -> None:
    tensors = {
        f"{prefix}.blocks.0.attn1.to_q.lora_{factor}.weight": array * number
        for number, prefix in ((1, "transformer"), (2, "transformer_2"))
        for factor, array in (("A", DOWN), ("B", UP))
    }
    found = import_lora(tensors, RULES)
    same(found["high"], {f"{Q}.kernel": Factors(DOWN, UP)})
    same(found["low"], {f"{Q}.kernel": Factors(2 * DOWN, 2 * UP)})
    assert found.keys() == {"high", "low"}


def test_whole_deltas_of_weights_biases_and_tables() -> None:
    ones = np.ones(4, np.float32)
    table = np.ones((1, 6, 4), np.float32)
    tensors = {
        "diffusion_model.blocks.0.self_attn.q.diff_b": ones,
        "diffusion_model.blocks.0.norm3.diff": 2 * ones,
        "diffusion_model.blocks.0.diff_m": table,
    }
    found = import_lora(tensors, RULES)[None]
    expected: LoRA = {
        f"{Q}.bias": Difference(ones),
        f"{NORM}.scale": Difference(2 * ones),
        "dit.blocks.0.modulation": Difference(table),
    }
    same(found, expected)


@pytest.mark.parametrize(
    ("key", "array", "sentence"),
    [
        ("diffusion_model.blocks.0.cross_attn.k_img.lora_A.weight", DOWN, "k_img.lora_A.weight"),
        ("diffusion_model.blocks.0.self_attn.q.dora_scale", DOWN, "q.dora_scale belongs to no"),
        ("diffusion_model.blocks.0.self_attn.q.diff", DOWN, "both factors and a whole delta"),
        ("diffusion_model.blocks.0.norm3.lora_up.weight", UP, "lacks the down factor"),
    ],
)
def test_what_is_unknown_or_half_there_is_named(key: str, array: np.ndarray, sentence: str) -> None:
    base = "diffusion_model.blocks.0.self_attn.q"
    tensors = {f"{base}.lora_A.weight": DOWN, f"{base}.lora_B.weight": UP, key: array}
    with pytest.raises(ValueError) as error:
        import_lora(tensors, RULES)
    assert sentence in str(error.value) and "\n" not in str(error.value)


def test_factors_that_do_not_meet_are_refused() -> None:
    base = "diffusion_model.blocks.0.self_attn.q"
    with pytest.raises(ValueError, match="do not meet"):
        import_lora({f"{base}.lora_A.weight": DOWN, f"{base}.lora_B.weight": UP.T}, RULES)


@st.composite
def loras(draw: st.DrawFn) -> LoRA:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rank, into, out = (draw(st.integers(1, 5)) for _ in range(3))
    kind = draw(st.sampled_from([np.float32, ml_dtypes.bfloat16]))
    alpha = draw(st.none() | st.floats(0.5, 64, width=32))
    array = lambda *shape: rng.standard_normal(shape).astype(kind)  # noqa: E731
    lora: LoRA = {
        f"{Q}.kernel": Factors(array(rank, into), array(out, rank), alpha),
        f"{PATCH}.kernel": Factors(array(rank, into, 1, 2, 2), array(out, rank, 1, 1, 1), alpha),
    }
    if draw(st.booleans()):
        lora[f"{Q}.bias"] = Difference(array(out))
    return lora


@given(loras(), st.sampled_from(STYLES))
def test_exported_and_imported_it_is_the_same(lora: LoRA, style: str) -> None:
    exported = export_lora(lora, style, RULES)
    if style == "diffusers":
        assert all(key.startswith("transformer.") for key in exported)
    found = import_lora(exported, RULES)
    assert found.keys() == {None}
    again = found[None]
    alphas = {delta.alpha for delta in lora.values() if isinstance(delta, Factors)}
    if style != "diffusers" or alphas == {None}:
        same(again, lora)
    for name, delta in lora.items():
        # An alpha goes into diffusers' up factor, rounded to its type.
        bound = 2e-2 if delta.values().dtype != np.float32 or style == "diffusers" else 1e-6
        np.testing.assert_allclose(
            again[name].values(), delta.values(), rtol=bound, atol=bound * abs(delta.values()).max()
        )


def test_what_a_style_cannot_hold_is_refused() -> None:
    lora: LoRA = {f"{NORM}.scale": Difference(np.ones(4, np.float32))}
    with pytest.raises(
        ValueError, match=r"cannot hold a whole delta of transformer.blocks.0.norm2"
    ):
        export_lora(lora, "diffusers", RULES)
    with pytest.raises(ValueError, match="no LoRA style 'comfy'"):
        export_lora(lora, "comfy", RULES)


@given(st.integers(0, 2**32 - 1), st.sampled_from([np.float32, ml_dtypes.bfloat16, np.float16]))
def test_merged_weight_is_the_formula(seed: int, kind: type) -> None:
    rng = np.random.default_rng(seed)
    weight = rng.standard_normal((4, 3)).astype(kind)
    down, up = rng.standard_normal((2, 3)), rng.standard_normal((4, 2))
    delta = Factors(down.astype(np.float32), up.astype(np.float32), alpha=3.0)
    merged = merge(weight, [(delta, 0.7), (Difference(np.ones((4, 3), np.float32)), -2.0)])
    expected = weight.astype(np.float64) + 0.7 * 3 / 2 * up @ down - 2.0
    step = {np.float32: 1e-6, np.float16: 1e-3}.get(kind, 8e-3)
    assert merged.dtype == weight.dtype
    np.testing.assert_allclose(merged.astype(np.float64), expected, rtol=step, atol=step)


def test_a_convolution_is_merged_in_its_own_shape() -> None:
    rng = np.random.default_rng(0)
    down, up = rng.standard_normal((2, 3, 1, 2, 2)), rng.standard_normal((4, 2, 1, 1, 1))
    delta = Factors(down.astype(np.float32), up.astype(np.float32))
    expected = np.einsum("orxyz,ri...->oi...", up, down)
    np.testing.assert_allclose(
        delta.values(), expected.reshape(4, 3, 1, 2, 2), rtol=1e-5, atol=1e-5
    )


def test_factors_are_extracted_from_what_was_merged() -> None:
    rng = np.random.default_rng(0)
    base = rng.standard_normal((8, 6)).astype(np.float32)
    true = Factors(*(rng.standard_normal(s).astype(np.float32) for s in ((2, 6), (8, 2))))
    found = extract_lora(merge(base, [(true, 1.0)]) - base, rank=2)
    assert found.down.shape == (2, 6)
    np.testing.assert_allclose(found.values(), true.values(), atol=1e-5)
    whole = extract_lora(base, rank=99)
    assert whole.up.shape == (8, 6)
    np.testing.assert_allclose(whole.values(), base, atol=1e-5)


@pytest.mark.parametrize("spectrum", [0.97 ** np.arange(200), 1 / np.arange(1, 201)])
@pytest.mark.parametrize("shape", [(300, 200), (200, 260)])
def test_a_large_matrix_has_nearly_its_best_factors(
    spectrum: np.ndarray, shape: tuple[int, int]
) -> None:
    rng = np.random.default_rng(1)
    left, right = (np.linalg.qr(rng.standard_normal((n, 200)))[0] for n in shape)
    matrix = ((left * spectrum) @ right.T).astype(np.float32)
    rank = 8
    found = extract_lora(matrix, rank)
    assert found.down.shape == (rank, shape[1]) and found.up.shape == (shape[0], rank)
    best = np.sqrt(np.square(spectrum[rank:]).sum())
    assert np.linalg.norm(matrix - found.values()) < 1.01 * best
    again = extract_lora(matrix, rank)
    np.testing.assert_array_equal(found.down, again.down)
