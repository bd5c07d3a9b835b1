"""The dataset animatrix_clips: a corpus in, the same clips out, bad ones named."""

import dataclasses
import pickle
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import grain
import numpy as np
import pytest
import tensorflow_datasets as tfds

import animatrix_data.tfds as clips
from animatrix_data.corpus.catalogue import Catalogue, ClipRow, write_catalogue
from animatrix_data.corpus.video import decode_video, encode_video
from animatrix_data.files import digest_file
from animatrix_data.sampling.tiers import SHORTEST, STAGE_TIERS
from animatrix_data.taxonomy import parse_tags, tag_arrays
from animatrix_data.tfds.animatrix_clips import animatrix_clips_dataset_builder as builder_module
from animatrix_jax.jobs.recipes.flow_corpus import CorpusClips

TAGS = ("VideoStyle: Shinkai Style, CameraMotion: Pan left -> Zoom in", "VFX: Rain", "")
HELD_OUT = 2


def write_corpus(folder: Path, count: int = 7) -> Catalogue:
    """Clips of 5 frames of 16×16, tags and what is known of them varying, every third tier B.

    The first of tier S and the second of tier A are shorter than 4 s.
    """
    random = np.random.default_rng(0)
    rows = []
    for number in range(count):
        path = folder / "clips" / f"clip{number}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        frames = random.integers(0, 256, (5, 16, 16, 3), np.uint8)
        fps = 8 if number in (0, 4) else 1
        encode_video(path, frames, fps)
        tags = TAGS[number % 3]
        known: dict[str, Any] = {
            "caption": '{"a": "é"}',
            "style_cluster": number,
            "motion_amplitude": 0.25,
            "deformation": 0.5,
            "truth": "{}",
            "seed": 2**40 + number,
            "era": "1990s",
        }
        row = ClipRow(
            id=f"clip{number}",
            path=f"clips/clip{number}.mp4",
            frames=5,
            fps=float(fps),
            height=16,
            width=16,
            digest=digest_file(path),
            directive=f"<tag> {tags}\n<summary> a girl waits\n<description>\n",
            tags=tags,
            tier="SAB"[number % 3],
            **(known if number % 2 else {}),
        )
        rows.append(row)
    return write_catalogue(folder, rows)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    return write_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


def sources(corpus: Catalogue, data_dir: Path, /, **options: Any) -> Any:
    wanted = {"corpus": corpus.folder, "held_out": HELD_OUT, **options}
    return tfds.data_source("animatrix_clips", data_dir=data_dir, builder_kwargs=wanted)


def ids(source: Any) -> list[str]:
    return [example["id"].decode() for example in source]


def spoil(corpus: Catalogue, folder: Path, **changes: Any) -> Catalogue:
    """A copy of the corpus whose third clip is changed: a column, or its file (`damage`)."""
    damage = changes.pop("damage", None)
    rows = [*corpus]
    for row in rows:
        path = folder / row.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(corpus.clip_path(row).read_bytes())
    rows[2] = dataclasses.replace(rows[2], **changes)
    if damage == "cut":
        path = folder / rows[2].path
        path.write_bytes(path.read_bytes()[:-40])
    elif damage == "gone":
        (folder / rows[2].path).unlink()
    return write_catalogue(folder, rows)


def test_splits_are_the_first_and_the_last_clips(corpus: Catalogue, data_dir: Path) -> None:
    found = sources(corpus, data_dir)
    names = [row.id for row in corpus]
    assert ids(found["train"]) == names[:-HELD_OUT]
    assert ids(found["held_out"]) == names[-HELD_OUT:]
    fewer = sources(corpus, data_dir, tiers=("A", "S"), held_out=0)
    assert list(fewer) == ["train"]
    assert ids(fewer["train"]) == ["clip1", "clip3", "clip6"]


@pytest.mark.parametrize(
    ("stage", "shortest"), [("CT", SHORTEST), ("SFT", SHORTEST), ("QT", SHORTEST), ("SFT", 0.5)]
)
def test_splits_are_those_that_training_makes(
    corpus: Catalogue, data_dir: Path, stage: str, shortest: float
) -> None:
    options = {"tiers": STAGE_TIERS[stage], "held_out": 1, "shortest": shortest}
    found = sources(corpus, data_dir, **options)
    training = CorpusClips(corpus.folder, stage, shortest, held_out=1)
    assert ids(found["train"]) == [corpus[row].id for row in training.rows]
    assert ids(found["held_out"]) == [corpus[row].id for row in training.held_out]


def test_a_clip_with_wrong_tags_is_in_no_split_as_in_training(
    corpus: Catalogue, tmp_path: Path
) -> None:
    rows = [*corpus]
    rows[6] = dataclasses.replace(rows[6], tags="VFX: Rane")
    bad = write_catalogue(corpus.folder, rows)
    try:
        with pytest.warns(UserWarning, match="1 of 7 clips left out: clip 'clip6': .*Rane.*Rain"):
            found = sources(bad, tmp_path)
        training = CorpusClips(bad.folder, "CT", SHORTEST, HELD_OUT)
        assert ids(found["train"]) == [bad[row].id for row in training.rows]
        assert ids(found["held_out"]) == [bad[row].id for row in training.held_out]
        assert list(found["train"].dataset_info.metadata["skipped"]) == ["clip6"]
    finally:
        write_catalogue(corpus.folder, corpus.rows)


