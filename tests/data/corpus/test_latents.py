"""The latent cache: values come back, another VAE is refused, an interrupted one goes on."""

import dataclasses
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from animatrix_data.corpus.latent_meta import META_NAME, LatentMeta, TextMeta
from animatrix_data.corpus.latents import LatentCache

WIDE, TALL = (3, 2, 4), (2, 4, 2)
META = LatentMeta("vae" * 8, "corpus" * 8, ("a", "b", "c", "d", "e"), (WIDE, TALL) * 2 + (WIDE,), 5)
WIDE_ROWS, TALL_ROWS = [0, 2, 4], [1, 3]


def values(rows: list[int], shape: tuple[int, int, int], shift: int = 0) -> np.ndarray:
    """Multiples of 1/8 that say their row: exact in both half-precision kinds."""
    grid = np.arange(np.prod(shape) * 5, dtype=np.float32).reshape(*shape, 5) % 8 / 8
    return np.stack([grid + row + shift for row in rows])


def read(cache: LatentCache, rows: list[int]) -> tuple[np.ndarray, ...]:
    return tuple(map(np.stack, zip(*(cache.read(row) for row in rows), strict=True)))


def fill(cache: LatentCache) -> None:
    for rows, shape in ((WIDE_ROWS, WIDE), (TALL_ROWS, TALL)):
        cache.write(rows, values(rows, shape), values(rows, shape, 8))
        cache.write_blank(shape, np.full((*shape, 5), 0.25))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("memory_limit", [0, 2**20])
def test_round_trip(tmp_path: Path, dtype: str, memory_limit: int) -> None:
    fill(LatentCache.create(tmp_path / "cache", dataclasses.replace(META, dtype=dtype)))
    cache = LatentCache.open(tmp_path / "cache", META.vae_digest, META.corpus_digest, memory_limit)
    latents, reference = read(cache, [4, 0, 4])
    assert latents.dtype.name == reference.dtype.name == dtype
    assert np.array_equal(latents, values([4, 0, 4], WIDE))
    assert np.array_equal(reference, values([4, 0, 4], WIDE, 8))
    latents, reference = cache.read(3)
    assert np.array_equal(latents, values([3], TALL)[0])
    assert np.array_equal(reference, values([3], TALL, 8)[0])
    assert np.array_equal(cache.read_latents(3), latents)
    assert np.array_equal(cache.read_reference(3), reference)
    assert np.array_equal(cache.blank_for(TALL), np.full((*TALL, 5), 0.25))
    assert cache.blank_for(TALL).dtype == latents.dtype
    assert cache.complete and not cache.skipped
    cache.check_complete()
    assert cache.row_of("d") == 3
    assert cache.buckets == (TALL, WIDE)


TEXT = TextMeta("text" * 8, wordings=2, length=40, width=3, rates="paper", seed=1)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"vae_digest": "other"}, r"made by another VAE \(vaevaevaevae, not other\): encode"),
        ({"corpus_digest": "other"}, "from another corpus"),
        ({"text": dataclasses.replace(TEXT, digest="other")}, "by another text encoder"),
        ({"text": dataclasses.replace(TEXT, wordings=3)}, "holds wordings 2, not 3: encode into"),
        ({"text": dataclasses.replace(TEXT, seed=2)}, "holds wordings drawn by seed 1, not 2"),
        ({"text": dataclasses.replace(TEXT, rates="none")}, "perturbed by paper, not none"),
        ({"text": None}, "holds wordings 2, not 0"),
        ({"dtype": "bfloat16"}, "holds latents float16, not bfloat16"),
        ({"fitted": "edge 256"}, "holds clips fitted to their own shapes, not edge 256"),
        ({"ids": META.ids[::-1]}, "another shape or order of clips"),
    ],
)
def test_a_cache_of_something_else_is_refused(
    tmp_path: Path, change: dict[str, Any], sentence: str
) -> None:
    meta = dataclasses.replace(META, text=TEXT, command="animatrix encode there")
    LatentCache.create(tmp_path, meta)
    LatentCache.create(tmp_path, dataclasses.replace(meta, command="animatrix encode here"))
    with pytest.raises(ValueError, match=sentence):
        LatentCache.create(tmp_path, dataclasses.replace(meta, **change))


