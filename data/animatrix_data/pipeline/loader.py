"""The loader: batches as a pure function of the global sample index (paper 5.1; house.md).

A Grain pipeline: the selection says which clip sample i shows, an indexed map gives it its
conditions, a machine takes its places of every batch, and only these are read. Batch k of size B
holds samples kB … kB + B − 1, sample i is of expert i mod 2, and nothing depends on the number of
machines, workers or threads; so the iterator's whole state is one integer, the count of samples.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import grain
from absl import flags

from animatrix_data.pipeline.collate import EXPERTS, BadClips, Batch, Collate, Tokenize
from animatrix_data.pipeline.conditioning import Perturbation
from animatrix_data.pipeline.samples import Describe, Sample
from animatrix_data.pipeline.sources import Feed
from animatrix_data.sampling.selection import Drawing

ON_BAD = ("skip", "raise")
_END = 2**48
"""More samples than any run draws; a length that Grain can count."""


@dataclasses.dataclass(frozen=True)
class LoaderSettings:
    """How samples are batched and read.

    `batch_size` samples a batch over both experts and all machines; `block` samples share task
    kind, source and shape, as the selection has it; `start` is the first sample's index; `places`
    are the samples of each batch that this machine reads, by their place in it, None for all. What
    it reads is of both experts in turn, or of either. `workers` processes of their own build
    batches, or with 0 `threads` of this one, `prefetch` batches ahead each. `on_bad` says what a
    clip that cannot be read does: `skip` draws another in its place and names it at the end,
    `raise` stops. Without `references` none are read: for a model that takes none.
    Raises ValueError for sizes that do not divide.
    """

    batch_size: int
    seed: int = 0
    perturbation: Perturbation = dataclasses.field(default_factory=Perturbation)
    block: int = 64
    start: int = 0
    places: tuple[int, ...] | None = None
    workers: int = 0
    threads: int = 1
    prefetch: int = 2
    on_bad: str = "skip"
    references: bool = True

    def __post_init__(self) -> None:
        if self.batch_size < EXPERTS or self.block % self.batch_size:
            fitting = [n for n in range(EXPERTS, self.block + 1, 2) if self.block % n == 0]
            raise ValueError(
                f"batch_size {self.batch_size} does not divide a block of {self.block} samples "
                f"into whole batches for two experts: use one of {', '.join(map(str, fitting))}"
            )
        if self.places is not None and not set(self.places) <= set(range(self.batch_size)):
            raise ValueError(
                f"a batch of {self.batch_size} samples has no place {max(self.places)}"
            )
        if self.start < 0 or self.start % self.batch_size:
            raise ValueError(
                f"start {self.start} is not at a batch's beginning: batches hold {self.batch_size}"
            )
        if min(self.workers, self.threads, self.prefetch) < 0:
            raise ValueError("workers, threads and prefetch are counts, 0 or more")
        if self.on_bad not in ON_BAD:
            raise ValueError(f"on_bad is {' or '.join(ON_BAD)}, not {self.on_bad!r}")

    @property
    def own_places(self) -> tuple[int, ...]:
        """The places of each batch that this machine reads."""
        return tuple(range(self.batch_size)) if self.places is None else self.places

    @property
    def experts(self) -> int:
        """How many experts what this machine reads is laid out for."""
        in_turn = all(place % EXPERTS == k % EXPERTS for k, place in enumerate(self.own_places))
        return EXPERTS if in_turn and len(self.own_places) % EXPERTS == 0 else 1

    def sample(self, number: int) -> int:
        """Return which sample is the one that this machine reads as its `number`th."""
        batch, place = divmod(number, len(self.own_places))
        return batch * self.batch_size + self.own_places[place]


class _SelectionMap(grain.transforms.DatasetSelectionMap):
    """The selection as Grain asks for it: number of what is read → (source, row)."""

    def __init__(self, selection: Drawing, settings: LoaderSettings) -> None:
        self._selection, self._settings = selection, settings

    def __len__(self) -> int:
        return _END

    def __getitem__(self, index: int) -> tuple[int, int]:
        chosen = self._selection(self._settings.sample(index))
        return chosen.source, chosen.clip


class _Numbered:
    """A description of samples by the number of what is read."""

    def __init__(self, describe: Describe, settings: LoaderSettings) -> None:
        self._describe, self._settings = describe, settings

    def __call__(self, number: int, row: int) -> Sample:
        return self._describe(self._settings.sample(number), row)


class Loader(Iterator[Batch]):
    """The endless iterator of batches that `make_loader` makes; `bad` gathers what it skips."""

    def __init__(self, dataset: grain.IterDataset, bad: BadClips) -> None:
        self._batches: Any = iter(dataset)
        self.bad = bad

    def __next__(self) -> Batch:
        batch, bad = next(self._batches)
        for clip in bad:
            self.bad.add(clip)
        return batch

    def close(self) -> None:
        """End the processes that read ahead."""
        self._batches.close()


def make_loader(
    selection: Drawing,
    feeds: Sequence[Feed],
    settings: LoaderSettings,
    tokenize: Tokenize | None = None,
    text_length: int = 0,
    bad: BadClips | None = None,
) -> Loader:
    """Return the endless iterator of batches from `settings.start`.

    `feeds` are the selection's sources, in its order. A batch has, with the E experts and the b
    samples of each that this machine reads: `latents` [E, b, t, h, w, z] (t = 1 for images) in the
    numbers that the source keeps, to be made float32 on the device; `tags` {`values` int32
    [E, b, 24, 5], `order` int32 [E, b, 24], `mask` bool [E, b, 24]}, `mode` int32 [E, b], `task`
    int32 [E, b] (0 T2I, 1 T2V, 2 I2V), `reference` like `latents`, `reference_mask` float32
    [E, b, t, 4], `sample_index` uint32 [E, b, 2] (high and low word); with `tokenize` the
    `text_ids` int32 [E, b, L] of the texts, without it their states, `text`
    [E, b, `text_length`, D], as the source keeps them, zero beyond their end. A frame source gives
    `frames` uint8 [E, b, T, H, W, 3] in place of `latents` and `reference`. Arrays may be views, to
    be read only. Clips that cannot be read are added to `bad`.
    Raises ValueError where feeds and selection do not fit, and for cached states of a source that
    has none.
    """
    names = tuple(feed.name for feed in feeds)
    if names != tuple(selection.sources):
        raise ValueError(f"the selection draws from {selection.sources}, and {names} are fed")
    for feed in feeds:
        if tokenize is None and not feed.wordings:
            raise ValueError(f"{feed.name} keeps no text states: they must be made live")
    if settings.workers and not flags.FLAGS.is_parsed():
        # Grain hands absl's flags on to its workers, and outside a command nobody has parsed any.
        flags.FLAGS.mark_as_parsed()
    describe = Describe(
        selection,
        feeds,
        settings.seed,
        settings.perturbation,
        settings.block,
        cached=tokenize is None,
    )
    collate = Collate(
        describe,
        feeds,
        tokenize,
        text_length,
        settings.on_bad,
        settings.references,
        settings.experts,
    )
    rows = [grain.MapDataset.range(len(feed.texts)) for feed in feeds]
    dataset = (
        grain.MapDataset.select_from_datasets(rows, _SelectionMap(selection, settings))
        .map_with_index(_Numbered(describe, settings))
        .batch(len(settings.own_places), batch_fn=tuple)[settings.start // settings.batch_size :]
        .map(collate)
        .to_iter_dataset(
            grain.ReadOptions(num_threads=settings.threads, prefetch_buffer_size=settings.prefetch)
        )
        .mp_prefetch(
            grain.MultiprocessingOptions(
                num_workers=settings.workers, per_worker_buffer_size=max(1, settings.prefetch)
            )
        )
    )
    return Loader(dataset, BadClips() if bad is None else bad)
