"""`generate`: the same bytes again, and one sentence for whatever cannot be done."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from animatrix_data.corpus.video import decode_video
from animatrix_data.taxonomy import parse_directive
from animatrix_jax import cli
from animatrix_jax.inference.animator import Animator
from animatrix_jax.jobs import generate

QUICK = {"steps": 2, "tags": "VideoStyle: Shinkai Style, VFX: Rain", "text": "a girl waits"}


def digests(folder: Path) -> dict[str, str]:
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


def test_same_seed_same_bytes(tiny_model, tmp_path):
    for place in ("one", "two"):
        generate.run(tiny_model, tmp_path / place / "clip.mp4", seed=3, **QUICK)
    first, second = digests(tmp_path / "one"), digests(tmp_path / "two")
    assert set(first) == {"clip.mp4", "clip.json"}
    assert first == second
    generate.run(tiny_model, tmp_path / "three" / "clip.mp4", seed=4, **QUICK)
    assert digests(tmp_path / "three")["clip.mp4"] != first["clip.mp4"]


def test_the_record_makes_the_clip_again(tiny_model, tmp_path):
    image = tmp_path / "first.png"
    Image.fromarray(np.full((20, 30, 3), 90, np.uint8)).save(image)
    clip = generate.run(
        tiny_model, tmp_path / "a.mp4", seed=5, reference=image, guidance_tag="1,3", **QUICK
    )
    record = json.loads((tmp_path / "a.json").read_text())
    digest = hashlib.sha256(image.read_bytes()).hexdigest()
    assert record["reference_digests"] == {"0": digest}
    assert len(record["model_digest"]) == 64 and record["versions"]["jax"]
    assert record["guidance"]["low"] == {"text": 5.0, "tag": 3.0, "fields": None}
    directive = tmp_path / "a.txt"
    directive.write_text(record["directive"])
    assert parse_directive(record["directive"]).text == record["text"] == "a girl waits"
    guidance = {
        f"guidance_{k}": [record["guidance"][e][k] for e in ("high", "low")]
        for k in ("text", "tag")
    }
    keep = {k: record[k] for k in ("seed", "steps", "solver", "grid", "frames", "negative")}
    again = generate.run(
        record["model"],
        tmp_path / "b.mp4",
        directive=directive,
        reference=record["reference"],
        size=f"{record['height']}x{record['width']}",
        **keep,
        **guidance,
    )
    np.testing.assert_array_equal(clip, again)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_what_is_written_by_extension(tiny_model, tmp_path):
    clip = generate.run(tiny_model, tmp_path / "c.mp4", scale=4, **QUICK)
    shown = decode_video(tmp_path / "c.mp4")
    assert shown.frames.shape == (5, 64, 64, 3) and shown.fps == 8.0
    assert np.abs(shown.frames[:, 2::4, 2::4].astype(int) - clip).mean() < 12
    generate.run(tiny_model, tmp_path / "c.gif", **QUICK)
    with Image.open(tmp_path / "c.gif") as gif:
        assert gif.n_frames == 5
    for _ in range(2):
        generate.run(tiny_model, tmp_path / "frames", **QUICK)
    with Image.open(tmp_path / "frames" / "frame_0002.png") as frame:
        np.testing.assert_array_equal(np.asarray(frame), clip[2])
    assert json.loads((tmp_path / "frames.json").read_text())["clip"] == "frames"
    assert not [p for p in tmp_path.rglob("*") if "tmp" in p.name]


TAGS = ["--tags", "VFX: Rain"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--tags", "VFX: Rian"], "Rain"),
        (["--tags", "VideoStyle: Shinkai Style, VideoStyle: Miyazaki Style"], "two are given"),
        ([*TAGS, "--reference", "absent.png"], "absent.png is not a file"),
        ([*TAGS, "--reference", "words.txt"], "cannot be read as an image"),
        ([*TAGS, "--frames", "6"], "4n+1 frames, not 6: 5 and 9 are nearest"),
        ([*TAGS, "--size", "16"], "size is HEIGHTxWIDTH"),
        ([*TAGS, "--size", "16x18"], "width 18"),
        ([*TAGS, "--model", "nowhere"], "there is no model 'nowhere'"),
        ([*TAGS, "--model", "."], "is not a model folder: it has no model.json"),
        ([*TAGS, "--out", "words.txt/clip.mp4"], "words.txt: not a directory"),
        ([*TAGS, "--out", "/proc/clip.mp4"], "/proc"),
        ([*TAGS, "--out", "clip.avi"], "not .avi"),
        ([*TAGS, "--out", "full"], "holds other files"),
        ([*TAGS, "--seed", "-1"], "a seed goes from 0"),
        ([*TAGS, "--steps", "0"], "steps must be at least 1"),
        ([*TAGS, "--scale", "0"], "scale goes from 1"),
        ([*TAGS, "--grid", "wann"], "--grid takes one of wan, wan_dpm, diffusers"),
        ([*TAGS, "--guidance_tag", "nan"], "guidance_tag takes a number"),
        ([*TAGS, "--directive", "words.txt"], "leave out --tags"),
        ([*TAGS, "--unconditional"], "--unconditional asks for nothing"),
        (["--directive", "words.txt"], "words.txt: a directive has the sections"),
        (["--directive", "absent.txt"], "absent.txt: no such file"),
        (["--directive", "full/picture.png"], "is not a text file"),
        ([], "say what to draw"),
        (["--tags", " ", "--text", ""], "say what to draw"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_nonsense_is_refused(tiny_model, tmp_path, monkeypatch, capsys, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    Path("words.txt").write_text("just words")
    Path("full").mkdir()
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save("full/picture.png")

    def never(*_, **__):
        raise AssertionError("sampled before the mistake was found")

    monkeypatch.setattr(Animator, "generate", never)
    before = digests(tmp_path)
    line = ["generate", "--model", str(tiny_model), "--out", "new/clip.mp4", *arguments]
    assert cli.main(line) == 2
    said = capsys.readouterr().err.strip()
    assert sentence in said and "\n" not in said and "Traceback" not in said
    assert digests(tmp_path) == before and not Path("new").exists()


def test_a_failure_while_writing_leaves_nothing(tiny_model, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device", "clip.mp4")

    monkeypatch.setattr(generate, "write_frames", full)
    with pytest.raises(OSError, match="No space left"):
        generate.run(tiny_model, tmp_path / "clip.mp4", **QUICK)
    assert not list(tmp_path.iterdir())


def test_unconditional_when_asked(tiny_model, tmp_path):
    clip = generate.run(tiny_model, tmp_path / "clip.mp4", unconditional=True, steps=2)
    record = json.loads((tmp_path / "clip.json").read_text())
    assert clip.shape == (5, 16, 16, 3)
    assert (record["tags"], record["text"]) == ("", "")
