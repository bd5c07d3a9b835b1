"""A long-tail corpus of any size without a clip drawn: the imbalance of paper section 3.6.

For benchmarks and tests of what must hold at a million clips. The shares that the paper states are
those of the studio's long-tail sampler; within them values follow a power law, and style and
content are tied, as Shinkai Style is to landscapes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from animatrix_data.corpus.catalogue import CATALOGUE_NAME, SCHEMA, TIERS
from animatrix_data.files import whole_file
from animatrix_data.procedural.content import CONTENT_CLASSES
from animatrix_data.procedural.sampler.long_tail import (
    AMPLITUDES,
    CEL_STYLES,
    COMPLEX_MOVES,
    DIGITAL_STYLES,
    EFFECTS_AT_ONCE,
    EVERYDAY,
    MOTION_CATEGORIES,
    OTHER_STYLES,
    SAKUGA,
    SAKUGA_SHARE,
    SCENIC_PLACE,
    SCENIC_STYLE,
    SPEEDS,
)
from animatrix_data.sampling.table import ClipTable, build_table
from animatrix_data.taxonomy.syntax import AMPLITUDE_WORDS, SPEED_WORDS, print_value
from animatrix_data.taxonomy.tags import Tag
from animatrix_data.taxonomy.vocabulary import Term, load_vocabulary

CLIPS = 1_000_000
MOTION_POWER = 1.78
"""How steeply motions fall within their category: the Gini of the motion axis is the paper's 0.71
before rebalancing."""
POWER = 1.2
"""How steeply other values fall."""
SIMPLE_EVERYDAY, SIMPLE_ELSEWHERE = 0.72, 0.5
"""Static shots and simple pans among everyday motion and among the rest: about 60 % in all."""
STATIC_OF_SIMPLE = 0.7
COMPLEX_SHARE = 0.024
SEVERAL_MOVES, SEVERAL_MOTIONS, EMOTION = 0.25, 0.03, 0.4
SEQUENCES = 3000
"""How many different sequences of several camera moves there are; as many sets of VFX."""
TIER_SHARES = (0.02, 0.15, 0.83)
FPS = 16.0
FRAMES = (33, 49, 65, 81)
SIZES = ((480, 832), (832, 480), (720, 1280), (1280, 720))
UNSCORED = 0.02
"""The share of clips whose curriculum scores nobody knows."""
_BATCH = 1 << 16

type Rng = np.random.Generator


@dataclass(frozen=True)
class _Items:
    """Items of a tag line and how often each is drawn."""

    texts: pa.StringArray
    shares: np.ndarray

    def draw(self, rng: Rng, count: int) -> np.ndarray:
        """Return the places of `count` items."""
        ends = np.cumsum(self.shares)
        return np.searchsorted(ends, rng.random(count) * ends[-1], "right")


def long_tail_table(clips: int = CLIPS, seed: int = 0) -> ClipTable:
    """Return the table of a long-tail corpus; the same seed gives the same one."""
    return build_table(long_tail_batches(clips, seed), clips)


def write_long_tail(folder: str | Path, clips: int = CLIPS, seed: int = 0) -> None:
    """Write the clips.parquet of the corpus whose table `long_tail_table` is; it has no videos."""
    with (
        whole_file(Path(folder) / CATALOGUE_NAME) as temporary,
        pq.ParquetWriter(temporary, SCHEMA, compression="zstd") as writer,
    ):
        for batch in long_tail_batches(clips, seed):
            writer.write_table(batch)


def long_tail_batches(clips: int = CLIPS, seed: int = 0) -> Iterator[pa.Table]:
    """Yield the rows of a long-tail corpus as tables with the catalogue's columns."""
    for start in range(0, clips, _BATCH):
        count = min(_BATCH, clips - start)
        yield _batch(np.random.Generator(np.random.Philox(key=[seed, start])), start, count)


