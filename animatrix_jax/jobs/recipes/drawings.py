"""What oracles learn from: clips of a sampler, drawn in parts that a file keeps each."""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from animatrix_data.corpus.video import decode_video, encode_video
from animatrix_data.procedural import STUDIO_VERSION, Size


@dataclass(frozen=True)
class Drawing:
    """Clips of a sampler from a seed on, one in `coded` of them through H.264 (0: none)."""

    sampler: str
    size: Size
    seed: int
    clips: int
    coded: int = 0

    @property
    def name(self) -> str:
        """A name that says all that the clips depend on."""
        s, seen = self.size, f"{self.coded}-{STUDIO_VERSION}-{self.seed}-{self.clips}"
        return f"{self.sampler}-{s.height}x{s.width}x{s.frames}@{s.fps:g}-{seen}"

    def chunks(self, most: int) -> list["Drawing"]:
        """Return the drawing in parts of `most` clips each."""
        firsts = range(0, self.clips, most)
        return [
            replace(self, seed=self.seed + first, clips=min(most, self.clips - first))
            for first in firsts
        ]


def recoded(frames: np.ndarray, fps: float) -> np.ndarray:
    """Return frames uint8 [T, H, W, 3] as a corpus would give them back: through H.264."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        encode_video(path, frames, fps)
        return decode_video(path).frames
