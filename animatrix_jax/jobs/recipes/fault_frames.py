"""The frames that the fault oracle learns from: as they should be, with a fault, and without arms.

What differs with the fault is what it has changed, what differs without arms is where these are
seen: nobody asks for that, but arms are where most is lost. A stopped drawing goes on where it was
stopped, and a second run draws nothing.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from animatrix_data.files import whole_file
from animatrix_data.procedural import (
    FAULTS,
    Size,
    draw_frames,
    sample_faults,
    sample_spec,
    sample_staging,
)
from animatrix_data.procedural.registry import generator
from animatrix_data.progress import ticking
from animatrix_jax.jobs.recipes.drawings import Drawing, recoded
from animatrix_jax.jobs.workers import spread
from animatrix_jax.models.oracle_faults import CELL

KINDS = tuple(FAULTS)
SOUND = -1
"""The kind of a frame that nothing breaks."""
MOMENTS = 3
"""How many frames of a clip are drawn."""
EARLIEST = 0.25
"""The share of a clip before which no frame is drawn: few faults have begun there."""
CHANGE = 24
"""By how many grey levels a channel of a pixel must differ to be changed."""
CHUNK = 100
"""How many clips a file holds."""


def row_type(size: Size) -> np.dtype:
    """Return what is kept of a frame: the one before it, itself, how many of the 16 pixels of each
    cell its fault has changed, how many show arms, and which of `KINDS` that is (`SOUND`: none)."""
    frame = (np.uint8, (size.height, size.width, 3))
    cells = (size.height // CELL, size.width // CELL)
    fields = [("before", *frame), ("frames", *frame), ("changed", np.uint8, cells),
              ("arms", np.uint8, cells), ("kind", np.int8)]  # fmt: skip
    return np.dtype(fields)


def see_frames(drawing: Drawing, kept: Path, processes: int = 1) -> list[np.ndarray]:
    """Return the rows (`row_type`) of a drawing's files, mapped from disk; what is not in the
    folder `kept` yet is drawn."""
    chunks = drawing.chunks(CHUNK)
    missing = [chunk for chunk in chunks if not (kept / f"{chunk.name}.npy").is_file()]
    with ticking("Drawing", sum(chunk.clips for chunk in missing)) as ticker:
        for done in spread(partial(_see, kept), missing, processes):
            ticker.advance(done)
    return [np.load(kept / f"{chunk.name}.npy", mmap_mode="r") for chunk in chunks]


def _see(kept: Path, drawing: Drawing) -> int:
    """Draw the frames of a file and keep them; return how many clips they are of."""
    seeds = range(drawing.seed, drawing.seed + drawing.clips)
    rows = np.concatenate([see_clip(seed, drawing) for seed in seeds])
    with whole_file(kept / f"{drawing.name}.npy") as temporary:
        np.save(temporary, rows, allow_pickle=False)
    return drawing.clips


def see_clip(seed: int, drawing: Drawing) -> np.ndarray:
    """Return the rows (`row_type`) of a clip: some frames, sound and, if it has a fault, broken."""
    size = drawing.size
    spec = sample_spec(seed, drawing.sampler)
    faults = sample_faults(seed, drawing.sampler, spec)
    staging = sample_staging(seed, drawing.sampler, spec)
    first = max(1, int(EARLIEST * size.frames))
    count = min(MOMENTS, size.frames - first)
    moments = generator(seed, "moments").choice(size.frames - first, count, replace=False) + first
    which = [t - back for t in sorted(moments.tolist()) for back in (1, 0)]
    kinds = [SOUND, *(KINDS.index(fault.kind) for fault in faults)]
    states = ((), faults)[: len(kinds)]
    shown, bare = (
        [draw_frames(spec, seed, size, which, staging, of, armless) for of in states]
        for armless in (False, True)
    )
    rows = np.zeros((len(kinds), count), row_type(size))
    for row, kind, frames, without in zip(rows, kinds, shown, bare, strict=True):
        row["kind"] = kind
        row["arms"] = _changed(frames[1::2], without[1::2])
        row["changed"] = _changed(frames[1::2], shown[0][1::2])
        if drawing.coded and seed % drawing.coded == 0:
            frames = recoded(frames, size.fps)
        row["before"], row["frames"] = frames[::2], frames[1::2]
    return rows.reshape(-1)


def _changed(broken: np.ndarray, sound: np.ndarray) -> np.ndarray:
    """Return how many pixels of each cell [n, h, w] differ between frames uint8 [n, H, W, 3]."""
    count, height, width, _ = broken.shape
    apart = np.stack([cv2.absdiff(*pair) for pair in zip(broken, sound, strict=True)])
    differ = (apart.max(axis=-1) > CHANGE).reshape(count, height // CELL, CELL, width // CELL, CELL)
    return differ.sum(axis=(2, 4))


def kinds_of(files: Sequence[np.ndarray]) -> np.ndarray:
    """Return the kind of every row of some files."""
    return np.concatenate([np.asarray(rows["kind"]) for rows in files])
