"""The loader: batches as a pure function of the global sample index (paper 5.1; house.md).

A Grain pipeline: the selection says which clip sample i shows, an indexed map gives it its
conditions, a process takes its share of every batch, and only that is read. Batch k of size B
holds samples kB … kB + B − 1, sample i is of expert i mod 2, and nothing depends on the number of
processes, workers or threads; so the iterator's whole state is one integer, the count of samples.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import grain
from absl import flags

from animatrix_data.pipeline.collate import EXPERTS, BadClips, Batch, Collate, Tokenize
from animatrix_data.pipeline.conditioning import Perturbation
from animatrix_data.pipeline.samples import Describe
from animatrix_data.pipeline.sources import Feed
from animatrix_data.sampling.selection import Selection

ON_BAD = ("skip", "raise")
_END = 2**48
"""More samples than any run draws; a length that Grain can count."""


@dataclasses.dataclass(frozen=True)
class LoaderSettings:
    """How samples are batched and read.

    `batch_size` samples a batch over both experts and all processes; `block` samples share task
    kind, source and shape, as the selection has it; `start` is the first sample's index; `process`
    and `processes` pick this machine's part of each batch. `workers` processes of their own build
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
    process: int = 0
    processes: int = 1
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
        if self.batch_size % (EXPERTS * self.processes):
            raise ValueError(
                f"batch_size {self.batch_size} cannot be shared by {EXPERTS} experts and "
                f"{self.processes} processes: it must be a multiple of {EXPERTS * self.processes}"
            )
        if not 0 <= self.process < self.processes:
            raise ValueError(f"there is no process {self.process} among {self.processes}")
        if self.start < 0 or self.start % self.batch_size:
            raise ValueError(
                f"start {self.start} is not at a batch's beginning: batches hold {self.batch_size}"
            )
        if min(self.workers, self.threads, self.prefetch) < 0:
            raise ValueError("workers, threads and prefetch are counts, 0 or more")
        if self.on_bad not in ON_BAD:
            raise ValueError(f"on_bad is {' or '.join(ON_BAD)}, not {self.on_bad!r}")

    @property
    def share(self) -> int:
        """Samples of each batch that this process reads."""
        return self.batch_size // self.processes


class _SelectionMap(grain.transforms.DatasetSelectionMap):
    """The selection as Grain asks for it: sample index → (source, row)."""

    def __init__(self, selection: Selection) -> None:
        self._selection = selection

    def __len__(self) -> int:
        return _END

    def __getitem__(self, index: int) -> tuple[int, int]:
        chosen = self._selection(index)
        return chosen.source, chosen.clip


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
    selection: Selection,
    feeds: Sequence[Feed],
    settings: LoaderSettings,
    tokenize: Tokenize | None = None,
    text_length: int = 0,
    bad: BadClips | None = None,
) -> Loader:
    """Return the endless iterator of batches from `settings.start`.

    `feeds` are the selection's sources, in its order. A batch has, with E = 2 experts and
    b = batch_size / 2 / processes: `latents` [E, b, t, h, w, z] (t = 1 for images) in the numbers
    that the source keeps, to be made float32 on the device; `tags` {`values` int32 [E, b, 24, 5],
    `order` int32 [E, b, 24], `mask` bool [E, b, 24]}, `mode` int32 [E, b], `task` int32 [E, b]
    (0 T2I, 1 T2V, 2 I2V), `reference` like `latents`, `reference_mask` float32 [E, b, t, 4],
    `sample_index` uint32 [E, b, 2] (high and low word); with `tokenize` the `text_ids` int32
    [E, b, L] of the texts, without it their states, `text` [E, b, `text_length`, D], as the source
    keeps them, zero beyond their end. A frame source gives `frames` uint8 [E, b, T, H, W, 3] in
    place of `latents` and `reference`. Arrays may be views, to be read only. Clips that cannot be
    read are added to `bad`.
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
    collate = Collate(describe, feeds, tokenize, text_length, settings.on_bad, settings.references)
    rows = [grain.MapDataset.range(len(feed.texts)) for feed in feeds]
    # Shares of all processes follow one another: that of process p of batch k is number k·P + p.
    first = settings.start // settings.batch_size * settings.processes + settings.process
    dataset = (
        grain.MapDataset.select_from_datasets(rows, _SelectionMap(selection))
        .map_with_index(describe)
        .batch(settings.share, batch_fn=tuple)[first :: settings.processes]
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