def test_a_cache_is_opened_by_its_digests(tmp_path: Path) -> None:
    LatentCache.create(tmp_path, META)
    LatentCache.open(tmp_path, META.vae_digest, META.corpus_digest)
    with pytest.raises(ValueError, match="another VAE"):
        LatentCache.open(tmp_path, "other")
    with pytest.raises(ValueError, match="another corpus"):
        LatentCache.open(tmp_path, META.vae_digest, "other")
    with pytest.raises(ValueError, match="holds no text states"):
        LatentCache.open(tmp_path, text_digest=TEXT.digest)


def test_an_interrupted_encoding_goes_on(tmp_path: Path) -> None:
    meta = dataclasses.replace(META, command="animatrix encode it")
    cache = LatentCache.create(tmp_path, meta)
    cache.write([2, 0], values([2, 0], WIDE), values([2, 0], WIDE, 8))
    again = LatentCache.create(tmp_path, meta)
    assert again.remaining.tolist() == [1, 3, 4]
    assert not again.complete
    for reading in (lambda: read(again, [0, 4]), lambda: again.read_latents(4)):
        with pytest.raises(ValueError, match=r"'e' is not encoded yet: .* lacks 3 of its 5 clips"):
            reading()
    with pytest.raises(ValueError, match="3 of its 5 clips; `animatrix encode it` goes on"):
        again.check_complete()
    again.write([4], values([4], WIDE), values([4], WIDE, 8))
    assert np.array_equal(read(again, [0, 2, 4])[0], values([0, 2, 4], WIDE))
    assert LatentCache.open(tmp_path).remaining.tolist() == TALL_ROWS


def test_a_line_cut_short_by_a_crash_is_rows_not_done(tmp_path: Path) -> None:
    LatentCache.create(tmp_path, META)
    file = tmp_path / "done-0-of-1.jsonl"
    file.write_text('{"rows": [0, 2], "lengths": []}\n{"rows": [1')
    # A reader leaves the file of a writer that may be at work alone.
    assert LatentCache.open(tmp_path).remaining.tolist() == [1, 3, 4]
    assert file.read_text().endswith("[1")
    LatentCache.create(tmp_path, META).write([1], values([1], TALL), values([1], TALL))
    assert LatentCache.open(tmp_path).remaining.tolist() == [3, 4]


def test_processes_write_rows_of_their_own(tmp_path: Path) -> None:
    first = LatentCache.create(tmp_path, META, "0-of-2")
    second = LatentCache.create(tmp_path, META, "1-of-2")
    second.write(TALL_ROWS, values(TALL_ROWS, TALL), values(TALL_ROWS, TALL, 8))
    first.write(WIDE_ROWS, values(WIDE_ROWS, WIDE), values(WIDE_ROWS, WIDE, 8))
    assert first.remaining.tolist() == TALL_ROWS
    whole = LatentCache.open(tmp_path)
    assert not len(whole.remaining)
    assert np.array_equal(whole.read(3)[0], values([3], TALL)[0])


def test_skipped_rows_are_named_and_never_read(tmp_path: Path) -> None:
    meta = dataclasses.replace(
        META, buckets=(None, *META.buckets[1:]), left_out={"a": "it is too short."}
    )
    cache = LatentCache.create(tmp_path, meta)
    cache.skip({2: "it is damaged."})
    cache.write([4], values([4], WIDE), values([4], WIDE))
    cache.write(TALL_ROWS, values(TALL_ROWS, TALL), values(TALL_ROWS, TALL))
    cache.write_blank(WIDE, np.zeros((*WIDE, 5)))
    cache.write_blank(TALL, np.zeros((*TALL, 5)))
    cache = LatentCache.open(tmp_path)
    assert cache.complete
    assert cache.skipped == {"a": "it is too short.", "c": "it is damaged."}
    for rows, sentence in ([0], "Clip 'a' .* too short"), ([4, 2], "Clip 'c' .* damaged"):
        with pytest.raises(ValueError, match=sentence):
            read(cache, rows)
        with pytest.raises(ValueError, match=sentence):
            cache.read_latents(rows[-1])
    # A clip that was mended is encoded after all.
    LatentCache.create(tmp_path, meta).write([2], values([2], WIDE), values([2], WIDE))
    cache = LatentCache.open(tmp_path)
    assert list(cache.skipped) == ["a"]
    assert np.array_equal(read(cache, [4, 2])[0], values([4, 2], WIDE))


