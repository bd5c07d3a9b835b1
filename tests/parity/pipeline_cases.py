"""The small pipelines from text to frames, as both sides know them: NumPy only."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.parity.vae_cases import KINDS, STRIDES
from tests.parity.weights import random_array, random_tensors

PROMPT = "A girl waits in the rain."
NEGATIVE = "blurry"
TEXT_LENGTH = 32
VOCAB = 384
SHIFT = 5.0
STEPS = 6
GUIDANCE = (3.5, 2.0)
HIGH, LOW, TEXT, VAE = "transformer", "transformer_2", "text_encoder", "vae"
SEEDS = {HIGH: 0, LOW: 1, TEXT: 2, VAE: 3}
DIT = {"num_attention_heads": 3, "attention_head_dim": 16, "ffn_dim": 96, "num_layers": 2}
TEXT_DIM = 24
UMT5 = {"d_model": TEXT_DIM, "d_kv": 8, "d_ff": 40, "num_layers": 2, "num_heads": 3}


@dataclass(frozen=True)
class Pipeline:
    """A kind of VAE, the frames of a clip, which of them are given, and the experts' boundary.

    `in_place` says that the given frame takes the place of latents (TI2V-5B).
    """

    name: str
    kind: str
    frames: int
    given: tuple[int, ...] = ()
    boundary: float | None = 0.9
    in_place: bool = False

    @property
    def z_dim(self) -> int:
        """Latent channels."""
        return int(KINDS[self.kind]["z_dim"])

    @property
    def in_channels(self) -> int:
        """Channels of the transformer's input."""
        return 2 * self.z_dim + 4 if self.given and not self.in_place else self.z_dim

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels: 4×6 latent positions."""
        return 4 * STRIDES[self.kind], 6 * STRIDES[self.kind]

    @property
    def statistics(self) -> dict[str, list[float]]:
        """The latents' means and deviations."""
        mean, spread = (random_array(name, (self.z_dim,), 0) for name in ("mean", "std"))
        return {
            "latents_mean": (0.3 * mean).tolist(),
            "latents_std": (1 + 0.2 * np.abs(spread)).tolist(),
        }

    def noise(self) -> np.ndarray:
        """Return what sampling starts from, [1, C, T, H, W]."""
        return random_array("noise", (1, self.z_dim, (self.frames + 3) // 4, 4, 6), 0)

    def picture(self, frame: int) -> np.ndarray:
        """Return the given picture of a frame, uint8 [H, W, 3]."""
        values = np.abs(random_array(f"picture {frame}", (*self.size, 3), 0))
        return (values * 1e4).astype(np.int64).astype(np.uint8)


CASES = (
    Pipeline("text, two experts", "wan21", 9),
    Pipeline("text and first frame, two experts", "wan21", 9, (0,)),
    Pipeline("text, first and last frame, two experts", "wan21", 9, (0, 8)),
    Pipeline("text, one expert", "wan22", 5, boundary=None),
    Pipeline("text and first frame in place, one expert", "wan22", 5, (0,), None, True),
)


def part_tensors(part: str, shapes: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Return a part's random weights; the decoder's are such that few pixels are clamped."""
    tensors = random_tensors({name: tuple(s) for name, s in shapes.items()}, SEEDS[part])
    for name in ("decoder.conv_out.weight", "decoder.conv_out.bias"):
        if name in tensors:
            tensors[name] = 0.3 * tensors[name]
    return tensors
