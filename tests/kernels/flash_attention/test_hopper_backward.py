"""The backward pass on Hopper without a GPU: lowered for CUDA, and interpreted at tiny shapes."""

import functools
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax._src.pallas.mosaic_gpu.interpret import gpu_callbacks
from jax.experimental.pallas import mosaic_gpu as plgpu

from animatrix_kernels.flash_attention import (
    hopper_backward_fused,
    hopper_backward_split,
    hopper_common,
    reference,
)
from animatrix_kernels.flash_attention import hopper_backward_tiles as table
from animatrix_kernels.flash_attention.backend import Saved
from animatrix_kernels.flash_attention.hopper_backward import backward
from animatrix_kernels.flash_attention.hopper_backward_parts import Inputs, prepare
from animatrix_kernels.flash_attention.hopper_tiles import LOWERINGS, Shape

TILES = table.Tiles(table.QueryTile(64, 2), table.KeyTile(2), table.FusedTile(2))

CASES: dict[str, tuple[tuple[int, ...], list[int] | None, str, float]] = {
    "tails": ((1, 130, 136, 1, 64), None, "bfloat16", 1.0),
    "masked": ((2, 20, 90, 1, 64), [70, 0], "float16", 1.0),
    "wide": ((1, 72, 100, 1, 128), [90], "bfloat16", 4.0),
}
"""Sizes [B, Lq, Lk, H, D], lengths of keys, the type, and the spread of q and k."""


def draw(name: str) -> tuple[Saved, jax.Array, jax.Array]:
    """What a forward pass leaves, with keys past the lengths zeroed, and dO and dlse."""
    (batch, q_length, kv_length, heads, dim), lengths, dtype, spread = CASES[name]
    rng = np.random.default_rng(len(name))

    def normal(length: int, wide: float) -> jax.Array:
        return jnp.asarray(wide * rng.standard_normal((batch, length, heads, dim)), dtype)

    q, k = normal(q_length, spread), normal(kv_length, spread)
    v, d_out = normal(kv_length, 1.0), normal(q_length, 1.0)
    d_lse = jnp.asarray(rng.standard_normal((batch, q_length, heads)), jnp.float32)
    kv_lengths = None
    if lengths is not None:
        kv_lengths = jnp.asarray(lengths, jnp.int32)
        counts = (jnp.arange(kv_length) < kv_lengths[:, None])[:, :, None, None]
        k, v = jnp.where(counts, k, 0), jnp.where(counts, v, 0)
    out, lse = reference.attention(q, k, v, kv_lengths, dim**-0.5)
    return Saved(q, k, v, kv_lengths, out, lse), d_out, d_lse


def exact(saved: Saved, d_out: jax.Array, d_lse: jax.Array, dtype: Any) -> list[np.ndarray]:
    """The gradients of XLA's form for long keys, with arithmetic in `dtype`.

    Like every flash attention it begins backward with an output rounded to that type.
    """

    def total(q: jax.Array, k: jax.Array, v: jax.Array) -> jax.Array:
        scale = q.shape[-1] ** -0.5
        out, lse = reference.attention(q, k, v, saved.kv_lengths, scale, chunk=64)
        lse = jnp.where(jnp.isfinite(lse), lse, 0.0)
        return (out.astype(jnp.float32) * d_out).sum() + (lse * d_lse).sum()

    qkv = (x.astype(dtype) for x in (saved.q, saved.k, saved.v))
    return [np.asarray(x, np.float32) for x in jax.grad(total, (0, 1, 2))(*qkv)]


@functools.cache
def interpreted(name: str, kernel: str) -> tuple[Any, tuple[jax.Array, ...]]:
    """The interpretation of a kernel on a case, compiled, and its result; there was no race."""
    inputs = prepare(*draw(name))
    scale = inputs.q.shape[-1] ** -0.5

    @jax.jit
    def run(inputs: Inputs) -> Any:
        if kernel == "query":
            return (hopper_backward_split.query_gradient(inputs, scale, TILES.query, True),)
        if kernel == "key":
            return hopper_backward_split.key_gradients(inputs, scale, TILES.key, True)
        return hopper_backward_fused.gradients(inputs, scale, TILES.fused, True)

    compiled = run.lower(inputs).compile()
    result = jax.block_until_ready(compiled(inputs))
    assert not gpu_callbacks.get_races().races_found
    return compiled, result


def gradients_of(name: str, form: str) -> tuple[jax.Array, ...]:
    kernels = ("fused",) if form == "fused" else ("query", "key")
    found = (x for kernel in kernels for x in interpreted(name, kernel)[1])
    _, q_length, kv_length, *_ = CASES[name][0]
    lengths = (q_length, kv_length, kv_length)
    return tuple(x[:, :length] for x, length in zip(found, lengths, strict=True))


def error(got: Any, wanted: np.ndarray) -> float:
    return float(np.linalg.norm(np.asarray(got, np.float32) - wanted) / np.linalg.norm(wanted))


@pytest.mark.parametrize("form", ["split", "fused"])
@pytest.mark.parametrize("name", CASES)
def test_gradients_are_as_exact_as_those_of_xla(name: str, form: str) -> None:
    saved, d_out, d_lse = draw(name)
    wanted = exact(saved, d_out, d_lse, jnp.float32)
    rival = exact(saved, d_out, d_lse, saved.q.dtype)
    for got, theirs, want in zip(gradients_of(name, form), rival, wanted, strict=True):
        assert got.dtype == saved.q.dtype
        assert error(got, want) < 1.5 * error(theirs, want) < 0.02


