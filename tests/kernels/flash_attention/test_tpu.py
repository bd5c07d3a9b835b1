"""The TPU kernels: their numbers in the interpreter, and compiled by the TPU's own compiler."""

import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jax._src.pallas.mosaic.interpret import interpret_pallas_call
from jax.experimental.pallas import tpu as pltpu

from animatrix_kernels import tpu_compiler
from animatrix_kernels.flash_attention import reference, tpu, tpu_backward
from animatrix_kernels.flash_attention.backend import Request, Saved
from animatrix_kernels.flash_attention.tpu_blocks import (
    LANES,
    MIB,
    Blocks,
    Tile,
    blocks_for,
    cut,
    default_blocks,
)

INTERPRETED = pltpu.InterpretParams(detect_races=True)
FUSED = Blocks(
    vmem=64 * MIB,
    resident=MIB,
    forward=Tile(q=128, kv=64, part=32),
    dq=Tile(q=128, kv=64, part=32),
    dkv=Tile(q=256, kv=128, part=128),
)
SPLIT = dataclasses.replace(FUSED, resident=0)
Q_LENGTH, KV_LENGTH = 300, 200


class Case(NamedTuple):
    """Inputs in the type under test, and the gradients that come in."""

    q: jax.Array
    k: jax.Array
    v: jax.Array
    lengths: jax.Array
    d_out: jax.Array
    d_lse: jax.Array


