import re
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental.pallas import mosaic_gpu as plgpu

from animatrix_kernels.flash_attention import dispatch, hopper, hopper_common, hopper_tiles
from animatrix_kernels.flash_attention.backend import Request, attention_of
from animatrix_kernels.flash_attention.hopper_tiles import FP8, Shape, Tile
from tests.kernels.flash_attention.hopper_checks import (
    RACES,
    distance,
    draw,
    gpu_module,
    lower,
    raced,
    reference_attention,
)

SIXTEEN_BITS = [s for s in hopper_tiles.read_tiles().items() if s[0].dtype == "bfloat16"]


def both_ways(tile: Tile) -> list[Tile]:
    return [Tile(tile.block_kv, tile.stages, lowering) for lowering in hopper_tiles.LOWERINGS]


def deepest(head_dim: int, dtype: Any) -> list[Tile]:
    """Every number of keys a block, one way, with all the stages that fit in shared memory."""
    return list({tile.block_kv: tile for tile in hopper_tiles.candidates(head_dim, dtype)}.values())


LOWERED = {
    (shape.head_dim, tile) for shape, shipped in SIXTEEN_BITS for tile in both_ways(shipped)
} | {(dim, tile) for dim in (64, 128) for tile in deepest(dim, jnp.bfloat16)}


@pytest.mark.parametrize(("head_dim", "tile"), sorted(LOWERED, key=str))
def test_every_size_lowers_for_cuda(head_dim: int, tile: Tile) -> None:
    assert "mosaic_gpu_v2" in lower(hopper.forward, tile, head_dim)


def test_any_lengths_and_half_precision_lower() -> None:
    assert "mosaic_gpu_v2" in lower(hopper.forward, Tile(176, 2), 128, 75_601, 77, jnp.float16)


@pytest.mark.parametrize("lowering", hopper_tiles.LOWERINGS)
def test_the_softmax_runs_while_weights_meet_values(
    monkeypatch: pytest.MonkeyPatch, lowering: str
) -> None:
    """In the loop: both products are started, the first awaited, then exponentials, then all."""
    tile = Tile(128, 2, lowering)
    text = gpu_module(monkeypatch, lambda: lower(hopper.forward, tile, 128))
    loop = text[text.index("scf.while") :]
    loop = loop[: loop.index("scf.yield")]
    marks = re.findall(r"wgmma\.(mma_async|wait_group)\S*( \d)?|(ex2)\.approx", loop)
    marks = ["".join(mark) for mark in marks]
    runs = [mark for mark, before in zip(marks, [None, *marks], strict=False) if mark != before]
    assert runs == ["mma_async", "wait_group 1", "ex2", "wait_group 0"]


KINDS = {
    "tails, masks, an empty row": dict(
        q=(3, 200, 1, 64), keys=90, lengths=[90, 33, 0], dtype=jnp.bfloat16, spread=1.0,
        tile=Tile(32, 2),
    ),
    "wide logits, one block of keys for two": dict(
        q=(1, 77, 1, 128), keys=100, lengths=None, dtype=jnp.float16, spread=20.0,
        tile=Tile(64, 3),
    ),
}  # fmt: skip


@pytest.fixture(scope="module", params=KINDS.values(), ids=KINDS.keys())
def run(request: pytest.FixtureRequest) -> dict[str, Any]:
    """One call in the interpreter, with two persistent blocks for all tiles."""
    kind = request.param
    batch, _, heads, dim = kind["q"]
    keys = (batch, kind["keys"], heads, dim)
    numbers = {"dtype": kind["dtype"]}
    q, k = draw(0, *kind["q"], spread=kind["spread"], **numbers), draw(1, *keys, **numbers)
    v = draw(2, *keys, **numbers)
    lengths = None if kind["lengths"] is None else jnp.array(kind["lengths"])
    scale = dim**-0.5
    out, lse = hopper.forward(
        q, k, v, lengths, scale, tile=kind["tile"], multiprocessors=2, interpret=RACES
    )
    jax.block_until_ready((out, lse))
    exact = reference_attention(*(x.astype(jnp.float32) for x in (q, k, v)), lengths, scale)
    return {
        "ours": (out, lse), "raced": raced(), "exact": exact,
        "xla": reference_attention(q, k, v, lengths, scale),
    }  # fmt: skip


def test_the_error_is_that_of_the_type(run: dict[str, Any]) -> None:
    (out, lse), (wanted, wanted_lse), (xla, _) = (run[name] for name in ("ours", "exact", "xla"))
    assert out.dtype == xla.dtype and out.shape == xla.shape and lse.dtype == jnp.float32
    assert distance(out, wanted) < 1.5 * distance(xla, wanted)
    np.testing.assert_allclose(lse, wanted_lse, rtol=1e-6, atol=2e-5)


