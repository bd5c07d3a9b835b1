"""The model folder: `model.json` beside the networks' safetensors files, one tensor per layer.

    model.json            the card: every network's sizes, the schedule, the clip it was made for
    vae/ text_encoder/    one network each
    high/ low/            one noise expert each; transformer/ where there is one for all noise
    tokenizer/            tokenizer.json, where the text encoder's tokenizer has files
A network is `model.safetensors`, or shards `model-00001-of-00007.safetensors` of whole tensors.
Layers and experts are stacked at load. A folder may hold some of the parts only.
"""

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from animatrix_data.files import digest_file, whole_file
from animatrix_data.settings import build
from animatrix_jax.checkpoint.shards import find_shards
from animatrix_jax.diffusion.schedule import Schedule
from animatrix_jax.models.animatrix import AniMatrixConfig
from animatrix_jax.models.experts import EXPERT_NAMES, expert_names, pick_expert
from animatrix_jax.models.umt5 import UMT5Config
from animatrix_jax.models.vae import VAEConfig

CARD = "model.json"
WEIGHTS = "model.safetensors"
STACKED = "blocks"
SHARDS = "model*.safetensors"
TOKENIZER = "tokenizer"
REFERENCES = ("channels", "first_latent", None)


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

    `tokenizer` names the text encoder's tokenizer: "byte" needs no files, "files" has its own.
    `reference` says how reference frames enter the transformer: as "channels" beside the noisy
    latents, in place of the "first_latent" frame, or not at all (None). Guidance is one number or
    (high, low); `negative` is the text to steer away from, "" the null text; `steps` is how many
    the sampler takes, with which `solver` and on which `grid` of sigmas.
    """

    vae: VAEConfig | None = None
    text_encoder: UMT5Config | None = None
    transformer: AniMatrixConfig | None = None
    schedule: Schedule | None = None
    clip: ClipShape | None = None
    tokenizer: str = "byte"
    reference: str | None = None
    guidance_text: float | tuple[float, float] = 5.0
    guidance_tag: float | tuple[float, float] = 2.0
    negative: str = ""
    steps: int = 40
    solver: str = "unipc"
    grid: str = "wan"
    note: str = ""

    def __post_init__(self) -> None:
        """Check the names."""
        if self.reference not in REFERENCES:
            raise ValueError(f"reference cannot be {self.reference!r}: it is one of {REFERENCES}")

    @property
    def experts(self) -> tuple[str, ...]:
        """The parts that hold the noise experts, in the order of their indices."""
        return expert_names(None if self.schedule is None else self.schedule.boundary)


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
        name: np.asarray(leaf).astype(jnp.dtype(dtype))
        for name, leaf in flatten_layers(jax.device_get(params))
    }
    with whole_file(folder / part / WEIGHTS) as temporary:
        save_file(tensors, str(temporary))


def load_part(folder: Path, part: str, like: Any, dtype: str = "float32") -> Any:
    """Return a network's parameters in the tree of `like` (shapes suffice).

    They are in the types of `like`, or, for a network that computes in another `dtype` than
    float32, in the file's own: what is computed in 16 bits is not held in 32. Raises ValueError
    when the file is missing, unreadable, or holds other names or shapes.
    """
    path = folder / part
    tensors: dict[str, np.ndarray] = {}
    for shard in part_files(folder, part):
        try:
            tensors |= load_file(str(shard))
        except (SafetensorError, OSError) as error:
            raise ValueError(f"{shard} cannot be read as safetensors: {error}") from error
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    check_tensors(path, shapes, {name: leaf.shape for name, leaf in flatten_layers(like)})
    return stack_layers(like, tensors, own_types=dtype != "float32")


def check_tensors(
    path: Path, found: Mapping[str, tuple[int, ...]], expected: Mapping[str, tuple[int, ...]]
) -> None:
    """Raise ValueError where a network's files hold other names or shapes than it has."""
    for kind, names in (
        ("lacks", expected.keys() - found),
        ("has an unknown", found - expected.keys()),
    ):
        if names:
            raise ValueError(f"{path} {kind} tensor {min(names)} ({len(names)} such in all)")
    for name, shape in expected.items():
        if found[name] != shape:
            raise ValueError(
                f"{path}: tensor {name} has shape {found[name]}, the model wants {shape}"
            )


