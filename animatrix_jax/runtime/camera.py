"""The camera oracle of a model folder: its card, its weights, its reading of clips."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from animatrix_data.files import digest_file
from animatrix_data.procedural.oracles import Reading, movement
from animatrix_data.procedural.oracles.parallax import parallax
from animatrix_data.procedural.oracles.patterns import patterns
from animatrix_jax.checkpoint.folder import load_part
from animatrix_jax.models.oracle_camera import FIELD, CameraConfig, CameraNet, read_movement
from animatrix_jax.runtime.oracle import Accuracy, fitted_clip
from animatrix_jax.runtime.oracle_cards import read_card, save_with_card

PART = "camera"
CARD = "camera.json"


@dataclass(frozen=True)
class CameraCard:
    """What `camera/camera.json` holds beside the weights.

    `fps` is the rate of the clips it reads; `accuracy` is by sub-field (with and without the
    movement's direction), `per_answer` by sub-field and answer, on clips of `sampler`; `unmeasured`
    lists the answers that are read too badly, or too seldom, to be used, with their accuracy.
    `thresholds` says, by movement, how probable it must be for a clip to be read; one that is less
    probable is not read.
    """

    config: CameraConfig
    fps: float
    accuracy: Mapping[str, Accuracy] = field(default_factory=dict)
    per_answer: Mapping[str, Mapping[str, Accuracy]] = field(default_factory=dict)
    unmeasured: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    note: str = ""
    sampler: str = "distinct"
    thresholds: Mapping[str, float] = field(default_factory=dict)

    def reading(self, row: np.ndarray) -> Reading:
        """Return what a clip shows by the probability of each answer [n]; nothing where the
        movement is not probable enough to be read."""
        known = self.config.answers
        read, sure = surest_movement(known, row[None])
        least = self.thresholds.get(read[0], 0.0)
        return {FIELD: dict(zip(known, map(float, row), strict=True))} if sure[0] >= least else {}


def save_camera(folder: Path, params: Any, card: CameraCard, dtype: Any = jnp.float32) -> None:
    """Write a camera oracle into a model folder: `camera/model.safetensors` and its card."""
    save_with_card(folder, PART, params, card, dtype)


def read_camera_card(folder: Path) -> CameraCard:
    """Return the card of a model folder's camera oracle; ValueError where there is no sound one."""
    return read_card(CameraCard, folder, PART)


@dataclass(frozen=True)
class CameraOracle:
    """The camera oracle of a model folder; its weights load when it first reads."""

    folder: Path
    card: CameraCard

    def __call__(self, frames: np.ndarray, fps: float) -> Reading:
        """Return what a clip uint8 [T, H, W, 3] shows; ValueError when it is too short."""
        return self.read([frames], fps)[0]

    def read(self, clips: Sequence[np.ndarray], fps: float, batch: int = 16) -> list[Reading]:
        """Return what each of some clips shows; ValueError when one is too short.

        The reading of a clip whose movement is not sure enough is empty.
        """
        config, readings = self.card.config, list[Reading]()
        for start in range(0, len(clips), batch):
            fitted = [
                fitted_clip(clip, fps, config, self.card.fps, self.folder)
                for clip in clips[start : start + batch]
            ]
            rate = self.card.fps / config.skip
            seen = [parallax(clip[:: config.skip], rate) for clip in fitted]
            padded = [*seen, *[seen[0]] * (batch - len(seen))]
            found = patterns(
                np.stack([one.short for one in padded]),
                np.stack([one.long for one in padded]),
                np.stack([one.colours for one in padded]),
            )
            rows = self._probabilities(self.params, (found.image, found.course, found.totals))
            readings += map(self.card.reading, np.asarray(rows)[: len(seen)])
        return readings

    @cached_property
    def digest(self) -> str:
        """The digest of the stored weights."""
        return digest_file(self.folder / PART / "model.safetensors")

    @cached_property
    def params(self) -> Any:
        """The network's parameters."""
        config = self.card.config
        shapes: Any = jax.eval_shape(CameraNet(config).init, jax.random.key(0), *config.inputs(1))
        return {"params": load_part(self.folder, PART, shapes["params"])}

    @cached_property
    def _probabilities(self) -> Callable[[Any, Any], jax.Array]:
        return jax.jit(partial(read_movement, CameraNet(self.card.config)))


def surest_movement(known: Sequence[str], rows: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Return the movement of the most probable answer of each row [N, n], and how probable [N] it
    is in all of its directions together."""
    kinds = np.array([movement(text) for text in known])
    read = kinds[rows.argmax(axis=-1)]
    return list(map(str, read)), np.where(read[:, None] == kinds, rows, 0.0).sum(axis=-1)


def load_camera_oracle(folder: Path) -> CameraOracle:
    """Return the camera oracle of a model folder; ValueError where it has none."""
    return CameraOracle(folder, read_camera_card(folder))
