from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from animatrix_jax.jobs.convert import run
from tests.animatrix_jax.convert.synthetic import (
    DIT,
    EXPERTS,
    VAE_21,
    Model,
    read_all,
    refused,
    save_shards,
    write_foreign,
)


@pytest.fixture(scope="module")
def wan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """T2V with two experts in Wan's own layout."""
    folder = tmp_path_factory.mktemp("wan") / "t2v"
    write_foreign(folder, Model(DIT, VAE_21, EXPERTS), "wan")
    return folder


def lora_file(path: Path, kind: type = np.float32, prefix: str = "diffusion_model.") -> Path:
    rng = np.random.default_rng(len(path.name))
    base = f"{prefix}blocks.1.self_attn.q"
    save_file(
        {
            f"{base}.lora_down.weight": rng.standard_normal((4, DIT.dim)).astype(kind),
            f"{base}.lora_up.weight": rng.standard_normal((DIT.dim, 4)).astype(kind),
            f"{base}.alpha": np.asarray(2.0, kind),
            f"{base}.diff_b": rng.standard_normal(DIT.dim).astype(kind),
        },
        path,
    )
    return path


def test_a_lora_is_merged_on_the_way(tmp_path: Path, wan: Path) -> None:
    one = lora_file(tmp_path / "one.safetensors")
    two = lora_file(tmp_path / "another.safetensors", ml_dtypes.bfloat16)
    run(
        wan, tmp_path / "out", to="wan", lora=f"{one},{two}", lora_strength="0.5,2",
        lora_expert="both,low",
    )  # fmt: skip
    before, after = read_all(wan), read_all(tmp_path / "out")
    module = "blocks.1.self_attn.q"
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {
        f"{expert}_noise_model: {module}.{slot}"
        for expert in EXPERTS
        for slot in ("weight", "bias")
    }
    for expert in EXPERTS:
        name = f"{expert}_noise_model: {module}.weight"
        kind = np.dtype(getattr(ml_dtypes, before[name][1], before[name][1]))
        weight = np.frombuffer(before[name][3], kind).reshape(before[name][2])
        merged = np.frombuffer(after[name][3], kind).reshape(before[name][2])
        total = weight.astype(np.float32)
        for file, strength in ((one, 0.5), *(((two, 2.0),) if expert == "low" else ())):
            found = {k.partition("q.")[2]: v.astype(np.float32) for k, v in load_file(file).items()}
            total += np.float32(strength * 2 / 4) * (
                found["lora_up.weight"] @ found["lora_down.weight"]
            )
        np.testing.assert_allclose(
            merged.astype(np.float32), total.astype(kind).astype(np.float32), rtol=1e-2, atol=1e-2
        )


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--lora_expert", "middle"], "--lora_expert cannot be 'middle'"),
        (["--lora_strength", "strong"], "--lora_strength takes a number"),
        (["--lora_strength", "1,2"], "--lora_strength has 2 values for 1 LoRA files"),
    ],
)
def test_a_loras_flags_are_checked(
    tmp_path: Path, wan: Path, flags: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = lora_file(tmp_path / "one.safetensors")
    line = ["--to", "wan", "--lora", file, *flags, wan, tmp_path / "out"]
    assert sentence in refused(capsys, *line)


def test_a_lora_of_another_model_is_one_sentence(
    tmp_path: Path, wan: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unknown = lora_file(tmp_path / "unknown.safetensors", prefix="diffusion_model.more_")
    line = ["--to", "wan", "--lora", unknown, wan, tmp_path / "out"]
    assert "belongs to no tensor of this transformer" in refused(capsys, *line)
    narrow = tmp_path / "narrow.safetensors"
    save_shards(
        tmp_path, "narrow",
        {f"lora_unet_blocks_0_ffn_0.lora_{name}.weight": np.ones((2, 2), np.float32)
         for name in ("up", "down")}, 1,
    )  # fmt: skip
    line[3] = narrow
    assert "has shape (2, 2), the tensor has (40, 32)" in refused(capsys, *line)
    line[3] = tmp_path / "absent.safetensors"
    assert "absent.safetensors: no such file" in refused(capsys, *line)
    assert not (tmp_path / "out").exists()
