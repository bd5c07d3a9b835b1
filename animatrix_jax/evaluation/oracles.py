"""Oracles at work: the learned one of a model folder and the classical ones, the better of both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from animatrix_data.procedural.oracles import (
    CAMERA_MOVEMENT,
    Reading,
    camera_path,
    classify_camera,
)
from animatrix_jax.evaluation.adherence import NEEDED_ACCURACY
from animatrix_jax.runtime.model import SHIPPED, find_model
from animatrix_jax.runtime.oracle import CARD, PART, Accuracy, LearnedOracle, load_learned_oracle

CLASSICAL = {"CameraMotion": lambda frames: classify_camera(camera_path(frames))}
"""Sub-field to what reads it from frames uint8 [T, H, W, 3] without learned weights."""


@dataclass(frozen=True)
class Oracles:
    """What reads a clip: calling it with (frames, fps) gives the scores of every sub-field."""

    learned: LearnedOracle

    @property
    def accuracy(self) -> Mapping[str, Accuracy]:
        """Each sub-field's accuracy, of the oracle that is used for it."""
        card = self.learned.card
        chosen = {name: card.classical[name] for name in self.classical}
        return {**card.accuracy, **chosen}

    @property
    def classical(self) -> tuple[str, ...]:
        """The sub-fields that a classical oracle reads better than the learned one."""
        card = self.learned.card
        learned = {name: value.reconstructed or 0.0 for name, value in card.accuracy.items()}
        return tuple(
            name
            for name, own in card.classical.items()
            if name in CLASSICAL and (own.reconstructed or 0.0) > learned.get(name, 0.0)
        )

    @property
    def ceilings(self) -> dict[str, float | None]:
        """What a perfect model could reach in each sub-field: accuracy after the VAE round trip
        (None: never asked there)."""
        return {name: value.reconstructed for name, value in self.accuracy.items()}

    @property
    def weak(self) -> dict[str, float]:
        """The sub-fields that are not measured, because the oracle misreads them too often."""
        return {
            name: value
            for name, value in self.ceilings.items()
            if value is not None and value < NEEDED_ACCURACY and name != CAMERA_MOVEMENT
        }

    @property
    def unmeasured(self) -> Mapping[str, Mapping[str, float]]:
        """By sub-field, the answers that are not measured, with how often they are read right."""
        return {name: found for name, found in self.learned.card.unmeasured.items() if found}

    def __call__(self, frames: np.ndarray, fps: float) -> Reading:
        """Return what a clip uint8 [T, H, W, 3] shows; ValueError when it is too short."""
        return self.read([frames], fps)[0]

    def read(self, clips: Sequence[np.ndarray], fps: float) -> list[Reading]:
        """Return what each of some clips shows; ValueError when one is too short."""
        readings = self.learned.read(clips, fps)
        for name in self.classical:
            for reading, frames in zip(readings, clips, strict=True):
                reading[name] = CLASSICAL[name](frames)
        return readings


def load_oracles(name: str | Path = "pocket") -> Oracles:
    """Return the oracles of a model folder, a run's workdir, or those shipped under a name.

    Raises ValueError where the folder has none.
    """
    path, shipped = Path(name), SHIPPED / str(name)
    folders = (path, path / "model", path.parent if path.name == PART else path, shipped)
    for folder in folders:
        if (folder / PART / CARD).is_file():
            return Oracles(load_learned_oracle(folder))
    return Oracles(load_learned_oracle(find_model(name)))
