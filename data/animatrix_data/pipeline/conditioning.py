"""Conditioning of a training sample: mode, kept tags, rewritten text (paper 4.2, 5.2; eq. 12).

Everything is a pure function of (seed, global sample index). What is random about the samples of a
block is drawn at once, for each purpose a matrix with a row a sample (`block_draws`).
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from animatrix_data.pipeline.conflict import contradict, shuffled
from animatrix_data.pipeline.wording import phrases, replace_mentions
from animatrix_data.sampling.curriculum import full_text_wanted, tags_wanted
from animatrix_data.sampling.randomness import block_generator
from animatrix_data.taxonomy import MAX_TAGS, Directive, ProductionSpec, TagArrays, tag_arrays

HYBRID, TAG_ONLY, TEXT_ONLY, UNCONDITIONAL = range(4)
MODES = ("hybrid", "tag", "text", "none")
BLOCK = 64
"""Samples whose random numbers are drawn together, unless a caller says otherwise."""
CORE_FIELDS = ("VideoStyle", "MotionType", "ShotScale")
"""Sub-fields of which a thinned prompt keeps a tag before any other."""
PLAIN = 2
"""Cached wordings that are unrewritten: the full text, then the summary."""
CONFLICT_PAIRS = 3
"""Of so many pairs of rewritten wordings, the first is set against a tag."""
CONFLICT_NUMBERS = 3
"""Numbers that a conflict takes: they choose its tag, the rival and the rival's wording."""


@dataclasses.dataclass(frozen=True)
class Perturbation:
    """Rates of conditioning modes and perturbations; the defaults are the paper's.

    `p_hybrid`, `p_tag`, `p_text`, `p_none` are the modes of eq. 12; inside the hybrid mode a tag
    is dropped with `p_drop`, its wording in the text changed with `p_synonym`, and a sample's text
    set against one of its tags with `p_conflict`. `p_summary_only` shortens the text to the
    summary. Raises ValueError for rates outside [0, 1] or modes that do not add up to 1.
    """

    p_hybrid: float = 0.7
    p_tag: float = 0.1
    p_text: float = 0.1
    p_none: float = 0.1
    p_drop: float = 0.15
    p_synonym: float = 0.1
    p_conflict: float = 0.05
    p_summary_only: float = 0.5

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            rate = getattr(self, field.name)
            if not 0 <= rate <= 1:
                raise ValueError(f"{field.name} is a probability, and {rate} is given")
        if abs(sum(self.modes) - 1) > 1e-6:
            raise ValueError(
                f"p_hybrid + p_tag + p_text + p_none must be 1, and they are {sum(self.modes):g}"
            )

    @property
    def modes(self) -> tuple[float, float, float, float]:
        """The mode probabilities in the order of the mode ids."""
        return (self.p_hybrid, self.p_tag, self.p_text, self.p_none)