def test_an_example_is_the_catalogue_row_and_its_file(corpus: Catalogue, data_dir: Path) -> None:
    for row, example in zip(corpus, sources(corpus, data_dir)["train"], strict=False):
        assert example["video"] == corpus.clip_path(row).read_bytes()
        for name in ("frames", "height", "width", "fps"):
            assert example[name] == getattr(row, name)
        for name in ("directive", "tags", "content", "digest", "source"):
            assert example[name].decode() == getattr(row, name)
        for name in ("caption", "truth", "era", "resolution_tier"):
            assert example[name].decode() == (getattr(row, name) or "")
        for name in ("seed", "style_cluster"):
            assert example[name] == (-1 if getattr(row, name) is None else getattr(row, name))
        for name in ("motion_amplitude", "deformation"):
            expected = getattr(row, name)
            assert np.array_equal(
                example[name], np.nan if expected is None else expected, equal_nan=True
            )
        arrays = tag_arrays(parse_tags(row.tags))
        for name in ("values", "order", "mask"):
            read, expected = example["tag_arrays"][name], getattr(arrays, name)
            assert read.dtype == expected.dtype and np.array_equal(read, expected)
    columns = {field.name for field in dataclasses.fields(ClipRow)} - {"path"}
    assert set(clips.clip_features()) == columns | {"video", "tag_arrays"}


def test_grain_makes_frames_and_workers_unpickle_it(corpus: Catalogue, data_dir: Path) -> None:
    source = sources(corpus, data_dir)["train"]
    dataset = grain.MapDataset.source(source).map(clips.decode_clip)
    for row, example in zip(corpus, dataset.to_iter_dataset(), strict=False):
        assert (example["id"], example["tier"]) == (row.id, row.tier)
        assert np.array_equal(example["video"], decode_video(corpus.clip_path(row)).frames)
    again = pickle.loads(pickle.dumps(source))
    assert ids(again) == ids(source)


def test_load_gives_the_same_and_refuses_what_is_tf_data(corpus: Catalogue, data_dir: Path) -> None:
    wanted = {"corpus": corpus.folder, "held_out": HELD_OUT}

    def load(**options: Any) -> Any:
        return tfds.load(
            "animatrix_clips", data_dir=data_dir, builder_kwargs=dict(wanted), **options
        )

    assert ids(load(split="held_out")) == ids(sources(corpus, data_dir)["held_out"])
    assert len(load(split="train[:3]")) == 3
    with pytest.raises(ValueError, match="batch_size is an option"):
        load(batch_size=4)
    assert "tensorflow" not in sys.modules


def test_another_corpus_has_another_name(corpus: Catalogue, data_dir: Path, tmp_path: Path) -> None:
    sources(corpus, data_dir)
    name = f"{corpus.digest[:16]}-SAB-{HELD_OUT}"
    prepared = tfds.data_source(f"animatrix_clips/{name}", data_dir=data_dir, split="train")
    assert len(prepared) == len(corpus) - HELD_OUT
    assert prepared.dataset_info.metadata == {"corpus": corpus.digest, "skipped": {}}
    other = spoil(corpus, tmp_path / "other", content="seaside")
    builder = clips.Builder(corpus=other.folder, held_out=HELD_OUT, data_dir=data_dir)
    assert other.digest[:16] in builder.data_dir and not builder.is_prepared()
    write_catalogue(other.folder, other.rows[:-1])
    with pytest.raises(ValueError, match="has changed since the builder was made"):
        builder.download_and_prepare()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"damage": "cut"}, r"clip 'clip2': \S+ is damaged or another file"),
        ({"damage": "gone"}, r"clip 'clip2': \S+ cannot be read"),
        ({"directive": "<tag> VFX: Rane"}, r"clip 'clip2': .*Rane.*Rain"),
    ],
)
def test_a_bad_clip_is_left_out_and_named(
    changes: dict[str, Any],
    sentence: str,
    corpus: Catalogue,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bad = spoil(corpus, tmp_path / "bad", **changes)
    monkeypatch.setattr(builder_module, "SHARD_BYTES", 1)
    with pytest.warns(UserWarning, match=f"1 of 7 clips left out: {sentence}"):
        found = sources(bad, tmp_path)
    names = [row.id for row in bad if row.id != "clip2"]
    assert ids(found["train"]) + ids(found["held_out"]) == names
    (reason,) = found["train"].dataset_info.metadata["skipped"].values()
    assert re.match(sentence, reason)
    with pytest.raises(ValueError, match=f"no clip of the split 'held_out' .*{sentence}"):
        rows = write_catalogue(bad.folder, [bad[0], bad[2]])
        sources(rows, tmp_path, held_out=1)
    assert not list((tmp_path / "animatrix_clips").glob(f"{rows.digest[:16]}*/1.1.0"))


def test_what_cannot_be_decoded_is_named(corpus: Catalogue, data_dir: Path) -> None:
    example = sources(corpus, data_dir)["train"][1]
    with pytest.raises(ValueError, match="clip 'clip1': its video is not a video"):
        clips.decode_clip({**example, "video": b"no mp4"})


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"corpus": None}, "made of a corpus and none is named"),
        ({"corpus": "nowhere"}, "nowhere is not a corpus"),
        ({"held_out": 7}, "held_out 7 leaves nothing of the 7 clips of tiers S, A, B"),
        ({"tiers": ("C",)}, "there is no tier 'C'"),
    ],
)
def test_wrong_wishes_get_a_sentence(
    options: dict[str, Any], sentence: str, corpus: Catalogue, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=sentence):
        sources(corpus, tmp_path, **options)


def test_without_tfds_a_sentence_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['tensorflow_datasets'] = None\n"
        "import animatrix_data.corpus.catalogue\n"
        "try: import animatrix_data.tfds\n"
        "except ImportError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install tensorflow-datasets==4.9.10 importlib_resources" in done.stdout
