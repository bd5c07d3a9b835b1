import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental.mosaic.gpu import fragmented_array as fragments

from animatrix_kernels.flash_attention import fp8_operands, hopper_common, hopper_fp8, hopper_tiles
from animatrix_kernels.flash_attention.hopper_tiles import FP8, Tile
from tests.kernels.flash_attention.hopper_checks import (
    RACES,
    distance,
    draw,
    lower,
    raced,
    reference_attention,
)

eight_bits = jax.jit(fp8_operands.attention, static_argnums=4, static_argnames=("smooth", "rotate"))


def shipped_and_deepest() -> set[tuple[int, Tile]]:
    """Every shipped size both ways; every number of keys with the most stages, each one way."""
    sizes = {
        (shape.head_dim, Tile(tile.block_kv, tile.stages, lowering))
        for shape, tile in hopper_tiles.read_tiles().items()
        for lowering in hopper_tiles.LOWERINGS
        if shape.dtype == FP8.name
    }
    for dim in (64, 128):
        deepest = {tile.block_kv: tile for tile in hopper_tiles.candidates(dim, FP8)}
        sizes |= {(dim, tile) for tile in deepest.values()}
    return sizes


@pytest.mark.parametrize(("head_dim", "tile"), sorted(shipped_and_deepest(), key=str))
def test_every_size_lowers_for_cuda(head_dim: int, tile: Tile) -> None:
    assert "mosaic_gpu_v2" in lower(hopper_fp8.forward, tile, head_dim)


@pytest.mark.parametrize("lowering", hopper_tiles.LOWERINGS)
def test_sums_by_the_hardware_lower_too(lowering: str) -> None:
    attention = functools.partial(hopper_fp8.forward, sums_in_float32=False)
    assert "mosaic_gpu_v2" in lower(attention, Tile(128, 4, lowering), 128)


def test_sums_with_shrinkage_due_are_the_sums(monkeypatch: pytest.MonkeyPatch) -> None:
    """Products of single blocks, each added late, make what one accumulator would hold."""

    class Place:
        value = jnp.zeros((3, 2))

        def __setitem__(self, _: Any, value: jax.Array) -> None:
            self.value = value

    products, place = hopper_fp8.EightBitsSummedTwice(), Place()
    monkeypatch.setattr(hopper_fp8.EightBitsSummedTwice, "_zeros", lambda _, s: jnp.zeros(s))
    monkeypatch.setattr(hopper_common, "read", lambda place, wait_n: place.value)
    sums: Any = (jnp.zeros((3, 2)), jnp.ones(3))
    wanted = np.zeros((3, 2))
    for block in range(4):
        product = draw(block, 3, 2, dtype=jnp.float32)
        place.value = place.value + product
        wanted = wanted + np.asarray(product)
        if block < 3:
            by = jnp.exp2(-jnp.abs(draw(9 + block, 3, dtype=jnp.float32)))
            sums = products.shrink(place, sums, by)
            wanted = wanted * np.asarray(by)[:, None]
    np.testing.assert_allclose(products.result(place, sums), wanted, rtol=1e-5)


def test_any_lengths_and_half_precision_lower() -> None:
    text = lower(hopper_fp8.forward, Tile(160, 3), 128, 75_601, 77, jnp.float16)
    assert "mosaic_gpu_v2" in text


