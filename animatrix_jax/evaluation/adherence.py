"""Adherence: whether an oracle reads from a clip what its production spec asked for.

A clip counts in a sub-field when its spec asks for something there. It is a hit when the oracle's
top answer is the tag asked; where several are asked (motion types, effects, a camera sequence),
when it is one of them. A camera movement is met only with its direction. An axis pools the
sub-fields whose oracle is good enough to be used; trials of one clip are counted as independent.
Of a sub-field's answers only those that its oracle reads well enough are asked about, and a clip
of which a sub-field is not in the reading, because the oracle is not sure enough, does not count.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from animatrix_data.procedural.oracles import (
    CAMERA_MOVEMENT,
    PARTS,
    Reading,
    answers,
    field_of,
    movement,
    top,
)
from animatrix_data.taxonomy import AXES, FIELDS, ProductionSpec
from animatrix_jax.evaluation.statistics import (
    PERMUTATIONS,
    Chance,
    Proportion,
    chance_of,
    permuted_shares,
    proportion,
)

NEEDED_ACCURACY = 0.85
"""What an oracle must reach on held-out renders after the VAE round trip to be used."""


@dataclass(frozen=True)
class Adherence:
    """How often a sub-field's (or an axis') tags were read as asked.

    `chance` is the same for permuted specs; `accuracy` the oracle's own on held-out renders after
    the VAE round trip, where known. A sub-field whose oracle is too weak is not `measured`.
    `unread` clips ask for something that the oracle is not sure enough to read: they count neither
    as hits nor as misses.
    """

    name: str
    axis: str
    found: Proportion
    chance: Chance
    accuracy: float | None
    measured: bool
    unread: int = 0


@dataclass(frozen=True)
class AdherenceReport:
    """Adherence by sub-field, in canonical order, and by axis."""

    sub_fields: tuple[Adherence, ...]
    axes: tuple[Adherence, ...]

    def sub_field(self, name: str) -> Adherence:
        """Return one sub-field's; KeyError where no clip asked for it."""
        return {entry.name: entry for entry in self.sub_fields}[name]

    def axis(self, name: str) -> Adherence:
        """Return one axis'; KeyError where none of its sub-fields was measured."""
        return {entry.axis: entry for entry in self.axes}[name]


def measure_adherence(
    specs: Sequence[ProductionSpec],
    readings: Sequence[Reading],
    accuracies: Mapping[str, float | None],
    seed: int = 0,
    permutations: int = PERMUTATIONS,
    *,
    unmeasured: Mapping[str, Collection[str]] | None = None,
) -> AdherenceReport:
    """Compare what was asked with what was read, clip by clip.

    `accuracies` holds each sub-field's oracle accuracy (None: not known, taken as good enough).
    `unmeasured` lists, by sub-field, the answers that the oracle misreads too often: a clip that
    asks for nothing else there does not count. Raises ValueError when there are not as many
    readings as specs.
    """
    if len(specs) != len(readings):
        raise ValueError(f"{len(readings)} readings do not fit {len(specs)} specs")
    sub_fields, pooled = [], {axis: _Pool() for axis in AXES}
    for name in (*FIELDS, *PARTS, CAMERA_MOVEMENT):
        field = "CameraMotion" if name == CAMERA_MOVEMENT else name
        weak = set((unmeasured or {}).get(name, ()))
        asking = [i for i, spec in enumerate(specs) if set(_asked(spec, name)) - weak]
        chosen = [i for i in asking if field in readings[i]]
        if not chosen:
            continue
        matches = match_table([specs[i] for i in chosen], [readings[i] for i in chosen], name)
        shares = permuted_shares(matches, seed, permutations)
        accuracy = accuracies.get(name)
        measured = accuracy is None or accuracy >= NEEDED_ACCURACY
        found = proportion(int(np.trace(matches)), len(chosen))
        entry = Adherence(
            *(name, FIELDS[field_of(field)], found, chance_of(shares), accuracy, measured),
            unread=len(asking) - len(chosen),
        )
        sub_fields.append(entry)
        if measured and name != CAMERA_MOVEMENT:
            pooled[entry.axis].add(entry, shares)
    axes = [pool.entry(axis) for axis, pool in pooled.items() if pool.trials]
    return AdherenceReport(tuple(sub_fields), tuple(axes))


def match_table(
    specs: Sequence[ProductionSpec], readings: Sequence[Reading], name: str
) -> np.ndarray:
    """Return bool [n specs, n readings]: whether a reading's top answer is one that a spec asks."""
    asked = [set(_asked(spec, name)) for spec in specs]
    if name == CAMERA_MOVEMENT:
        read = [movement(top(reading, "CameraMotion")) for reading in readings]
    else:
        read = [top(reading, name) for reading in readings]
    return np.array([[text in wanted for text in read] for wanted in asked], bool)


def _asked(spec: ProductionSpec, name: str) -> tuple[str, ...]:
    if name == CAMERA_MOVEMENT:
        return tuple(map(movement, answers(spec, "CameraMotion")))
    return answers(spec, name)


class _Pool:
    """Gathers the measured sub-fields of an axis."""

    def __init__(self) -> None:
        self.hits = self.trials = self.unread = 0
        self.permuted: np.ndarray | float = 0.0
        self.accuracy = 0.0
        self.known = True

    def add(self, entry: Adherence, shares: np.ndarray) -> None:
        """Add a sub-field's counts, weighted by its trials."""
        trials = entry.found.trials
        self.hits, self.trials = self.hits + entry.found.hits, self.trials + trials
        self.unread += entry.unread
        self.permuted = self.permuted + trials * shares
        self.known = self.known and entry.accuracy is not None
        self.accuracy += trials * (entry.accuracy or 0.0)

    def entry(self, axis: str) -> Adherence:
        """Return the axis' adherence."""
        accuracy = self.accuracy / self.trials if self.known else None
        chance = chance_of(np.asarray(self.permuted) / self.trials)
        found = proportion(self.hits, self.trials)
        return Adherence(axis, axis, found, chance, accuracy, True, self.unread)
