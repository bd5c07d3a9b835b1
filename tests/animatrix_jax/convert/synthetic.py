"""Tiny checkpoints with the public names in the public layouts, every tensor random."""

import json
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from animatrix_data.taxonomy import VALUE_COUNT
from animatrix_jax import cli
from animatrix_jax.checkpoint.folder import ModelCard, write_card
from animatrix_jax.convert.foreign_config import card_of, config_files
from animatrix_jax.convert.layouts import OURS, PLACES, TOKENIZER, WAN_VAES
from animatrix_jax.convert.networks import config_on, expert_shapes, foreign_shape, network_of
from animatrix_jax.convert.rules import by_foreign_name
from animatrix_jax.convert.tensors import FLOATS, Planned
from animatrix_jax.convert.torch_zip import read_pickled, write_pickled
from animatrix_jax.models.conditioning import ConditioningConfig
from animatrix_jax.models.dit import DiTConfig
from animatrix_jax.models.umt5 import UMT5Config
from animatrix_jax.models.vae import VAEConfig
from animatrix_jax.models.vae_presets import WAN_21, WAN_22

DTYPE_NAMES = {np.dtype(kind): name for name, kind in FLOATS.items()}
TEXT = UMT5Config(vocab=40, dim=16, ffn_dim=24, heads=2, head_dim=8, layers=2)
DIT = DiTConfig(
    dim=32, ffn_dim=40, heads=2, layers=2, in_channels=16, out_channels=16, text_dim=16,
    text_length=512, freq_dim=16,
)  # fmt: skip
VAE_21 = replace(WAN_21, base_dim=8)
VAE_22 = replace(WAN_22, base_dim=8, decoder_dim=16)
EXPERTS, ONE = ("high", "low"), ("transformer",)
Tensors = dict[str, np.ndarray]


@dataclass(frozen=True)
class Model:
    """What a synthetic checkpoint holds."""

    dit: DiTConfig
    vae: VAEConfig
    experts: tuple[str, ...]

    def card(self, layout: str) -> ModelCard:
        """Return the card that a folder of a layout stands for."""
        configs = {expert: self.dit for expert in self.experts}
        return card_of(layout, configs | {"vae": self.vae, "text_encoder": TEXT}, self.experts)

    @property
    def parts(self) -> tuple[str, ...]:
        """Its parts by our names."""
        return (*self.experts, "vae", "text_encoder")


def random(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return normal values of a name's own seed, in float32 or bfloat16."""
    seed = zlib.crc32(name.encode())
    kind = (np.float32, ml_dtypes.bfloat16, np.float16)[seed % 3]
    return np.random.default_rng(seed).standard_normal(shape).astype(kind)


def foreign_tensors(model: Model, part: str, layout: str) -> Tensors:
    """Return a part's tensors by their names in a layout."""
    config = config_on(model.card(layout), part)
    network = network_of(part)
    shapes = network.shapes(config)
    named = by_foreign_name(network.rules(config), layout)
    return {
        name: random(f"{part} {rule.ours}", foreign_shape(rule, shapes[rule.ours]))
        for name, rule in named.items()
    }


def write_foreign(folder: Path, model: Model, layout: str, shards: int = 3) -> None:
    """Write a checkpoint of the "wan" or "diffusers" layout, its experts in several shards."""
    for part in model.parts:
        place = PLACES[layout][part]
        tensors = foreign_tensors(model, part, layout)
        target = folder / place.folder
        target.mkdir(parents=True, exist_ok=True)
        if place.pickles:
            wide = part == "vae" and model.vae.resampling == "residual"
            planned = [Planned(n, DTYPE_NAMES[a.dtype], a.shape, lambda a=a: a)
                       for n, a in tensors.items()]  # fmt: skip
            write_pickled(target / place.pickles[wide], planned, lambda _: None)
        else:
            save_shards(target, place.stem, tensors, shards)
    for name, content in config_files(model.card(layout), layout, model.parts).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps(content))
    (folder / TOKENIZER[layout]).mkdir(parents=True)
    (folder / TOKENIZER[layout] / "tokenizer.json").write_text('{"any": "thing"}')


def save_shards(folder: Path, stem: str, tensors: Tensors, shards: int) -> None:
    """Write tensors round robin into numbered shards."""
    names = sorted(tensors)
    for number in range(shards):
        held = {name: tensors[name] for name in names[number::shards]}
        file = f"{stem}-{number + 1:05d}-of-{shards:05d}.safetensors"
        save_file(held, folder / (file if shards > 1 else f"{stem}.safetensors"))


def write_ours(folder: Path, model: Model, **changes: Any) -> ModelCard:
    """Write a model folder of ours with a tag channel; `changes` are for the card."""
    card = model.card(OURS)
    assert card.transformer is not None
    conditioning = ConditioningConfig(
        values=VALUE_COUNT, tag_dim=8, tag_layers=1, tag_heads=2, adaln_rank=2
    )
    card = replace(
        card, transformer=replace(card.transformer, conditioning=conditioning), **changes
    )
    assert card.transformer is not None
    for part in model.parts:
        if part in model.experts:
            shapes = expert_shapes(card.transformer)
        else:
            shapes = network_of(part).shapes(config_on(card, part))
        tensors = {name: random(f"{part} {name}", shape) for name, shape in shapes.items()}
        (folder / part).mkdir(parents=True)
        save_shards(folder / part, "model", tensors, 2 if part == "high" else 1)
    (folder / "tokenizer").mkdir()
    (folder / "tokenizer" / "tokenizer.json").write_text('{"any": "thing"}')
    write_card(folder, card)
    return card


def read_all(folder: Path) -> dict[str, tuple[str, str, tuple[int, ...], bytes]]:
    """Return every tensor under a folder, by part folder and name: file kind, type and bytes."""
    found: dict[str, tuple[str, str, tuple[int, ...], bytes]] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix == ".pth":
            assert path.name in (*WAN_VAES, *PLACES["wan"]["text_encoder"].pickles)
            tensors = {name: stored.read() for name, stored in read_pickled(path).items()}
            where = path.relative_to(folder).as_posix()
        elif path.suffix == ".safetensors":
            tensors = load_file(path)
            where = path.parent.relative_to(folder).as_posix()
        else:
            continue
        for name, array in tensors.items():
            key = f"{where}: {name}"
            assert key not in found
            found[key] = (path.suffix, str(array.dtype), array.shape, array.tobytes())
    return found


def refused(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """Run the command, which must fail with status 2 and one sentence; return the sentence."""
    assert cli.main(["convert", *map(str, words)]) == 2
    out, err = capsys.readouterr()
    sentence = err.splitlines()[-1]
    assert sentence.startswith("animatrix convert: ") and out == ""
    assert len([line for line in err.splitlines() if not line.startswith("Converting")]) == 1
    assert "ANIMATRIX_TRACEBACK" not in sentence
    return sentence
