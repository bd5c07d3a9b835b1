"""Encoding: clips come back, processes and interruptions change no byte, bad clips are named."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from animatrix_data.corpus.catalogue import Catalogue, ClipRow, read_catalogue, write_catalogue
from animatrix_data.corpus.latents import LatentCache
from animatrix_data.corpus.video import decode_video, encode_video
from animatrix_data.files import digest_file
from animatrix_jax import cli
from animatrix_jax.jobs import encode, encode_shards
from animatrix_jax.runtime.model import Model, load_model
from tests.tiny import tiny_card, write_tiny_model

FRAMES, EDGE, CLIPS = 5, 16, 40
DIRECTIVE = "<tag> VFX: Rain\n<summary> Rain falls.\n<description> Rain falls on {}."


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    write_tiny_model(folder, tiny_card())
    return folder


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty clips of noise: a whole shard and a part of one."""
    folder, rows = tmp_path_factory.mktemp("drawn"), []
    random = np.random.default_rng(0)
    for k in range(CLIPS):
        path = folder / "clips" / f"{k}.mp4"
        noise = random.integers(256, size=(FRAMES, EDGE, EDGE, 3), dtype=np.uint8)
        encode_video(path, noise, 8.0, preset="ultrafast")
        rows.append(
            ClipRow(
                f"clip{k}",
                f"clips/{k}.mp4",
                FRAMES,
                8.0,
                EDGE,
                EDGE,
                digest_file(path),
                directive=DIRECTIVE.format(k),
            )
        )
    write_catalogue(folder, rows)
    return folder


@pytest.fixture
def corpus(drawn: Path, tmp_path: Path) -> Catalogue:
    shutil.copytree(drawn, tmp_path / "corpus")
    return read_catalogue(tmp_path / "corpus")


@pytest.fixture(scope="module")
def whole(drawn: Path, model: Path, tmp_path_factory: pytest.TempPathFactory) -> LatentCache:
    return encode.run(drawn, model, tmp_path_factory.mktemp("whole") / "cache", wordings=2)


def arrays(cache: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(cache)): file.read_bytes()
        for file in sorted(cache.rglob("*"))
        if file.is_file() and file.parent != cache
    }


def few(catalogue: Catalogue, count: int) -> Catalogue:
    return write_catalogue(catalogue.folder, catalogue.rows[:count])


def test_every_clip_comes_back(drawn: Path, model: Path, whole: LatentCache) -> None:
    catalogue, loaded = read_catalogue(drawn), load_model(model)
    assert whole.complete and not whole.skipped and whole.meta.dtype == "float16"
    assert whole.meta.ids == tuple(row.id for row in catalogue)
    rows = [3, 20, 39]
    frames = np.stack([decode_video(catalogue.clip_path(catalogue[r])).frames for r in rows])
    expected = np.asarray(loaded.encode_video(frames)), np.asarray(loaded.encode_reference(frames))
    for found, wanted in zip(zip(*map(whole.read, rows), strict=True), expected, strict=True):
        np.testing.assert_allclose(found, wanted, atol=2e-3)
    blank = np.asarray(loaded.blank_reference(FRAMES, EDGE, EDGE))
    np.testing.assert_allclose(whole.blank_for(whole.buckets[0]), blank, atol=2e-3)


def test_texts_are_encoded_without_their_padding(model: Path, whole: LatentCache) -> None:
    # The byte tokenizer: a token a letter and one for the end, 24 tokens at most.
    states = np.asarray(load_model(model).encode_text(["Rain falls."]))[0]
    found = whole.text(7, 1)
    assert found.shape == (len("Rain falls.") + 1, 16)
    np.testing.assert_allclose(found, states[: len(found)], atol=5e-3)
    assert not states[len(found) :].any()
    assert whole.text(7, 0).shape == (24, 16)


