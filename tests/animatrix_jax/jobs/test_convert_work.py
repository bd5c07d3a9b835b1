"""A converted Wan at work: loaded, sampled from, trained from."""

import shutil
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import animatrix_jax
from animatrix_jax.checkpoint.folder import write_card
from animatrix_jax.convert.foreign_config import card_of
from animatrix_jax.flag_parsing import load_config
from animatrix_jax.jobs import convert, draw, train
from animatrix_jax.models.dit import DiTConfig
from animatrix_jax.models.umt5 import UMT5Config
from animatrix_jax.models.vae_presets import WAN_21
from tests.animatrix_jax.convert.synthetic import DIT, EXPERTS, VAE_21, Model, write_foreign
from tests.tiny import write_tokenizer


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """T2V with two experts, converted from diffusers' layout, with a tokenizer that works."""
    folder = tmp_path_factory.mktemp("work")
    write_foreign(folder / "source", Model(DIT, VAE_21, EXPERTS), "diffusers")
    convert.run(folder / "source", folder / "model", to="animatrix")
    shutil.rmtree(folder / "model" / "tokenizer")
    write_tokenizer(folder / "model")
    return folder / "model"


def test_a_converted_wan_generates(converted: Path) -> None:
    wan = animatrix_jax.load(converted)
    card = wan.model.card
    assert card.transformer.dit.dtype == card.text_encoder.dtype == "bfloat16"
    assert card.vae.dtype == "float32" and card.guidance_text == (4.0, 3.0)
    words = "<summary>a girl</summary>"
    made = {"steps": 2, "frames": 5, "height": 16, "width": 16}
    clip = wan.generate(words, **made)
    assert clip.shape == (5, 16, 16, 3) and clip.std() > 0
    np.testing.assert_array_equal(clip, wan.generate(words, **made))
    assert (clip != wan.generate(words, **made, negative="")).any()
    assert (clip != wan.generate(words, **made, shift=3.0)).any()
    held = {leaf.dtype for leaf in jax.tree.leaves(wan.model.experts)}
    assert jnp.dtype("bfloat16") in held


def test_training_goes_on_from_a_converted_wan(converted: Path, tmp_path: Path) -> None:
    draw.run(tmp_path / "corpus", clips=6, size="32x32x5@8", seed=20, processes=1)
    settings = {
        "corpus": str(tmp_path / "corpus"), "cache": str(tmp_path / "latents"),
        "vae": str(converted), "text_encoder": str(converted), "initial": str(converted),
        "tags": {"dim": 8, "heads": 2, "layers": 1, "adaln_rank": 2},
        "steps": 1, "batch": 4, "held_out": 2, "task_ratio": (0.0, 1.0, 0.0),
    }  # fmt: skip
    train.run({"recipe": "flow", "seed": 0, "settings": settings}, tmp_path / "run")
    tuned = animatrix_jax.load(tmp_path / "run")
    assert tuned.model.card.tokenizer == "files"
    clip = tuned.generate("<tag>VFX: Rain", steps=2, frames=5, height=16, width=16)
    assert clip.shape == (5, 16, 16, 3)
    convert.run(tmp_path / "run", tmp_path / "out", to="diffusers")
    assert (tmp_path / "out" / "animatrix.safetensors").is_file()


def test_the_studio_config_is_built_at_full_size(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a14b = DiTConfig(5120, 13824, 40, 40, 36, 16, 4096, 512)
    xxl = UMT5Config(256384, 4096, 10240, 64, 64, 24)
    networks = {"high": a14b, "low": a14b, "vae": WAN_21, "text_encoder": xxl}
    write_card(tmp_path / "model", card_of("wan", networks, EXPERTS))
    draw.run(tmp_path / "corpus", clips=4, size="32x32x5@8", processes=1)
    config = load_config(f"{repository}/configs/studio/sft.py:i2v_a14b")
    for name in ("vae", "text_encoder", "initial"):
        config.settings[name] = str(tmp_path / "model")
    config.settings.update(corpus=str(tmp_path / "corpus"), held_out=2)
    train.run(config, tmp_path / "run", dry_run=True)
    counted = capsys.readouterr().out.splitlines()[-1]
    # Two experts of 14.29 B weights, and the tag channel at rank 512.
    assert counted.startswith("flow: 32,0") and counted.endswith("parameters; nothing was trained")
    assert not (tmp_path / "run").exists()
