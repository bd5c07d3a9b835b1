"""What a compiled program holds and how long it should take: bytes, operations, seconds."""

import math
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import jax
from jax.sharding import Mesh

from animatrix_jax.jobs.plan_machines import A_NODE, Chip
from animatrix_jax.models.work import Work
from animatrix_jax.parallel.collectives import Collective, by_kind, collectives
from animatrix_jax.parallel.program import estimated_cycles

LINEAR_EFFICIENCY = 0.5
"""Share of the peak at which linear layers run, where no compiler reckons the cycles.

Everything else but attention (norms, sums, copies) is in it.
"""
ATTENTION_EFFICIENCY = 0.5
"""Share of the peak at which flash attention runs: an assumption, stated with every prediction."""
UNITS = {"K": 2.0**10, "M": 2.0**20, "G": 2.0**30, "T": 2.0**40}
_SHORT = (
    re.compile(
        r"\((?P<used>[\d.]+)(?P<unit>[KMGT])\) exceeds available HBM \((?P<has>[\d.]+)(?P<of>.)"
    ),
    re.compile(r"Used (?P<used>[\d.]+)(?P<unit>[KMGT]) of (?P<has>[\d.]+)(?P<of>[KMGT]) hbm"),
)
"""The TPU compiler's sentences that memory is short: with one program, or with what is around."""


@dataclass(frozen=True)
class Memory:
    """Bytes a device by kind; `temporaries` is what the compiler needs besides arguments.

    `padding` is what arguments take beyond their elements, `program` code and constants.
    """

    kinds: dict[str, float]
    temporaries: float
    padding: float = 0.0
    program: float = 0.0

    @property
    def total(self) -> float:
        """All of them."""
        return sum(self.kinds.values()) + self.temporaries + self.padding + self.program


@dataclass(frozen=True)
class Seconds:
    """Predicted seconds of one program: linear layers and what is between them, attention, links.

    `compiler` says whether the first number is the compiler's own cycles.
    """

    linear: float
    attention: float
    links: float
    compiler: bool

    @property
    def total(self) -> float:
        """The sum: as if no collective were hidden behind the rest."""
        return self.linear + self.attention + self.links


@dataclass(frozen=True)
class Estimate:
    """Memory, seconds and bytes of collectives of one program on one device."""

    memory: Memory
    seconds: Seconds | None
    moved: dict[str, float]
    compiler_flops: float | None
    compiler_optimal_seconds: float | None

    def as_json(self) -> dict[str, Any]:
        """Return it for a report."""
        return asdict(self) | {"total_bytes": self.memory.total}


def shard_bytes(tree: Any, places: Any) -> float:
    """Return the bytes that a device holds of a tree of shapes with these shardings."""
    leaves, where = jax.tree.leaves(tree), jax.tree.leaves(places)
    if len(where) == 1:
        where = where * len(leaves)
    return float(
        sum(
            math.prod(place.shard_shape(leaf.shape)) * leaf.dtype.itemsize
            for leaf, place in zip(leaves, where, strict=True)
        )
    )


def estimate(
    compiled: Any, kinds: dict[str, float], hardware: Work, chip: Chip, mesh: Mesh
) -> Estimate:
    """Return what a compiled program takes; `hardware` is all that the mesh computes, `kinds` the
    bytes of its arguments on a device.
    """
    stats, cost = compiled.memory_analysis(), compiled.cost_analysis() or {}
    text = compiled.as_text()
    fresh = stats.output_size_in_bytes - stats.alias_size_in_bytes
    memory = Memory(
        kinds,
        float(stats.temp_size_in_bytes + max(fresh, 0)),
        max(0.0, stats.argument_size_in_bytes - sum(kinds.values())),
        float(stats.generated_code_size_in_bytes),
    )
    found = list(collectives(text, mesh))
    return Estimate(
        memory,
        predict(text, found, hardware, chip, mesh),
        dict(by_kind(found)),
        cost.get("flops"),
        cost.get("optimal_seconds"),
    )


def predict(
    text: str, found: Iterable[Collective], hardware: Work, chip: Chip, mesh: Mesh
) -> Seconds:
    """Return the seconds of one program on every device of the mesh.

    Linear layers, norms and copies take the compiler's cycles where it gives any, else their
    operations at `LINEAR_EFFICIENCY`; attention its operations at `ATTENTION_EFFICIENCY`.
    """
    cycles = estimated_cycles(text) if chip.clock else None
    each = chip.peak * mesh.size
    linear = hardware.linear / (each * LINEAR_EFFICIENCY)
    return Seconds(
        linear if cycles is None else cycles / chip.clock,
        hardware.attention / (each * ATTENTION_EFFICIENCY),
        sum(link_seconds(one, chip, mesh) * one.times for one in found),
        cycles is not None,
    )


def link_seconds(one: Collective, chip: Chip, mesh: Mesh) -> float:
    """Return how long one collective takes by its bytes alone.

    On a torus it has the links of one direction, both ways; GPUs have the switch's half within a
    node, the network beyond it.
    """
    group = math.prod(mesh.shape[axis] for axis in one.axes)
    if group == 1:
        return 0.0
    # Devices stand side by side along the last axis: a group spans all within its first one.
    first = min(mesh.axis_names.index(axis) for axis in one.axes)
    span = math.prod(mesh.shape[axis] for axis in mesh.axis_names[first:])
    beyond = chip.network and span > A_NODE
    speed = chip.network if beyond else chip.links / max(chip.dims, 2)
    part = (group - 1) / group
    shares = {"all-reduce": 2 * part, "collective-permute": 1.0, "reduce-scatter": group - 1.0}
    share = shares.get(one.kind, part)
    return one.bytes * share / speed


def shortage(message: str) -> tuple[float, float] | None:
    """Return bytes used and there, of the TPU compiler's sentence that memory is short."""
    found = next(filter(None, (form.search(message) for form in _SHORT)), None)
    if found is None:
        return None
    return float(found["used"]) * UNITS[found["unit"]], float(found["has"]) * UNITS[found["of"]]
