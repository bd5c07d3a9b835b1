"""`animatrix convert`: a model from one layout into another, LoRAs merged in on the way."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Column, Table

from animatrix_jax.convert.layouts import LAYOUTS, OURS, OWN_WEIGHTS
from animatrix_jax.convert.lora import Delta, LoRA, import_lora
from animatrix_jax.convert.plan import OWN_PART, SHARD_BYTES, Plan, make_plan
from animatrix_jax.convert.source import Checkpoint, read_checkpoint
from animatrix_jax.convert.stream import carry_out
from animatrix_jax.convert.tensors import FLOATS, read_header, read_metadata
from animatrix_jax.models.experts import EXPERT_NAMES
from animatrix_jax.runtime.model import find_model

BOTH = "both"


def run(
    source: str | Path,
    out: str | os.PathLike[str],
    to: str,
    from_layout: str | None = None,
    lora: str | Sequence[str] | None = None,
    lora_strength: str | float | Sequence[float] = "1",
    lora_expert: str | Sequence[str] = BOTH,
    shard_bytes: int = SHARD_BYTES,
    dry_run: bool = False,
) -> Plan:
    """Convert the model `source` names into the new folder `out` and return what was written.

    `to` and `from_layout` (found where None) are "wan", "diffusers" or "animatrix". Every tensor
    keeps its type; names, shapes and types are checked before anything is written, each file
    appears whole, and a conversion that was killed goes on where it stopped. `lora` names LoRA
    files (comma-separated); strength and expert ("both", "high", "low") are one for all of them or
    one each. Files hold at most `shard_bytes` of tensors. `dry_run` prints the plan and stops.
    Raises ValueError for a damaged or foreign file, OSError where `out` cannot be written.
    """
    for layout in (to, from_layout):
        if layout is not None and layout not in LAYOUTS:
            raise ValueError(f"there is no layout {layout!r}: there are {', '.join(LAYOUTS)}")
    if shard_bytes < 1:
        raise ValueError(f"shard_bytes must be 1 or more, not {shard_bytes}")
    folder = Path(out)
    if folder.resolve().is_relative_to(find_model(source).resolve()):
        raise ValueError(f"{folder} lies in the model that is to be converted: give another folder")
    checkpoint = read_checkpoint(find_model(source), from_layout)
    loras = _words(lora)
    strengths = _one_each("lora_strength", _numbers(lora_strength), loras)
    experts = _one_each("lora_expert", _words(lora_expert), loras)
    merges: dict[str, dict[str, list[tuple[Delta, float]]]] = {}
    for name, strength, expert in zip(loras, strengths, experts, strict=True):
        for part, deltas in _read_lora(Path(name), checkpoint, expert).items():
            for ours, delta in deltas.items():
                merges.setdefault(part, {}).setdefault(ours, []).append((delta, strength))
    plan = make_plan(checkpoint, to, merges, shard_bytes)
    console = Console(highlight=False, soft_wrap=True, markup=False)
    if dry_run:
        console.print(_table(plan))
        return plan
    record = _record(checkpoint, to, list(zip(loras, strengths, experts, strict=True)), shard_bytes)
    finished = carry_out(plan, folder, record)
    for line in _lines(folder, plan, checkpoint, merges, finished):
        console.print(line)
    return plan


def _words(value: str | Sequence[str] | None) -> list[str]:
    if value is None:
        return []
    return [word.strip() for word in value.split(",")] if isinstance(value, str) else list(value)


def _numbers(value: str | float | Sequence[float]) -> list[float]:
    if isinstance(value, int | float):
        return [float(value)]
    words = value.split(",") if isinstance(value, str) else value
    try:
        return [float(word) for word in words]
    except ValueError:
        raise ValueError(f"--lora_strength takes a number or one per file, not {value!r}") from None


def _one_each[Value](flag: str, values: list[Value], files: list[str]) -> list[Value]:
    if len(values) == 1:
        return values * len(files)
    if len(values) != len(files):
        raise ValueError(f"--{flag} has {len(values)} values for {len(files)} LoRA files")
    return values


def _read_lora(path: Path, checkpoint: Checkpoint, expert: str) -> dict[str, LoRA]:
    """Return a LoRA file's deltas by part."""
    parts = {part.name: part for part in checkpoint.parts if part.name in checkpoint.experts}
    if not parts:
        raise ValueError(f"there is no transformer to merge {path} into")
    if expert != BOTH and expert not in EXPERT_NAMES:
        raise ValueError(f"--lora_expert cannot be {expert!r}: it is both, high or low")
    if expert != BOTH and expert not in parts:
        raise ValueError(f"this model has one expert, so --lora_expert cannot be {expert}")
    stored = read_header(path)
    for name, tensor in stored.items():
        if tensor.dtype not in FLOATS:
            raise ValueError(f"{path}: tensor {name} is {tensor.dtype}, not a float")
    rules = tuple(next(iter(parts.values())).rules.values())
    try:
        found = import_lora(
            {name: tensor.read() for name, tensor in stored.items()}, rules, read_metadata(path)
        )
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    loras = {}
    for part in parts if expert == BOTH else [expert]:
        if lora := found.get(part, found.get(None)):
            loras[part] = lora
    if not loras:
        raise ValueError(f"{path} has nothing for the {expert} expert")
    return loras


