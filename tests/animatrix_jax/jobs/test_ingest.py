"""`animatrix ingest`: what is usable goes in, what is not gets one sentence, nothing is half."""

import json
from pathlib import Path

import av
import numpy as np
import pytest

from animatrix_data.corpus.catalogue import read_catalogue
from animatrix_data.corpus.ingest import IngestSettings
from animatrix_data.corpus.video import DecodeLimits, decode_video, encode_video
from animatrix_data.files import digest_file
from animatrix_jax.jobs.ingest import REPORT_NAME, run

SETTINGS = IngestSettings(
    fps=8.0,
    frames=(5, 9),
    sizes=((32, 48),),
    min_width=48,
    min_height=32,
    min_seconds=0.5,
    min_bitrate=0.0,
    limits=DecodeLimits(max_frames=60),
)


def write_video(path: Path, count: int = 10, height: int = 32, width: int = 48) -> Path:
    frames = np.random.default_rng(count).integers(0, 255, (count, height, width, 3), np.uint8)
    encode_video(path, frames, 8.0, crf=20)
    return path


def write_sound(path: Path) -> None:
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=16000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), "fltp", "mono")
        frame.rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three usable videos, one of them deeper, two with sidecars; and one of each bad kind."""
    root = tmp_path / "footage"
    write_video(root / "a.mp4")
    write_video(root / "b.mp4")
    write_video(root / "deep" / "c.mp4", 19)
    (root / "a.json").write_text(json.dumps({"directive": "<summary> Noise.", "content": "noise"}))
    (root / "deep" / "c.mp4.json").write_text(json.dumps({"VideoStyle": "Shinkai Style"}))
    whole = write_video(root / "truncated.mp4", 20).read_bytes()
    (root / "truncated.mp4").write_bytes(whole[: int(len(whole) * 0.7)])
    (root / "empty.mp4").touch()
    (root / "notes.txt").write_text("no video\n" * 50)
    (root / "stray.json").write_text("{}")
    (root / ".hidden").write_text("not looked at")
    write_sound(root / "sound.mp4")
    write_video(root / "huge.mp4", 61)
    write_video(root / "small.mp4", 10, 16, 16)
    write_video(root / "mislabelled.mp4")
    (root / "mislabelled.json").write_text(json.dumps({"VideoStyle": "Shinkay Style"}))
    return root


def test_the_usable_go_in_and_each_other_gets_its_sentence(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "corpus"
    report = run(folder, out, settings=SETTINGS)
    assert report.videos == {"a.mp4": 1, "b.mp4": 1, "deep/c.mp4": 2}
    words = {
        "truncated.mp4": "truncated",
        "empty.mp4": "is empty",
        "notes.txt": "not a video",
        "stray.json": "not a video",
        "sound.mp4": "only audio",
        "huge.mp4": "61 frames, the limit is 60",
        "small.mp4": "too small: 16x16, the floor is 48x32",
        "mislabelled.mp4": "Shinkai",
    }
    assert report.refused.keys() == words.keys()
    for name, sentence in report.refused.items():
        assert words[name] in sentence
        assert "\n" not in sentence
    record = json.loads((out / REPORT_NAME).read_text())
    assert record["refused"] == report.refused
    assert record["clips"] == report.clips == 4
    assert record["settings"]["frames"] == [5, 9]


def test_the_corpus_is_whole_and_its_rows_true(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "corpus"
    run(folder, out, settings=SETTINGS)
    catalogue = read_catalogue(out)
    assert {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()} == {
        "clips.parquet",
        REPORT_NAME,
        *(row.path for row in catalogue),
    }
    for row in catalogue:
        decoded = decode_video(catalogue.clip_path(row))
        assert decoded.frames.shape == (row.frames, row.height, row.width, 3)
        assert decoded.fps == row.fps
        assert digest_file(catalogue.clip_path(row)) == row.digest
    by_source = {row.source.partition("#")[0]: row for row in catalogue}
    assert by_source["a.mp4"].content == "noise"
    assert "<summary> Noise." in by_source["a.mp4"].directive
    assert (by_source["b.mp4"].tags, by_source["b.mp4"].caption) == ("", None)
    assert "Shinkai Style" in by_source["deep/c.mp4"].tags
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_two_runs_and_any_number_of_workers_give_the_same_corpus(
    folder: Path, tmp_path: Path
) -> None:
    for name, workers in (("one", 1), ("two", 3)):
        run(folder, tmp_path / name, settings=SETTINGS, workers=workers)
    one, two = (read_catalogue(tmp_path / name) for name in ("one", "two"))
    assert one.rows == two.rows
    assert one.digest == two.digest


def test_a_folder_with_nothing_usable_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "footage").mkdir()
    with pytest.raises(ValueError, match="holds no files to ingest"):
        run(tmp_path / "footage", tmp_path / "corpus", settings=SETTINGS)
    (tmp_path / "footage" / "empty.mp4").touch()
    with pytest.raises(ValueError, match=r"no usable video: 1 file refused, .*empty\.mp4 is empty"):
        run(tmp_path / "footage", tmp_path / "corpus", settings=SETTINGS)
    with pytest.raises(ValueError, match="is not a folder"):
        run(tmp_path / "nowhere", tmp_path / "corpus", settings=SETTINGS)
    assert [path.name for path in tmp_path.iterdir()] == ["footage"]


def test_a_place_that_is_taken_is_spared(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match="not an empty folder"):
        run(folder, tmp_path / "corpus", settings=SETTINGS)
    assert [path.name for path in (tmp_path / "corpus").iterdir()] == ["mine.txt"]


def test_a_corpus_inside_the_folder_is_not_ingested_into_itself(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4")
    run(tmp_path, tmp_path / "corpus", settings=SETTINGS)
    report = run(tmp_path, tmp_path / "other", settings=SETTINGS)
    assert "a.mp4" in report.videos
    (tmp_path / "third").mkdir()
    assert run(tmp_path, tmp_path / "third", settings=SETTINGS).refused.keys() >= {
        "corpus/clips.parquet"
    }


def test_a_sidecar_belongs_to_its_stem_only(tmp_path: Path) -> None:
    for name in ("a.mp4", "a.mkv.mp4"):
        write_video(tmp_path / "in" / name)
    (tmp_path / "in" / "a.json").write_text(json.dumps({"directive": "<summary> One."}))
    run(tmp_path / "in", tmp_path / "corpus", settings=SETTINGS)
    words = {
        row.source.partition("#")[0]: row.directive for row in read_catalogue(tmp_path / "corpus")
    }
    assert "One." in words["a.mp4"]
    assert "One." not in words["a.mkv.mp4"]


def test_a_size_says_the_clips_and_lowers_the_floor(tmp_path: Path) -> None:
    write_video(tmp_path / "in" / "a.mp4")
    with pytest.raises(ValueError, match="too small: 48x32, the floor is 480x270"):
        run(tmp_path / "in", tmp_path / "corpus")
    run(tmp_path / "in", tmp_path / "corpus", "32x32x5@8")
    shapes = {(row.frames, row.height, row.width) for row in read_catalogue(tmp_path / "corpus")}
    assert shapes == {(5, 32, 32)}
    with pytest.raises(ValueError, match=r"4n\+1 frames, not 6; 5 is near"):
        run(tmp_path / "in", tmp_path / "other", "32x32x6@8")
    with pytest.raises(ValueError, match="not both"):
        run(tmp_path / "in", tmp_path / "other", "pocket", SETTINGS)
