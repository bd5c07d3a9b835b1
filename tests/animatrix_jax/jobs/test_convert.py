import errno
import json
import os
import pickle
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from animatrix_jax import cli
from animatrix_jax.checkpoint.folder import read_card
from animatrix_jax.convert import stream
from animatrix_jax.convert.layouts import RECORD, WAN_TEXT_ENCODER
from animatrix_jax.jobs.convert import run
from tests.animatrix_jax.convert.synthetic import (
    DIT,
    EXPERTS,
    ONE,
    VAE_21,
    VAE_22,
    Model,
    read_all,
    refused,
    write_foreign,
    write_ours,
)

MODELS = {
    "t2v": Model(DIT, VAE_21, EXPERTS),
    "i2v": Model(replace(DIT, in_channels=36), VAE_21, EXPERTS),
    "ti2v": Model(replace(DIT, in_channels=48, out_channels=48), VAE_22, ONE),
    "2.1": Model(DIT, VAE_21, ONE),
}
SHARD_BYTES = 40_000


@pytest.fixture(scope="module")
def wan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """T2V with two experts in Wan's own layout."""
    folder = tmp_path_factory.mktemp("wan") / "t2v"
    write_foreign(folder, MODELS["t2v"], "wan")
    return folder


@pytest.fixture(scope="module")
def diffusers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """T2V with two experts in diffusers' layout."""
    folder = tmp_path_factory.mktemp("diffusers") / "t2v"
    write_foreign(folder, MODELS["t2v"], "diffusers")
    return folder


