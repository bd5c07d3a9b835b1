"""Small sources for the loader: corpora without files, latents that say which row they are."""

import itertools
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import numpy as np

from animatrix_data.corpus.catalogue import Catalogue, ClipRow
from animatrix_data.pipeline.loader import LoaderSettings, make_loader
from animatrix_data.pipeline.sources import ClipTexts, Feed
from animatrix_data.pipeline.stages import feed_sources
from animatrix_data.sampling.selection import Phase, Selection

CLIPS, Z, TOKENS, WIDTH = 12, 3, 6, 2
TEXT = (
    "<tag> MotionType: walk, MotionAmplitude: low, MotionSpeed: low, shot_type: CU, "
    "camera_motion: pan left, VFX: Rain\n<summary> Clip {}.\n<description> A girl walks."
)


def corpus(count: int = CLIPS) -> Catalogue:
    rows = [
        ClipRow(f"clip{n}", f"{n}.mp4", 17, 8.0, 8, 8, "0", directive=TEXT.format(n))
        for n in range(count)
    ]
    return Catalogue(Path("corpus"), tuple(rows))


class Latents:
    """Latents that hold their row number; the reference its negative; blanks a half.

    `broken` rows cannot be read. A text state holds row and wording, one token more each wording.
    """

    def __init__(self, buckets, broken=(), skipped=()):
        ids = tuple(f"clip{n}" for n in range(len(buckets)))
        self.meta = SimpleNamespace(ids=ids, buckets=tuple(buckets))
        self.broken, self.skipped = set(broken), {ids[row]: "it is torn" for row in skipped}

    def read_latents(self, row):
        if row in self.broken:
            raise ValueError(f"row {row} is torn")
        return np.full((*self.meta.buckets[row], Z), row, np.float16)

    def read_reference(self, row):
        return -self.read_latents(row)

    def text(self, row, wording):
        return np.full((wording + 1, WIDTH), 10 * row + wording, np.float16)

    def blank_for(self, bucket):
        return np.full((*bucket, Z), 0.5, np.float16)


class Frames:
    """Frames that hold their row number."""

    skipped: ClassVar[dict[str, str]] = {}

    def __init__(self, count=CLIPS):
        ids = tuple(f"clip{n}" for n in range(count))
        self.meta = SimpleNamespace(ids=ids, buckets=((17, 8, 8),) * count)

    def frames(self, row, count):
        return np.full((count, 8, 8, 3), row, np.uint8)


def tokenize(texts):
    return np.array([[len(text), sum(text.encode())] for text in texts], np.int32)


def feed(reader, name="corpus", **rest) -> Feed:
    return Feed(name, ClipTexts.of(corpus(len(reader.meta.ids))), reader, **rest)


def select(feeds, seed=0, ratio=(0.2, 0.4, 0.4), weights=None, **rest) -> Selection:
    """Return a selection from all `feeds` alike in one endless phase."""
    weights = weights or [np.ones(len(feed.texts)) for feed in feeds]
    sources = feed_sources(feeds, weights, [None] * len(feeds))
    return Selection([Phase(None, ratio, sources, (1.0,) * len(feeds))], seed, **rest)


def batches(settings: LoaderSettings, count: int, feeds, selection=None, bad=None, **rest):
    """Return the first `count` batches; `rest` goes to `select`."""
    selection = selection or select(feeds, settings.seed, **rest)
    loader = make_loader(selection, feeds, settings, tokenize, bad=bad)
    found = list(itertools.islice(loader, count))
    loader.close()
    return found


def flatten(batch) -> dict[str, np.ndarray]:
    tags = {f"tags/{name}": array for name, array in batch["tags"].items()}
    return {name: array for name, array in batch.items() if name != "tags"} | tags
