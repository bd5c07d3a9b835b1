"""Samples read and stacked into a batch; a clip that cannot be read gives way to another, named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from animatrix_data.pipeline.samples import Describe, Sample
from animatrix_data.pipeline.sources import Feed, Shape
from animatrix_data.sampling.selection import I2V, T2I

MASK_CHANNELS = 4
EXPERTS = 2
ATTEMPTS = 32
"""Draws after which a block whose clips cannot be read is given up."""

type Batch = dict[str, Any]
type Tokenize = Callable[[Sequence[str]], np.ndarray]


@dataclass(frozen=True)
class Bad:
    """A clip that could not be read: its id, why, and the sample that it was drawn for."""

    clip: str
    reason: str
    sample: int


class BadClips:
    """The clips that could not be read, named once each, with the samples they were drawn for."""

    def __init__(self) -> None:
        self._reasons: dict[str, str] = {}
        self._samples: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._reasons)

    def add(self, bad: Bad) -> None:
        """Count one more sample for which a clip was drawn in vain."""
        self._reasons.setdefault(bad.clip, bad.reason)
        self._samples[bad.clip] += 1

    def lines(self) -> list[str]:
        """Return a summary and a line a clip; nothing where all could be read."""
        if not self._reasons:
            return []
        total = self._samples.total()
        return [
            f"{len(self)} clips could not be read: {total} samples show other clips of their block",
            *(
                f"  {clip}: {reason} (drawn {self._samples[clip]} times)"
                for clip, reason in sorted(self._reasons.items())
            ),
        ]


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
    ) -> None:
        self._describe, self._feeds = describe, tuple(feeds)
        self._tokenize, self._text_length = tokenize, text_length
        self._on_bad, self._references = on_bad, references

    def __call__(self, samples: Sequence[Sample]) -> tuple[Batch, tuple[Bad, ...]]:
        """Return the batch of `samples` and the clips that could not be read for it."""
        # Expert-major: sample i goes to expert i mod 2.
        drawn = [sample for expert in range(EXPERTS) for sample in samples[expert::EXPERTS]]
        bad: list[Bad] = []
        feed = self._feeds[drawn[0].source]
        pictures = self._frames if feed.gives_frames else self._latents
        flat = pictures(feed, drawn, bad) | self._words(feed, drawn)
        tags = [sample.conditions.tags for sample in drawn]
        indices = [[sample.index >> 32, sample.index & 0xFFFFFFFF] for sample in drawn]
        flat |= {
            "mode": np.array([sample.conditions.mode for sample in drawn], np.int32),
            "task": np.array([sample.task for sample in drawn], np.int32),
            "sample_index": np.array(indices, np.uint32),
            "tags": {
                name: np.stack([getattr(arrays, name) for arrays in tags])
                for name in ("values", "order", "mask")
            },
        }
        return _by_expert(flat), tuple(bad)

    def _words(self, feed: Feed, drawn: Sequence[Sample]) -> Batch:
        if self._tokenize is not None:
            return {"text_ids": self._tokenize([sample.conditions.text for sample in drawn])}
        states = []
        for sample in drawn:
            assert sample.conditions.wording is not None, "cached states are of given wordings"
            states.append(feed.latents.text(sample.row, sample.conditions.wording))
        text = np.zeros((len(drawn), self._text_length, states[0].shape[-1]), states[0].dtype)
        for place, own in enumerate(states):
            kept = own[: self._text_length]
            text[place, : len(kept)] = kept
        return {"text": text}

    def _latents(self, feed: Feed, drawn: list[Sample], bad: list[Bad]) -> Batch:
        reader, shape = feed.latents, _shape(feed, drawn)
        length = 1 if drawn[0].task == T2I else shape[0]

        def read(sample: Sample) -> tuple[np.ndarray, np.ndarray | None]:
            wanted = self._references and sample.task == I2V
            return reader.read_latents(sample.row), (
                reader.read_reference(sample.row) if wanted else None
            )

        latents: Any = None
        given: dict[int, np.ndarray] = {}
        for place, sample in enumerate(drawn):
            drawn[place], (own, reference) = self._read(feed, sample, read, bad)
            if latents is None:
                latents = np.empty((len(drawn), length, *own.shape[1:]), own.dtype)
            latents[place] = own[:length]
            if reference is not None:
                given[place] = reference[:length]
        if not self._references:
            return {"latents": latents}
        blank = reader.blank_for(shape)[:length]
        # Where no sample has one, a single blank stands for all.
        references = np.broadcast_to(blank, latents.shape)
        if given:
            references = np.empty_like(latents)
            for place in range(len(drawn)):
                references[place] = given.get(place, blank)
        masks = _masks(drawn, length)
        return {"latents": latents, "reference": references, "reference_mask": masks}

    def _frames(self, feed: Feed, drawn: list[Sample], bad: list[Bad]) -> Batch:
        count = 1 if drawn[0].task == T2I else _shape(feed, drawn)[0]
        frames: Any = None
        for place in range(len(drawn)):
            drawn[place], own = self._read(
                feed, drawn[place], lambda sample: feed.frames.frames(sample.row, count), bad
            )
            if frames is None:
                frames = np.empty((len(drawn), *own.shape), own.dtype)
            frames[place] = own
        if not self._references:
            return {"frames": frames}
        return {"frames": frames, "reference_mask": _masks(drawn, (count - 1) // 4 + 1)}

    def _read(
        self, feed: Feed, sample: Sample, read: Callable[[Sample], Any], bad: list[Bad]
    ) -> tuple[Sample, Any]:
        """Return a sample and what is read of it: another clip's where its own cannot be read."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return sample, read(sample)
            except (ValueError, OSError) as error:
                clip = str(feed.texts.ids[sample.row])
                reason = " ".join(str(error).split()) or type(error).__name__
                if self._on_bad == "raise":
                    raise ValueError(f"clip {clip!r} cannot be read: {reason}") from None
                bad.append(Bad(clip, reason, sample.index))
                sample = self._describe.again(sample.index, attempt)
        raise ValueError(
            f"none of {ATTEMPTS} clips drawn for sample {sample.index} from {feed.name} can be "
            f"read; the last is {bad[-1].clip!r}: {bad[-1].reason}"
        )


def _shape(feed: Feed, drawn: Sequence[Sample]) -> Shape:
    shape = feed.reader.meta.buckets[drawn[0].row]
    assert shape is not None, "a clip without a bucket is never drawn"
    return shape


def _masks(drawn: Sequence[Sample], length: int) -> np.ndarray:
    """Float32 [n, length, 4]: 1 where pixel frames are given, folded by four (the first alone)."""
    masks = np.zeros((len(drawn), length, MASK_CHANNELS), np.float32)
    masks[[sample.task == I2V for sample in drawn], 0] = 1
    return masks


def _by_expert(flat: Mapping[str, Any]) -> Batch:
    return {
        name: _by_expert(value)
        if isinstance(value, Mapping)
        else value.reshape(EXPERTS, -1, *value.shape[1:])
        for name, value in flat.items()
    }