@pytest.mark.parametrize("form", ["split", "fused"])
def test_what_does_not_count_gets_zeros(form: str) -> None:
    d_q, d_k, d_v = gradients_of("masked", form)
    assert not d_q[1].any() and not d_k[1].any() and not d_v[1].any()
    assert not d_k[0, 70:].any() and not d_v[0, 70:].any()
    assert d_k[0, 69].any() and d_v[0, 69].any() and d_q[0, -1].any()


def test_the_split_form_gives_the_same_bits_twice() -> None:
    inputs = prepare(*draw("tails"))
    for kernel in ("query", "key"):
        again, first = interpreted("tails", kernel)
        for one, other in zip(first, again(inputs), strict=True):
            np.testing.assert_array_equal(one, other)


def test_the_interpreter_does_look_for_races(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plgpu, "commit_smem", lambda: None)
    inputs = prepare(*draw("tails"))
    jax.block_until_ready(hopper_backward_fused.gradients(inputs, 0.1, TILES.fused, True))
    assert gpu_callbacks.get_races().races_found


def lower(tiles: table.Tiles, deterministic: bool, shape: Shape, dtype: str, heads: int) -> str:
    """Lower a backward pass for CUDA, down to Mosaic's module."""
    q = jax.ShapeDtypeStruct((1, shape.q_length, heads, shape.head_dim), dtype)
    k = jax.ShapeDtypeStruct((1, shape.kv_length, heads, shape.head_dim), dtype)
    rows = jax.ShapeDtypeStruct(q.shape[:3], jnp.float32)
    saved = Saved(q, k, k, jax.ShapeDtypeStruct((1,), jnp.int32), q, rows)  # type: ignore[arg-type]

    def run(saved: Saved, d_out: jax.Array, d_lse: jax.Array) -> Any:
        return backward(saved, d_out, d_lse, shape.head_dim**-0.5, deterministic, tiles=tiles)

    allowed = jax.export.DisabledSafetyCheck.custom_call("mosaic_gpu_v2")
    export = jax.export.export(jax.jit(run), platforms=["cuda"], disabled_checks=[allowed])
    return export(saved, q, rows).mlir_module()


def lowered_by(tiles: table.Tiles, lowering: str) -> table.Tiles:
    query, key, fused = tiles
    return table.Tiles(
        table.QueryTile(query.keys, query.stages, lowering),
        table.KeyTile(key.stages, lowering),
        table.FusedTile(fused.stages, fused.staggered, lowering),
    )


@pytest.mark.parametrize("lowering", LOWERINGS)
@pytest.mark.parametrize("row", range(len(table.read_tiles())))
def test_every_shipped_tile_lowers_for_cuda(row: int, lowering: str) -> None:
    shape, tiles = list(table.read_tiles().items())[row]
    tiles = lowered_by(tiles, lowering)
    assert lower(tiles, True, shape, "bfloat16", 40).count("mosaic_gpu_v2") == 2
    assert lower(tiles, False, shape, "bfloat16", 40).count("mosaic_gpu_v2") == 1


@pytest.mark.parametrize("deterministic", [True, False], ids=["split", "fused"])
def test_float16_and_odd_lengths_lower_too(deterministic: bool) -> None:
    shape = Shape(128, "float16", 1001, 523)
    tiles = table.tiles_for(128, 1001, 523)
    assert "1001x3x128xf16" in lower(tiles, deterministic, shape, "float16", 3)


@pytest.mark.parametrize("head_dim", hopper_common.HEAD_DIMS)
def test_candidates_hold_what_is_shipped_and_fit(head_dim: int) -> None:
    all_of_them = table.candidates(head_dim)
    shipped = [t for s, t in table.read_tiles().items() if s.head_dim == head_dim]
    assert shipped and all(len(set(some)) == len(some) > 3 for some in all_of_them)
    for tiles in shipped:
        assert all(tile in some for tile, some in zip(tiles, all_of_them, strict=True))
    for tile in (tile for some in all_of_them for tile in some):
        assert tile.shared_memory(head_dim) < hopper_common.SHARED_MEMORY


def test_the_table_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "tiles.json"
    written = {Shape(128, "bfloat16", 4096, 512): TILES}
    table.write_tiles(written, path)
    assert table.read_tiles(path) == written
    path.write_text('[{"shape": {"head_dim": 64}}]')
    with pytest.raises(ValueError, match=r"tiles\.json has a row that is no shape and tiles"):
        table.read_tiles(path)


def test_the_nearest_shape_is_taken() -> None:
    shipped = table.read_tiles()
    for shape, tiles in shipped.items():
        near = table.tiles_for(shape.head_dim, shape.q_length + 8, shape.kv_length + 8)
        assert near == tiles


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: table.KeyTile(1), "a stream needs two stages at least, not 1"),
        (lambda: table.FusedTile(2, lowering="ptx"), "there is no lowering 'ptx': warpgroup, lane"),
        (lambda: table.candidates(96), "the Hopper kernels have head dims 64 and 128, not 96"),
    ],
)
def test_a_mistake_is_one_sentence(make: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        make()