def test_processes_in_any_order_make_the_same_bytes(
    drawn: Path, model: Path, whole: LatentCache, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    second = encode.run(drawn, model, tmp_path / "c", wordings=2, process=1, processes=2)
    assert len(second.remaining) == 32 and not second.complete
    assert "32 clips are left to the other processes" in capsys.readouterr().out
    with pytest.raises(ValueError, match=r"lacks 32 of its 40 clips; `animatrix encode .*` goes"):
        second.check_complete()
    assert encode.run(drawn, model, tmp_path / "c", wordings=2, processes=2).complete
    assert arrays(tmp_path / "c") == arrays(whole.path)


def test_an_interrupted_encoding_goes_on_to_the_same_bytes(
    drawn: Path, model: Path, whole: LatentCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    # Between a shard's data and the line that says it is done.
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("animatrix_data.corpus.latent_progress.Progress.add_done", crash)
        encode.run(drawn, model, tmp_path / "c", wordings=2)
    assert arrays(tmp_path / "c") and len(LatentCache.open(tmp_path / "c").remaining) == CLIPS
    (tmp_path / "c" / "done-0-of-1.jsonl").write_text('{"rows": [0, 1')
    assert encode.run(drawn, model, tmp_path / "c", wordings=2).complete
    assert arrays(tmp_path / "c") == arrays(whole.path)


def test_what_is_done_is_not_done_again(
    drawn: Path, model: Path, whole: LatentCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Model, "encode_video", None)
    assert encode.run(drawn, model, whole.path, wordings=2).complete


def broken(catalogue: Catalogue) -> Catalogue:
    """Eight clips, of which four cannot be used, each for a reason of its own."""
    rows = list(catalogue.rows[:8])
    paths = [catalogue.clip_path(row) for row in rows]
    paths[1].unlink()
    damaged = bytearray(paths[2].read_bytes())
    damaged[len(damaged) // 2] ^= 0xFF
    paths[2].write_bytes(damaged)
    encode_video(paths[4], np.zeros((1, EDGE, EDGE, 3), np.uint8), 8.0)
    rows[5] = replace(rows[5], directive="<tag> VFX: Rane\n<summary> a\n<description> b")
    rows[6] = replace(rows[6], frames=4)
    return write_catalogue(catalogue.folder, rows)


def test_bad_clips_are_skipped_and_named(
    corpus: Catalogue, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = [corpus.clip_path(corpus[k]).read_bytes() for k in range(8)]
    bad, out = broken(corpus), tmp_path / "cache"
    cache = encode.run(bad.folder, model, out, batch=4)
    reasons = {
        "clip1": "1.mp4 is not a file",
        "clip2": "2.mp4 ",
        "clip4": "4.mp4 has 1 frames of 16x16, and its catalogue says 5 frames of 16x16",
        "clip5": "VFX has no value 'Rane'",
        "clip6": "4",
    }
    assert cache.complete and list(cache.skipped) == list(reasons)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{out}: 5 of 8 clips were skipped."
    assert len(lines) == 6
    for line, (clip, reason) in zip(lines[1:], reasons.items(), strict=True):
        assert line.startswith(f"  skipped {clip}: ") and reason in line
        with pytest.raises(ValueError, match=f"Clip '{clip}' is not in the latent cache"):
            cache.read(cache.row_of(clip))
    expected = load_model(model).encode_video(
        np.stack([decode_video(bad.clip_path(bad[k])).frames for k in (0, 3, 7)])
    )
    for row, wanted in zip((0, 3, 7), np.asarray(expected), strict=True):
        np.testing.assert_allclose(cache.read_latents(row), wanted, atol=2e-3)
    # What was mended since is tried again on request alone.
    bad.clip_path(bad[1]).write_bytes(good[1])
    assert "clip1" in encode.run(bad.folder, model, out, batch=4).skipped
    before = cache.read(3)[0]
    again = encode.run(bad.folder, model, out, batch=4, retry=True)
    assert list(again.skipped) == ["clip2", "clip4", "clip5", "clip6"]
    assert np.isfinite(again.read(1)[0]).all()
    assert np.array_equal(again.read(3)[0], before)


def test_strict_stops_at_the_first_bad_clip(
    corpus: Catalogue, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few(corpus, 4).clip_path(corpus[1]).unlink()
    line = ["encode", str(corpus.folder), "--model", str(model), "--out", str(tmp_path / "c")]
    assert cli.main([*line, "--strict"]) == 2
    assert "animatrix encode: clip 'clip1': " in capsys.readouterr().err
    for k in (0, 2, 3):
        corpus.clip_path(corpus[k]).unlink()
    assert cli.main(line) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert "no clip" in error and "all 4 were skipped, the first (clip0) because" in error


def test_clips_are_fitted_to_the_buckets_of_a_substage(
    corpus: Catalogue, model: Path, tmp_path: Path
) -> None:
    wide = corpus.folder / "clips" / "wide.mp4"
    encode_video(wide, np.zeros((9, 64, 96, 3), np.uint8), 8.0)
    row = ClipRow("wide", "clips/wide.mp4", 9, 8.0, 64, 96, digest_file(wide))
    catalogue = write_catalogue(corpus.folder, [corpus[0], row])
    cache = encode.run(catalogue.folder, model, tmp_path / "c", edge=32, frames=(5,), batch=2)
    # Of whole strides of 8 pixels, 32 by 56 is nearer to 3:2 than 40 by 48.
    assert cache.meta.buckets == (None, (2, 8, 14))
    assert "fits no bucket: smaller than" in cache.skipped["clip0"]
    assert cache.read_latents(1).shape == (2, 8, 14, 4)
    # Of several frame counts a clip fills the largest that it has.
    both = encode.run(catalogue.folder, model, tmp_path / "b", edge=32, frames=(5, 9), batch=2)
    assert both.meta.buckets == (None, (3, 8, 14))
    with pytest.raises(ValueError, match="edge 32, 5 frames and sides of 8 px, not their own"):
        encode.run(catalogue.folder, model, tmp_path / "c")


def test_foreign_caches_and_wrong_numbers_are_refused(
    drawn: Path, model: Path, whole: LatentCache, tmp_path: Path
) -> None:
    other = tmp_path / "model"
    shutil.copytree(model, other)
    (other / "vae" / "model.safetensors").rename(tmp_path / "kept")
    write_tiny_model(other, replace(tiny_card(), vae=replace(tiny_card().vae, base_dim=8)))
    with pytest.raises(ValueError, match="was made by another VAE"):
        encode.run(drawn, other, whole.path, wordings=2)
    for wrong, sentence in (
        ({"wordings": 3}, "holds wordings 2, not 3"),
        ({"wordings": 2, "dtype": "bfloat16"}, "holds latents float16, not bfloat16"),
        ({"wordings": 2, "text_length": 8}, "at most so many tokens: 24, not 8"),
        ({"wordings": -1}, "0 for none, not -1"),
        ({"batch": 0}, "1 at least, not 0"),
        ({"edge": 32}, "edge is given without frames"),
        ({"edge": 32, "frames": (5,), "stride": 7}, "a multiple of the VAE.s 4 px, not 7"),
        ({"process": 2, "processes": 2}, "there is no process 2 of 2"),
    ):
        with pytest.raises(ValueError, match=sentence):
            encode.run(drawn, model, whole.path, **wrong)  # type: ignore[arg-type]
    assert "--wordings 2" in whole.meta.command and "--batch" not in whole.meta.command


def test_clips_are_read_ahead_and_in_order() -> None:
    begun: list[int] = []

    def read(row: int) -> int:
        begun.append(row)
        return row * row

    with encode_shards._threads(2) as threads:
        found: Iterator[int] = encode_shards._read_ahead(threads, read, range(20), 4)
        assert [next(found) for _ in range(3)] == [0, 1, 4]
        assert len(begun) <= 3 + 4 + 1
        assert list(found) == [k * k for k in range(3, 20)]


SHARED = """
import sys
import jax
assert jax.local_device_count() == 2
from animatrix_jax.jobs import encode
encode.run(sys.argv[1], sys.argv[2], sys.argv[3], batch=3, wordings=1)
"""


def test_two_devices_share_a_batch(
    corpus: Catalogue, model: Path, whole: LatentCache, tmp_path: Path
) -> None:
    few(corpus, 5)
    environment = os.environ | {
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
        "JAX_PLATFORMS": "cpu",
    }
    done = subprocess.run(
        [sys.executable, "-c", SHARED, str(corpus.folder), str(model), str(tmp_path / "c")],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    cache = LatentCache.open(tmp_path / "c")
    assert cache.complete
    for row in range(5):
        for found, alone in zip(cache.read(row), whole.read(row), strict=True):
            np.testing.assert_allclose(found, alone, atol=2e-3)
        np.testing.assert_allclose(cache.text(row, 0), whole.text(row, 0), atol=5e-3)
