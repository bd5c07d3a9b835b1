"""Which clips serve which training stage (paper 3.5, 5): broad at first, then ever stricter."""

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from animatrix_data.corpus.catalogue import TIERS
from animatrix_data.settings import near

STAGE_TIERS = {
    "CT": ("S", "A", "B"),
    "SFT": ("S", "A"),
    "QT": ("S",),
    "DPO": ("S",),
}
"""The tiers a stage draws from: B holds A, and A holds S."""

SHORTEST = 4.0
"""Seconds below which a clip is never of tier A, nor of tier S, which A holds (section 3.5)."""


class Tiered(Protocol):
    """What is asked of clips: tiers as places in `TIERS` uint8 [N], seconds float32 [N], faults."""

    @property
    def tiers(self) -> np.ndarray:
        """The tier of every clip."""

    @property
    def seconds(self) -> np.ndarray:
        """The length of every clip."""

    @property
    def faulty(self) -> Mapping[int, str]:
        """What is wrong with the rows that cannot be drawn."""


def effective_tiers(table: Tiered, shortest: float = SHORTEST) -> np.ndarray:
    """Return the tiers uint8 [N] that clips count as, as places in `TIERS`.

    It is a clip's label, but B where it is shorter than `shortest` seconds.
    """
    return np.where(table.seconds < shortest, np.uint8(TIERS.index("B")), table.tiers)


def stage_rows(table: Tiered, stage: str, shortest: float = SHORTEST) -> np.ndarray:
    """Return the rows int64 [M] of `table` that serve `stage`: CT, SFT, QT or DPO, in order.

    Tiers are effective (`effective_tiers`). Raises ValueError for an unknown stage and for one that
    no clip serves.
    """
    if stage not in STAGE_TIERS:
        raise ValueError(f"there is no stage {stage!r}{near(stage, STAGE_TIERS)}")
    wanted = STAGE_TIERS[stage]
    tiers = effective_tiers(table, shortest)
    rows = np.flatnonzero(np.isin(tiers, [TIERS.index(tier) for tier in wanted]))
    if not len(rows):
        raise ValueError(
            f"no clip serves stage {stage}: none of {len(tiers)} is of tier {' or '.join(wanted)}"
            + ("" if "B" in wanted else f" and at least {shortest:g} s long")
        )
    return rows


def sound_rows(table: Tiered, rows: np.ndarray) -> np.ndarray:
    """Return those of `rows` that are not faulty, in order."""
    return rows[~np.isin(rows, list(table.faulty))]


def split_stage(
    table: Tiered, stage: str, held_out: int, shortest: float = SHORTEST
) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of a stage's clips to train on, and the last `held_out`, to measure on.

    Faulty clips are in neither. Raises ValueError as `stage_rows` does, and where nothing is left
    to train on.
    """
    rows = sound_rows(table, stage_rows(table, stage, shortest))
    if not 0 <= held_out < len(rows):
        raise ValueError(
            f"held_out {held_out} leaves nothing of the {len(rows)} clips of stage {stage} to "
            "train on"
        )
    first = len(rows) - held_out
    return rows[:first], rows[first:]