def test_shards_hold_every_row_once(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    buckets = tuple((WIDE, TALL)[k] for k in rng.integers(2, size=150))
    cache = LatentCache.create(
        tmp_path, LatentMeta("v", "c", tuple(map(str, range(150))), buckets, 5)
    )
    assert sorted(row for shard in cache.shards for row in shard.rows) == list(range(150))
    for shard in cache.shards:
        assert len(shard.rows) <= 32
        assert {buckets[row] for row in shard.rows} == {shard.bucket}
        # Rows of one shard lie in one file of the array.
        assert len({buckets[:row].count(shard.bucket) // 32 for row in shard.rows}) == 1


def test_a_cache_travels_to_another_process_by_its_path(tmp_path: Path) -> None:
    cache = LatentCache.create(tmp_path, META)
    fill(cache)
    copy = pickle.loads(pickle.dumps(cache))
    assert np.array_equal(copy.read(1)[0], cache.read(1)[0])
    assert len(pickle.dumps(cache)) < 4000


def test_wrong_rows_and_values_are_refused(tmp_path: Path) -> None:
    cache = LatentCache.create(tmp_path, META)
    with pytest.raises(ValueError, match="no blank for 3x2x4"):
        cache.blank_for(WIDE)
    with pytest.raises(ValueError, match="a bucket at a time"):
        cache.write([0, 1], values([0, 1], WIDE), values([0, 1], WIDE))
    with pytest.raises(ValueError, match=r"latents must be \[1, 3, 2, 4, 5\]"):
        cache.write([0], values([0], TALL), values([0], WIDE))
    with pytest.raises(ValueError, match="reference of rows 0… are not finite"):
        cache.write([0], values([0], WIDE), values([0], WIDE) + np.inf)
    assert cache.remaining.tolist() == [0, 1, 2, 3, 4]
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
    with pytest.raises(ValueError, match="wordings of 0 tokens"):
        dataclasses.replace(TEXT, length=0)


@pytest.mark.parametrize("memory_limit", [0, 2**20])
@pytest.mark.parametrize("part", ["c", "zarr.json"])
def test_a_lost_shard_is_an_error_and_never_zeros(
    tmp_path: Path, part: str, memory_limit: int
) -> None:
    text = dataclasses.replace(TEXT, wordings=1, width=2)
    meta = dataclasses.replace(META, text=text)
    cache = LatentCache.create(tmp_path / "cache", meta)
    for rows, shape in ((WIDE_ROWS, WIDE), (TALL_ROWS, TALL)):
        texts = [[np.zeros((2, 2))] for _ in rows]
        cache.write(rows, values(rows, shape) * 0, values(rows, shape, 8), texts)
        cache.write_blank(shape, np.zeros((*shape, 5)))
    files = (tmp_path / "cache" / "3x2x4" / "latents").rglob("*")
    (lost,) = [file for file in files if file.is_file() and part in file.parts]
    lost.unlink()
    cache = LatentCache.open(tmp_path / "cache", memory_limit=memory_limit)
    with pytest.raises(ValueError, match="Clip 'a' is lost from the latent cache"):
        cache.read_latents(0)
    # What is there is read, zeros that were written among it.
    assert not cache.read_latents(1).any() and not cache.text(0, 0).any()
    assert np.array_equal(cache.read_reference(0), values([0], WIDE, 8)[0])
