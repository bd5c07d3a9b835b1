"""Which files a conversion writes, and which tensor goes where, before anything is written."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from animatrix_jax.checkpoint.folder import ModelCard
from animatrix_jax.checkpoint.shards import shard_names
from animatrix_jax.convert.foreign_config import Said, card_of, check_is_wan, config_files
from animatrix_jax.convert.layouts import (
    LAST_FILE,
    OURS,
    OWN_CARD,
    OWN_WEIGHTS,
    PLACES,
    TOKENIZER,
    WAN_VAES,
)
from animatrix_jax.convert.lora import Delta, merge
from animatrix_jax.convert.networks import config_on, foreign_shape, moved_shape
from animatrix_jax.convert.rules import Rule
from animatrix_jax.convert.source import Checkpoint, Part
from animatrix_jax.convert.tensors import Planned, Stored, into_shards

SHARD_BYTES = 5_000_000_000
OWN_PART = "our own modules"
Merges = Mapping[str, Mapping[str, Sequence[tuple[Delta, float]]]]
"""(delta, strength) pairs by part and by our tensor's name."""


@dataclass(frozen=True)
class OutFile:
    """A weight file to be written: its path in the folder, whose part it is, its tensors."""

    path: str
    part: str
    tensors: tuple[Planned, ...]

    @property
    def bytes(self) -> int:
        """Size of its tensors."""
        return sum(tensor.bytes for tensor in self.tensors)


@dataclass(frozen=True)
class Plan:
    """All that a conversion writes: weight files, then JSON in the order given, and copies."""

    layout: str
    files: tuple[OutFile, ...]
    documents: dict[str, Any]
    copies: dict[str, Path] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        """Size of all weights."""
        return sum(file.bytes for file in self.files)


def make_plan(
    source: Checkpoint, layout: str, merges: Merges | None = None, shard_bytes: int = SHARD_BYTES
) -> Plan:
    """Return how a checkpoint becomes a folder of `layout`, LoRAs merged in on the way.

    Raises ValueError where the model is not one that the layout can hold, or a LoRA's delta has
    another shape than its tensor.
    """
    if layout != OURS:
        check_is_wan(source.card, layout)
    files: list[OutFile] = []
    documents: dict[str, Any] = {}
    for part in source.parts:
        tensors = _part_tensors(source, part, layout, (merges or {}).get(part.name, {}))
        files += _cut(layout, part.name, source.card, tensors, shard_bytes, documents)
    copies = _copies(source, layout)
    tokenizer = any(name.startswith(f"{TOKENIZER[layout]}/") for name in copies)
    documents |= _documents(source, layout, files, tokenizer)
    return Plan(layout, tuple(files), documents, copies)


def _part_tensors(
    source: Checkpoint, part: Part, layout: str, merges: Mapping[str, Sequence[Any]]
) -> list[Planned]:
    planned = []
    for ours, stored in part.tensors.items():
        rule = part.rules.get(ours, Rule(ours, None, None))
        name = ours if layout == OURS else rule.name_in(layout)
        if name is None:
            raise ValueError(f"the {layout} layout has no tensor {ours}")
        move = _Move(
            stored, rule, source.layout == OURS, layout == OURS, tuple(merges.get(ours, ()))
        )
        planned.append(Planned(name, stored.dtype, move.shape(), move))
    if layout == OURS:
        planned += [_as_is(name, stored) for name, stored in part.own.items()]
    return planned