def _batch(rng: Rng, start: int, count: int) -> pa.Table:
    styles, motions = _styles(), _motions()
    style, motion = styles.draw(rng, count), motions.draw(rng, count)
    lines = [
        styles.texts.take(pa.array(style)),
        _take(rng, _motion_styles(), count),
        motions.texts.take(pa.array(motion)),
        _some(rng, _take(rng, _field("Emotion"), count), EMOTION),
        _take(rng, _field("MotionAmplitude"), count),
        _take(rng, _field("ShotScale"), count),
        _take(rng, _field("ShotAngle"), count),
        _cameras(rng, _everyday()[motion]),
        _some(rng, _take(rng, _effects(), count), 1 - EFFECTS_AT_ONCE[0]),
    ]
    tier = rng.choice(len(TIERS), count, p=TIER_SHARES)
    # Clips under four seconds are never of tier A (paper 3.5), and so not of S.
    frames = np.where(tier < 2, rng.choice(FRAMES[2:], count), rng.choice(FRAMES, count))
    sizes = np.array(SIZES)[rng.choice(len(SIZES), count, p=(0.55, 0.05, 0.38, 0.02))]
    names = [f"clip-{start + place:09d}" for place in range(count)]
    content = rng.random(count)[:, None] > np.cumsum(_content_shares(), 1)[style]
    columns = {
        "id": names,
        "path": pc.binary_join_element_wise("clips/", pa.array(names), ".mp4", ""),
        "frames": frames,
        "fps": np.full(count, FPS),
        "height": sizes[:, 0],
        "width": sizes[:, 1],
        "digest": pa.repeat("", count),
        "tags": pc.binary_join_element_wise(*lines, ", ", null_handling="skip"),
        "directive": pa.repeat("", count),
        "content": pa.array(CONTENT_CLASSES).take(pa.array(content[:, :-1].sum(1))),
        "tier": pa.array(TIERS).take(pa.array(tier)),
        "style_cluster": pa.array(style, mask=rng.random(count) < UNSCORED),
        "motion_amplitude": _scores(rng, _everyday()[motion]),
        "deformation": _scores(rng, np.full(count, True)),
        "source": pa.repeat("synthetic", count),
    }
    absent = [name for name in SCHEMA.names if name not in columns]
    columns |= {name: pa.nulls(count, SCHEMA.field(name).type) for name in absent}
    return pa.table({name: columns[name] for name in SCHEMA.names}, schema=SCHEMA)


def _scores(rng: Rng, calm: np.ndarray) -> pa.Array:
    """Return scores in [0, 1], lower where calm, some of them unknown."""
    scores = np.where(calm, rng.beta(1.5, 6, len(calm)), rng.beta(3, 4, len(calm)))
    return pa.array(scores, mask=rng.random(len(calm)) < UNSCORED)


def _take(rng: Rng, items: _Items, count: int) -> pa.StringArray:
    return items.texts.take(pa.array(items.draw(rng, count)))


def _some(rng: Rng, texts: pa.StringArray, share: float) -> pa.StringArray:
    """Return the texts with all but a share of them left out."""
    kept = pa.array(rng.random(len(texts)) < share)
    return pc.if_else(kept, texts, pa.scalar(None, pa.string()))


def _cameras(rng: Rng, everyday: np.ndarray) -> pa.StringArray:
    """Return the camera item of every clip: the stiller, the more everyday its motion is."""
    count = len(everyday)
    simple = np.where(everyday, SIMPLE_EVERYDAY, SIMPLE_ELSEWHERE)
    kind = rng.random(count)
    pools = [
        _take(rng, pool, count)
        for pool in (_moves(("Static",)), _moves(("Pan",)), _moves(COMPLEX_MOVES), _sequences())
    ]
    ends = np.stack([simple * STATIC_OF_SIMPLE, simple, simple + COMPLEX_SHARE])
    return pc.choose(pa.array((kind > ends).sum(0)), *pools)


def _powers(count: int, power: float, share: float = 1.0) -> np.ndarray:
    """Return shares that fall as a power of the rank and sum to `share`."""
    falling = np.arange(1, count + 1) ** -power
    return share * falling / falling.sum()


def _named(field: str, shares: Mapping[str, float]) -> _Items:
    key = field.replace("CameraMotion", "camera_motion")
    return _Items(pa.array([f"{key}: {name}" for name in shares]), np.array(list(shares.values())))


def _with_rest(field: str, named: Mapping[str, float], rest: float) -> dict[str, float]:
    """Return shares of a field's values: those named, and the others by their rank."""
    others = [t.name for t in load_vocabulary().of_field(field) if t.name not in named]
    return dict(named) | dict(zip(others, _powers(len(others), POWER, rest), strict=True))


@cache
def _style_shares() -> dict[str, float]:
    return _with_rest("VideoStyle", DIGITAL_STYLES | CEL_STYLES, OTHER_STYLES)


@cache
def _styles() -> _Items:
    return _named("VideoStyle", _style_shares())


