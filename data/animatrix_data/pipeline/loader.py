"""The loader: batches as a pure function of the global sample index (paper 5.1; house.md).

Sample i belongs to block i // 64, which is all images or all video and of one latent shape; (seed,
i) draws its clip, its task and its conditioning; i mod 2 is its expert. Batch k of size B holds
samples kB … kB + B − 1 whatever the machine, so the iterator's whole state is an index.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import grain
import numpy as np

from animatrix_data.corpus.catalogue import Catalogue, ClipRow
from animatrix_data.pipeline.conditioning import (
    Conditioned,
    Perturbation,
    condition,
    generator,
    pick,
    pick_edge,
)
from animatrix_data.taxonomy import Directive, parse_directive, parse_tags, tag_arrays

T2I, T2V, I2V = range(3)
TASKS = ("T2I", "T2V", "I2V")
TEMPORAL_FIELDS = ("CameraMotion", "MotionAmplitude", "MotionSpeed")
"""Sub-fields that say nothing of one frame: masked out of T2I samples."""
MASK_CHANNELS = 4
EXPERTS = 2
_END = 2**40

type Batch = dict[str, Any]
type Tokenize = Callable[[Sequence[str]], np.ndarray]


class Rows(Protocol):
    """What a source says of its rows: clip ids and latent shapes (t, h, w)."""

    @property
    def ids(self) -> tuple[str, ...]:
        """The clip id of every row."""

    @property
    def buckets(self) -> tuple[tuple[int, int, int], ...]:
        """The latent (t, h, w) of every row."""


class LatentSource(Protocol):
    """Where latents come from; `corpus.latents.LatentCache` is one."""

    @property
    def meta(self) -> Rows:
        """Its rows."""

    def read(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        """Return latents and reference latents of a row, float32 [t, h, w, z]."""

    def blank_for(self, bucket: tuple[int, int, int]) -> np.ndarray:
        """Return the encoding of all-zero frames, float32 [t, h, w, z]."""


class FrameSource(Protocol):
    """Decoded video in place of latents: the step then encodes frames and references."""

    @property
    def meta(self) -> Rows:
        """Its rows; the shapes are those of the frames (T, H, W)."""

    def frames(self, row: int) -> np.ndarray:
        """Return the frames of a row, uint8 [T, H, W, 3]."""


@dataclasses.dataclass(frozen=True)
class LoaderSettings:
    """How samples are drawn and batched.

    `batch_size` samples a batch over both experts and all processes; `task_ratio` T2I : T2V : I2V;
    `block` samples share task kind and shape; `start` the first sample's index; `process` and
    `processes` pick this machine's part of each batch; `threads` build batches, `prefetch` ahead.
    Raises ValueError for sizes that do not divide and ratios that are no proportions.
    """

    batch_size: int
    seed: int = 0
    task_ratio: tuple[float, float, float] = (0.2, 0.4, 0.4)
    perturbation: Perturbation = dataclasses.field(default_factory=Perturbation)
    block: int = 64
    start: int = 0
    process: int = 0
    processes: int = 1
    threads: int = 1
    prefetch: int = 2

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
        if len(self.task_ratio) != 3 or min(self.task_ratio) < 0 or not sum(self.task_ratio) > 0:
            raise ValueError(f"task_ratio {self.task_ratio} is no proportion of T2I : T2V : I2V")


@dataclasses.dataclass(frozen=True)
class Sample:
    """What sample `index` is: the source row of its clip, its task id, its conditions."""

    index: int
    row: int
    task: int
    conditions: Conditioned


class SampleMap:
    """The map from a global sample index to a sample: pure, and safe to call from threads.

    `weights` [len(catalogue)] draws clips in proportion (all alike without it). Raises ValueError
    when the catalogue is empty, a clip is not in the source, or weights do not fit.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        rows: Rows,
        settings: LoaderSettings,
        weights: np.ndarray | None = None,
    ) -> None:
        if not len(catalogue):
            raise ValueError(f"the corpus {catalogue.folder} holds no clips to train on")
        weights = np.ones(len(catalogue)) if weights is None else np.asarray(weights, np.float64)
        if weights.shape != (len(catalogue),) or not (weights >= 0).all() or not weights.sum() > 0:
            raise ValueError(
                f"weights must be {len(catalogue)} numbers ≥ 0, one for each clip, not all zero"
            )
        self._catalogue, self._settings = catalogue, settings
        numbers = {clip: row for row, clip in enumerate(rows.ids)}
        absent = next((clip.id for clip in catalogue if clip.id not in numbers), None)
        if absent is not None:
            raise ValueError(f"clip {absent!r} of {catalogue.folder} has not been encoded")
        self._rows = np.array([numbers[clip.id] for clip in catalogue])
        shapes: dict[tuple[int, int, int], list[int]] = {}
        for place, row in enumerate(self._rows):
            shapes.setdefault(rows.buckets[row], []).append(place)
        self._shapes = sorted(shapes)
        self._places = [np.array(shapes[shape]) for shape in self._shapes]
        self._edges = [np.cumsum(weights[places]) for places in self._places]
        self._shares = tuple(float(edges[-1]) for edges in self._edges)
        self._directive = functools.lru_cache(maxsize=65536)(self._read_directive)

    def block(self, index: int) -> tuple[bool, int]:
        """Return whether the block of sample `index` is images, and the place of its shape."""
        images = self._settings.task_ratio[0] / sum(self._settings.task_ratio)
        random = generator(self._settings.seed, index // self._settings.block, "block")
        return bool(random.random() < images), pick(random, self._shares)

    def shape(self, place: int) -> tuple[int, int, int]:
        """Return the shape (t, h, w) at `place`."""
        return self._shapes[place]

    def __call__(self, index: int) -> Sample:
        """Return sample `index`."""
        settings = self._settings
        images, shape = self.block(index)
        within = pick_edge(generator(settings.seed, index, "clip"), self._edges[shape])
        place = int(self._places[shape][within])
        task = T2I
        if not images:
            task = T2V + pick(generator(settings.seed, index, "task"), settings.task_ratio[1:])
        hidden = TEMPORAL_FIELDS if task == T2I else ()
        conditions = condition(
            self._directive(place), settings.seed, index, settings.perturbation, hidden
        )
        return Sample(index, int(self._rows[place]), task, conditions)

    def _read_directive(self, place: int) -> Directive:
        return clip_directive(self._catalogue[place])


def clip_directive(clip: ClipRow) -> Directive:
    """Return a clip's directive, or its tags without prose where it has none.

    Raises ValueError naming the clip when its text is wrong or holds too many tags.
    """
    try:
        if clip.directive.strip():
            directive = parse_directive(clip.directive)
        else:
            directive = Directive(parse_tags(clip.tags))
        tag_arrays(directive.spec)
    except ValueError as error:
        raise ValueError(f"clip {clip.id!r}: {error}") from None
    return directive


def make_loader(
    catalogue: Catalogue,
    source: LatentSource | FrameSource,
    settings: LoaderSettings,
    tokenize: Tokenize,
    weights: np.ndarray | None = None,
) -> Iterator[Batch]:
    """Return the endless iterator of batches from `settings.start`.

    A batch has, with E = 2 experts and b = batch_size / 2 / processes: `latents` float32
    [E, b, t, h, w, z] (t = 1 for images), `text_ids` int32 [E, b, L], `tags` {`values` int32
    [E, b, 24, 5], `order` int32 [E, b, 24], `mask` bool [E, b, 24]}, `mode` int32 [E, b],
    `task` int32 [E, b] (0 T2I, 1 T2V, 2 I2V), `reference` like `latents`, `reference_mask` float32
    [E, b, t, 4], `sample_index` uint32 [E, b, 2] (high and low word). A frame source gives
    `frames` uint8 [E, b, T, H, W, 3] in place of `latents` and `reference`.
    Raises ValueError as `SampleMap` does.
    """
    samples = SampleMap(catalogue, source.meta, settings, weights)

    def build(batch: int) -> Batch:
        return build_batch(samples, source, settings, tokenize, batch)

    first = settings.start // settings.batch_size
    dataset = grain.MapDataset.range(first, _END).map(build)
    options = grain.ReadOptions(
        num_threads=settings.threads, prefetch_buffer_size=settings.prefetch
    )
    return iter(dataset.to_iter_dataset(options))


def build_batch(
    samples: SampleMap,
    source: LatentSource | FrameSource,
    settings: LoaderSettings,
    tokenize: Tokenize,
    batch: int,
) -> Batch:
    """Return batch number `batch`, this process's part of it (see `make_loader`)."""
    share = settings.batch_size // settings.processes
    start = batch * settings.batch_size + settings.process * share
    drawn = [samples(index) for index in range(start, start + share)]
    # Expert-major: sample i goes to expert i mod 2.
    drawn = [sample for expert in range(EXPERTS) for sample in drawn[expert::EXPERTS]]
    shape = samples.shape(samples.block(start)[1])
    tags = [sample.conditions.tags for sample in drawn]
    indices = [sample.index for sample in drawn]
    flat: Batch = {
        "text_ids": tokenize([sample.conditions.text for sample in drawn]),
        "mode": np.array([sample.conditions.mode for sample in drawn], np.int32),
        "task": np.array([sample.task for sample in drawn], np.int32),
        "sample_index": np.array([[i >> 32, i & 0xFFFFFFFF] for i in indices], np.uint32),
        "tags": {
            name: np.stack([getattr(arrays, name) for arrays in tags])
            for name in ("values", "order", "mask")
        },
    } | _pictures(drawn, source, shape)
    return _by_expert(flat)


def _pictures(
    drawn: Sequence[Sample], source: LatentSource | FrameSource, shape: tuple[int, int, int]
) -> Batch:
    length = 1 if drawn[0].task == T2I else shape[0]
    if hasattr(source, "frames"):
        frames = np.stack([source.frames(sample.row)[:length] for sample in drawn])
        return {"frames": frames, "reference_mask": _masks(drawn, (length - 1) // 4 + 1)}
    blank = source.blank_for(shape)
    latents, references = [], []
    for sample in drawn:
        latent, reference = source.read(sample.row)
        latents.append(latent[:length])
        references.append((reference if sample.task == I2V else blank)[:length])
    return {
        "latents": np.stack(latents).astype(np.float32, copy=False),
        "reference": np.stack(references).astype(np.float32, copy=False),
        "reference_mask": _masks(drawn, length),
    }


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