@dataclass(frozen=True)
class _Move:
    """Makes a tensor's values: from its place, through the merges, into the target's layout."""

    stored: Stored
    rule: Rule
    from_ours: bool
    to_ours: bool
    merges: tuple[tuple[Delta, float], ...]

    def shape(self) -> tuple[int, ...]:
        """Return the shape to be; ValueError where a merge does not fit."""
        shape = self.stored.shape
        torch_shape = foreign_shape(self.rule, shape) if self.from_ours else shape
        for delta, _ in self.merges:
            if delta.shape != torch_shape:
                raise ValueError(
                    f"the LoRA's delta of {self.rule.ours} has shape {delta.shape}, the tensor "
                    f"has {torch_shape}"
                )
        if self.from_ours == self.to_ours:
            return shape
        return moved_shape(self.rule, shape) if self.to_ours else torch_shape

    def __call__(self) -> np.ndarray:
        """Return the values."""
        values = self.stored.read()
        if not self.merges and self.from_ours == self.to_ours:
            return values
        if self.from_ours:
            values = self.rule.to_foreign(values)
        if self.merges:
            values = merge(values, self.merges)
        return self.rule.to_ours(values) if self.to_ours else values


def _as_is(name: str, stored: Stored) -> Planned:
    return Planned(name, stored.dtype, stored.shape, stored.read)


def _cut(
    layout: str,
    part: str,
    card: ModelCard,
    tensors: list[Planned],
    shard_bytes: int,
    documents: dict[str, Any],
) -> Iterator[OutFile]:
    """Yield a part's files; a foreign part of many shards gets an index among the documents."""
    place = PLACES[layout][part]
    folder = f"{place.folder}/" if place.folder else ""
    if place.pickles:
        name = place.pickles[0]
        if part == "vae":
            name = WAN_VAES[config_on(card, part).resampling == "residual"]
        yield OutFile(f"{folder}{name}", part, tuple(tensors))
        return
    shards = into_shards(tensors, shard_bytes)
    names = shard_names(place.stem, len(shards))
    if len(shards) > 1 and layout != OURS:
        documents[f"{folder}{place.stem}.safetensors.index.json"] = {
            "metadata": {"total_size": sum(tensor.bytes for tensor in tensors)},
            "weight_map": {
                tensor.name: name
                for name, shard in zip(names, shards, strict=True)
                for tensor in shard
            },
        }
    for name, shard in zip(names, shards, strict=True):
        yield OutFile(f"{folder}{name}", part, tuple(shard))


def _documents(
    source: Checkpoint, layout: str, files: list[OutFile], tokenizer: bool
) -> dict[str, Any]:
    """Return the JSON files; a foreign folder's file of our own modules is added to `files`."""
    if layout == OURS:
        return {LAST_FILE[OURS]: asdict(source.card)}
    parts = tuple(part.name for part in source.parts)
    configs = config_files(source.card, layout, parts, tokenizer)
    own = [
        _as_is(f"{part.name}.{name}", stored)
        for part in source.parts
        for name, stored in part.own.items()
    ]
    if own:
        files.append(OutFile(OWN_WEIGHTS, OWN_PART, tuple(own)))
    if own or _says_more(source, layout):
        configs = {OWN_CARD: asdict(source.card)} | configs
    return configs


def _says_more(source: Checkpoint, layout: str) -> bool:
    """Return whether a card holds more than the foreign files and the variant will tell."""
    card = source.card
    configs = {part.name: config_on(card, part.name) for part in source.parts}
    said: Said = (None, None)
    if layout == "diffusers" and card.schedule is not None:
        said = (card.schedule.shift, card.schedule.boundary)
    return replace(card_of(layout, configs, source.experts, said), note=card.note) != card


def _copies(source: Checkpoint, layout: str) -> dict[str, Path]:
    """Return the files that go along unchanged: the tokenizer's, and ours that are not weights."""
    copies = {}
    if source.tokenizer is not None:
        for file in sorted(source.tokenizer.iterdir()):
            if file.is_file():
                copies[f"{TOKENIZER[layout]}/{file.name}"] = file
    if layout == OURS == source.layout:
        taken = set(source.files)
        for file in sorted(source.root.rglob("*")):
            name = file.relative_to(source.root).as_posix()
            hidden = any(part.startswith(".") for part in Path(name).parts)
            if file.is_file() and file not in taken and name != LAST_FILE[OURS] and not hidden:
                copies[name] = file
    return copies