def _record(checkpoint: Checkpoint, to: str, loras: list[Any], shard_bytes: int) -> dict[str, Any]:
    """Return what tells this conversion from another: its source's files, and its flags."""
    files = [*checkpoint.files, *(Path(name) for name, _, _ in loras)]
    return {
        "source": str(checkpoint.root.resolve()),
        "files": [[str(f.resolve()), f.stat().st_size, f.stat().st_mtime_ns] for f in files],
        "to": to,
        "loras": [[strength, expert] for _, strength, expert in loras],
        "shard_bytes": shard_bytes,
    }


def _table(plan: Plan) -> Table:
    title = f"would write, as {plan.layout}"
    file_column = Column("file", overflow="fold")
    table = Table("part", file_column, "tensors", "types", "GB", title=title)
    for file in plan.files:
        types = ", ".join(sorted({tensor.dtype for tensor in file.tensors}))
        table.add_row(
            file.part, file.path, str(len(file.tensors)), types, f"{file.bytes / 1e9:.3f}"
        )
    for name in (*plan.copies, *plan.documents):
        table.add_row("", name, "", "", "")
    table.add_section()
    tensors = sum(len(file.tensors) for file in plan.files)
    table.add_row("all", f"{len(plan.files)} files", str(tensors), "", f"{plan.bytes / 1e9:.3f}")
    return table


def _lines(
    folder: Path, plan: Plan, checkpoint: Checkpoint, merges: dict[str, Any], finished: int
) -> list[str]:
    """Return what is to be told of a finished conversion."""
    tensors = sum(len(file.tensors) for file in plan.files)
    kept = f", {finished} of them there from before" if finished else ""
    lines = [
        f"{folder}: {tensors} tensors, {plan.bytes / 1e9:.2f} GB in {len(plan.files)} files"
        f"{kept}, from {checkpoint.layout} to {plan.layout}."
    ]
    for part, deltas in merges.items():
        lines.append(f"  {part}: LoRA merged into {len(deltas)} tensors.")
    own = [file for file in plan.files if file.part == OWN_PART]
    if own:
        lines.append(
            f"  {plan.layout} gets the Wan part only; the tag encoder and our other modules "
            f"({len(own[0].tensors)} tensors) are beside it in {OWN_WEIGHTS}."
        )
    needs_tokenizer = checkpoint.card.text_encoder and checkpoint.card.tokenizer == "files"
    if plan.layout == OURS and needs_tokenizer and checkpoint.tokenizer is None:
        lines.append("  The source has no tokenizer folder: put one in as tokenizer/.")
    return lines