@cache
def _motion_styles() -> _Items:
    shares = _with_rest("MotionStyle", {SAKUGA: SAKUGA_SHARE}, 1 - SAKUGA_SHARE)
    return _named("MotionStyle", shares)


@cache
def _field(field: str) -> _Items:
    return _named(field, _with_rest(field, {}, 1.0))


@cache
def _motion_shares() -> dict[str, tuple[float, bool]]:
    """Return the share of every motion item, and whether it is everyday."""
    single: dict[str, tuple[float, bool]] = {}
    for category, share in MOTION_CATEGORIES.items():
        terms = load_vocabulary().of_field("MotionType")
        names = [term.name for term in terms if term.category == category]
        for name, part in zip(names, _powers(len(names), MOTION_POWER, share), strict=True):
            single[name] = float(part), category in EVERYDAY
    several = {
        f"{one}; {other}": (SEVERAL_MOTIONS * a * b, calm and calm_too)
        for one, (a, calm) in single.items()
        for other, (b, calm_too) in single.items()
        if one < other
    }
    return single | several


@cache
def _motions() -> _Items:
    return _named("MotionType", {name: share for name, (share, _) in _motion_shares().items()})


@cache
def _everyday() -> np.ndarray:
    return np.array([calm for _, calm in _motion_shares().values()])


def _move_texts(term: Term) -> dict[str, float]:
    """Return the texts of a movement with what they weigh among each other."""
    if not term.directions:
        return {print_value(Tag(term.field, term.name)): 1.0}
    return {
        f"{term.name.lower()} {way} ({SPEED_WORDS[speed]}, {AMPLITUDE_WORDS[size]})": a * b
        for way in term.directions
        for speed, a in SPEEDS.items()
        for size, b in AMPLITUDES.items()
    }


@cache
def _moves(names: tuple[str, ...]) -> _Items:
    """Return single movements, the names falling in their order."""
    shares: dict[str, float] = {}
    for name, share in zip(names, _powers(len(names), POWER), strict=True):
        texts = _move_texts(load_vocabulary().lookup("CameraMotion", name))
        total = sum(texts.values())
        shares |= {text: share * weight / total for text, weight in texts.items()}
    return _named("CameraMotion", shares)


@cache
def _sequences() -> _Items:
    """Return the moves that are neither simple nor complex, and sequences that start with one."""
    plain = ("Static", "Pan", *COMPLEX_MOVES)
    names = (t.name for t in load_vocabulary().of_field("CameraMotion") if t.name not in plain)
    single = _moves(tuple(names))
    rng = np.random.default_rng(0)
    first, then = (_take(rng, single, SEQUENCES).to_pylist() for _ in range(2))
    tail = [text.partition(": ")[2] for text in then]
    several = [f"{one} -> {other}" for one, other in zip(first, tail, strict=True)]
    parts = single.shares * (1 - SEVERAL_MOVES), _powers(SEQUENCES, 0.5, SEVERAL_MOVES)
    return _Items(pa.array([*single.texts.to_pylist(), *several]), np.concatenate(parts))


@cache
def _effects() -> _Items:
    """Return single VFX and sets of two."""
    terms = load_vocabulary().of_field("VFX")
    names = [print_value(Tag("VFX", term.name, term.category)) for term in terms]
    falling = _powers(len(names), POWER)
    pairs = np.random.default_rng(1).choice(len(names), (SEQUENCES, 2), p=falling)
    several = {f"{names[a]}; {names[b]}" for a, b in pairs.tolist() if a != b}
    share = EFFECTS_AT_ONCE[2] / (1 - EFFECTS_AT_ONCE[0])
    texts = [f"VFX: {text}" for text in (*names, *sorted(several))]
    parts = falling * (1 - share), np.full(len(several), share / len(several))
    return _Items(pa.array(texts), np.concatenate(parts))


@cache
def _content_shares() -> np.ndarray:
    """Return the share of every content class within each style, [styles, classes].

    Every style has its own order of classes; the scenic one is nearly all landscape.
    """
    classes = len(CONTENT_CLASSES)
    falling = _powers(classes, 2.0)
    rows = []
    for place, style in enumerate(_style_shares()):
        row = np.roll(falling, place)
        if style == SCENIC_STYLE:
            row = np.concatenate([[SCENIC_PLACE], _powers(classes - 1, 3.0, 1 - SCENIC_PLACE)])
        rows.append(row)
    return np.array(rows)
