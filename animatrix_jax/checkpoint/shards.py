"""A network's weight files: one of a stem, or numbered shards of whole tensors."""

import re
from pathlib import Path


def find_shards(folder: Path, stem: str) -> list[Path]:
    """Return `stem`.safetensors, or all its shards `stem`-00001-of-000NN.safetensors, in order.

    An empty list where there is none. Raises ValueError where a shard is missing or both forms
    are there.
    """
    numbered = re.compile(rf"{re.escape(stem)}-(\d+)-of-(\d+)\.safetensors")
    found = sorted(p for p in folder.glob(f"{stem}*.safetensors") if numbered.fullmatch(p.name))
    single = folder / f"{stem}.safetensors"
    if not found:
        return [single] if single.is_file() else []
    if single.is_file():
        raise ValueError(f"{folder} has both {single.name} and shards: which is meant?")
    counts = {int(match[2]) for p in found if (match := numbered.fullmatch(p.name))}
    if len(counts) > 1:
        raise ValueError(f"{folder} mixes shards of {' and '.join(map(str, sorted(counts)))}")
    wanted = {folder / name for name in shard_names(stem, counts.pop())}
    if missing := sorted(wanted - set(found)):
        raise ValueError(f"{missing[0]} is missing ({len(missing)} of {len(wanted)} shards are)")
    return found


def shard_names(stem: str, count: int) -> list[str]:
    """Return the file names of `count` shards; one has no number."""
    if count == 1:
        return [f"{stem}.safetensors"]
    return [f"{stem}-{number:05d}-of-{count:05d}.safetensors" for number in range(1, count + 1)]
