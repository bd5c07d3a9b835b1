"""Text states in a latent cache: every wording comes back with its real tokens alone."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from animatrix_data.corpus.latent_meta import LatentMeta, TextMeta
from animatrix_data.corpus.latents import LatentCache

BUCKET, CHANNELS = (1, 1, 2), 3
TEXT = TextMeta("text" * 8, wordings=2, length=70, width=4)


def meta(rows: int, dtype: str = "float16") -> LatentMeta:
    ids = tuple(f"clip{row}" for row in range(rows))
    return LatentMeta("vae", "corpus", ids, (BUCKET,) * rows, CHANNELS, dtype, text=TEXT)


def states(row: int, wording: int, length: int) -> np.ndarray:
    grid = np.arange(length * TEXT.width).reshape(length, TEXT.width) % 8
    return (grid + 8 * row + wording / 2).astype(np.float32)


def write(cache: LatentCache, rows: list[int], lengths: np.ndarray) -> None:
    zeros = np.zeros((len(rows), *BUCKET, CHANNELS))
    texts = [[states(r, w, int(lengths[r, w])) for w in range(TEXT.wordings)] for r in rows]
    cache.write(rows, zeros, zeros, texts)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    lengths=st.lists(st.tuples(*[st.integers(0, TEXT.length)] * 2), min_size=1, max_size=40),
    dtype=st.sampled_from(["float16", "bfloat16"]),
    memory=st.booleans(),
)
def test_texts_come_back_whatever_their_lengths(
    tmp_path_factory: pytest.TempPathFactory,
    lengths: list[tuple[int, int]],
    dtype: str,
    memory: bool,
) -> None:
    folder, counts = tmp_path_factory.mktemp("cache"), np.array(lengths)
    cache = LatentCache.create(folder, meta(len(counts), dtype))
    for shard in cache.shards:
        write(cache, list(shard.rows), counts)
    cache.write_blank(BUCKET, np.zeros((*BUCKET, CHANNELS)))
    cache = LatentCache.open(folder, text_digest=TEXT.digest, memory_limit=2**30 if memory else 0)
    for row, wordings in enumerate(counts):
        for wording, length in enumerate(wordings):
            found = cache.text(row, wording)
            assert found.dtype.name == dtype
            expected = states(row, wording, int(length)).astype(found.dtype)
            assert np.array_equal(found, expected)


def test_padding_takes_no_room_on_disk(tmp_path: Path) -> None:
    for name, length in (("short", 3), ("long", TEXT.length)):
        cache = LatentCache.create(tmp_path / name, meta(32))
        write(cache, list(range(32)), np.full((32, 2), length))
    kept = {
        name: sum(
            file.stat().st_size
            for file in (tmp_path / name / "1x1x2/text").rglob("*")
            if file.is_file()
        )
        for name in ("short", "long")
    }
    # A chunk of 32 tokens a text in place of three.
    assert kept["short"] < 0.45 * kept["long"]


def test_wrong_texts_are_refused(tmp_path: Path) -> None:
    cache, zeros = LatentCache.create(tmp_path, meta(2)), np.zeros((1, *BUCKET, CHANNELS))
    good = np.ones((5, 4))
    for texts, sentence in (
        (None, "with texts or without"),
        ([[good]], "has 2 wordings here, not 1"),
        ([[good, np.ones((71, 4))]], "at most 70 tokens of 4 numbers"),
        ([[good, np.ones((5, 3))]], r"not \[5, 3\]"),
        ([[good, good * np.nan]], "texts of row 0 are not finite"),
    ):
        with pytest.raises(ValueError, match=sentence):
            cache.write([0], zeros, zeros, texts)
    assert cache.remaining.tolist() == [0, 1]
    cache.write([0], zeros, zeros, [[good, good]])
    with pytest.raises(ValueError, match="2 wordings a clip: there is no 2"):
        cache.text(0, 2)
    with pytest.raises(ValueError, match="'clip1' is not encoded yet"):
        cache.text(1, 0)
    bare = LatentCache.create(tmp_path / "bare", dataclasses.replace(meta(1), text=None))
    bare.write([0], zeros, zeros)
    with pytest.raises(ValueError, match="0 wordings a clip"):
        bare.text(0, 0)
