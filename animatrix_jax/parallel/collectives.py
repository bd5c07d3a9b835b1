"""The collectives of a compiled program: of which kind, over which axes, how many bytes.

Read from the text that the compiler gives (`Compiled.as_text`), in any of the forms in which it
writes groups of devices.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from jax.sharding import Mesh

KINDS = ("all-gather", "all-reduce", "reduce-scatter", "all-to-all", "collective-permute")
BYTES = {
    "pred": 1, "s8": 1, "u8": 1, "f8e4m3fn": 1, "f8e5m2": 1, "s16": 2, "u16": 2, "f16": 2,
    "bf16": 2, "s32": 4, "u32": 4, "f32": 4, "s64": 8, "u64": 8, "f64": 8,
}  # fmt: skip
"""Bytes of an element of the compiler's types."""

_LINE = re.compile(rf"= (?P<shape>.*?) (?P<kind>{'|'.join(KINDS)})(?:-start)?\((?P<rest>.*)$")
_ARRAY = re.compile(r"(?P<type>[a-z]+\d*(?:e\d+m\d+\w*)?)\[(?P<dims>[\d,]*)\]")
_LISTED = re.compile(r"replica_groups=\{(?P<groups>\{[\d,{} ]*\})\}")
_TILED = re.compile(
    r"replica_groups=\[(?P<shape>[\d,]+)\]<=\[(?P<dims>[\d,]+)\](?:T\((?P<turn>[\d,]+)\))?"
)
_NAMED = re.compile(r"replica_groups=mesh\[(?P<mesh>[^\]]*)\] \{(?P<axes>[^}:]*)\}")
_PAIRS = re.compile(r"source_target_pairs=\{(?P<pairs>\{[\d,{} ]*\})\}")


@dataclass(frozen=True)
class Collective:
    """One collective: its kind, the mesh axes it goes over, bytes and elements of its result."""

    kind: str
    axes: tuple[str, ...]
    bytes: int
    elements: int


def collectives(text: str, mesh: Mesh) -> Iterator[Collective]:
    """Yield the collectives of a compiled program's text over `mesh`, in their order.

    A loop's body stands in the text once, however often it runs.
    """
    for line in text.splitlines():
        found = _LINE.search(line)
        if found is None:
            continue
        arrays = list(_ARRAY.finditer(found["shape"]))
        if f"{found['kind']}-start" in line and len(arrays) > 1:
            # The result of a start is its operands and its results.
            arrays = arrays[len(arrays) // 2 :]
        sizes = [
            (int(np.prod([*map(int, filter(None, a["dims"].split(",")))])), a["type"])
            for a in arrays
        ]
        yield Collective(
            found["kind"],
            axes_of(_groups(line, mesh.size), mesh),
            sum(count * BYTES.get(kind, 4) for count, kind in sizes),
            sum(count for count, _ in sizes),
        )


def axes_of(groups: Iterable[Iterable[int]], mesh: Mesh) -> tuple[str, ...]:
    """Return the axes along which the devices of some group differ; a device by its place."""
    shape = mesh.devices.shape
    crossed = set[str]()
    for group in groups:
        places = np.array(np.unravel_index(list(group), shape))
        crossed |= {
            axis for axis, along in zip(mesh.axis_names, places, strict=True) if len({*along}) > 1
        }
    return tuple(axis for axis in mesh.axis_names if axis in crossed)


def _groups(line: str, devices: int) -> list[list[int]]:
    for form in (_LISTED, _PAIRS):
        if found := form.search(line):
            inner = re.findall(r"\{([\d, ]*)\}", next(iter(found.groupdict().values())))
            return [[int(n) for n in group.split(",") if n.strip()] for group in inner]
    if found := _NAMED.search(line):
        extents = {name: int(size) for name, size in re.findall(r"'(\w+)'=(\d+)", found["mesh"])}
        together = re.findall(r"'(\w+)'", found["axes"])
        others = [name for name in extents if name not in together]
        order = np.arange(math.prod(extents.values())).reshape(tuple(extents.values()))
        order = order.transpose([list(extents).index(name) for name in (*others, *together)])
        return order.reshape(-1, math.prod(extents[name] for name in together)).tolist()
    if found := _TILED.search(line):
        shape, dims = (tuple(map(int, found[name].split(","))) for name in ("shape", "dims"))
        order = np.arange(np.prod(dims)).reshape(dims)
        if found["turn"]:
            order = order.transpose(tuple(map(int, found["turn"].split(","))))
        groups: list[list[int]] = order.reshape(shape[0], -1).tolist()
        return groups
    return [list(range(devices))]


def by_kind(found: Iterable[Collective]) -> Mapping[str, int]:
    """Return the bytes of each kind of collective."""
    total = dict.fromkeys(KINDS, 0)
    for one in found:
        total[one.kind] += one.bytes
    return {kind: count for kind, count in total.items() if count}