def held(layout: fragments.TiledLayout, columns: int) -> np.ndarray:
    """Rows and columns of [64, columns] as [*register, warp, lane, lane, element, 2]."""
    places = np.stack(np.indices((64, columns)))
    for tile in layout.tiling.tiles:
        rank, front = len(tile), places.ndim - len(tile)
        split = [
            part for d, t in zip(places.shape[front:], tile, strict=True) for part in (d // t, t)
        ]
        places = places.reshape(*places.shape[:front], *split)
        outer, inner = range(front, front + 2 * rank, 2), range(front + 1, front + 2 * rank, 2)
        places = places.transpose(*range(front), *outer, *inner)
    spread = (*layout.warp_dims, *layout.lane_dims, layout.vector_dim)
    registers = layout.registers_shape((64, columns))
    moved = np.moveaxis(places, (*spread, 0), range(-5, 0))
    return moved.reshape(*(n for n in registers if n > 1), *moved.shape[-5:])


def test_weights_keep_their_registers_and_values_answer_to_them() -> None:
    """Register by register, thread by thread: what stands for column c is key KEY_ORDER[c]."""
    columns = 32
    accumulator = held(fragments.WGMMA_LAYOUT, columns)
    operand = held(fragments.WGMMA_LAYOUT_8BIT, columns)
    accumulator = accumulator.reshape(columns // 8, 2, *accumulator.shape[-5:])
    operand = operand.reshape(columns // 16, 2, *operand.shape[-5:])
    joined = np.concatenate([accumulator[0::2], accumulator[1::2]], axis=-2)
    assert joined.shape == operand.shape == (2, 2, 4, 8, 4, 4, 2)
    np.testing.assert_array_equal(joined[..., 0], operand[..., 0])
    group, place = np.divmod(operand[..., 1], 16)
    np.testing.assert_array_equal(joined[..., 1], 16 * group + fp8_operands.KEY_ORDER[place])


@pytest.fixture(scope="module")
def wan_like() -> tuple[jax.Array, ...]:
    """Queries and keys with outlier channels, keys with a mean, as Wan's are after their norm."""
    dim = 128
    gains = np.exp(0.4 * np.asarray(draw(3, dim, dtype=jnp.float32)))
    gains[[7, 31, 90]] *= 8
    offset = 3 * np.asarray(draw(4, dim, dtype=jnp.float32)) * gains
    q = draw(0, 1, 256, 2, dim, dtype=jnp.float32) * gains
    k = draw(1, 1, 1000, 2, dim, dtype=jnp.float32) * gains + offset
    return tuple(x.astype(jnp.bfloat16) for x in (q / 4, k / 2, draw(2, 1, 1000, 2, dim)))


def test_smoothing_and_rotation_lower_the_error(wan_like: tuple[jax.Array, ...]) -> None:
    q, k, v = wan_like
    scale = q.shape[-1] ** -0.5
    wanted, wanted_lse = reference_attention(
        *(x.astype(jnp.float32) for x in wan_like), None, scale
    )
    errors, shifts = {}, {}
    for smooth in (False, True):
        for rotate in (False, True):
            out, lse = eight_bits(q, k, v, None, scale, smooth=smooth, rotate=rotate)
            errors[smooth, rotate] = distance(out, wanted)
            shifts[smooth, rotate] = float(np.abs(lse - wanted_lse).max())
    plain, best = errors[False, False], errors[True, True]
    assert best < 0.6 * plain
    assert best < errors[True, False] and best < errors[False, True]
    assert best < 0.12
    assert shifts[True, True] < 0.5 * shifts[False, False]


def test_rotation_is_orthogonal_and_leaves_no_channel_alone() -> None:
    for dim in hopper_common.HEAD_DIMS:
        matrix = np.asarray(fp8_operands.rotation(dim))
        np.testing.assert_array_equal(matrix @ matrix.T, dim * np.eye(dim))
        assert np.abs(np.ones(dim) @ matrix).max() <= (2 * dim) ** 0.5
    with pytest.raises(ValueError, match="power of two, not 96"):
        fp8_operands.rotation(96)


def test_operands_multiply_to_what_they_were() -> None:
    q, k, v = draw(0, 1, 40, 2, 64), draw(1, 1, 24, 2, 64), draw(2, 1, 24, 2, 64)
    found = fp8_operands.quantise(q, k, v, None, 0.125)
    as_float = [np.asarray(x, np.float32) for x in found]
    logits = np.einsum("bqhd,bkhd->bhqk", as_float[0], as_float[1])
    logits = logits * as_float[3][..., None, None] + as_float[5].transpose(0, 2, 1)[..., None]
    wanted = 0.125 * np.einsum("bqhd,bkhd->bhqk", *(np.asarray(x, np.float32) for x in (q, k)))
    assert distance(logits, wanted) < 0.05
    values = as_float[2] * as_float[4][..., None, None]
    assert values.shape == (1, 2, 64, 128) and not values[..., 32:].any()
    keys = np.concatenate([fp8_operands.KEY_ORDER, 16 + fp8_operands.KEY_ORDER])
    for place, key in enumerate(keys):
        if key < 24:
            assert distance(values[..., place], np.asarray(v, np.float32)[:, key]) < 0.05


def test_what_does_not_count_decides_nothing() -> None:
    q, k, v = draw(0, 1, 8, 1, 64), draw(1, 1, 20, 1, 64), draw(2, 1, 20, 1, 64)
    lengths = jnp.array([12])
    wanted = eight_bits(q, k[:, :12], v[:, :12], None, 0.125)
    found = eight_bits(q, k.at[:, 12:].set(900.0), v.at[:, 12:].set(-900.0), lengths, 0.125)
    for x, y in zip(found, wanted, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-2, atol=1e-5)


@pytest.fixture(scope="module")
def run() -> dict[str, Any]:
    """One call in the interpreter: tails, a mask, an empty row, two blocks for all tiles."""
    q, k, v = draw(0, 3, 136, 1, 64), draw(1, 3, 90, 1, 64), draw(2, 3, 90, 1, 64)
    lengths, scale = jnp.array([90, 33, 0]), 0.125
    ours = hopper_fp8.forward(
        q, k, v, lengths, scale, tile=Tile(32, 2), multiprocessors=2, interpret=RACES
    )
    jax.block_until_ready(ours)
    exact = reference_attention(*(x.astype(jnp.float32) for x in (q, k, v)), lengths, scale)
    return {
        "ours": ours, "raced": raced(), "exact": exact,
        "plain": eight_bits(q, k, v, lengths, scale),
    }  # fmt: skip


def test_the_kernel_rounds_as_the_plain_form_does(run: dict[str, Any]) -> None:
    (out, lse), (wanted, _), (plain, plain_lse) = (run[name] for name in ("ours", "exact", "plain"))
    assert out.dtype == jnp.bfloat16 and not run["raced"]
    assert distance(out, wanted) < 1.1 * distance(plain, wanted)
    assert distance(out, plain) < 0.5 * distance(plain, wanted)
    np.testing.assert_allclose(lse, plain_lse, rtol=1e-5, atol=1e-5)
    empty = np.isneginf(plain_lse)
    assert empty[2].all() and not np.asarray(out)[empty].any()
