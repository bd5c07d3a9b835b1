"""A compiled program's text: its instructions, and how often each of them runs.

`Compiled.as_text` writes a loop's body once. How often it runs stands beside the loop where the
compiler has kept it, else in its condition, which compares a counter from 0 with a constant. Which
branch of a condition runs is not known: each counts as its equal share.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_HEAD = re.compile(r"(?P<entry>ENTRY )?%?(?P<name>[\w.\-]+) .*\{$")
_BODY = re.compile(r"\bbody=%?(?P<name>[\w.\-]+)")
_CONDITION = re.compile(r"\bcondition=%?(?P<name>[\w.\-]+)")
_FUSED = re.compile(r"\bcalls=%?(?P<name>[\w.\-]+)")
_CALLED = re.compile(r"\bto_apply=%?(?P<name>[\w.\-]+)")
_BRANCHES = re.compile(r"\bbranch_computations=\{([^}]+)\}")
_BRANCH = re.compile(r"\b(?:true|false)_computation=%?([\w.\-]+)")
_KEPT = re.compile(r'known_trip_count[":{ ]+n[": ]+(?P<count>\d+)')
_CONSTANT = re.compile(r"%?(?P<name>[\w.\-]+) = [su]\d+\[\]\S* constant\((?P<value>\d+)\)")
_CYCLES = re.compile(r'"estimated_cycles":"(?P<count>\d+)"')


@dataclass(frozen=True)
class Instruction:
    """A line of the text, the computation that it stands in, and how often it runs.

    `fused` says whether it is a part of another instruction.
    """

    text: str
    computation: str
    times: float
    fused: bool


def instructions(text: str) -> Iterator[Instruction]:
    """Yield the instructions that run, those of the entry first."""
    entry, computations = _computations(text)
    times: dict[tuple[str, bool], float] = defaultdict(float)
    waiting = [(entry, 1.0, False)]
    while waiting:
        name, count, fused = waiting.pop()
        if name in computations and count:
            times[name, fused] += count
            for line in computations[name]:
                waiting += [
                    (inner, count * runs, fused or within)
                    for inner, runs, within in _inner(line, computations)
                ]
    for (name, fused), count in times.items():
        for line in computations[name]:
            yield Instruction(line, name, count, fused)


def estimated_cycles(text: str) -> float | None:
    """Return the cycles that the TPU compiler reckons with, loops counted as often as they run.

    Kernels of our own and collectives are not among them. None where it has said nothing, as
    other compilers do.
    """
    found = [
        int(cycles["count"]) * one.times
        for one in instructions(text)
        if not one.fused and (cycles := _CYCLES.search(one.text))
    ]
    return sum(found) if found else None


def _computations(text: str) -> tuple[str, Mapping[str, list[str]]]:
    found: dict[str, list[str]] = {}
    entry, lines = "", list[str]()
    for line in text.splitlines():
        if line[:1] not in (" ", "}", "") and (head := _HEAD.match(line)):
            lines = found.setdefault(head["name"], [])
            entry = head["name"] if head["entry"] else entry
        elif line.startswith(" "):
            lines.append(line.strip())
    return entry, found


def _inner(line: str, computations: Mapping[str, list[str]]) -> Iterator[tuple[str, float, bool]]:
    """Yield the computations that an instruction runs, how often, and whether as parts of it."""
    if " while(" in line:
        body, condition = _BODY.search(line), _CONDITION.search(line)
        if body and condition:
            yield body["name"], _trips(line, computations.get(condition["name"], [])), False
        return
    if found := _FUSED.search(line):
        yield found["name"], 1, " fusion(" in line
    if " call(" in line and (found := _CALLED.search(line)):
        yield found["name"], 1, False
    listed = [name for names in _BRANCHES.findall(line) for name in names.split(",")]
    branches = listed or _BRANCH.findall(line)
    yield from ((name.strip(" %"), 1 / len(branches), False) for name in branches)


def _trips(line: str, condition: list[str]) -> int:
    if kept := _KEPT.search(line):
        return int(kept["count"])
    bounds = [int(found["value"]) for row in condition if (found := _CONSTANT.search(row))]
    return bounds[0] if len(bounds) == 1 else 1
