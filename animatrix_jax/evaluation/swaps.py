"""Swaps: does the picture follow the tags, and only the tags?

One tag of a spec is replaced at fixed text and seed, then only the text, then only the seed. The
reading of the swapped sub-field should follow the new tag, and should change no more often with
the text than it does with the seed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from animatrix_data.procedural import sample_spec
from animatrix_data.procedural.oracles import Reading, answer, label_lists, top
from animatrix_data.taxonomy import ProductionSpec, Tag
from animatrix_jax.evaluation.sources import content_text, held_out_seed
from animatrix_jax.evaluation.statistics import (
    PERMUTATIONS,
    Chance,
    Proportion,
    chance_of,
    permuted_shares,
    proportion,
)

VARIANTS = ("as asked", "other tag", "other text", "other seed")


@dataclass(frozen=True)
class Swap:
    """One tag of `spec` (in `field`) that becomes `tag`; the texts are those of two contents."""

    field: str
    spec: ProductionSpec
    tag: Tag
    text: str
    other_text: str
    seed: int

    @property
    def swapped(self) -> ProductionSpec:
        """The spec with the new tag."""
        return self.spec.replace(self.field, (self.tag,))

    def variants(self) -> list[tuple[ProductionSpec, str, int]]:
        """Return (spec, text, seed) of each of `VARIANTS`."""
        return [
            (self.spec, self.text, self.seed),
            (self.swapped, self.text, self.seed),
            (self.spec, self.other_text, self.seed),
            (self.spec, self.text, self.seed + 50_000),
        ]


@dataclass(frozen=True)
class SwapReport:
    """What the readings did: followed the new tag, and changed with the tag, the text, the seed.

    `chance` is how often permuted new tags (within each sub-field) would have been followed;
    `unread` swaps, of which a reading lacks the sub-field, count nowhere else.
    """

    followed: Proportion
    chance: Chance
    tag: Proportion
    text: Proportion
    seed: Proportion
    fields: dict[str, Proportion]
    unread: int = 0


def plan_swaps(count: int, fields: Sequence[str], sampler: str, seed: int = 0) -> list[Swap]:
    """Return `count` swaps of a sampler's specs that take turns over `fields`; texts name no tags.

    The new tag is one of those that the studio draws in the sub-field, evenly. Raises ValueError
    without fields.
    """
    if not fields:
        raise ValueError("no tag can be swapped: the oracle reads no sub-field well enough")
    first = held_out_seed(seed)
    random = np.random.Generator(np.random.Philox(key=seed))
    pool = [sample_spec(first + 90_000 + i, sampler) for i in range(400)]
    lists = label_lists(pool, fields)
    swaps = []
    for index in range(count):
        field, number = fields[index % len(fields)], first + index
        spec = sample_spec(number, sampler)
        donors = {answer(tag): tag for other in pool for tag in other.get(field)}
        if not spec.get(field):
            spec = spec.replace(field, (donors[_drawn(random, donors)],))
        old = {answer(tag) for tag in spec.get(field)}
        new = _drawn(random, [t for t in lists[field] if t in donors and t not in old])
        text = content_text(spec, number, sampler, mention=False)
        other = content_text(spec, number + 40_000, sampler, mention=False)
        swaps.append(Swap(field, spec, donors[new], text, other, number))
    return swaps


def _drawn(random: np.random.Generator, options: Sequence[str] | dict[str, Tag]) -> str:
    ordered = sorted(options)
    return ordered[int(random.integers(len(ordered)))]


def measure_swaps(
    swaps: Sequence[Swap],
    readings: Sequence[Sequence[Reading]],
    seed: int = 0,
    permutations: int = PERMUTATIONS,
) -> SwapReport:
    """Return what came of swaps; `readings[i]` are those of the variants of swap i, in order."""
    planned, pairs = len(swaps), zip(swaps, readings, strict=True)
    whole = [(s, row) for s, row in pairs if all(s.field in reading for reading in row)]
    swaps = [swap for swap, _ in whole]
    tops = [[top(reading, swap.field) for reading in row] for swap, row in whole]
    changed = np.array([[text != row[0] for text in row[1:]] for row in tops], bool).reshape(-1, 3)
    hits, permuted, by_field = 0, np.zeros(permutations), {}
    for field in dict.fromkeys(swap.field for swap in swaps):
        rows = [i for i, swap in enumerate(swaps) if swap.field == field]
        matches = np.array([[answer(swaps[i].tag) == tops[j][1] for j in rows] for i in rows])
        followed = int(np.trace(matches))
        by_field[field] = proportion(followed, len(rows))
        hits += followed
        permuted += len(rows) * permuted_shares(matches, seed, permutations)
    tag, text, noise = (proportion(int(column.sum()), len(swaps)) for column in changed.T)
    chance, followed_all = chance_of(permuted / max(len(swaps), 1)), proportion(hits, len(swaps))
    unread = planned - len(swaps)
    return SwapReport(followed_all, chance, tag, text, noise, by_field, unread)
