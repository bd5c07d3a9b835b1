"""The latent cache: values come back, another VAE is refused, an interrupted one goes on."""

import dataclasses
import pickle
from pathlib import Path

import numpy as np
import pytest

from animatrix_data.corpus.latents import DONE_NAME, META_NAME, LatentCache, LatentMeta

WIDE, TALL = (3, 2, 4), (2, 4, 2)
META = LatentMeta("vae" * 8, "corpus" * 8, ("a", "b", "c", "d", "e"), (WIDE, TALL) * 2 + (WIDE,), 5)
WIDE_ROWS, TALL_ROWS = [0, 2, 4], [1, 3]


def values(rows: list[int], shape: tuple[int, int, int], shift: int = 0) -> np.ndarray:
    """Multiples of 1/8 that say their row: exact in both half-precision kinds."""
    grid = np.arange(np.prod(shape) * 5, dtype=np.float32).reshape(*shape, 5) % 8 / 8
    return np.stack([grid + row + shift for row in rows])


def fill(cache: LatentCache) -> None:
    for rows, shape in ((WIDE_ROWS, WIDE), (TALL_ROWS, TALL)):
        cache.write(rows, values(rows, shape), values(rows, shape, 8))
        cache.write_blank(shape, np.full((*shape, 5), 0.25))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("memory_limit", [0, 2**20])
def test_round_trip(tmp_path: Path, dtype: str, memory_limit: int) -> None:
    fill(LatentCache.create(tmp_path / "cache", dataclasses.replace(META, dtype=dtype)))
    cache = LatentCache.open(tmp_path / "cache", META.vae_digest, META.corpus_digest, memory_limit)
    latents, reference = cache.read_many([4, 0, 4])
    assert latents.dtype == reference.dtype == np.float32
    assert np.array_equal(latents, values([4, 0, 4], WIDE))
    assert np.array_equal(reference, values([4, 0, 4], WIDE, 8))
    latents, reference = cache.read(3)
    assert np.array_equal(latents, values([3], TALL)[0])
    assert np.array_equal(reference, values([3], TALL, 8)[0])
    assert np.array_equal(cache.blank_for(TALL), np.full((*TALL, 5), 0.25))
    assert cache.complete
    assert cache.row_of("d") == 3
    assert cache.buckets == (TALL, WIDE)


def test_blank_of_a_single_bucket(tmp_path: Path) -> None:
    cache = LatentCache.create(tmp_path / "one", LatentMeta("v", "c", ("a",), (WIDE,), 5))
    with pytest.raises(ValueError, match="no blank for 3x2x4"):
        _ = cache.blank
    cache.write_blank(WIDE, np.ones((*WIDE, 5)))
    assert (cache.blank == 1).all()
    with pytest.raises(ValueError, match="several buckets"):
        _ = LatentCache.create(tmp_path / "two", META).blank


def test_another_vae_or_corpus_is_refused(tmp_path: Path) -> None:
    LatentCache.create(tmp_path, META)
    with pytest.raises(ValueError, match="another VAE"):
        LatentCache.open(tmp_path, "other")
    with pytest.raises(ValueError, match="another corpus"):
        LatentCache.open(tmp_path, META.vae_digest, "other")
    with pytest.raises(ValueError, match="another VAE"):
        LatentCache.create(tmp_path, dataclasses.replace(META, vae_digest="other"))
    with pytest.raises(ValueError, match="another shape or order"):
        LatentCache.create(tmp_path, dataclasses.replace(META, ids=META.ids[::-1]))


def test_an_interrupted_encoding_goes_on(tmp_path: Path) -> None:
    cache = LatentCache.create(tmp_path, META)
    cache.write([2, 0], values([2, 0], WIDE), values([2, 0], WIDE, 8))
    again = LatentCache.create(tmp_path, META)
    assert again.remaining.tolist() == [1, 3, 4]
    assert not again.complete
    with pytest.raises(ValueError, match=r"Row 4 of .* is not written"):
        again.read_many([0, 4])
    again.write([4], values([4], WIDE), values([4], WIDE, 8))
    assert np.array_equal(again.read_many([0, 2, 4])[0], values([0, 2, 4], WIDE))
    assert LatentCache.open(tmp_path).remaining.tolist() == TALL_ROWS


def test_a_line_cut_short_by_a_crash_is_a_row_not_done(tmp_path: Path) -> None:
    LatentCache.create(tmp_path, META)
    (tmp_path / DONE_NAME).write_text("0\n2\n4")
    assert LatentCache.open(tmp_path).remaining.tolist() == [1, 3, 4]
    LatentCache.open(tmp_path).write([1], values([1], TALL), values([1], TALL))
    assert LatentCache.open(tmp_path).remaining.tolist() == [3, 4]


def test_a_cache_travels_to_another_process_by_its_path(tmp_path: Path) -> None:
    cache = LatentCache.create(tmp_path, META)
    fill(cache)
    copy = pickle.loads(pickle.dumps(cache))
    assert np.array_equal(copy.read(1)[0], cache.read(1)[0])
    assert len(pickle.dumps(cache)) < 4000


def test_wrong_rows_and_values_are_refused(tmp_path: Path) -> None:
    cache = LatentCache.create(tmp_path, META)
    with pytest.raises(ValueError, match="a bucket at a time"):
        cache.write([0, 1], values([0, 1], WIDE), values([0, 1], WIDE))
    with pytest.raises(ValueError, match=r"latents must be \[1, 3, 2, 4, 5\]"):
        cache.write([0], values([0], TALL), values([0], WIDE))
    with pytest.raises(ValueError, match="reference of rows 0… are not finite"):
        cache.write([0], values([0], WIDE), values([0], WIDE) + np.inf)
    assert cache.remaining.tolist() == [0, 1, 2, 3, 4]
    fill(cache)
    with pytest.raises(ValueError, match="a bucket at a time"):
        cache.read_many([0, 1])
    with pytest.raises(ValueError, match="no clip 'z'"):
        cache.row_of("z")


def test_what_is_no_cache_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is not a latent cache"):
        LatentCache.open(tmp_path)
    (tmp_path / META_NAME).write_text("{}")
    with pytest.raises(ValueError, match="cannot be read"):
        LatentCache.open(tmp_path)
    (tmp_path / META_NAME).rename(tmp_path / "notes.txt")
    with pytest.raises(ValueError, match="not an empty folder"):
        LatentCache.create(tmp_path, META)
    with pytest.raises(ValueError, match="float16 or bfloat16"):
        dataclasses.replace(META, dtype="float64")
