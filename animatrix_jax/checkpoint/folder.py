"""The model folder: `model.json` beside one safetensors file per network, one tensor per layer.

    model.json            the card: every network's sizes, the schedule, the clip it was made for
    vae/ text_encoder/    model.safetensors each
    high/ low/            one noise expert each
Layers and experts are stacked at load. A folder may hold some of the parts only.
"""

import dataclasses
import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from safetensors import SafetensorError
from safetensors.flax import load_file, save_file

from animatrix_data.files import digest_file, whole_file
from animatrix_data.settings import build
from animatrix_jax.diffusion.schedule import Schedule
from animatrix_jax.models.animatrix import AniMatrixConfig
from animatrix_jax.models.experts import EXPERT_NAMES
from animatrix_jax.models.umt5 import UMT5Config
from animatrix_jax.models.vae import VAEConfig

CARD = "model.json"
WEIGHTS = "model.safetensors"
STACKED = "blocks"


@dataclass(frozen=True)
class ClipShape:
    """What a model was trained to make: frames, pixels and frames per second."""

    frames: int
    height: int
    width: int
    fps: float


@dataclass(frozen=True)
class ModelCard:
    """What `model.json` holds; a part that the folder lacks is None.

    `tokenizer` names the text encoder's tokenizer ("byte" needs no files), `reference` how a
    reference frame enters the transformer ("channels" or None).
    """

    vae: VAEConfig | None = None
    text_encoder: UMT5Config | None = None
    transformer: AniMatrixConfig | None = None
    schedule: Schedule | None = None
    clip: ClipShape | None = None
    tokenizer: str = "byte"
    reference: str | None = None
    guidance_text: float = 5.0
    guidance_tag: float = 2.0
    negative: str = ""
    note: str = ""


def read_card(folder: Path) -> ModelCard:
    """Return a model folder's card.

    Raises ValueError when there is no model folder there or its card is not one.
    """
    path = folder / CARD
    if not path.is_file():
        raise ValueError(_no_model(folder))
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not a model card: {error}") from error
    return build(ModelCard, content, str(path))


def _no_model(folder: Path) -> str:
    if not folder.exists():
        return f"there is no model folder {folder}"
    foreign = [n for n in ("transformer", "high_noise_model", "model_index.json")
               if (folder / n).exists()]  # fmt: skip
    if foreign:
        return f"{folder} is a foreign checkpoint (it has {foreign[0]}): convert it first"
    return f"{folder} is not a model folder: it has no {CARD}"


def write_card(folder: Path, card: ModelCard) -> None:
    """Write `model.json`, whole or not at all."""
    with whole_file(folder / CARD) as temporary:
        temporary.write_text(json.dumps(dataclasses.asdict(card), indent=1) + "\n", "utf-8")


def save_part(folder: Path, part: str, params: Any, dtype: Any = jnp.float32) -> None:
    """Write a network's parameter tree as `part`/model.safetensors in the given float type."""
    tensors = {
        name: jnp.asarray(leaf, dtype) for name, leaf in flatten_layers(jax.device_get(params))
    }
    with whole_file(folder / part / WEIGHTS) as temporary:
        save_file(tensors, str(temporary))


def load_part(folder: Path, part: str, like: Any) -> Any:
    """Return a network's parameters in the tree and types of `like` (shapes suffice).

    Raises ValueError when the file is missing, unreadable, or holds other names or shapes.
    """
    path = folder / part / WEIGHTS
    if not path.is_file():
        raise ValueError(f"the model folder {folder} has no {part}/{WEIGHTS}")
    try:
        tensors = load_file(str(path))
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path} cannot be read as safetensors: {error}") from error
    expected = dict(flatten_layers(like))
    for kind, names in (
        ("lacks", expected.keys() - tensors),
        ("has an unknown", tensors - expected.keys()),
    ):
        if names:
            raise ValueError(f"{path} {kind} tensor {min(names)} ({len(names)} such in all)")
    for name, leaf in expected.items():
        if tensors[name].shape != leaf.shape:
            raise ValueError(
                f"{path}: tensor {name} has shape {tensors[name].shape}, "
                f"the model wants {leaf.shape}"
            )
    return stack_layers(like, tensors)


def save_experts(folder: Path, params: Any, dtype: Any = jnp.float32) -> None:
    """Write the experts of a tree with a leading expert dim into `high/` and `low/`."""
    for index, name in enumerate(EXPERT_NAMES):
        save_part(folder, name, jax.tree.map(lambda leaf, i=index: leaf[i], params), dtype)


def load_experts(folder: Path, like: Any) -> Any:
    """Return the experts' tree with its leading dim; `like` is one expert's tree."""
    parts = [load_part(folder, name, like) for name in EXPERT_NAMES]
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *parts)


def copy_part(source: Path, target: Path, part: str) -> None:
    """Copy a network's weights from one model folder into another, whole or not at all."""
    with whole_file(target / part / WEIGHTS) as temporary:
        shutil.copyfile(source / part / WEIGHTS, temporary)


def part_digest(folder: Path, part: str) -> str:
    """Return the SHA-256 of a network's weights and of its sizes on the card."""
    card = dataclasses.asdict(read_card(folder)).get(part)
    digest = hashlib.sha256(json.dumps(card, sort_keys=True).encode())
    digest.update((folder / part / WEIGHTS).read_bytes())
    return digest.hexdigest()


def folder_digest(folder: Path) -> str:
    """Return the SHA-256 of a model folder: its card and the weights of all its networks."""
    digest = hashlib.sha256((folder / CARD).read_bytes())
    for path in sorted(folder.glob(f"*/{WEIGHTS}")):
        digest.update(f"{path.parent.name} {digest_file(path)}\n".encode())
    return digest.hexdigest()


def flatten_layers(tree: Any) -> list[tuple[str, Any]]:
    """Return (dotted name, leaf) pairs, the layers under `blocks` one by one as `blocks.<i>.…`."""
    pairs: list[tuple[str, Any]] = []
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        keys = [str(entry.key) for entry in path]
        if STACKED not in keys:
            pairs.append((".".join(keys), leaf))
            continue
        place = keys.index(STACKED) + 1
        for layer in range(leaf.shape[0]):
            name = ".".join([*keys[:place], str(layer), *keys[place:]])
            shape = jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype)
            pairs.append((name, shape if isinstance(leaf, jax.ShapeDtypeStruct) else leaf[layer]))
    return pairs


def stack_layers(like: Any, tensors: dict[str, Any]) -> Any:
    """Undo `flatten_layers` in the tree and float types of `like`."""

    def gather(path: Any, leaf: Any) -> jax.Array:
        keys = [str(entry.key) for entry in path]
        if STACKED not in keys:
            return jnp.asarray(tensors[".".join(keys)], leaf.dtype)
        place = keys.index(STACKED) + 1
        names = [
            ".".join([*keys[:place], str(layer), *keys[place:]]) for layer in range(leaf.shape[0])
        ]
        return jnp.asarray(np.stack([np.asarray(tensors[name]) for name in names]), leaf.dtype)

    return jax.tree_util.tree_map_with_path(gather, like)