NO_PERTURBATION = Perturbation(1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
"""Hybrid always, nothing rewritten: what evaluation reads."""


@dataclasses.dataclass(frozen=True)
class Wording:
    """One of a clip's texts, and the place of the tag in its spec that the text is set against."""

    text: str
    contradicted: int | None


@dataclasses.dataclass(frozen=True)
class Conditioned:
    """A sample's conditions: its mode id, its tags as arrays, what the text channel reads.

    `wording` is the text's number among the wordings given, None where none were.
    """

    mode: int
    tags: TagArrays
    text: str
    wording: int | None = None


class BlockDraws(NamedTuple):
    """What is random about the n samples of a block: decisions, and uniforms for later choices.

    `mode` int [n]; `dropped` and `reworded` bool [n, 24], by place of the tag; `conflicting` bool
    [n]; uniform: `phrase` [n, 24] (a tag's new wording), `conflict` [n, 3], `summary` [n],
    `density` [n, 28] (see `thin_tags`), `wording` [n].
    Modes hold as drawn; what else is drawn acts in the hybrid mode, `summary` and `density` in all.
    """

    mode: np.ndarray
    dropped: np.ndarray
    reworded: np.ndarray
    conflicting: np.ndarray
    phrase: np.ndarray
    conflict: np.ndarray
    summary: np.ndarray
    density: np.ndarray
    wording: np.ndarray


@functools.lru_cache(maxsize=64)
def block_draws(seed: int, block: int, rates: Perturbation, size: int = BLOCK) -> BlockDraws:
    """Return what is drawn for the `size` samples of block number `block`; read, never written."""

    def uniform(purpose: str, *shape: int) -> np.ndarray:
        return block_generator(seed, block, purpose).random((size, *shape))

    edges = np.cumsum(rates.modes)
    modes = np.searchsorted(edges, uniform("mode") * edges[-1], side="right")
    synonym = uniform("synonym", 2 * MAX_TAGS + 1)
    conflict = uniform("conflict", 1 + CONFLICT_NUMBERS)
    return BlockDraws(
        # A product rounded up to the last edge belongs to the last mode that has a share.
        mode=np.minimum(modes, np.searchsorted(edges, edges[-1])),
        dropped=uniform("drop", MAX_TAGS) < rates.p_drop,
        reworded=synonym[:, :MAX_TAGS] < rates.p_synonym,
        conflicting=conflict[:, 0] < rates.p_conflict,
        phrase=synonym[:, MAX_TAGS:-1],
        conflict=conflict[:, 1:],
        summary=uniform("summary"),
        density=uniform("density", MAX_TAGS + 1 + len(CORE_FIELDS)),
        wording=synonym[:, -1],
    )


def condition(
    directive: Directive,
    seed: int,
    sample: int,
    rates: Perturbation,
    hidden: Sequence[str] = (),
    complexity: float | None = None,
    wordings: Sequence[Wording] | None = None,
    block: int = BLOCK,
) -> Conditioned:
    """Return the conditions of sample `sample`; sub-fields in `hidden` are masked out.

    With a prompt `complexity` in [0, 1] (`sampling.curriculum.prompt_complexity`) tags are thinned
    (`thin_tags`) in every mode before any is dropped, and the summary stands alone with
    probability 1 − complexity in place of `p_summary_only`. With `wordings` (`cached_wordings`) the
    text is one of them (`choose_wording`). A channel with nothing to say is never handed over
    empty: the mode becomes the one that replaces it by its null. Raises ValueError when the
    directive has more than 24 tags.
    """
    draws, row = block_draws(seed, sample // block, rates, block), sample % block
    spec = directive.spec
    given = np.array([tag.field not in hidden for tag in spec.tags], bool)
    mode, kept = int(draws.mode[row]), given.copy()
    if complexity is not None:
        kept = thin_tags(spec, given, complexity, draws.density[row])
    if mode == HYBRID:
        kept &= ~draws.dropped[row, : len(kept)]
    alone = bool(summary_alone(draws.summary[row], rates, complexity))
    if wordings is None:
        text, number = _sample_text(directive, draws, row, alone, kept, mode), None
    else:
        number = _choose(wordings, draws, row, alone, given, kept, mode)
        text, denied = wordings[number].text, wordings[number].contradicted
        if denied is not None:
            kept[denied] = True
    arrays, mask = _arrays(spec), np.zeros(MAX_TAGS, bool)
    mask[: len(kept)] = kept
    tags = TagArrays(arrays.values, arrays.order, mask)
    return Conditioned(_given(mode, bool(kept.any()), bool(text)), tags, text, number)


def _sample_text(
    directive: Directive, draws: BlockDraws, row: int, alone: bool, kept: np.ndarray, mode: int
) -> str:
    text = compose_text(directive, alone)
    if mode != HYBRID:
        return text
    text = reword(text, directive.spec, draws.reworded[row], draws.phrase[row])
    denied = None
    if draws.conflicting[row]:
        denied = contradict(text, directive.spec, kept, draws.conflict[row])
    return denied[0] if denied else text


def summary_alone(
    numbers: float | np.ndarray, rates: Perturbation, complexity: float | None = None
) -> np.ndarray:
    """Return, for uniform `numbers`, whether the text is the summary alone, bool."""
    if complexity is not None:
        return ~full_text_wanted(complexity, numbers)
    return np.asarray(numbers) < rates.p_summary_only


def thin_tags(
    spec: ProductionSpec, given: np.ndarray, complexity: float, numbers: np.ndarray
) -> np.ndarray:
    """Return bool [tags]: which of the `given` [tags] a prompt of `complexity` keeps (paper 5.2).

    About 4 (complexity 0) to 8 (1) tags stay, as uniform `numbers` [28] say: an order of the tags,
    then how many, then one number a core field. One tag each of VideoStyle, MotionType and
    ShotScale comes first, for a directive that leaves open how it is drawn, what happens or how
    near it is seen is one that nobody gives; the others are a uniformly random subset.
    """
    core: dict[str, list[int]] = {field: [] for field in CORE_FIELDS}
    for place in np.flatnonzero(given).tolist():
        if (field := spec.tags[place].field) in core:
            core[field].append(place)
    choices = zip(core.values(), numbers[MAX_TAGS + 1 :].tolist(), strict=True)
    first = [own[int(number * len(own))] for own, number in choices if own]
    order = np.argsort(numbers[: len(given)]).tolist()
    ranked = [*first, *(place for place in order if given[place] and place not in first)]
    kept = np.zeros(len(given), bool)
    kept[ranked[: int(tags_wanted(complexity, numbers[MAX_TAGS]))]] = True
    return kept


def compose_text(directive: Directive, alone: bool) -> str:
    """Return summary and description, or the summary `alone` where there is one."""
    return directive.summary if alone and directive.summary else directive.text


def reword(text: str, spec: ProductionSpec, reworded: np.ndarray, numbers: np.ndarray) -> str:
    """Return `text` with other wordings for the tags marked in `reworded`, where it names them.

    Uniform `numbers` choose the wordings. The tag's id is its meaning and stays (decision 3 of the
    design).
    """
    for place in np.flatnonzero(reworded[: len(spec.tags)]):
        tag = spec.tags[place]
        text = replace_mentions(text, tag, shuffled(phrases(tag), numbers[place]))
    return text


def cached_wordings(
    directive: Directive, clip: int, count: int, rates: Perturbation, seed: int = 0
) -> tuple[Wording, ...]:
    """Return `count` texts of a clip, for its text states to be made before they are drawn.

    Number 0 is the full text as written, 1 the summary; from there on even numbers are of the full
    text and odd ones of the summary. The pair 2, 3 and every third pair after it are set against a
    tag (where `p_conflict` is not 0 and a tag can be denied); in all but 0 and 1 each tag is
    reworded with `p_synonym`. Wording v is a function of (seed, clip, v), whatever the count.

    What samples then draw has the rates of `Perturbation`: mode, dropping, conflict and summary are
    the sample's own draws, and synonyms have their rate over the clips. What is approximate: a clip
    repeats its `count` texts; fewer than 6 leave out synonyms (fewer than 3 conflicts) and an odd
    count one composition; a sample with a conflict prefers a text against a tag that it was left,
    whatever its composition, and where all such tags were dropped, one of them stays. A clip with
    nothing to deny has no conflicts. Raises ValueError for a count below 1 or a negative clip.
    """
    if count < 1:
        raise ValueError(f"a clip needs one wording at least, and {count} are asked for")
    width = 2 * MAX_TAGS + CONFLICT_NUMBERS
    numbers = block_generator(seed, clip, "wording").random((count, width))
    return tuple(_cached_wording(directive, v, rates, numbers) for v in range(count))


def _cached_wording(
    directive: Directive, number: int, rates: Perturbation, numbers: np.ndarray
) -> Wording:
    text, spec = compose_text(directive, number % 2 == 1), directive.spec
    if number < PLAIN:
        return Wording(text, None)
    own = numbers[number]
    text = reword(text, spec, own[:MAX_TAGS] < rates.p_synonym, own[MAX_TAGS:])
    denied = None
    if rates.p_conflict and number // 2 % CONFLICT_PAIRS == 1:
        # The pair's numbers, so that both compositions deny the same tag where they can.
        choice = numbers[number - number % 2, 2 * MAX_TAGS :]
        denied = contradict(text, spec, np.ones(len(spec.tags), bool), choice)
    return Wording(*denied) if denied else Wording(text, None)


def _choose(
    wordings: Sequence[Wording],
    draws: BlockDraws,
    row: int,
    alone: bool,
    given: np.ndarray,
    kept: np.ndarray,
    mode: int,
) -> int:
    """Return the number of the wording that a sample takes."""
    ways: list[int] = []
    if mode == HYBRID and draws.conflicting[row]:
        told: dict[tuple[bool, bool], list[int]] = {}
        for number, wording in enumerate(wordings):
            place = wording.contradicted
            if place is not None and given[place]:
                told.setdefault((not kept[place], number % 2 != alone), []).append(number)
        ways = told[min(told)] if told else []
    if mode == HYBRID and not ways:
        numbers = range(PLAIN + alone, len(wordings), 2)
        ways = [number for number in numbers if wordings[number].contradicted is None]
    if not ways:
        return min(int(alone), len(wordings) - 1)
    return ways[int(draws.wording[row] * len(ways))]


@functools.lru_cache(maxsize=8192)
def _arrays(spec: ProductionSpec) -> TagArrays:
    """Return the spec's arrays, shared by all samples that show it and so not to be written."""
    arrays = tag_arrays(spec)
    for array in (arrays.values, arrays.order, arrays.mask):
        array.setflags(write=False)
    return arrays


def _given(mode: int, tags: bool, text: bool) -> int:
    """The mode that nulls, besides what `mode` nulls, the channels that have nothing."""
    use_tags = tags and mode in (HYBRID, TAG_ONLY)
    use_text = text and mode in (HYBRID, TEXT_ONLY)
    if use_tags and use_text:
        return HYBRID
    if use_tags:
        return TAG_ONLY
    return TEXT_ONLY if use_text else UNCONDITIONAL