def draw(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype("float32")


def draw_case(dtype: Any, dim: int, lengths: tuple[int, int], spread: float = 1.0) -> Case:
    q, d_out = (draw(seed, 2, Q_LENGTH, 1, dim) for seed in (0, 1))
    k, v = (draw(seed, 2, KV_LENGTH, 1, dim) for seed in (2, 3))
    counts = (np.arange(KV_LENGTH) < np.array(lengths)[:, None])[:, :, None, None]
    arrays = [jnp.asarray(x, dtype) for x in (spread * q, spread * k * counts, v * counts)]
    some = (np.array(lengths) > 0)[:, None, None]
    d_lse = jnp.asarray(draw(4, 2, Q_LENGTH, 1) * some)
    return Case(*arrays, jnp.array(lengths), jnp.asarray(d_out, dtype), d_lse)


@functools.partial(jax.jit, static_argnames="blocks")
def attend(q: Any, k: Any, v: Any, lengths: Any, blocks: Blocks) -> tuple[jax.Array, jax.Array]:
    scale = q.shape[-1] ** -0.5
    return tpu.forward(q, k, v, lengths, scale, blocks=blocks, interpret=INTERPRETED)


@functools.partial(jax.jit, static_argnames="blocks")
def gradients(saved: Saved, d_out: Any, d_lse: Any, blocks: Blocks) -> tuple[jax.Array, ...]:
    scale = saved.q.shape[-1] ** -0.5
    return tpu_backward.backward(
        saved, d_out, d_lse, scale, True, blocks=blocks, interpret=INTERPRETED
    )


def kernels(case: Case, blocks: Blocks) -> tuple[jax.Array, ...]:
    """Output, log-sum-exp, dq, dk, dv of the kernels."""
    q, k, v, lengths, d_out, d_lse = case
    out, lse = attend(q, k, v, lengths, blocks)
    return out, lse, *gradients(Saved(q, k, v, lengths, out, lse), d_out, d_lse, blocks)


@jax.jit
def plain(case: Case) -> tuple[jax.Array, ...]:
    """The same by plain JAX, over chunks of keys as it goes at long lengths."""
    scale = case.q.shape[-1] ** -0.5

    def attention(q: Any, k: Any, v: Any) -> tuple[jax.Array, jax.Array]:
        return reference.attention(q, k, v, case.lengths, scale, chunk=64)

    both, pull = jax.vjp(attention, case.q, case.k, case.v)
    return *both, *pull((case.d_out, case.d_lse))


def exact(case: Case) -> tuple[np.ndarray, ...]:
    """The same in float64, of the inputs as rounded to their type."""
    q, k, v, d_out, d_lse = (
        np.asarray(x, np.float64) for x in (case.q, case.k, case.v, case.d_out, case.d_lse)
    )
    scale = q.shape[-1] ** -0.5
    counts = np.arange(k.shape[1]) < np.asarray(case.lengths)[:, None, None, None]
    logits = np.where(counts, scale * np.einsum("bqhd,bkhd->bhqk", q, k), -np.inf)
    top = np.maximum(logits.max(-1, keepdims=True), -1e30)
    total = np.exp(logits - top).sum(-1, keepdims=True)
    weights = np.exp(logits - top) / np.maximum(total, 1e-300)
    with np.errstate(divide="ignore"):
        lse = (top + np.log(total))[..., 0].transpose(0, 2, 1)
    out = np.einsum("bhqk,bkhd->bqhd", weights, v)
    shift = (d_lse - (d_out * out).sum(-1)).transpose(0, 2, 1)[..., None]
    d_logits = scale * weights * (np.einsum("bqhd,bkhd->bhqk", d_out, v) + shift)
    return (
        out,
        lse,
        np.einsum("bhqk,bkhd->bqhd", d_logits, k),
        np.einsum("bhqk,bqhd->bkhd", d_logits, q),
        np.einsum("bhqk,bqhd->bkhd", weights, d_out),
    )


def error(got: Any, wanted: np.ndarray) -> float:
    """Relative L2 error where what is wanted is finite; elsewhere both must be the same."""
    got = np.asarray(got, np.float64)
    finite = np.isfinite(wanted)
    np.testing.assert_array_equal(got[~finite], wanted[~finite])
    got, wanted = got[finite], wanted[finite]
    return float(np.linalg.norm(got - wanted) / np.linalg.norm(wanted))


NAMES = ("out", "lse", "dq", "dk", "dv")
WIDE = 5.0


@pytest.mark.parametrize(
    ("dtype", "dim", "blocks", "cases"),
    [
        (jnp.bfloat16, 64, FUSED, [((200, 200), 1.0), ((200, 77), WIDE), ((1, 0), 1.0)]),
        (jnp.float32, 128, SPLIT, [((200, 131), 1.0)]),
    ],
    ids=["fused", "split_float32"],
)
def test_errors_are_those_of_plain_jax(
    dtype: Any, dim: int, blocks: Blocks, cases: list[tuple[tuple[int, int], float]]
) -> None:
    """Tails, short and missing keys, wide logits; and the interpreter finds no race."""
    for lengths, spread in cases:
        case = draw_case(dtype, dim, lengths, spread)
        found, usual, wanted = kernels(case, blocks), plain(case), exact(case)
        for name, got, xla, want in zip(NAMES, found, usual, wanted, strict=True):
            bound = 1e-6 if name == "lse" else 1.5 * error(xla, want)
            assert error(got, want) <= bound, (name, lengths, spread)
        assert not interpret_pallas_call.races.races_found


@pytest.mark.parametrize(("lengths", "spread"), [((200, 200), 1.0), ((130, 64), WIDE), ((1, 0), 1)])
def test_split_gradients_have_the_errors_of_plain_jax(
    lengths: tuple[int, int], spread: float
) -> None:
    case = draw_case(jnp.bfloat16, 128, lengths, spread)
    usual, wanted = plain(case), exact(case)
    saved = Saved(*case[:4], *usual[:2])
    found = gradients(saved, case.d_out, case.d_lse, SPLIT)
    for name, got, xla, want in zip(NAMES[2:], found, usual[2:], wanted[2:], strict=True):
        assert error(got, want) <= 1.5 * error(xla, want), name
    assert not interpret_pallas_call.races.races_found


def test_without_a_key_everything_is_zero() -> None:
    out, lse, *rest = kernels(draw_case(jnp.bfloat16, 64, (1, 0)), FUSED)
    assert not out[1].any() and np.isneginf(lse[1]).all()
    assert all(np.isfinite(np.asarray(x, np.float32)).all() and not x[1].any() for x in rest)
    assert out[0].any() and np.isfinite(lse[0]).all()


def test_parts_of_a_ring_merge_by_their_log_sum_exp() -> None:
    """Two devices' keys, one after the other: outputs and gradients of all of them together."""
    first, second = (draw_case(jnp.bfloat16, 64, lengths) for lengths in ((200, 0), (77, 200)))
    second = second._replace(q=first.q, k=second.k[::-1], v=-second.v[::-1])
    second = second._replace(lengths=jnp.array([200, 77]))
    parts = [attend(case.q, case.k, case.v, case.lengths, FUSED) for case in (first, second)]

    def merge(parts: Any) -> jax.Array:
        lse = jnp.logaddexp(parts[0][1], parts[1][1])
        shares = [jnp.exp(part_lse - lse)[..., None] for _, part_lse in parts]
        return sum(out * share for (out, _), share in zip(parts, shares, strict=True))

    merged, pull = jax.vjp(merge, parts)
    d_out = first.d_out.astype(merged.dtype)
    found = []
    for case, part, (d_part, d_lse) in zip((first, second), parts, pull(d_out)[0], strict=True):
        saved = Saved(case.q, case.k, case.v, case.lengths, *part)
        found.append(gradients(saved, d_part, jnp.nan_to_num(d_lse), FUSED))
    for b in range(2):
        kept = [slice(0, int(case.lengths[b])) for case in (first, second)]
        k, v = (
            jnp.concatenate([x[b : b + 1, s] for x, s in zip(pair, kept, strict=True)], 1)
            for pair in ((first.k, second.k), (first.v, second.v))
        )
        whole = Case(
            first.q[b : b + 1], k, v, jnp.array([k.shape[1]]), first.d_out[b : b + 1],
            jnp.zeros((1, Q_LENGTH, 1)),
        )  # fmt: skip
        out, _, d_q, d_k, _ = exact(whole)
        assert error(merged[b : b + 1], out) < 4e-3
        ours = found[0][0][b] + found[1][0][b].astype(jnp.float32)
        assert error(ours, d_q[0]) < 6e-3
        parts_d_k = [grads[1][b, s] for grads, s in zip(found, kept, strict=True)]
        assert error(jnp.concatenate(parts_d_k), d_k[0]) < 6e-3


@given(
    length=st.integers(1, 10**6), parts=st.sampled_from([1, 2, 4]), part=st.sampled_from([256, 512])
)
def test_blocks_are_even_and_cover_a_length(length: int, parts: int, part: int) -> None:
    made = cut(length, parts * part, part)
    assert made.size == made.parts * made.part <= parts * part and made.part % LANES == 0
    assert 0 <= made.number * made.size - length < made.size
    whole = cut(length, parts * part)
    assert whole.size % LANES == 0 and whole.size <= parts * part
    assert whole.number * whole.size - length < LANES * whole.number


@pytest.mark.parametrize(
    ("shape", "kv_length", "dtype", "words"),
    [
        ((1, 8, 2, 128), 8, "bfloat16", None),
        ((1, 8, 2, 64), 520, "float32", None),
        ((1, 8, 2, 96), 8, "bfloat16", "head dims 64 and 128, not 96"),
        ((1, 8, 2, 64), 8, "float16", "bfloat16 and float32, not float16"),
        ((1, 8, 2, 64), 0, "bfloat16", "nothing to attend to"),
    ],
)
def test_refusals(shape: tuple[int, ...], kv_length: int, dtype: str, words: str | None) -> None:
    reason = tpu.BACKEND.refusal(Request(shape, kv_length, jnp.dtype(dtype), masked=False))
    assert reason is None if words is None else words in str(reason)


SLICES = {"v5e": ("v5e:2x2", 128), "v5p": ("v5p:2x2x1", 64), "v6e": ("v6e:2x2", 128)}
"""A slice of each generation, and the MiB of vector memory of its core."""


ARRAY = 75_600 * 40 * 128 * 2
"""Bytes of one of Wan's arrays, heads of 64 filled up to whole lanes."""


class Shapes(NamedTuple):
    """What a chip's program is compiled for: abstract arrays on its first device."""

    q: jax.ShapeDtypeStruct
    kv: jax.ShapeDtypeStruct
    statistics: jax.ShapeDtypeStruct
    lengths: jax.ShapeDtypeStruct
    blocks: Blocks


def shapes(chip: str, kv_length: int, dim: int) -> Shapes:
    if not tpu_compiler.available():
        pytest.skip("libtpu is not installed: `make setup` brings it on Linux for x86_64")
    name, vmem = SLICES[chip]
    sharding = jax.sharding.SingleDeviceSharding(tpu_compiler.topology(name)[0])
    array = functools.partial(jax.ShapeDtypeStruct, sharding=sharding)
    return Shapes(
        q=array((1, 75_600, 40, dim), jnp.bfloat16),
        kv=array((1, kv_length, 40, dim), jnp.bfloat16),
        statistics=array((1, 75_600, 40), jnp.float32),
        lengths=array((1,), jnp.int32),
        blocks=blocks_for(vmem * MIB),
    )


CHIPS = [("v5p", 75_600, 128), ("v6e", 75_600, 128), ("v5e", 520, 64)]
"""Self-attention of Wan with one kernel backward, and text keys of narrow heads with two."""


@pytest.mark.parametrize(("chip", "kv_length", "dim"), [*CHIPS, ("v5e", 75_600, 128)])
def test_the_tpu_compiler_takes_the_pass_forward(chip: str, kv_length: int, dim: int) -> None:
    q, kv, _, lengths, blocks = shapes(chip, kv_length, dim)
    attend = jax.jit(
        lambda q, k, v, lengths: tpu.forward(q, k, v, lengths, dim**-0.5, blocks=blocks)
    )
    compiled = attend.lower(q, kv, kv, lengths).compile()
    assert "attention_forward" in compiled.as_text()
    # Copies of q, k, v and out between layouts; a head's square matrix would be 11 GB.
    assert compiled.memory_analysis().temp_size_in_bytes < 4.1 * ARRAY


@pytest.mark.parametrize(("chip", "kv_length", "dim"), CHIPS)
def test_the_tpu_compiler_takes_the_gradients(chip: str, kv_length: int, dim: int) -> None:
    q, kv, statistics, lengths, blocks = shapes(chip, kv_length, dim)
    names = ["attention_gradients"]
    if chip == "v5e":
        blocks, names = dataclasses.replace(blocks, resident=0), ["attention_dq", "attention_dkv"]
    back = jax.jit(
        lambda q, k, v, lengths, out, lse, d_out, d_lse: tpu_backward.backward(
            Saved(q, k, v, lengths, out, lse), d_out, d_lse, dim**-0.5, False, blocks=blocks
        )
    )
    compiled = back.lower(q, kv, kv, lengths, q, statistics, q, statistics).compile()
    assert all(name in compiled.as_text() for name in names)
    assert compiled.memory_analysis().temp_size_in_bytes < 8 * ARRAY


def test_block_sizes_know_the_chip() -> None:
    """Traced for a mesh of TPUs, the vector memory is that chip's."""
    assert default_blocks() == blocks_for(64 * MIB)
    if not tpu_compiler.available():
        pytest.skip("libtpu is not installed: `make setup` brings it on Linux for x86_64")
    for name, vmem in SLICES.values():
        mesh = jax.sharding.Mesh(np.array(tpu_compiler.topology(name)), "device")
        with jax.sharding.use_abstract_mesh(mesh.abstract_mesh):
            assert default_blocks() == blocks_for(vmem * MIB)
