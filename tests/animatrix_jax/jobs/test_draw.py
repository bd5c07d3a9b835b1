"""The draw job: the same bytes from any number of workers, resumable, one sentence on mistakes."""

from pathlib import Path

import pytest

from animatrix_data.corpus.catalogue import read_catalogue
from animatrix_data.corpus.video import decode_video
from animatrix_data.procedural import Size, draw_clip
from animatrix_data.taxonomy import parse_directive, parse_tags
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
    drawn = draw_clip(spec, 8, Size(64, 64, 9, 8)).frames
    decoded = decode_video(catalogue.clip_path(row)).frames
    assert abs(decoded.astype(float) - drawn).mean() < 3


def test_fixed_tags_are_in_every_clip_and_the_others_vary(tmp_path: Path) -> None:
    tags = "VFX: Rain, camera_motion: static -> pan left"
    corpus = draw.run(tmp_path / "c", clips=6, size=SMALL, processes=1, tags=tags)
    assert all("VFX: Rain" in row.tags and "static -> pan left" in row.tags for row in corpus)
    assert len({row.style_cluster for row in corpus}) > 1


def test_an_interrupted_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, drawn = tmp_path / "c", []
    real = draw._draw_one

    def failing(place: Path, seed: int, settings: draw.DrawSettings):  # type: ignore[no-untyped-def]
        if len(drawn) == 3:
            raise KeyboardInterrupt
        drawn.append(seed)
        return real(place, seed, settings)

    monkeypatch.setattr(draw, "_draw_one", failing)
    with pytest.raises(KeyboardInterrupt):
        draw.run(folder, clips=5, size=SMALL, processes=1)
    (folder / "clips" / "drawn-00000001.mp4").write_bytes(b"cut short")
    drawn[:] = []
    monkeypatch.setattr(draw, "_draw_one", lambda *a: drawn.append(a[1]) or real(*a))
    resumed = draw.run(folder, clips=5, size=SMALL, processes=1)
    assert drawn == [1, 3, 4]
    assert resumed.digest == draw.run(tmp_path / "d", clips=5, size=SMALL, processes=1).digest
    assert len(draw.run(folder, clips=6, size=SMALL, processes=1)) == 6


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"tags": "VFX: Rainn"}, "near it are Rain"),
        ({"tags": "MotionType: swim"}, "it can draw stand, walk"),
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
