"""`animatrix lora`: what tuning changed in a model's Wan part, as a LoRA that others read."""

import os
from pathlib import Path

import numpy as np
from rich.console import Console
from safetensors.numpy import save_file

from animatrix_data.files import check_writable, whole_file
from animatrix_data.progress import ticking
from animatrix_jax.convert.layouts import OURS
from animatrix_jax.convert.lora import STYLES, Difference, LoRA, export_lora, extract_lora
from animatrix_jax.convert.source import Checkpoint, Part, read_checkpoint
from animatrix_jax.runtime.model import find_model


def run(
    model: str | Path,
    base: str | Path,
    out: str | os.PathLike[str],
    rank: int = 32,
    style: str = "diffusers",
) -> list[Path]:
    """Write the best factors of a rank of what `model` differs by from `base`; return the files.

    Both are model folders of any layout, of the same sizes. Of two experts each gets a file,
    `out` with `_high` or `_low` in its name. In the styles "wan" and "kohya" (ComfyUI's) biases,
    gains and tables keep their whole difference; the style "diffusers" holds matrices and biases
    alone. The tag channel is in no LoRA. Prints how much of the change the factors hold. Raises
    ValueError where a model is not Wan's, or the two differ in size, or not at all.
    """
    if style not in STYLES:
        raise ValueError(f"there is no LoRA style {style!r}: there are {', '.join(STYLES)}")
    if rank < 1:
        raise ValueError(f"a rank is 1 or more, not {rank}")
    path = Path(out)
    if path.suffix != ".safetensors":
        raise ValueError(f"{path} must end in .safetensors")
    check_writable(path)
    tuned, start = (read_checkpoint(find_model(name)) for name in (model, base))
    if tuned.experts != start.experts or not tuned.experts:
        raise ValueError(f"{model} and {base} do not have the same experts to compare")
    for name, checkpoint in ((model, tuned), (base, start)):
        if not all(_part(checkpoint, expert).rules for expert in checkpoint.experts):
            raise ValueError(f"{name}'s transformer is not Wan's: no LoRA can be made of it")
    console = Console(highlight=False, soft_wrap=True, markup=False)
    loras: dict[str, LoRA] = {}
    for expert in tuned.experts:
        loras[expert], share = _differences(tuned, start, expert, rank, style)
        if share is not None:
            held = f"{len(loras[expert])} tensors hold {share:.1%} of the squared change"
            console.print(f"{expert}: {held}.")
    if not any(loras.values()):
        raise ValueError(
            f"{model} and {base} differ in nothing that a LoRA of the {style} style holds"
        )
    files = _write(path, loras, style, tuned)
    for file, tensors in files.items():
        console.print(f"{file}: {tensors} tensors.")
    return list(files)


def _differences(
    tuned: Checkpoint, start: Checkpoint, expert: str, rank: int, style: str
) -> tuple[LoRA, float | None]:
    """Return an expert's deltas by our names, and how much of the squared change they hold.

    None where there is no change.
    """
    part, before = _part(tuned, expert), _part(start, expert)
    other_sizes = f"the two models' {expert} transformers are of different sizes"
    if part.rules.keys() != before.rules.keys():
        raise ValueError(other_sizes)
    lora: LoRA = {}
    change = held = 0.0
    with ticking(f"Comparing {expert}", len(part.rules)) as ticker:
        for name, rule in part.rules.items():
            ticker.advance()
            new = _torch_values(tuned, part, name)
            old = _torch_values(start, before, name)
            if old.shape != new.shape:
                raise ValueError(other_sizes)
            difference = new.astype(np.float32) - old.astype(np.float32)
            if not difference.any():
                continue
            change += float(np.square(difference).sum())
            is_matrix = (rule.wan or "").endswith(".weight") and difference.ndim > 1
            if is_matrix:
                lora[name] = extract_lora(difference, rank)
            elif style != "diffusers" or (rule.wan or "").endswith(".bias"):
                lora[name] = Difference(difference)
            if name in lora:
                left = difference - lora[name].values()
                held += float(np.square(difference).sum() - np.square(left).sum())
    return lora, held / change if change else None


def _part(checkpoint: Checkpoint, name: str) -> Part:
    return next(part for part in checkpoint.parts if part.name == name)


def _torch_values(checkpoint: Checkpoint, part: Part, name: str) -> np.ndarray:
    """Return a tensor in torch's layout."""
    values = part.tensors[name].read()
    return part.rules[name].to_foreign(values) if checkpoint.layout == OURS else values


def _write(path: Path, loras: dict[str, LoRA], style: str, model: Checkpoint) -> dict[Path, int]:
    """Write each expert's file and return how many tensors each holds."""
    written = {}
    for expert, lora in loras.items():
        if not lora:
            continue
        file = path if len(loras) == 1 else path.with_stem(f"{path.stem}_{expert}")
        exported = export_lora(lora, style, _part(model, expert).rules.values())
        tensors = {name: np.ascontiguousarray(array) for name, array in exported.items()}
        with whole_file(file) as temporary:
            save_file(tensors, str(temporary), {"format": "pt"})
        written[file] = len(tensors)
    return written
