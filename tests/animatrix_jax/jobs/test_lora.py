"""`animatrix lora`: what it writes makes the tuned model again from its base."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from animatrix_jax import cli
from animatrix_jax.jobs import convert, lora
from tests.animatrix_jax.convert.synthetic import (
    DIT,
    EXPERTS,
    ONE,
    VAE_21,
    Model,
    write_foreign,
)

MODULE = "blocks.1.self_attn.q"
TABLE = "blocks.0.modulation"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """T2V with two experts in Wan's own layout, each in one file."""
    folder = tmp_path_factory.mktemp("lora") / "base"
    write_foreign(folder, Model(DIT, VAE_21, EXPERTS), "wan", shards=1)
    return folder


@pytest.fixture(scope="module")
def tuned(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The base with a change of rank 3 of one matrix, of its bias, and of a table."""
    folder = tmp_path_factory.mktemp("lora") / "tuned"
    write_foreign(folder, Model(DIT, VAE_21, EXPERTS), "wan", shards=1)
    rng = np.random.default_rng(0)
    for expert in EXPERTS:
        path = weights(folder, expert)
        tensors = {name: array.astype(np.float32) for name, array in load_file(path).items()}
        save_file(tensors, weights(base, expert))
        change = rng.normal(size=(DIT.dim, 3)) @ rng.normal(size=(3, DIT.dim))
        tensors[f"{MODULE}.weight"] = tensors[f"{MODULE}.weight"] + change.astype(np.float32)
        tensors[f"{MODULE}.bias"] = tensors[f"{MODULE}.bias"] + 1
        if expert == "low":
            tensors[TABLE] = tensors[TABLE] - 1
        save_file(tensors, path)
    return folder


def weights(folder: Path, expert: str) -> Path:
    return folder / f"{expert}_noise_model" / "diffusion_pytorch_model.safetensors"


@pytest.mark.parametrize(("style", "rank"), [("wan", 3), ("kohya", 40), ("diffusers", 3)])
def test_base_and_lora_are_the_tuned_model(
    base: Path, tuned: Path, tmp_path: Path, style: str, rank: int
) -> None:
    files = lora.run(tuned, base, tmp_path / "l.safetensors", rank, style)
    assert [file.name for file in files] == ["l_high.safetensors", "l_low.safetensors"]
    prefix = {"wan": "diffusion_model.", "kohya": "lora_unet_", "diffusers": "transformer."}[style]
    assert all(name.startswith(prefix) for file in files for name in load_file(file))
    convert.run(
        base, tmp_path / "merged", to="wan", lora=[str(file) for file in files],
        lora_expert=list(EXPERTS),
    )  # fmt: skip
    for expert in EXPERTS:
        wanted = load_file(weights(tuned, expert))
        found = load_file(weights(tmp_path / "merged", expert))
        before = load_file(weights(base, expert))
        for name, array in wanted.items():
            if style == "diffusers" and name == TABLE:
                array = before[name]
            np.testing.assert_allclose(found[name], array, atol=2e-5, err_msg=name)


def test_how_much_the_factors_hold_is_said(
    base: Path, tuned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lora.run(tuned, base, tmp_path / "l.safetensors", rank=1, style="wan")
    high, low = (line for line in capsys.readouterr().out.splitlines() if "squared change" in line)
    assert high.startswith("high: 2 tensors") and low.startswith("low: 3 tensors")
    share = float(high.split("hold ")[1].split("%")[0])
    assert 30 < share < 99


def test_layouts_may_differ(base: Path, tuned: Path, tmp_path: Path) -> None:
    convert.run(tuned, tmp_path / "ours", to="animatrix")
    first = lora.run(tuned, base, tmp_path / "a.safetensors", 3, "wan")
    second = lora.run(tmp_path / "ours", base, tmp_path / "b.safetensors", 3, "wan")
    for a, b in zip(first, second, strict=True):
        one, other = load_file(a), load_file(b)
        assert one.keys() == other.keys()
        for name in one:
            np.testing.assert_array_equal(one[name], other[name])


def test_what_cannot_be_compared_is_refused(
    base: Path, tuned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_foreign(tmp_path / "one", Model(DIT, VAE_21, ONE), "wan")
    for name, dit in (("deep", replace(DIT, layers=3)), ("wide", replace(DIT, ffn_dim=48))):
        write_foreign(tmp_path / name, Model(dit, VAE_21, EXPERTS), "wan")
    out = tmp_path / "l.safetensors"
    for model, file, flags, sentence in (
        (base, out, [], "differ in nothing that a LoRA of the diffusers style"),
        (tmp_path / "one", out, [], "do not have the same experts"),
        (tmp_path / "deep", out, [], "high transformers are of different sizes"),
        (tmp_path / "wide", out, [], "high transformers are of different sizes"),
        (tuned, tmp_path / "l.pth", [], "must end in .safetensors"),
        (tuned, out, ["--rank", "0"], "a rank is 1 or more, not 0"),
        (tmp_path / "none", out, [], "there is no model"),
    ):
        words = ["lora", "--model", model, "--base", base, "--out", file, *flags]
        assert cli.main([str(word) for word in words]) == 2
        assert sentence in capsys.readouterr().err.splitlines()[-1]
    assert not out.exists()


def test_one_expert_has_one_file_of_the_given_name(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_foreign(tmp_path / name, Model(DIT, VAE_21, ONE), "wan", shards=1)
    path = tmp_path / "b" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(path)
    save_file(tensors | {f"{MODULE}.bias": tensors[f"{MODULE}.bias"] + 1}, path)
    out = tmp_path / "l.safetensors"
    assert lora.run(tmp_path / "b", tmp_path / "a", out) == [out]
    assert list(load_file(out)) == ["transformer.blocks.1.attn1.to_q.lora_B.bias"]


def test_a_model_that_is_not_wans_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "l.safetensors")
    assert cli.main(["lora", "--model", "pocket", "--base", "pocket", "--out", out]) == 2
    (sentence,) = capsys.readouterr().err.splitlines()
    assert "pocket's transformer is not Wan's: no LoRA can be made of it" in sentence
