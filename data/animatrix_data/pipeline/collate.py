"""Samples read and stacked into a batch; a clip that cannot be read gives way to another, named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from animatrix_data.pipeline.buckets import Shape
from animatrix_data.pipeline.conditioning import Conditioned
from animatrix_data.pipeline.samples import Describe, Sample
from animatrix_data.pipeline.sources import Feed
from animatrix_data.sampling.selection import I2V, T2I

MASK_CHANNELS = 4
EXPERTS = 2
ATTEMPTS = 32
"""Draws after which a block whose clips cannot be read is given up."""
NAMED = 20
"""Clips that are named one by one."""

type Batch = dict[str, Any]
type Tokenize = Callable[[Sequence[str]], np.ndarray]


@dataclass(frozen=True)
class Bad:
    """A clip that could not be read: its id, why, and the sample that it was drawn for."""

    clip: str
    reason: str
    sample: int


class _Found(NamedTuple):
    """What is read of a sample: frames or latents, reference latents, text states."""

    picture: np.ndarray
    reference: np.ndarray | None = None
    text: np.ndarray | None = None


type Read = Callable[[Sample, Conditioned], _Found]


class BadClips:
    """The clips that could not be read, named once each, with the samples they were drawn for."""

    def __init__(self) -> None:
        self._left_out: dict[str, str] = {}
        self._reasons: dict[str, str] = {}
        self._samples: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._reasons)

    def add(self, bad: Bad) -> None:
        """Count one more sample for which a clip was drawn in vain."""
        self._reasons.setdefault(bad.clip, bad.reason)
        self._samples[bad.clip] += 1

    def leave_out(self, reasons: Mapping[str, str]) -> None:
        """Note clips, by id with their reasons, that are never drawn."""
        self._left_out |= reasons

    def lines(self) -> list[str]:
        """Return summaries and a line a clip, at most `NAMED`; nothing where all could be read."""
        found = []
        if self._reasons:
            total = self._samples.total()
            found.append(
                f"{_clips(len(self))} could not be read: other clips of their block stand in for "
                f"them in {total} samples"
            )
            drawn = self._samples
            found += _named(
                {k: f"{why} (drawn {drawn[k]} times)" for k, why in self._reasons.items()}
            )
        if self._left_out:
            found.append(f"left out from the start: {_clips(len(self._left_out))}")
            found += _named(self._left_out)
        return found


def _clips(count: int) -> str:
    return f"{count} clip{'' if count == 1 else 's'}"


def _named(reasons: Mapping[str, str]) -> list[str]:
    lines = [f"  {clip}: {reason}" for clip, reason in sorted(reasons.items())]
    more = len(lines) - NAMED
    return lines if more <= 0 else [*lines[:NAMED], f"  … and {more} more"]


class Collate:
    """Samples of one block read and stacked, expert by expert; picklable."""

    def __init__(
        self,
        describe: Describe,
        feeds: Sequence[Feed],
        tokenize: Tokenize | None,
        text_length: int,
        on_bad: str,
        references: bool,
        experts: int = EXPERTS,
    ) -> None:
        self._describe, self._feeds = describe, tuple(feeds)
        self._tokenize, self._text_length = tokenize, text_length
        self._on_bad, self._references, self._experts = on_bad, references, experts

    def __call__(self, samples: Sequence[Sample]) -> tuple[Batch, tuple[Bad, ...]]:
        """Return the batch of `samples` and the clips that could not be read for it."""
        # Expert-major, and the experts take samples in turn.
        count = self._experts
        drawn = [sample for expert in range(count) for sample in samples[expert::count]]
        feed, bad = self._feeds[drawn[0].source], list[Bad]()
        read = self._frames_of(feed, drawn[0]) if feed.gives_frames else self._latents_of(feed)
        pictures: Any = None
        conditions, references, texts = list[Conditioned](), dict[int, np.ndarray](), []
        for place, sample in enumerate(drawn):
            drawn[place], known, found = self._read(feed, sample, read, bad)
            conditions.append(known)
            length = 1 if sample.task == T2I else len(found.picture)
            if pictures is None:
                shape = (len(drawn), length, *found.picture.shape[1:])
                pictures = np.empty(shape, found.picture.dtype)
            pictures[place] = found.picture[:length]
            if found.reference is not None:
                references[place] = found.reference[:length]
            texts.append(found.text)
        flat = self._pictures(feed, drawn, pictures, references) | self._words(conditions, texts)
        indices = [[sample.index >> 32, sample.index & 0xFFFFFFFF] for sample in drawn]
        flat |= {
            "mode": np.array([known.mode for known in conditions], np.int32),
            "task": np.array([sample.task for sample in drawn], np.int32),
            "sample_index": np.array(indices, np.uint32),
            "tags": {
                name: np.stack([getattr(known.tags, name) for known in conditions])
                for name in ("values", "order", "mask")
            },
        }
        return _by_expert(flat, count), tuple(bad)

    def _frames_of(self, feed: Feed, first: Sample) -> Read:
        """Return what reads a clip's frames; images are one frame."""
        count = 1 if first.task == T2I else _shape(feed, first)[0]
        return lambda sample, _: _Found(feed.frames.frames(sample.row, count))

    def _latents_of(self, feed: Feed) -> Read:
        """Return what reads a clip's latents, its reference where it is given, cached states."""
        reader = feed.latents

        def read(sample: Sample, conditions: Conditioned) -> _Found:
            reference = text = None
            if self._references and sample.task == I2V:
                reference = reader.read_reference(sample.row)
            if self._tokenize is None:
                assert conditions.wording is not None, "cached states are of given wordings"
                text = reader.text(sample.row, conditions.wording)
            return _Found(reader.read_latents(sample.row), reference, text)

        return read

    def _pictures(
        self,
        feed: Feed,
        drawn: Sequence[Sample],
        pictures: np.ndarray,
        given: Mapping[int, np.ndarray],
    ) -> Batch:
        """Return frames, or latents with the references of those samples that are `given` one."""
        length = pictures.shape[1]
        if feed.gives_frames:
            masks = _masks(drawn, (length - 1) // 4 + 1)
            return {"frames": pictures} | ({"reference_mask": masks} if self._references else {})
        if not self._references:
            return {"latents": pictures}
        blank = feed.latents.blank_for(_shape(feed, drawn[0]))[:length]
        # Where no sample has one, a single blank stands for all.
        references = np.broadcast_to(blank, pictures.shape)
        if given:
            references = np.empty_like(pictures)
            for place in range(len(drawn)):
                references[place] = given.get(place, blank)
        masks = _masks(drawn, length)
        return {"latents": pictures, "reference": references, "reference_mask": masks}

    def _words(self, conditions: Sequence[Conditioned], states: Sequence[Any]) -> Batch:
        if self._tokenize is not None:
            return {"text_ids": self._tokenize([known.text for known in conditions])}
        shape = (len(states), self._text_length, states[0].shape[-1])
        text = np.zeros(shape, states[0].dtype)
        for place, own in enumerate(states):
            kept = own[: self._text_length]
            text[place, : len(kept)] = kept
        return {"text": text}

    def _read(
        self, feed: Feed, sample: Sample, read: Read, bad: list[Bad]
    ) -> tuple[Sample, Conditioned, _Found]:
        """Return a sample and what is read of it: another clip's where its own cannot be read."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                if isinstance(sample.conditions, ValueError):
                    raise sample.conditions
                return sample, sample.conditions, read(sample, sample.conditions)
            except (ValueError, OSError) as error:
                clip = str(feed.texts.ids[sample.row])
                reason = " ".join(str(error).split()) or type(error).__name__
                reason = reason.removeprefix(f"clip {clip!r}: ")
                if self._on_bad == "raise":
                    raise ValueError(f"clip {clip!r} cannot be read: {reason}") from None
                bad.append(Bad(clip, reason, sample.index))
                sample = self._describe.again(sample.index, attempt)
        raise ValueError(
            f"none of {ATTEMPTS} clips drawn for sample {sample.index} from {feed.name} can be "
            f"read; the last is {bad[-1].clip!r}: {bad[-1].reason}"
        )


def _shape(feed: Feed, sample: Sample) -> Shape:
    shape = feed.reader.meta.buckets[sample.row]
    assert shape is not None, "a clip without a bucket is never drawn"
    return shape


def _masks(drawn: Sequence[Sample], length: int) -> np.ndarray:
    """Float32 [n, length, 4]: 1 where pixel frames are given, folded by four (the first alone)."""
    masks = np.zeros((len(drawn), length, MASK_CHANNELS), np.float32)
    masks[[sample.task == I2V for sample in drawn], 0] = 1
    return masks


def _by_expert(flat: Mapping[str, Any], experts: int) -> Batch:
    return {
        name: _by_expert(value, experts)
        if isinstance(value, Mapping)
        else value.reshape(experts, -1, *value.shape[1:])
        for name, value in flat.items()
    }