def test_a_query_without_keys_gets_zeros(run: dict[str, Any]) -> None:
    out, lse = run["ours"]
    empty = np.isneginf(run["exact"][1])
    assert (np.isneginf(lse) == empty).all() and not np.asarray(out)[empty].any()


def test_there_is_no_race(run: dict[str, Any]) -> None:
    assert not run["raced"]


def test_a_race_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next queries overwrite the output while it is being written, once nobody waits for it."""
    wait = plgpu.wait_smem_to_gmem

    def only_at_the_end(number: int, wait_read_only: bool = False) -> None:
        if not wait_read_only:
            wait(number)

    monkeypatch.setattr(plgpu, "wait_smem_to_gmem", only_at_the_end)
    q, k = draw(0, 1, 200, 1, 64), draw(1, 1, 32, 1, 64)
    found = hopper.forward(
        q, k, k, None, 0.125, tile=Tile(32, 2), multiprocessors=1, interpret=RACES
    )
    jax.block_until_ready(found)
    assert raced()


def test_a_negative_scale_moves_into_the_queries() -> None:
    q = draw(0, 1, 4, 1, 2)
    for scale in (0.5, -0.5, 0.0):
        turned, positive = hopper_common.positive(q, scale)
        assert positive > 0
        np.testing.assert_array_equal(turned * positive, q * scale)


def refused(**changes: Any) -> str | None:
    facts = {"q_shape": (1, 8, 2, 128), "kv_length": 8, "dtype": jnp.dtype(jnp.bfloat16)}
    request = Request(**(facts | {"masked": False} | changes))
    return hopper_common.hopper_refusal(request)


def test_what_is_refused_and_why() -> None:
    assert refused() is None
    assert refused(dtype=jnp.dtype(jnp.float32)) == "it takes bfloat16 and float16, not float32"
    assert refused(q_shape=(1, 8, 2, 96)) == "it has head dims 64 and 128, not 96"
    assert refused(kv_length=0) == "it needs at least one query and one key"
    assert refused(capability="9.0") is None
    assert "not 8.0" in str(refused(capability="8.0"))


def test_the_nearest_shape_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = {
        Shape(128, "bfloat16", 4096, 4096): Tile(128, 2),
        Shape(128, "bfloat16", 75_600, 520): Tile(176, 2, "lane"),
    }
    path = tmp_path / "table.json"
    hopper_tiles.write_tiles(table, path)
    assert hopper_tiles.read_tiles(path) == table
    monkeypatch.setattr(hopper_tiles, "_shipped", lambda: table)
    assert hopper_tiles.tile_for(128, jnp.bfloat16, 30_000, 600) == Tile(176, 2, "lane")
    assert hopper_tiles.tile_for(128, jnp.float16, 9_000, 9_000) == Tile(128, 2)
    assert hopper_tiles.tile_for(64, FP8, 9_000, 9_000) == hopper_tiles.candidates(64, FP8)[0]


def test_a_rewritten_table_reaches_a_fresh_jit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hopper_tiles._shipped.cache_clear()
    monkeypatch.setattr(hopper_tiles, "TABLE", tmp_path / "table.json")
    x = jax.ShapeDtypeStruct((1, 256, 2, 128), jnp.bfloat16)
    attend = attention_of(dispatch.load("hopper"))
    found: list[Tile] = []

    def tile_for(*shape: Any) -> Tile:
        found.append(hopper_tiles.tile_for(*shape))
        return found[-1]

    monkeypatch.setattr(hopper, "tile_for", tile_for)
    for block_kv in (128, 160):
        table = {Shape(128, "bfloat16", 256, 256): Tile(block_kv, 2)}
        hopper_tiles.write_tiles(table)
        jax.jit(lambda q: attend(q, q, q, None, 0.1)[0]).trace(x)
    hopper_tiles._shipped.cache_clear()
    assert found == [Tile(128, 2), Tile(160, 2)]


def test_every_shipped_size_is_a_candidate() -> None:
    for shape, tile in hopper_tiles.read_tiles().items():
        assert tile in hopper_tiles.candidates(shape.head_dim, jnp.dtype(shape.dtype))


def test_a_mistake_in_the_table_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    path.write_text('[{"shape": {"head_dim": 128}, "tile": {}}]')
    with pytest.raises(ValueError, match="no shape and tile"):
        hopper_tiles.read_tiles(path)
    with pytest.raises(ValueError, match="two stages at least"):
        Tile(128, 1)
    with pytest.raises(ValueError, match="no lowering 'warp'"):
        Tile(128, 2, "warp")
    with pytest.raises(ValueError, match="not 96 in bfloat16"):
        hopper_tiles.candidates(96, jnp.bfloat16)