def copy(folder: Path, target: Path) -> Path:
    """Copy a folder's files so that a test may damage them."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            (target / path.relative_to(folder)).parent.mkdir(parents=True, exist_ok=True)
            (target / path.relative_to(folder)).write_bytes(path.read_bytes())
    return target


def same(left: Path, right: Path) -> None:
    first, second = read_all(left), read_all(right)
    assert first.keys() == second.keys() and len(first) > 50
    for name, tensor in first.items():
        assert tensor == second[name], name


@pytest.mark.parametrize(
    ("variant", "first", "ways"),
    [
        ("t2v", "wan", ["animatrix", "wan"]),
        ("t2v", "diffusers", ["animatrix", "diffusers"]),
        ("t2v", "diffusers", ["wan", "diffusers"]),
        *((variant, "wan", ["animatrix", "diffusers", "animatrix", "wan"]) for variant in MODELS),
    ],
)
def test_there_and_back_every_tensor_has_its_bytes(
    tmp_path: Path, variant: str, first: str, ways: list[str]
) -> None:
    write_foreign(tmp_path / "0", MODELS[variant], first)
    for number, way in enumerate(ways):
        run(tmp_path / f"{number}", tmp_path / f"{number + 1}", to=way, shard_bytes=SHARD_BYTES)
    last = tmp_path / str(len(ways))
    same(tmp_path / "0", last)
    assert [p.read_text() for p in last.rglob("tokenizer.json")] == ['{"any": "thing"}']
    assert not list(last.glob("animatrix.*")) and not list(last.glob(".*"))


@pytest.mark.parametrize("variant", MODELS)
def test_the_card_has_the_variants_numbers(tmp_path: Path, variant: str) -> None:
    write_foreign(tmp_path / "wan", MODELS[variant], "wan")
    run(tmp_path / "wan", tmp_path / "ours", to="animatrix")
    card = read_card(tmp_path / "ours")
    assert card.schedule is not None and card.clip is not None and card.transformer is not None
    shift, boundary, guidance, fps, frames, reference = {
        "t2v": (12.0, 0.875, (4.0, 3.0), 16.0, 81, None),
        "i2v": (5.0, 0.9, (3.5, 3.5), 16.0, 81, "channels"),
        "ti2v": (5.0, None, 5.0, 24.0, 121, "first_latent"),
        "2.1": (8.0, None, 6.0, 16.0, 81, None),
    }[variant]
    assert (card.schedule.shift, card.schedule.boundary) == (shift, boundary)
    assert (card.guidance_text, card.clip.fps, card.clip.frames) == (guidance, fps, frames)
    assert card.steps == (50 if MODELS[variant].experts == ONE else 40)
    assert (card.reference, card.tokenizer) == (reference, "files")
    assert card.transformer.conditioning is None
    assert card.experts == MODELS[variant].experts
    assert card.vae is not None and card.text_encoder is not None


def test_diffusers_own_shift_and_boundary_are_kept(tmp_path: Path) -> None:
    source = tmp_path / "diffusers"
    write_foreign(source, MODELS["t2v"], "diffusers")
    for name, key, value in (
        ("scheduler/scheduler_config.json", "flow_shift", 3.0),
        ("model_index.json", "boundary_ratio", 0.8),
    ):
        content = json.loads((source / name).read_text())
        (source / name).write_text(json.dumps(content | {key: value}))
    run(source, tmp_path / "ours", to="animatrix")
    schedule = read_card(tmp_path / "ours").schedule
    assert schedule is not None and (schedule.shift, schedule.boundary) == (3.0, 0.8)
    run(tmp_path / "ours", tmp_path / "again", to="diffusers")
    again = json.loads((tmp_path / "again" / "model_index.json").read_text())
    assert again["boundary_ratio"] == 0.8 and again["transformer_2"][0] == "diffusers"
    # Wan's own files cannot say it: ours go beside them.
    run(tmp_path / "ours", tmp_path / "wan", to="wan")
    run(tmp_path / "wan", tmp_path / "back", to="animatrix")
    assert read_card(tmp_path / "back").schedule == schedule


def test_the_embedding_may_have_its_other_name_or_both(tmp_path: Path) -> None:
    write_foreign(tmp_path / "diffusers", MODELS["2.1"], "diffusers", shards=1)
    path = tmp_path / "diffusers" / "text_encoder" / "model.safetensors"
    tensors = load_file(path)
    table, other = tensors.pop("shared.weight"), "encoder.embed_tokens.weight"
    for number, more in enumerate(({other: table}, {other: table, "shared.weight": table})):
        save_file(tensors | more, path)
        run(tmp_path / "diffusers", tmp_path / str(number), to="diffusers")
        again = load_file(tmp_path / str(number) / "text_encoder" / "model.safetensors")
        assert again.keys() == tensors.keys() | {"shared.weight"}
        assert again["shared.weight"].tobytes() == table.tobytes()
    save_file(tensors | {other: table, "shared.weight": -table}, path)
    with pytest.raises(ValueError, match=r"shared.weight and .* differ, and should be one"):
        run(tmp_path / "diffusers", tmp_path / "out", to="wan")


@pytest.mark.parametrize("layout", ["wan", "diffusers"])
def test_our_own_modules_lie_beside_and_come_back(
    tmp_path: Path, layout: str, capsys: pytest.CaptureFixture[str]
) -> None:
    card = write_ours(tmp_path / "ours", MODELS["i2v"], guidance_tag=(3.0, 1.0), note="mine")
    run(tmp_path / "ours", tmp_path / "foreign", to=layout)
    said = capsys.readouterr().out
    assert "our other modules" in said and "animatrix.safetensors" in said
    beside = load_file(tmp_path / "foreign" / "animatrix.safetensors")
    assert "high.null_text" in beside and "low.tag_nulls.summary" in beside
    assert not any("self_attention" in name and "tag" not in name for name in beside)
    run(tmp_path / "foreign", tmp_path / "back", to="animatrix")
    assert read_card(tmp_path / "back") == card
    assert {n: t[1:] for n, t in read_all(tmp_path / "ours").items()} == {
        n: t[1:] for n, t in read_all(tmp_path / "back").items()
    }


def test_ours_to_ours_is_a_copy(tmp_path: Path) -> None:
    write_ours(tmp_path / "ours", MODELS["t2v"])
    (tmp_path / "ours" / "run.json").write_text("{}")
    run(tmp_path / "ours", tmp_path / "copy", to="animatrix")
    same(tmp_path / "ours", tmp_path / "copy")
    assert (tmp_path / "copy" / "run.json").read_text() == "{}"


def test_the_shipped_model_is_copied_but_is_not_wans(repository: Path, tmp_path: Path) -> None:
    pocket = repository / "animatrix_jax" / "weights" / "pocket"
    run(pocket, tmp_path / "copy", to="animatrix")
    same(pocket, tmp_path / "copy")
    for layout in ("wan", "diffusers"):
        with pytest.raises(ValueError, match=f"cannot be written as {layout}: .*VAE has a linear"):
            run(pocket, tmp_path / layout, to=layout)
        assert not (tmp_path / layout).exists()


def shard(folder: Path, number: int = 2) -> Path:
    return folder / f"low_noise_model/diffusion_pytorch_model-0000{number}-of-00003.safetensors"


def truncated(folder: Path) -> None:
    shard(folder).write_bytes(shard(folder).read_bytes()[:-100])


def missing_shard(folder: Path) -> None:
    shard(folder).unlink()


def missing_tensor(folder: Path) -> None:
    tensors = load_file(shard(folder))
    del tensors[min(tensors)]
    save_file(tensors, shard(folder))


def extra_tensor(folder: Path) -> None:
    more = {"blocks.0.gate.bias": np.ones(2, np.float32)}
    save_file(load_file(shard(folder)) | more, shard(folder))


def wrong_shape(folder: Path) -> None:
    tensors = load_file(shard(folder, 1))
    name = next(name for name in tensors if name.endswith("attn.q.weight"))
    save_file(tensors | {name: np.ones((3, 3), np.float32)}, shard(folder, 1))


def wrong_dtype(folder: Path) -> None:
    tensors = load_file(shard(folder, 1))
    name = min(tensors)
    save_file(tensors | {name: tensors[name].astype(np.float64)}, shard(folder, 1))


def malicious_pickle(folder: Path) -> None:
    class Command:
        def __reduce__(self) -> Any:
            return os.system, (f"touch {folder / 'ran'}",)

    with zipfile.ZipFile(folder / WAN_TEXT_ENCODER, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"weight": Command()}, 2))


def truncated_pickle(folder: Path) -> None:
    path = folder / WAN_TEXT_ENCODER
    path.write_bytes(path.read_bytes()[:-200])


def one_expert_only(folder: Path) -> None:
    for path in (folder / "low_noise_model").iterdir():
        path.unlink()
    (folder / "low_noise_model").rmdir()


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (truncated, "00002-of-00003.safetensors is truncated: its header promises"),
        (missing_shard, "00002-of-00003.safetensors is missing (1 of 3 shards are)"),
        (missing_tensor, "is missing (1 such in all)"),
        (extra_tensor, "tensor blocks.0.gate.bias is unknown (1 such in all)"),
        (wrong_shape, "attn.q.weight has shape (3, 3), not (32, 32)"),
        (wrong_dtype, "is F64, not one of F32, F16, BF16"),
        (malicious_pickle, "is refused: its pickle asks for posix.system"),
        (truncated_pickle, "is refused: it is truncated"),
        (one_expert_only, "has high_noise_model/ but no low_noise_model/"),
    ],
)
@pytest.mark.parametrize("to", ["animatrix", "diffusers"])
def test_what_is_damaged_is_one_sentence_and_writes_nothing(
    tmp_path: Path, wan: Path, damage: Any, sentence: str, to: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    source = copy(wan, tmp_path / "wan")
    damage(source)
    assert sentence in refused(capsys, "--to", to, source, tmp_path / "out")
    assert not (tmp_path / "out").exists() and not (source / "ran").exists()


def test_the_wrong_folder_is_one_sentence(
    tmp_path: Path, wan: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    (tmp_path / "empty").mkdir()
    to = ("--to", "diffusers")
    assert "holds no model" in refused(capsys, *to, tmp_path / "empty", out)
    assert str(tmp_path / "absent") in refused(capsys, *to, tmp_path / "absent", out)
    assert "is of the wan layout, not diffusers" in refused(
        capsys, "--from", "diffusers", "--to", "animatrix", wan, out
    )
    assert "lies in the model" in refused(capsys, *to, wan, wan / "out")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    assert "holds other files already" in refused(capsys, *to, wan, tmp_path / "full")
    (tmp_path / "file").write_text("")
    assert "is a file, not a folder" in refused(capsys, *to, wan, tmp_path / "file")


def test_a_full_disk_is_one_sentence_and_is_gone_on_from(
    tmp_path: Path, wan: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(stream.shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
        sentence = refused(capsys, "--to", "animatrix", wan, out)
    assert "GB more, the disk has 0.0 GB" in sentence

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("animatrix_jax.convert.tensors.os.fsync", full)
        sentence = refused(capsys, "--to", "animatrix", wan, out)
    assert sentence.endswith("no space left on device") and str(out) in sentence
    assert [path.name for path in out.rglob("*") if path.is_file()] == [RECORD]
    assert cli.main(["convert", "--to", "animatrix", str(wan), str(out)]) == 0


def test_a_killed_conversion_goes_on_where_it_was(
    tmp_path: Path, wan: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, out = tmp_path / "whole", tmp_path / "out"
    plan = run(wan, whole, to="animatrix", shard_bytes=SHARD_BYTES)
    assert sum(file.part == "high" for file in plan.files) > 2
    written: list[str] = []
    write = stream.write_safetensors

    def killed(path: Path, *arguments: Any) -> None:
        if len(written) == 2:
            (path.parent / ".model-00003-of-00009.1.tmp.safetensors").write_bytes(b"half")
            raise KeyboardInterrupt
        written.append(path.name)
        write(path, *arguments)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(stream, "write_safetensors", killed)
        run(wan, out, to="animatrix", shard_bytes=SHARD_BYTES)
    assert len(written) == 2 and not (out / "model.json").exists()
    with pytest.raises(ValueError, match="unfinished conversion of another source or with other"):
        run(wan, out, to="animatrix")
    # A finished file of another content than its name promises is written anew.
    first = out / "high" / written[0]
    first.write_bytes(first.read_bytes()[:-8])
    times = {name: (out / "high" / name).stat().st_mtime_ns for name in written}
    capsys.readouterr()
    run(wan, out, to="animatrix", shard_bytes=SHARD_BYTES)
    assert "1 of them there from before" in capsys.readouterr().out
    assert (out / "high" / written[1]).stat().st_mtime_ns == times[written[1]]
    assert first.stat().st_mtime_ns != times[written[0]]
    same(whole, out)
    assert sorted(p.name for p in out.rglob(".*")) == []
    with pytest.raises(ValueError, match="holds a finished model already"):
        run(wan, out, to="animatrix", shard_bytes=SHARD_BYTES)


def test_an_unfinished_conversion_is_no_source(
    tmp_path: Path, wan: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    half = copy(wan, tmp_path / "half")
    (half / RECORD).write_text("{}")
    assert "is a conversion that is not finished" in refused(
        capsys, "--to", "animatrix", half, tmp_path / "out"
    )
    assert not (tmp_path / "out").exists()


def test_what_a_kill_left_half_written_is_cleared_everywhere(
    tmp_path: Path, wan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, out = tmp_path / "whole", tmp_path / "out"
    run(wan, whole, to="diffusers")
    out.mkdir()
    record_half_written = out / "..convert.12.tmp.json"
    record_half_written.write_text("{")
    # A kill after the weights: some of every kind of file is half-written.
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(stream.shutil, "copyfile", killed)
        run(wan, out, to="diffusers")
    assert not record_half_written.exists() and (out / RECORD).is_file()
    for name in (
        "tokenizer/.tokenizer.12.tmp.json", "tokenizer/.merges.12.tmp", "vae/.config.12.tmp.json",
        "scheduler/.scheduler_config.12.tmp.json", ".model_index.12.tmp.json",
    ):  # fmt: skip
        (out / name).parent.mkdir(exist_ok=True)
        (out / name).write_text("half")
    run(wan, out, to="diffusers")
    files = [sorted(p.relative_to(f) for p in f.rglob("*")) for f in (whole, out)]
    assert files[0] == files[1]
    same(whole, out)


def killed(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("scheduler/scheduler_config.json", {"flow_shift": "3"}, "flow_shift is '3', not a number"),
        ("scheduler/scheduler_config.json", {"shift": [3]}, "shift is [3], not a number"),
        ("scheduler/scheduler_config.json", {"flow_shift": -1}, "shift must be positive, not -1"),
        ("model_index.json", {"boundary_ratio": {}}, "boundary_ratio is {}, not a number"),
        ("model_index.json", {"boundary_ratio": float("nan")}, "boundary_ratio is nan, not a"),
        ("transformer/config.json", {"num_attention_heads": "2"}, "not tell a Wan high's sizes"),
        ("transformer/config.json", {"num_attention_heads": 2, "eps": "x"}, "high.eps must be"),
        ("vae/config.json", {"latents_mean": 3}, "does not tell a Wan vae's sizes"),
        ("text_encoder/model.safetensors.index.json", {"weight_map": 3}, "has no weight_map"),
    ],
)  # fmt: skip
def test_odd_json_is_one_sentence(
    tmp_path: Path, diffusers: Path, name: str, content: object, sentence: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    source = copy(diffusers, tmp_path / "diffusers")
    (source / name).write_text(json.dumps(content))
    assert sentence in refused(capsys, "--to", "animatrix", source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_model_index_names_a_tokenizer_only_where_there_is_one(
    tmp_path: Path, wan: Path, diffusers: Path
) -> None:
    index = json.loads((diffusers / "model_index.json").read_text())
    assert index["tokenizer"] == ["transformers", "T5TokenizerFast"]
    without = copy(wan, tmp_path / "wan")
    (without / "google" / "umt5-xxl" / "tokenizer.json").unlink()
    run(without, tmp_path / "no_tokenizer", to="diffusers")
    (without / WAN_TEXT_ENCODER).unlink()
    run(without, tmp_path / "no_text", to="diffusers")
    for name, encoder in (("no_tokenizer", "transformers"), ("no_text", None)):
        index = json.loads((tmp_path / name / "model_index.json").read_text())
        assert index["tokenizer"] == [None, None] and index["text_encoder"][0] == encoder


def test_a_dry_run_lists_and_writes_nothing(
    tmp_path: Path, wan: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["convert", "--to", "diffusers", "--dry_run", str(wan), str(tmp_path / "out")]
    assert cli.main(line) == 0
    listed = capsys.readouterr().out
    for word in ("would write, as diffusers", "high", "text_encoder", "vae", "all"):
        assert word in listed
    assert not (tmp_path / "out").exists()
