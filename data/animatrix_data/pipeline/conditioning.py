"""Conditioning of a training sample: mode, dropped tags, rewritten text (paper 4.2, eq. 12).

Everything is a pure function of (seed, global sample index): each purpose has its own Philox key,
each sample its own stretch of the counter.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from animatrix_data.pipeline.wording import mentions, phrases, replace_mentions, rivals
from animatrix_data.taxonomy import Directive, ProductionSpec, Tag, TagArrays, tag_arrays

HYBRID, TAG_ONLY, TEXT_ONLY, UNCONDITIONAL = range(4)
MODES = ("hybrid", "tag", "text", "none")

PURPOSES = ("block", "clip", "task", "mode", "drop", "synonym", "conflict", "summary")
"""What a draw is for; its place is part of the Philox key, so the list only grows at its end."""

_SENTENCES = {
    "VideoStyle": "Drawn as {}.",
    "MotionStyle": "Animated as {}.",
    "MotionType": "Action: {}.",
    "Emotion": "Emotion: {}.",
    "CameraMotion": "Camera: {}.",
    "VFX": "With {}.",
}


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
class Conditioned:
    """A sample's conditions: its mode id, its tags as arrays, what the text channel reads."""

    mode: int
    tags: TagArrays
    text: str


def generator(seed: int, index: int, purpose: str) -> np.random.Generator:
    """Return the random numbers of (seed, index, purpose); streams never overlap."""
    key = np.array([seed % 2**64, PURPOSES.index(purpose)], np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=[0, index, 0, 0]))


def condition(
    directive: Directive,
    seed: int,
    sample: int,
    rates: Perturbation,
    hidden: tuple[str, ...] = (),
) -> Conditioned:
    """Return the conditions of sample `sample`; sub-fields in `hidden` are masked out.

    A channel with nothing to say is never handed over empty: the mode becomes the one that
    replaces it by its null.
    """
    text = compose_text(directive, seed, sample, rates)
    arrays = tag_arrays(directive.spec)
    kept = np.array([tag.field not in hidden for tag in directive.spec.tags], bool)
    mode = draw_mode(seed, sample, rates)
    if mode == HYBRID:
        kept = kept & keep_tags(len(kept), seed, sample, rates)
        spec = ProductionSpec(
            tuple(tag for tag, keep in zip(directive.spec.tags, kept, strict=True) if keep)
        )
        text = rewrite_synonyms(text, directive.spec, seed, sample, rates)
        text = rewrite_conflict(text, spec, seed, sample, rates)
    mask = np.zeros_like(arrays.mask)
    mask[: len(kept)] = kept
    arrays = dataclasses.replace(arrays, mask=mask)
    return Conditioned(_given(mode, bool(mask.any()), bool(text)), arrays, text)


def draw_mode(seed: int, sample: int, rates: Perturbation) -> int:
    """Return the sample's conditioning mode (eq. 12): 0 hybrid, 1 tag, 2 text, 3 none."""
    return pick(generator(seed, sample, "mode"), rates.modes)


def pick(random: np.random.Generator, weights: tuple[float, ...]) -> int:
    """Return an index drawn in proportion to `weights`."""
    return pick_edge(random, np.cumsum(weights))


def pick_edge(random: np.random.Generator, edges: np.ndarray) -> int:
    """Return an index drawn in proportion to the steps of the cumulative weights `edges`."""
    place = int(np.searchsorted(edges, random.random() * edges[-1], side="right"))
    # A product rounded up to the last edge belongs to the last step that has a width.
    return min(place, int(np.searchsorted(edges, edges[-1])))


def keep_tags(count: int, seed: int, sample: int, rates: Perturbation) -> np.ndarray:
    """Return bool [count]: which tags partial tag dropping leaves."""
    return generator(seed, sample, "drop").random(count) >= rates.p_drop


def compose_text(directive: Directive, seed: int, sample: int, rates: Perturbation) -> str:
    """Return summary and description, or the summary alone with `p_summary_only`."""
    alone = generator(seed, sample, "summary").random() < rates.p_summary_only
    return directive.summary if alone and directive.summary else directive.text


def rewrite_synonyms(
    text: str, spec: ProductionSpec, seed: int, sample: int, rates: Perturbation
) -> str:
    """Return `text` with the wording of each tag it names changed with `p_synonym`.

    The tag's id is its meaning and stays (decision 3 of the design).
    """
    random = generator(seed, sample, "synonym")
    for tag in spec.tags:
        # Both numbers are drawn for every tag: what one tag does leaves the others alone.
        rewrite, key = random.random() < rates.p_synonym, int(random.integers(2**32))
        if rewrite:
            choices = phrases(tag)
            order = np.random.default_rng(key).permutation(len(choices))
            text = replace_mentions(text, tag, tuple(choices[place] for place in order))
    return text


def rewrite_conflict(
    text: str, spec: ProductionSpec, seed: int, sample: int, rates: Perturbation
) -> str:
    """Return `text` set against one tag of `spec` with `p_conflict`; the tag stays the truth.

    A tag that the text names is preferred, and its mentions then name a rival value; otherwise a
    sentence naming the rival is put first. Returns `text` unchanged where there are no tags.
    """
    random = generator(seed, sample, "conflict")
    if random.random() >= rates.p_conflict:
        return text
    tags = [tag for tag in spec.tags if tag.name != "Other"]
    named = [tag for tag in tags if mentions(text, tag)]
    if not (named or tags):
        return text
    tag = _one(named or tags, random)
    others = [rival for rival in rivals(tag) if not _present(rival, spec)]
    rival = _one(others, random)
    choices = phrases(rival)
    order = random.permutation(len(choices))
    shuffled = tuple(choices[place] for place in order)
    changed = replace_mentions(text, tag, shuffled) if named else text
    if changed != text:
        return changed
    sentence = _SENTENCES.get(tag.field, "{}.").format(shuffled[0])
    return f"{sentence[:1].upper()}{sentence[1:]} {text}".strip()


def _one(tags: list[Tag], random: np.random.Generator) -> Tag:
    return tags[int(random.integers(len(tags)))]


def _present(rival: Tag, spec: ProductionSpec) -> bool:
    """Whether the spec has the rival's value, so that naming it would be no conflict."""
    identity = (rival.field, rival.name, rival.category, rival.direction)
    return any((t.field, t.name, t.category, t.direction) == identity for t in spec.tags)


def _given(mode: int, tags: bool, text: bool) -> int:
    """The mode that nulls, besides what `mode` nulls, the channels that have nothing."""
    use_tags = tags and mode in (HYBRID, TAG_ONLY)
    use_text = text and mode in (HYBRID, TEXT_ONLY)
    if use_tags and use_text:
        return HYBRID
    if use_tags:
        return TAG_ONLY
    return TEXT_ONLY if use_text else UNCONDITIONAL
