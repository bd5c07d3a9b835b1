"""Where each system keeps a model's parts: folders and file names."""

from dataclasses import dataclass
from pathlib import Path

from animatrix_jax.checkpoint.folder import CARD
from animatrix_jax.convert.rules import SYSTEMS
from animatrix_jax.models.experts import EXPERT_NAMES, ONLY_EXPERT

OURS = "animatrix"
LAYOUTS = (*SYSTEMS, OURS)
OWN_WEIGHTS, OWN_CARD = "animatrix.safetensors", "animatrix.json"
"""What a foreign folder of a model with our own modules has besides."""

MODEL_INDEX = "model_index.json"
SCHEDULER = "scheduler/scheduler_config.json"
LAST_FILE = {"wan": "configuration.json", "diffusers": MODEL_INDEX, OURS: CARD}
"""The file that is written last: a folder without it is not whole."""
RECORD = ".convert.json"
"""Says what is being converted into a folder, as long as it is not finished."""
TOKENIZER = {"wan": "google/umt5-xxl", "diffusers": "tokenizer", OURS: "tokenizer"}

DIFFUSION = "diffusion_pytorch_model"
WAN_VAES = ("Wan2.1_VAE.pth", "Wan2.2_VAE.pth")
WAN_TEXT_ENCODER = "models_t5_umt5-xxl-enc-bf16.pth"


@dataclass(frozen=True)
class Place:
    """Where a part lies: a folder, and there safetensors files of a stem or one `.pth` file."""

    folder: str
    stem: str = ""
    pickles: tuple[str, ...] = ()


PLACES: dict[str, dict[str, Place]] = {
    "wan": {
        "high": Place("high_noise_model", DIFFUSION),
        "low": Place("low_noise_model", DIFFUSION),
        "transformer": Place("", DIFFUSION),
        "vae": Place("", pickles=WAN_VAES),
        "text_encoder": Place("", pickles=(WAN_TEXT_ENCODER,)),
    },
    "diffusers": {
        "high": Place("transformer", DIFFUSION),
        "low": Place("transformer_2", DIFFUSION),
        "transformer": Place("transformer", DIFFUSION),
        "vae": Place("vae", DIFFUSION),
        "text_encoder": Place("text_encoder", "model"),
    },
    OURS: {
        part: Place(part, "model") for part in ("high", "low", "transformer", "vae", "text_encoder")
    },
}


def find_layout(folder: Path) -> str:
    """Return whose layout a folder has: "wan", "diffusers" or "animatrix".

    Raises ValueError in one sentence where it has none, or is no folder.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder")
    if (folder / CARD).is_file():
        return OURS
    if (folder / MODEL_INDEX).is_file() or (folder / "transformer").is_dir():
        return "diffusers"
    signs = ("high_noise_model", *WAN_VAES, WAN_TEXT_ENCODER)
    if any((folder / sign).exists() for sign in signs) or any(folder.glob(f"{DIFFUSION}*")):
        return "wan"
    raise ValueError(
        f"{folder} holds no model: neither {CARD} (animatrix), {MODEL_INDEX} (diffusers) nor "
        "high_noise_model/ or Wan2.x_VAE.pth (wan)"
    )


def experts_in(folder: Path, layout: str) -> tuple[str, ...]:
    """Return which experts a foreign folder has: high and low, one for all noise, or none.

    Raises ValueError where it has one of the two only.
    """
    places = PLACES[layout]
    second = (folder / places["low"].folder).is_dir()
    if layout == "diffusers":
        if second and not (folder / places["high"].folder).is_dir():
            raise ValueError(f"{folder} has transformer_2/ but no transformer/ for high noise")
        has_one = (folder / places["transformer"].folder).is_dir()
    else:
        if second != (folder / places["high"].folder).is_dir():
            there, absent = ("low", "high") if second else ("high", "low")
            raise ValueError(f"{folder} has {there}_noise_model/ but no {absent}_noise_model/")
        has_one = any(folder.glob(f"{DIFFUSION}*.safetensors"))
    if second:
        return EXPERT_NAMES
    return ONLY_EXPERT if has_one else ()
