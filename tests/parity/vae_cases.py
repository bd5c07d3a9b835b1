"""The comparisons of the VAEs, as both sides know them: NumPy only."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.parity.weights import random_array

KINDS: dict[str, dict[str, Any]] = {
    "wan21": {
        "base_dim": 8,
        "z_dim": 4,
        "dim_mult": [1, 2, 4, 4],
        "num_res_blocks": 1,
        "temperal_downsample": [False, True, True],
    },
    "wan22": {
        "base_dim": 8,
        "decoder_base_dim": 12,
        "z_dim": 6,
        "dim_mult": [1, 2, 4, 4],
        "num_res_blocks": 1,
        "temperal_downsample": [False, True, True],
        "is_residual": True,
        "in_channels": 12,
        "out_channels": 12,
        "patch_size": 2,
    },
}
"""Small sizes of each kind, in diffusers' terms."""

STRIDES = {"wan21": 8, "wan22": 16}
STORED = 2000


@dataclass(frozen=True)
class Sample:
    """A kind of VAE, a seed for its weights and inputs, and a clip's extent in latents."""

    kind: str
    seed: int
    frames: int
    rows: int
    columns: int

    @property
    def name(self) -> str:
        """The case as the table of errors calls it."""
        stride = STRIDES[self.kind]
        extent = f"{self.frames}×{self.rows * stride}×{self.columns * stride}"
        return f"{self.kind} {extent} seed {self.seed}"


EXTENTS = {"wan21": (3, 5), "wan22": (3, 1)}

CASES = tuple(
    Sample(kind, seed, frames, *EXTENTS[kind])
    for kind in KINDS
    for seed, frames in enumerate((1, 5, 9, 17))
)


def clip_of(case: Sample) -> np.ndarray:
    """Return a case's clip, about [−1, 1], channels last."""
    stride = STRIDES[case.kind]
    shape = (1, case.frames, case.rows * stride, case.columns * stride, 3)
    return 0.5 * random_array("clip", shape, case.seed)


def latents_of(case: Sample) -> np.ndarray:
    """Return a case's latents, channels last."""
    shape = (1, (case.frames - 1) // 4 + 1, case.rows, case.columns, KINDS[case.kind]["z_dim"])
    return random_array("latents", shape, case.seed)


def chosen(output: np.ndarray) -> np.ndarray:
    """Return an output's elements, or `STORED` fixed ones that stand for the rest."""
    flat = np.asarray(output).reshape(-1)
    if flat.size <= STORED:
        return flat
    return flat[np.random.default_rng(flat.size).choice(flat.size, STORED, replace=False)]
