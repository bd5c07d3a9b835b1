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

from animatrix_jax.parallel.program import instructions

KINDS = ("all-gather", "all-reduce", "reduce-scatter", "all-to-all", "collective-permute")
BYTES = {
    "pred": 1, "s8": 1, "u8": 1, "f8e4m3fn": 1, "f8e5m2": 1, "s16": 2, "u16": 2, "f16": 2,
    "bf16": 2, "s32": 4, "u32": 4, "f32": 4, "s64": 8, "u64": 8, "f64": 8,
}  # fmt: skip
"""Bytes of an element of the compiler's types."""
SCATTERED = "all-reduce-scatter"
"""What the TPU compiler calls a computation that is a reduce-scatter."""

_LINE = re.compile(rf"= (?P<shape>.*?) (?P<kind>{'|'.join(KINDS)})(?:-start)?\((?P<rest>.*)$")
_ARRAY = re.compile(r"(?P<type>[a-z]+\d*(?:e\d+m\d+\w*)?)\[(?P<dims>[\d,]*)\]")
_LISTED = re.compile(r"replica_groups=\{(?P<groups>\{[\d,{} ]*\})\}")
_TILED = re.compile(
    r"replica_groups=\[(?P<shape>[\d,]+)\]<=\[(?P<dims>[\d,]+)\](?:T\((?P<turn>[\d,]+)\))?"
)
_NAMED = re.compile(r"replica_groups=mesh\[(?P<axes>[^\]]*)\] \{(?P<taken>[^}]*)\}")
_AXIS = re.compile(r"'(?P<name>\w+)'(?:=(?P<size>\d+)|:\((?P<before>\d+)\)(?P<part>\d+))?")
_CHANNEL = re.compile(r"channel_id=(?P<id>\d+)")
_PAIRS = re.compile(r"source_target_pairs=\{(?P<pairs>\{[\d,{} ]*\})\}")


@dataclass(frozen=True)
class Collective:
    """One collective: its kind, the mesh axes it goes over, bytes and elements of its result.

    `times` is how often it runs.
    """

    kind: str
    axes: tuple[str, ...]
    bytes: int
    elements: int
    times: float = 1


def collectives(text: str, mesh: Mesh) -> Iterator[Collective]:
    """Yield the collectives of a compiled program's text over `mesh`.

    A loop's body stands in the text once; `times` says how often it runs (`program`).
    """
    seen = set[tuple[str, float]]()
    for instruction in instructions(text):
        line = instruction.text
        found = _LINE.search(line)
        if found is None:
            continue
        if instruction.fused and (channel := _CHANNEL.search(line)):
            # One that runs behind several others stands in the text with each of them.
            if (channel["id"], instruction.times) in seen:
                continue
            seen.add((channel["id"], instruction.times))
        arrays = list(_ARRAY.finditer(found["shape"]))
        if f"{found['kind']}-start" in line and found["kind"] != "all-reduce":
            # The result of a start is its operands, its results, and numbers of its own.
            arrays = [a for a in arrays if a["dims"]] or arrays
            arrays = arrays[len(arrays) // 2 :]
        sizes = [
            (int(np.prod([*map(int, filter(None, a["dims"].split(",")))])), a["type"])
            for a in arrays
        ]
        groups, kind, parts = _groups(line, mesh.size), found["kind"], 1
        if SCATTERED in instruction.computation and kind == "all-reduce":
            # An all-reduce of which every device keeps its part.
            kind, parts = "reduce-scatter", len(groups[0])
        yield Collective(
            kind,
            axes_of(groups, mesh),
            sum(count * BYTES.get(name, 4) for count, name in sizes) // parts,
            sum(count for count, _ in sizes) // parts,
            instruction.times,
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
        return _named_groups(found["axes"], found["taken"])
    if found := _TILED.search(line):
        shape, dims = (tuple(map(int, found[name].split(","))) for name in ("shape", "dims"))
        order = np.arange(np.prod(dims)).reshape(dims)
        if found["turn"]:
            order = order.transpose(tuple(map(int, found["turn"].split(","))))
        groups: list[list[int]] = order.reshape(shape[0], -1).tolist()
        return groups
    return [list(range(devices))]


def _named_groups(axes: str, taken: str) -> list[list[int]]:
    """Return the groups along axes that are named, or along parts: 'axis':(before)size."""
    sizes = {axis["name"]: int(axis["size"]) for axis in _AXIS.finditer(axes)}
    devices = np.arange(math.prod(sizes.values()))
    alone = dict(zip(sizes, np.unravel_index(devices, tuple(sizes.values())), strict=True))
    for axis in _AXIS.finditer(taken):
        size = sizes[axis["name"]]
        before, part = int(axis["before"] or 1), int(axis["part"] or size)
        stride, place = size // before // part, alone[axis["name"]]
        # Without what tells the devices of a group apart, all of them are in one place.
        alone[axis["name"]] = place - place // stride % part * stride
    groups: dict[tuple[int, ...], list[int]] = {}
    for device in devices.tolist():
        groups.setdefault(tuple(int(at[device]) for at in alone.values()), []).append(device)
    return list(groups.values())


def by_kind(found: Iterable[Collective]) -> Mapping[str, float]:
    """Return the bytes of each kind of collective, each as often as it runs."""
    total = dict.fromkeys(KINDS, 0.0)
    for one in found:
        total[one.kind] += one.bytes * one.times
    return {kind: count for kind, count in total.items() if count}