def part_files(folder: Path, part: str) -> list[Path]:
    """Return the weight files of a network, in order.

    Raises ValueError where there is none, or a shard is missing.
    """
    files = find_shards(folder / part, "model")
    odd = sorted({*(folder / part).glob(SHARDS)} - {*files})
    if odd:
        raise ValueError(f"{odd[0]} does not belong to {WEIGHTS} or its numbered shards")
    if not files:
        raise ValueError(f"the model folder {folder} has no {part}/{WEIGHTS}")
    return files


def save_experts(
    folder: Path, params: Any, dtype: Any = jnp.float32, names: tuple[str, ...] = EXPERT_NAMES
) -> None:
    """Write the experts of a tree with a leading expert dim into a part each."""
    for index, name in enumerate(names):
        save_part(folder, name, pick_expert(params, index), dtype)


def copy_part(source: Path, target: Path, part: str) -> None:
    """Copy a network's weight files from one model folder into another, each whole."""
    for file in part_files(source, part):
        with whole_file(target / part / file.name) as temporary:
            shutil.copyfile(file, temporary)


def copy_tokenizer(source: Path, target: Path) -> None:
    """Copy a model folder's tokenizer files into another, each whole; none where it has none."""
    for file in (source / TOKENIZER).glob("*"):
        with whole_file(target / TOKENIZER / file.name) as temporary:
            shutil.copyfile(file, temporary)


def part_digest(folder: Path, part: str) -> str:
    """Return the SHA-256 of the weights and sizes of a network that the card names.

    Sizes of the default value do not count, so that one added later changes no digest. Raises
    ValueError where the folder has no such network.
    """
    card = getattr(read_card(folder), part)
    if card is None:
        raise ValueError(f"the model folder {folder} has no {part}")
    said = {
        field.name: getattr(card, field.name)
        for field in dataclasses.fields(card)
        if getattr(card, field.name) != field.default
    }
    digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode())
    for file in part_files(folder, part):
        digest.update(digest_file(file).encode())
    return digest.hexdigest()


def folder_digest(folder: Path) -> str:
    """Return the SHA-256 of a model folder: its card and the weights of all its networks."""
    digest = hashlib.sha256((folder / CARD).read_bytes())
    for path in sorted(folder.glob(f"*/{SHARDS}")):
        name = path.parent.name if path.name == WEIGHTS else f"{path.parent.name}/{path.name}"
        digest.update(f"{name} {digest_file(path)}\n".encode())
    return digest.hexdigest()


def flatten_layers(tree: Any) -> list[tuple[str, Any]]:
    """Return (dotted name, leaf) pairs, the layers under `blocks` one by one as `blocks.<i>.…`."""
    pairs: list[tuple[str, Any]] = []
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        names, stacked = layer_names(path, leaf)
        if not stacked:
            pairs.append((names[0], leaf))
            continue
        shape = jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype)
        abstract = isinstance(leaf, jax.ShapeDtypeStruct)
        pairs += [(name, shape if abstract else leaf[k]) for k, name in enumerate(names)]
    return pairs


def layer_names(path: Any, leaf: Any) -> tuple[list[str], bool]:
    """Return the dotted names of a leaf's tensors: one a layer where it is stacked, or one."""
    keys = [str(entry.key) for entry in path]
    if STACKED not in keys:
        return [".".join(keys)], False
    place = keys.index(STACKED) + 1
    layers = range(leaf.shape[0])
    return [".".join([*keys[:place], str(layer), *keys[place:]]) for layer in layers], True


def stack_layers(like: Any, tensors: dict[str, Any], own_types: bool = False) -> Any:
    """Undo `flatten_layers` in the tree and float types of `like`, or in the tensors' own types."""

    def gather(path: Any, leaf: Any) -> jax.Array:
        names, stacked = layer_names(path, leaf)
        if not stacked:
            tensor = tensors[names[0]]
            return jnp.asarray(tensor, tensor.dtype if own_types else leaf.dtype)
        layers = [np.asarray(tensors[name]) for name in names]
        # Files may keep some layers wider than others.
        kind = jnp.result_type(*layers) if own_types else leaf.dtype
        return jnp.asarray(np.stack([layer.astype(kind) for layer in layers]))

    return jax.tree_util.tree_map_with_path(gather, like)
