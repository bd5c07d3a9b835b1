"""Random crops of clips held in memory: what the VAE trains on."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class CropStage:
    """A stretch of training on one crop shape: steps, clips a step, (frames, height, width)."""

    steps: int
    batch: int
    shape: tuple[int, int, int]


def crop_batches(
    frames: np.ndarray, stages: tuple[CropStage, ...], seed: int, start: int = 0
) -> Iterator[dict[str, np.ndarray]]:
    """Yield batches of `frames` uint8 [B, *shape, 3] and `sample_index` uint32 [B, 2] from `start`.

    `frames` is uint8 [N, T, H, W, 3]; clip and corner are pure functions of (seed, sample).
    Raises ValueError when a stage's crop is larger than the clips.
    """
    for stage in stages:
        if any(crop > edge for crop, edge in zip(stage.shape, frames.shape[1:4], strict=True)):
            raise ValueError(
                f"a crop of {stage.shape} frames, rows and columns does not fit into clips of "
                f"{frames.shape[1:4]}"
            )
    step, sample = 0, 0
    for stage in stages:
        for _ in range(stage.steps):
            if step >= start:
                indices = range(sample, sample + stage.batch)
                yield {
                    "frames": np.stack([_crop(frames, stage.shape, seed, i) for i in indices]),
                    "sample_index": np.array([[i >> 32, i & 0xFFFFFFFF] for i in indices], "u4"),
                }
            step, sample = step + 1, sample + stage.batch


def _crop(frames: np.ndarray, shape: tuple[int, int, int], seed: int, sample: int) -> np.ndarray:
    random = np.random.Generator(np.random.Philox(key=seed, counter=sample))
    clip = frames[random.integers(len(frames))]
    corner = [
        int(random.integers(edge - crop + 1))
        for edge, crop in zip(clip.shape[:3], shape, strict=True)
    ]
    return clip[tuple(slice(c, c + size) for c, size in zip(corner, shape, strict=True))]
