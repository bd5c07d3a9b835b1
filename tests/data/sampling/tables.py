"""Tables drawn at random, with labels that are uneven, missing and tied."""

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from animatrix_data.sampling.table import ClipTable

NAMES = (
    ("2D Japanese Anime", "Miyazaki Style", "Shinkai Style"),
    ("walk", "talk", "cast", "duel"),
    ("Static", "Pan", "Dolly Zoom"),
    ("Rain", "none"),
)
CONTENTS = ("landscape", "school", "unknown")


def random_table(clips: int, seed: int, missing: float = 0.1) -> ClipTable:
    """Return a table of so many clips; a share of the labels is missing."""
    rng = np.random.default_rng(seed)
    labels = np.stack(
        [rng.choice(len(n), clips, p=_falling(len(n))) for n in NAMES], axis=1
    ).astype(np.int16)  # fmt: skip
    labels[rng.random(labels.shape) < missing] = -1
    return ClipTable(
        ids=pa.array([f"clip-{i}" for i in range(clips)], pa.string()),
        labels=labels,
        names=NAMES,
        content=rng.choice(len(CONTENTS), clips, p=_falling(len(CONTENTS))).astype(np.int16),
        contents=CONTENTS,
        scores=rng.random((clips, 3)).astype(np.float32),
        tiers=rng.integers(0, 3, clips).astype(np.uint8),
        seconds=np.full(clips, 2.0, np.float32),
        shapes=np.zeros(clips, np.int32),
        shape_sizes=((33, 128, 128),),
    )


def _falling(count: int) -> np.ndarray:
    falling = 1.0 / np.arange(1, count + 1) ** 2
    return falling / falling.sum()


TABLES = st.builds(
    random_table, st.integers(1, 60), st.integers(0, 2**31), st.sampled_from((0.0, 0.2, 1.0))
)
