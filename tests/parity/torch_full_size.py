"""Names and shapes of the public networks at full size, from modules without memory.

`python -m tests.parity.torch_full_size [WAN]` stores them in references/full_size.json. With the
folder of a checkout of the original Wan2.2 repository it asks that one's classes too; without, what
is stored of them stays.
"""

import importlib
import json
import re
import sys
import types
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from tests.parity.case import FOLDER
from tests.parity.torch_modules import shapes_of

STORE = FOLDER / "full_size.json"
LAYERED = re.compile(r"\b(blocks?)\.(\d+)\.")
SHAPE = re.compile(r"\[[\d,\s]+\]")
A14B = {"num_attention_heads": 40, "ffn_dim": 13824, "num_layers": 40, "out_channels": 16}
TRANSFORMERS = {
    "Wan2.2-T2V-A14B": {**A14B, "in_channels": 16},
    "Wan2.2-I2V-A14B": {**A14B, "in_channels": 36},
    "Wan2.2-TI2V-5B": {
        "num_attention_heads": 24,
        "ffn_dim": 14336,
        "num_layers": 30,
        "in_channels": 48,
        "out_channels": 48,
    },
    "Wan2.1-T2V-1.3B": {
        "num_attention_heads": 12,
        "ffn_dim": 8960,
        "num_layers": 30,
        "in_channels": 16,
        "out_channels": 16,
    },
    "Wan2.1-T2V-14B": {**A14B, "in_channels": 16},
}
UMT5_XXL = {
    "vocab_size": 256384,
    "d_model": 4096,
    "d_kv": 64,
    "d_ff": 10240,
    "num_layers": 24,
    "num_heads": 64,
    "relative_attention_num_buckets": 32,
    "relative_attention_max_distance": 128,
    "feed_forward_proj": "gated-gelu",
}


VAES = {"wan21": "VAE 2.1", "wan22": "VAE 2.2"}


def collapse(shapes: dict[str, list[int]]) -> dict[str, Any]:
    """Write layers that are alike as one, `{i}` for their number, under how many they are."""
    layers = {int(found[2]) for name in shapes if (found := LAYERED.search(name))}
    written: dict[str, list[int]] = {}
    for name, shape in shapes.items():
        short = LAYERED.sub(r"\1.{i}.", name, count=1)
        assert written.setdefault(short, shape) == shape, name
    assert sum(len(layers) if "{i}" in name else 1 for name in written) == len(shapes)
    return {"layers": len(layers), "tensors": written}


def transformers() -> dict[str, Any]:
    """Return diffusers' transformers by model, with the settings that they were built from."""
    from diffusers import WanTransformer3DModel

    found = {}
    for name, settings in TRANSFORMERS.items():
        with torch.device("meta"):
            module = WanTransformer3DModel(**settings, rope_max_seq_len=16)
        found[name] = {
            "part": "transformer",
            "config": {**settings, "attention_head_dim": 128, "eps": 1e-6, "patch_size": [1, 2, 2]},
            "diffusers": collapse(shapes_of(module)),
        }
    return found


def text_encoders() -> dict[str, Any]:
    """Return the text encoder in transformers' naming."""
    from transformers import UMT5Config, UMT5EncoderModel

    from tests.parity.torch_umt5 import TIED

    with torch.device("meta"):
        module = UMT5EncoderModel(UMT5Config(**UMT5_XXL))
    shapes = {name: shape for name, shape in shapes_of(module).items() if name != TIED}
    return {"umT5-XXL": {"part": "text_encoder", "config": UMT5_XXL, "diffusers": collapse(shapes)}}


def vaes() -> dict[str, Any]:
    """Return diffusers' VAEs of both kinds; their latents' statistics are those of the kind."""
    from diffusers import AutoencoderKLWan

    from tests.parity.torch_vae import FULL_SIZE

    found = {}
    for kind, name in VAES.items():
        with torch.device("meta"):
            module = AutoencoderKLWan(**FULL_SIZE[kind])
        found[name] = {"part": "vae", "config": {}, "diffusers": collapse(shapes_of(module))}
    return found


def originals(checkout: Path) -> dict[str, dict[str, Any]]:
    """Return the original classes' names and shapes by model."""
    # The packages' own __init__ files, and some modules, ask for what building needs nothing of.
    for package in ("wan", "wan.modules", "wan.distributed"):
        sys.modules[package] = types.ModuleType(package)
        sys.modules[package].__path__ = [str(checkout / package.replace(".", "/"))]
    stand_ins = {"wan.modules.tokenizers": "HuggingfaceTokenizer", "einops": "rearrange"}
    for place, name in stand_ins.items():
        sys.modules[place] = types.ModuleType(place)
        sys.modules[place].__dict__[name] = None
    # A class there asks for the machine's GPU when it is defined.
    with mock.patch("torch.cuda.current_device", return_value=0):
        model = importlib.import_module("wan.modules.model").WanModel
        text = importlib.import_module("wan.modules.t5").umt5_xxl
        vae21 = importlib.import_module("wan.modules.vae2_1").WanVAE_
        vae22 = importlib.import_module("wan.modules.vae2_2").WanVAE_
    found = {}
    for name, settings in TRANSFORMERS.items():
        with torch.device("meta"):
            module = model(
                dim=128 * settings["num_attention_heads"],
                num_heads=settings["num_attention_heads"],
                num_layers=settings["num_layers"],
                ffn_dim=settings["ffn_dim"],
                in_dim=settings["in_channels"],
                out_dim=settings["out_channels"],
            )
        found[name] = collapse(shapes_of(module))
    found["umT5-XXL"] = collapse(shapes_of(text(encoder_only=True, device="meta")))
    times = [False, True, True]
    with torch.device("meta"):
        autoencoders = {
            "VAE 2.1": vae21(dim=96, z_dim=16, temperal_downsample=times),
            "VAE 2.2": vae22(dim=160, dec_dim=256, z_dim=48, temperal_downsample=times),
        }
    return {**found, **{name: collapse(shapes_of(vae)) for name, vae in autoencoders.items()}}


def main(arguments: list[str]) -> None:
    """Write the store anew, keeping what this run cannot ask for."""
    stored = json.loads(STORE.read_text()) if STORE.exists() else {}
    for name, entry in {**transformers(), **text_encoders(), **vaes()}.items():
        stored[name] = {**stored.get(name, {}), **entry}
    for name, tensors in (originals(Path(arguments[0])) if arguments else {}).items():
        stored[name]["wan"] = tensors
    text = json.dumps(stored, indent=1, sort_keys=True)
    STORE.write_text(SHAPE.sub(lambda shape: "".join(shape[0].split()), text) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
