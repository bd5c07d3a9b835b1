"""The draw job: the same bytes from any number of workers, resumable, one sentence on mistakes."""

import json
import os
from pathlib import Path

import pytest

from animatrix_data.corpus.catalogue import read_catalogue
from animatrix_data.corpus.video import decode_video
from animatrix_data.procedural import Size, draw_clip, sample_staging
from animatrix_data.procedural.content import CONTENT_CLASSES, PLACES, content_class
from animatrix_data.procedural.sampler import SAMPLERS
from animatrix_data.taxonomy import parse_directive, parse_tags
from animatrix_jax import cli, verbs
from animatrix_jax.jobs import draw

SMALL = Size(32, 32, 3, 8)


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }


def test_the_same_bytes_from_one_and_two_workers(tmp_path: Path) -> None:
    one = draw.run(tmp_path / "one", clips=10, size=SMALL, seed=5, processes=1)
    two = draw.run(tmp_path / "two", clips=10, size=SMALL, seed=5, processes=2)
    assert one.digest == two.digest
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")
    assert sorted(p.name for p in (tmp_path / "one").iterdir()) == [
        "clips", "clips.parquet", "draw.json",
    ]  # fmt: skip


def test_a_row_tells_its_clip(tmp_path: Path) -> None:
    draw.run(tmp_path / "c", clips=2, size="64x64x9@8", seed=7, processes=1, crf=4)
    catalogue = read_catalogue(tmp_path / "c")
    row = catalogue[1]
    assert (row.seed, row.frames, row.height, row.fps) == (8, 9, 64, 8.0)
    spec = parse_tags(row.tags)
    assert parse_directive(row.directive).spec == spec
    drawn = draw_clip(spec, 8, Size(64, 64, 9, 8), sample_staging(8)).frames
    decoded = decode_video(catalogue.clip_path(row)).frames
    assert abs(decoded.astype(float) - drawn).mean() < 3
    truth = json.loads(row.truth)
    assert row.deformation == truth["deformation"]
    assert row.content in CONTENT_CLASSES and truth["content"]["place"] in PLACES
    assert row.content == content_class(truth["content"]["place"])
    assert row.motion_amplitude is not None and 0 < row.motion_amplitude < 1


def test_fixed_tags_are_in_every_clip_and_the_others_vary(tmp_path: Path) -> None:
    tags = "VFX: Rain, camera_motion: static -> pan left"
    corpus = draw.run(tmp_path / "c", clips=6, size=SMALL, processes=1, tags=tags)
    assert all("VFX: Rain" in row.tags and "static -> pan left" in row.tags for row in corpus)
    assert len({row.style_cluster for row in corpus}) > 1


def test_fixed_faults_break_every_clip_whose_tags_allow_it(tmp_path: Path) -> None:
    corpus = draw.run(
        tmp_path / "c", clips=6, size=SMALL, processes=1, faults="limb:0.8, freeze:.5",
        tags="shot_type: close-up",
    )  # fmt: skip
    faults = [json.loads(row.truth)["faults"] for row in corpus]
    assert all([fault["kind"] for fault in broken] == ["freeze"] for broken in faults)
    assert json.loads((tmp_path / "c" / "draw.json").read_text())["faults"] == "limb:0.8,freeze:0.5"


@pytest.mark.parametrize("sampler", ["faulty", "long_tail"])
def test_an_interrupted_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sampler: str
) -> None:
    folder, drawn = tmp_path / "c", []
    asked = {"size": SMALL, "processes": 1, "sampler": sampler}
    real = draw._draw_one

    def failing(place: Path, seed: int, *plan):  # type: ignore[no-untyped-def]
        if len(drawn) == 3:
            raise KeyboardInterrupt
        drawn.append(seed)
        return real(place, seed, *plan)

    monkeypatch.setattr(draw, "_draw_one", failing)
    with pytest.raises(KeyboardInterrupt):
        draw.run(folder, clips=5, **asked)
    (folder / "clips" / "drawn-00000001.mp4").write_bytes(b"cut short")
    drawn[:] = []
    monkeypatch.setattr(draw, "_draw_one", lambda *a: drawn.append(a[1]) or real(*a))
    draw.run(folder, clips=5, **asked)
    assert drawn == [1, 3, 4]
    draw.run(tmp_path / "d", clips=5, **asked)
    assert files_of(folder) == files_of(tmp_path / "d")
    assert len(draw.run(folder, clips=6, **asked)) == 6


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"tags": "VFX: Rainn"}, "near it are Rain"),
        ({"tags": "MotionType: mecha transform"}, "cannot draw MotionType: mecha transform: there"),
        ({"tags": "VFX: Spiral Eyes, VFX: Heart Eyes"}, "both take the place of the eyes"),
        ({"faults": "limbs:0.5"}, "did you mean limb"),
        ({"faults": "limb"}, "is not KIND:SEVERITY such as limb:0.8"),
        ({"faults": "limb:1.5"}, "at most 1"),
        ({"faults": "limb:0.5,limb:0.6"}, "name a kind twice"),
        ({"size": "64x64x0@8"}, "frames"),
        ({"size": "8x8x3@8"}, "below the minimum of 32"),
        ({"size": "huge"}, "HEIGHTxWIDTHxFRAMES@FPS"),
        ({"clips": 0}, "clips must be 1 or more"),
        ({"seed": -1}, "seed must be 0 or more"),
        ({"sampler": "even"}, "choose from balanced"),
    ],
)
def test_mistakes_get_one_sentence_and_leave_nothing(
    tmp_path: Path, arguments: dict, sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        draw.run(tmp_path / "c", **{"size": SMALL, "processes": 1, **arguments})
    assert not (tmp_path / "c").exists()


def test_a_folder_that_cannot_take_the_corpus_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("here first")
    with pytest.raises(ValueError, match="cannot be written"):
        draw.run(tmp_path / "file" / "c", clips=1, size=SMALL, processes=1)
    with pytest.raises(ValueError, match="holds other files"):
        draw.run(tmp_path, clips=1, size=SMALL, processes=1)
    draw.run(tmp_path / "c", clips=2, size=SMALL, processes=1)
    with pytest.raises(ValueError, match="other settings"):
        draw.run(tmp_path / "c", clips=2, size=SMALL, processes=1, crf=20)
    with pytest.raises(ValueError, match="clips of other seeds"):
        draw.run(tmp_path / "c", clips=2, size=SMALL, seed=9, processes=1)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("--clips 3", "animatrix draw: --out is missing"),
        ("--out {place}/c --tags MotionType:teleport", "animatrix draw: MotionType has no value"),
        ("--out {place}/c --size 64x64x0@8", "animatrix draw: "),
        ("--out {place}/c --size 16x16x9@8", "below the minimum of 32"),
        ("--out {place}/c --faults leg:0.5", "animatrix draw: there is no fault 'leg'"),
        ("--out {place}/c --sampler longtail", "animatrix draw: there is no sampler 'longtail'"),
        ("--out {place}/file/c", "cannot be written"),
    ],
)
def test_the_command_line_says_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str, sentence: str
) -> None:
    (tmp_path / "file").write_text("here first")
    assert cli.main(["draw", *line.format(place=tmp_path).split()]) == 2
    said = capsys.readouterr().err
    assert sentence in said and said.count("\n") == 1
    assert os.listdir(tmp_path) == ["file"]


def test_the_command_offers_every_sampler() -> None:
    assert set(verbs.SAMPLERS) == set(SAMPLERS)
