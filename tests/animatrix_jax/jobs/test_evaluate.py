"""The evaluate job: clips with their records, a model's pairs and swaps, the oracles, mistakes."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from animatrix_data.corpus.video import encode_video
from animatrix_data.procedural import Size, draw_clip, find_sampler
from animatrix_data.procedural.oracles import sampler_labels
from animatrix_jax.checkpoint.folder import ClipShape
from animatrix_jax.evaluation import bench
from animatrix_jax.evaluation.oracles import load_oracles
from animatrix_jax.inference.request import Request
from animatrix_jax.jobs import draw, evaluate
from animatrix_jax.models.oracle import OracleConfig, OracleNet
from animatrix_jax.runtime.model import Model, load_model
from animatrix_jax.runtime.oracle import Accuracy, OracleCard, save_oracle

TAGS = ("VideoStyle: Shinkai Style, VFX: Rain", "VideoStyle: Miyazaki Style, VFX: Snow")


@pytest.fixture(scope="module")
def model(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with an untrained oracle that claims to read style and effects."""
    folder = tmp_path_factory.mktemp("models") / "measured"
    shutil.copytree(tiny_model, folder)
    config = OracleConfig(
        sampler_labels("rehearsed", ("VideoStyle", "ShotScale", "VFX")), 5, 32, 32,
        dim=8, motion_dim=8, hidden=24, reach=1, gaps=(1,),
    )  # fmt: skip
    params = jax.jit(OracleNet(config).init)(jax.random.key(0), jnp.zeros((1, 5, 32, 32, 3)))
    shares = {"VideoStyle": 0.9, "ShotScale": 0.5, "VFX": 0.86}
    accuracy = {name: Accuracy(0.95, share, 40) for name, share in shares.items()}
    save_oracle(folder, params, OracleCard(config, 8.0, accuracy))
    return folder


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clips as `generate` writes them."""
    folder = tmp_path_factory.mktemp("clips")
    random = np.random.default_rng(0)
    for name, tags in zip("ab", TAGS, strict=True):
        frames = random.integers(0, 255, (5, 32, 32, 3)).astype(np.uint8)
        encode_video(folder / f"{name}.mp4", frames, 8.0)
        (folder / f"{name}.json").write_text(json.dumps({"tags": tags, "seed": 1}))
    return folder


def test_clips_are_measured_against_their_records(
    model: Path, clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "report.json"
    evaluate.run(clips, out, model)
    report = json.loads(out.read_text())
    assert report["not_measured"] == {"ShotScale": 0.5}
    measured = report["clips"]["measured"]
    assert measured["read"]["a"]["VideoStyle"]["asked"] == ["Shinkai Style"]
    assert measured["read"]["b"]["ShotScale"]["asked"] == []
    fields = {entry["name"]: entry for entry in measured["adherence"]["sub_fields"]}
    assert set(fields) == {"VideoStyle", "VFX"}
    found = fields["VFX"]["found"]
    assert found["trials"] == 2 and 0 <= found["low"] <= found["share"] <= found["high"] <= 1
    assert fields["VideoStyle"]["accuracy"] == 0.9
    assert [entry["axis"] for entry in measured["adherence"]["axes"]] == ["S", "V"]
    assert "VideoStyle" in capsys.readouterr().out


def test_a_model_is_measured_by_pairs_swaps_and_its_oracles(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "report.json"
    evaluate.run(
        None, out, model, oracles=True, pairs=2, swaps=2, guidance_tag="0,1", steps=1, renders=2
    )
    report = json.loads(out.read_text())
    assert set(report["pairs"]["by_guidance"]) == {"0", "1"}
    one = report["pairs"]["by_guidance"]["1"]
    assert len(one["read"]) == 2
    assert report["swaps"]["followed"]["trials"] == report["swaps"]["seed"]["trials"] == 2
    assert set(report["swaps"]["fields"]) == {"VideoStyle", "VFX"}
    assert report["oracles"]["accuracy"]["ShotScale"]["raw"]["trials"] == 2
    assert sum(sum(row.values()) for row in report["oracles"]["confusion"]["VFX"].values()) == 2
    assert report["oracles"]["vae_psnr"] > 0
    printed = capsys.readouterr().out
    assert "tag guidance" in printed and "follows the new tag" in printed


def test_pairs_start_from_the_first_frames_drawn_for_them(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Request] = []

    def generate_clips(_: Model, requests: list[Request], *__: object, **___: object) -> np.ndarray:
        asked.extend(requests)
        return np.zeros((len(requests), 5, 32, 32, 3), np.uint8)

    monkeypatch.setattr(bench, "generate_clips", generate_clips)
    loaded = load_model(model)
    loaded = replace(loaded, card=replace(loaded.card, clip=ClipShape(5, 32, 32, 8.0)))
    bench.Bench(loaded, load_oracles(model), 1, "pocket").pairs(2, references=True)
    for request in asked:
        staging = find_sampler("pocket").staging
        drawn = draw_clip(request.spec, request.seed, Size(32, 32, 5, 8.0), staging)
        np.testing.assert_array_equal(request.references[0], drawn.frames[0])
    assert len(asked) == 2
    assert asked[0].spec != asked[1].spec


def test_a_corpus_is_measured_too(model: Path, tmp_path: Path) -> None:
    draw.run(tmp_path / "corpus", clips=2, size="32x32x5@8", processes=1)
    report = evaluate.run(tmp_path / "corpus", tmp_path / "report.json", model)
    assert report["clips"]["measured"].adherence.sub_field("VideoStyle").found.trials == 2


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({}, "say what to measure"),
        ({"clips": "missing"}, "no folder of clips"),
        ({"pairs": -1}, "pairs must be 0 or more"),
        ({"swaps": 1, "references": True}, "references are for pairs"),
        ({"pairs": 1, "guidance_tag": "1,x"}, "guidance_tag is numbers"),
        ({"pairs": 1, "guidance_tag": ""}, "guidance_tag is numbers"),
        ({"pairs": 1, "seed": -3}, "0 to 9999"),
        ({"pairs": 1, "model": "nowhere"}, "no model"),
    ],
)
def test_mistakes_get_a_sentence_and_leave_nothing(
    arguments: dict[str, object], sentence: str, model: Path, tmp_path: Path
) -> None:
    out = tmp_path / "report.json"
    with pytest.raises(ValueError, match=sentence):
        evaluate.run(out=out, **{"model": model, **arguments})
    assert list(tmp_path.iterdir()) == []


def test_folders_without_tagged_clips_are_named(model: Path, clips: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no clips"):
        evaluate.run(tmp_path, tmp_path / "report.json", model)
    (tmp_path / "c.mp4").write_bytes((clips / "a.mp4").read_bytes())
    with pytest.raises(ValueError, match="none with tags"):
        evaluate.run(tmp_path, tmp_path / "report.json", model)
    (tmp_path / "c.json").write_text("[1]")
    with pytest.raises(ValueError, match="not the record"):
        evaluate.run(tmp_path, tmp_path / "report.json", model)


def test_a_model_without_an_oracle_is_named(tiny_model: Path, clips: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"has no oracle/oracle\.json"):
        evaluate.run(clips, tmp_path / "report.json", tiny_model)


def test_a_place_that_cannot_be_written_is_told_before_the_work(model: Path, clips: Path) -> None:
    with pytest.raises(OSError):
        evaluate.run(clips, clips / "a.mp4" / "report.json", model)
