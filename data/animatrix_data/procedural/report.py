"""How a corpus is distributed, beside the shares that the paper states of anime as it is made."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from animatrix_data.corpus.catalogue import ClipRow
from animatrix_data.procedural.content import Staging, content_class, sample_content
from animatrix_data.procedural.faults import Fault
from animatrix_data.procedural.sampler.drawable import DRAWABLE
from animatrix_data.procedural.sampler.long_tail import (
    CEL_STYLES,
    COMPLEX_ANGLE,
    COMPLEX_MOVES,
    DIGITAL_STYLES,
    EVERYDAY,
    EXTREME_DEFORMATION,
    SAKUGA,
)
from animatrix_data.statistics import gini
from animatrix_data.taxonomy.tags import ProductionSpec, parse_tags
from animatrix_data.taxonomy.vocabulary import FIELDS

TOLERANCE = 0.02
"""How far a share may lie from a stated one to agree with it."""
BINS = 10


@dataclass(frozen=True)
class Described:
    """One clip as a report counts it; a score is None where nobody knows it.

    content: its content class, or the genre that footage has.
    """

    spec: ProductionSpec
    content: str
    deformation: float | None = None
    motion_amplitude: float | None = None
    faults: tuple[str, ...] = ()

    def names(self, field: str) -> tuple[str, ...]:
        """Return the names of the clip's tags in a field, without repetition."""
        return tuple(dict.fromkeys(tag.name for tag in self.spec.get(field)))


def describe_plan(
    seed: int, spec: ProductionSpec, staging: Staging, faults: Sequence[Fault]
) -> Described:
    """Return a clip that is not drawn; its deformation is what it is asked for."""
    content = content_class(sample_content(seed, staging).place)
    return Described(spec, content, staging.deform(seed), None, tuple(f.kind for f in faults))


def describe_row(row: ClipRow) -> Described:
    """Return a clip of a corpus; ValueError for tags outside the vocabulary."""
    faults = json.loads(row.truth).get("faults", []) if row.truth else []
    return Described(
        parse_tags(row.tags) if row.tags else ProductionSpec(),
        row.content,
        row.deformation,
        row.motion_amplitude,
        tuple(fault["kind"] for fault in faults),
    )


@dataclass(frozen=True)
class Stated:
    """A share that the paper states (section 3.6), and which clips it counts.

    `below` says that it is an upper bound.
    """

    axis: str
    claim: str
    share: float
    below: bool
    counts: Callable[[Described], bool]


def _everyday(clip: Described) -> bool:
    return any(tag.term.category in EVERYDAY for tag in clip.spec.get("MotionType"))


def _extreme(clip: Described) -> bool:
    return SAKUGA in clip.names("MotionStyle") or (clip.deformation or 0) >= EXTREME_DEFORMATION


def _complex(clip: Described) -> bool:
    moves = clip.names("CameraMotion")
    return COMPLEX_ANGLE in clip.names("ShotAngle") or any(m in COMPLEX_MOVES for m in moves)


def _simple(clip: Described) -> bool:
    moves = clip.spec.get("CameraMotion")
    return len(moves) == 1 and moves[0].name in ("Static", "Pan") and not _complex(clip)


def _styled(names: Iterable[str]) -> Callable[[Described], bool]:
    wanted = frozenset(names)
    return lambda clip: not wanted.isdisjoint(clip.names("VideoStyle"))


STATED = (
    Stated("S", "digitally produced", 0.65, False, _styled(DIGITAL_STYLES)),
    Stated("S", "classic cel-shaded", 0.08, False, _styled(CEL_STYLES)),
    Stated("M", "dialogue and daily acting", 0.45, False, _everyday),
    Stated("M", "sakuga and extreme deformation", 0.05, True, _extreme),
    Stated("C", "static shots and simple pans", 0.6, False, _simple),
    Stated("C", "dolly zoom, rack focus, dutch angle", 0.03, True, _complex),
)


@dataclass(frozen=True)
class Share:
    """A stated share beside the one found; `agrees` within two points, and below a bound."""

    axis: str
    claim: str
    stated: float
    below: bool
    found: float

    @property
    def agrees(self) -> bool:
        """Whether the share found is what the paper states."""
        near = abs(self.found - self.stated) <= TOLERANCE
        return near and not (self.below and self.found >= self.stated)


@dataclass(frozen=True)
class CorpusReport:
    """The distribution of a corpus.

    marginals: clips by field and tag, tags that occur in none included; gini: how uneven a field's
    marginals are, and an axis's on average (0: even, towards 1: all in one); content: clips by
    style and content class; deformation and motion_amplitude: clips in ten equal bins of [0, 1];
    faults: clips by kind.
    """

    clips: int
    stated: tuple[Share, ...]
    marginals: dict[str, dict[str, int]]
    gini: dict[str, float]
    content: dict[str, dict[str, int]]
    deformation: tuple[int, ...]
    motion_amplitude: tuple[int, ...]
    faults: dict[str, int]


def corpus_report(clips: Sequence[Described]) -> CorpusReport:
    """Return how some clips are distributed; ValueError for none."""
    if not clips:
        raise ValueError("there are no clips to report on")
    marginals = {field: _marginal(clips, field) for field in FIELDS}
    fields = {field: gini(list(counts.values())) for field, counts in marginals.items() if counts}
    axes = {
        axis: float(np.mean([fields[f] for f in fields if FIELDS[f] == axis]))
        for axis in dict.fromkeys(FIELDS[field] for field in fields)
    }
    return CorpusReport(
        clips=len(clips),
        stated=tuple(
            Share(s.axis, s.claim, s.share, s.below, sum(map(s.counts, clips)) / len(clips))
            for s in STATED
        ),
        marginals=marginals,
        gini=axes | fields,
        content=_style_by_content(clips),
        deformation=_histogram(clip.deformation for clip in clips),
        motion_amplitude=_histogram(clip.motion_amplitude for clip in clips),
        faults=dict(Counter(kind for clip in clips for kind in clip.faults).most_common()),
    )


def _marginal(clips: Sequence[Described], field: str) -> dict[str, int]:
    """Return clips by tag, the most frequent first, then those drawn in none."""
    found = Counter(name for clip in clips for name in clip.names(field))
    return dict(found.most_common()) | {n: 0 for n in DRAWABLE[field] if n not in found}


def _style_by_content(clips: Sequence[Described]) -> dict[str, dict[str, int]]:
    pairs = Counter((style, clip.content) for clip in clips for style in clip.names("VideoStyle"))
    table: dict[str, dict[str, int]] = {}
    for (style, content), count in sorted(pairs.items()):
        table.setdefault(style, {})[content] = count
    return table


def _histogram(scores: Iterable[float | None]) -> tuple[int, ...]:
    """Return how many of the known scores fall into each bin; empty where none is known."""
    known = [score for score in scores if score is not None]
    if not known:
        return ()
    return tuple(np.histogram(known, BINS, (0, 1))[0].tolist())
