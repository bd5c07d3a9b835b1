"""Oracles at work: those of a model folder and the classical ones, the better of them for each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from animatrix_data.procedural import Size
from animatrix_data.procedural.oracles import (
    CAMERA_MOVEMENT,
    Reading,
    camera_path,
    classify_camera,
)
from animatrix_data.settings import near
from animatrix_jax.evaluation.adherence import NEEDED_ACCURACY
from animatrix_jax.models.oracle_camera import FIELD
from animatrix_jax.runtime import camera, faults, oracle
from animatrix_jax.runtime.camera import CameraOracle, load_camera_oracle
from animatrix_jax.runtime.faults import FaultOracle, load_fault_oracle
from animatrix_jax.runtime.model import SHIPPED, find_model
from animatrix_jax.runtime.oracle import Accuracy, LearnedOracle, load_learned_oracle

CLASSICAL = {"CameraMotion": lambda frames: classify_camera(camera_path(frames))}
"""Sub-field to what reads it from frames uint8 [T, H, W, 3] without learned weights."""


@dataclass(frozen=True)
class Oracles:
    """What reads a clip: calling it with (frames, fps) gives the scores of every sub-field.

    `learned` reads all sub-fields, `camera` the camera's movement alone, `faults` some kinds of
    faults; one of them is there. What two of them read is read by the better one: the one that is
    right more often, and of faults the one that tells them better.
    """

    learned: LearnedOracle | None
    camera: CameraOracle | None = None
    faults: FaultOracle | None = None

    @property
    def labels(self) -> Mapping[str, tuple[str, ...]]:
        """What is answered, by sub-field."""
        own = self.learned.card.config.labels if self.learned else {}
        return {
            **own,
            **(self.camera.card.config.labels if self.camera else {}),
            **(self.faults.card.labels if self.faults else {}),
        }

    @property
    def size(self) -> Size:
        """The clips that are read."""
        card = self._first.card
        c = card.config
        return Size(c.height, c.width, c.frames, card.fps)

    @property
    def sampler(self) -> str:
        """What the oracles were measured on."""
        return self._first.card.sampler

    @property
    def accuracy(self) -> Mapping[str, Accuracy]:
        """Each sub-field's accuracy, of the oracle that is used for it."""
        own: Mapping[str, Accuracy] = {}
        if self.learned:
            card = self.learned.card
            own = {**card.accuracy, **{name: card.classical[name] for name in self.classical}}
        return {**own, **self._special.card.accuracy} if self._special else own

    @property
    def classical(self) -> tuple[str, ...]:
        """The sub-fields that a classical oracle reads better than the learned one."""
        if self.learned is None:
            return ()
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
        own = dict(self.learned.card.unmeasured) if self.learned else {}
        own |= self._special.card.unmeasured if self._special else {}
        return {name: found for name, found in own.items() if found}

    @property
    def _first(self) -> LearnedOracle | CameraOracle | FaultOracle:
        """The oracle whose clips are drawn where oracles are measured."""
        found = self.learned or self.faults or self.camera
        assert found is not None, "no oracle was loaded"
        return found

    @property
    def _special(self) -> CameraOracle | None:
        """The camera oracle, where it is used."""
        if self.learned is None or self.camera is None:
            return self.camera
        card = self.learned.card
        others = [table[FIELD].raw for table in (card.accuracy, card.classical) if FIELD in table]
        own = self.camera.card.accuracy
        used = FIELD in own and own[FIELD].raw > max(others, default=0.0)
        return self.camera if used else None

    @property
    def _kinds(self) -> tuple[str, ...]:
        """The names of the faults that the fault oracle is used for."""
        own = self.learned.card.faults if self.learned else {}
        found = self.faults.card.faults if self.faults else {}
        return tuple(n for n in found if n not in own or found[n].auc > own[n].auc)

    def __call__(self, frames: np.ndarray, fps: float) -> Reading:
        """Return what a clip uint8 [T, H, W, 3] shows; ValueError when it is too short."""
        return self.read([frames], fps)[0]

    def read(self, clips: Sequence[np.ndarray], fps: float) -> list[Reading]:
        """Return what each of some clips shows; ValueError when one is too short.

        A camera's movement that is not sure enough is not in the reading.
        """
        readings: list[Reading] = [{} for _ in clips]
        if self.learned:
            readings = self.learned.read(clips, fps)
        for name in self.classical:
            for reading, frames in zip(readings, clips, strict=True):
                reading[name] = CLASSICAL[name](frames)
        if self._special:
            for reading, found in zip(readings, self._special.read(clips, fps), strict=True):
                reading.pop(FIELD, None)
                reading |= found
        if self.faults and (kinds := self._kinds):
            for reading, found in zip(readings, self.faults.read(clips, fps), strict=True):
                reading |= {name: found[name] for name in kinds}
        return readings


def load_oracles(name: str | Path = "pocket") -> Oracles:
    """Return the oracles of a model folder, a run's workdir, or those shipped under a name.

    Raises ValueError where the folder has none, or there is no such folder.
    """
    path, shipped = Path(name), SHIPPED / str(name)
    parts = (oracle, camera, faults)
    if not path.exists() and not shipped.is_dir():
        known = sorted({card.parts[-3] for part in parts
                        for card in SHIPPED.glob(f"*/{part.PART}/{part.CARD}")})  # fmt: skip
        raise ValueError(f"there are no oracles {str(name)!r}{near(str(name), known)}")
    inside = path.name in [part.PART for part in parts]
    for folder in (path, path / "model", path.parent if inside else path, shipped):
        learned, moved, broken = ((folder / part.PART / part.CARD).is_file() for part in parts)
        if learned or moved or broken:
            return Oracles(
                load_learned_oracle(folder) if learned else None,
                load_camera_oracle(folder) if moved else None,
                load_fault_oracle(folder) if broken else None,
            )
    return Oracles(load_learned_oracle(find_model(name)))
