"""The learned oracle of a model folder: its card, its weights, its reading of clips."""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Protocol

import cv2
import jax
import jax.numpy as jnp
import numpy as np

from animatrix_data.files import digest_file, whole_file
from animatrix_data.procedural.oracles import Reading, flow_field, frame_statistics
from animatrix_jax.checkpoint.folder import copy_part, load_part
from animatrix_jax.models.oracle import OracleConfig, OracleNet
from animatrix_jax.models.oracle_frames import HEAT, LOOKED, PRESENCE, TRACKS
from animatrix_jax.runtime.oracle_cards import read_card, save_with_card

PART = "oracle"
CARD = "oracle.json"


class ClipSize(Protocol):
    """Whatever says what clips an oracle reads."""

    @property
    def frames(self) -> int:
        """How many frames."""

    @property
    def height(self) -> int:
        """Pixels down."""

    @property
    def width(self) -> int:
        """Pixels across."""


@dataclass(frozen=True)
class Accuracy:
    """How often an oracle's top answer is right on held-out renders, before and after the VAE
    (None: not asked there). An oracle that does not answer where it is not sure is right among the
    `clips` that it reads, which are a share `read` of those asked."""

    raw: float
    reconstructed: float | None
    clips: int
    read: float = 1.0


@dataclass(frozen=True)
class FaultAccuracy:
    """How well a kind of fault is told from sound clips: the area under the ROC, before and after
    the VAE, over `clips` that show it; and the rank correlation of the score with the deformation
    of sound clips, which are no failure. A score below `floor` says nothing and is read as 0."""

    auc: float
    reconstructed: float | None
    correlation: float
    floor: float
    clips: int


@dataclass(frozen=True)
class OracleCard:
    """What `oracle/oracle.json` holds beside the weights.

    `fps` is the rate of the clips it reads; `accuracy` is by sub-field, `per_answer` by sub-field
    and answer, `classical` that of the classical oracles on the same clips, `faults` by the name
    of the fault's answers. `unmeasured` lists the answers that are read too badly to be used, with
    their accuracy; `point_error` is the median error of found points in frame heights. `sampler` is
    what the clips were drawn with.
    """

    config: OracleConfig
    fps: float
    accuracy: Mapping[str, Accuracy] = field(default_factory=dict)
    per_answer: Mapping[str, Mapping[str, Accuracy]] = field(default_factory=dict)
    classical: Mapping[str, Accuracy] = field(default_factory=dict)
    note: str = ""
    faults: Mapping[str, FaultAccuracy] = field(default_factory=dict)
    unmeasured: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    point_error: float | None = None
    sampler: str = "rehearsed"


def save_oracle(folder: Path, params: Any, card: OracleCard, dtype: Any = jnp.float32) -> None:
    """Write an oracle into a model folder: `oracle/model.safetensors` and `oracle/oracle.json`."""
    save_with_card(folder, PART, params, card, dtype)


def carry_oracle(source: Path, target: Path) -> None:
    """Copy a model folder's oracle into another, where it has one."""
    if (source / PART / CARD).is_file():
        copy_part(source, target, PART)
        with whole_file(target / PART / CARD) as temporary:
            shutil.copyfile(source / PART / CARD, temporary)


def read_oracle_card(folder: Path) -> OracleCard:
    """Return the card of a model folder's oracle; ValueError where there is no sound one."""
    return read_card(OracleCard, folder, PART)


def clip_views(frames: np.ndarray, fps: float, config: OracleConfig) -> dict[str, np.ndarray]:
    """Return what the network takes of a clip uint8 [T, H, W, 3] of the oracle's size and rate:
    the frames shown (uint8), and the coarse flow and statistics of all where streams read them."""
    views: dict[str, np.ndarray] = {"frames": frames[:: config.skip]}
    if "field" in config.streams:
        views["field"] = flow_field(frames, fps)
    if "statistics" in config.streams:
        views["statistics"] = frame_statistics(frames)
    return views


def oracle_scores(net: OracleNet) -> Callable[[Any, Mapping[str, np.ndarray]], dict[str, Any]]:
    """Return a function of (params, views of clips [B, …]) to probabilities [B, n] by sub-field.

    Where the network finds points, `TRACKS` [B, T, K, 3] is among them.
    """

    def scores(params: Any, views: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
        inputs: Any = {**views, "frames": views["frames"].astype(jnp.float32) / 127.5 - 1.0}
        out: Any = net.apply(params, **inputs)
        kept = {name: value for name, value in out.items() if name not in (HEAT, PRESENCE, LOOKED)}
        return {
            name: value if name == TRACKS else jax.nn.softmax(value) for name, value in kept.items()
        }

    return jax.jit(scores)


@dataclass(frozen=True)
class Keypoints:
    """A figure's named points as read: places [T, 2] (x, y in pixels), and how probable it is that
    each is in the frame, [T]."""

    places: Mapping[str, np.ndarray]
    confidence: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class LearnedOracle:
    """The oracle of a model folder; its weights load when it first reads."""

    folder: Path
    card: OracleCard

    def __call__(self, frames: np.ndarray, fps: float) -> Reading:
        """Return what a clip uint8 [T, H, W, 3] shows; ValueError when it is too short."""
        return self.read([frames], fps)[0]

    def read(self, clips: Sequence[np.ndarray], fps: float, batch: int = 16) -> list[Reading]:
        """Return what each of some clips shows; ValueError when one is too short."""
        labels, readings = self.card.config.labels, []
        for scores in self._each(clips, fps, batch):
            reading: Reading = {}
            for name, known in labels.items():
                values = scores[name]
                if name in self.card.faults:
                    above = above_floor(float(values[1]), self.card.faults[name].floor)
                    values = np.array([1.0 - above, above])
                reading[name] = dict(zip(known, map(float, values), strict=True))
            readings.append(reading)
        return readings

    def keypoints(self, frames: np.ndarray, fps: float) -> Keypoints:
        """Return where the figure's points stand in a clip uint8 [T, H, W, 3].

        Between the frames that the oracle reads, and after the last of them, places are
        interpolated and held. Raises ValueError when the clip is too short or the oracle finds no
        points.
        """
        config = self.card.config
        if not config.points:
            raise ValueError(f"the oracle of {self.folder} finds no points")
        (scores,) = self._each([frames], fps, 1)
        height, width = frames.shape[1:3]
        at = self._taken(fps)[:: config.skip]
        # The oracle's frames may have another aspect: its x is in half heights of its own frames.
        scale = np.array([width * config.height / config.width, height]) / 2
        found = np.array(scores[TRACKS], np.float64)
        found[..., :2] = found[..., :2] * scale + np.array([width, height]) / 2
        every = np.arange(len(frames))
        rows = {
            name: np.stack([np.interp(every, at, found[:, k, d]) for d in range(3)], axis=1)
            for k, name in enumerate(config.points)
        }
        return Keypoints(
            {name: row[:, :2] for name, row in rows.items()},
            {name: row[:, 2] for name, row in rows.items()},
        )

    def _each(
        self, clips: Sequence[np.ndarray], fps: float, batch: int
    ) -> Iterator[dict[str, np.ndarray]]:
        """Yield the network's answers clip by clip."""
        for start in range(0, len(clips), batch):
            views = [
                clip_views(self._fitted(clip, fps), self.card.fps, self.card.config)
                for clip in clips[start : start + batch]
            ]
            padded = [*views, *[views[0]] * (batch - len(views))]
            stacked = {name: np.stack([view[name] for view in padded]) for name in views[0]}
            scores = jax.device_get(self._scores(self.params, stacked))
            for i in range(len(views)):
                yield {name: values[i] for name, values in scores.items()}

    def _fitted(self, frames: np.ndarray, fps: float) -> np.ndarray:
        """Return a clip in the oracle's frame count, rate and size."""
        return fitted_clip(frames, fps, self.card.config, self.card.fps, self.folder)

    def _taken(self, fps: float) -> np.ndarray:
        """Return which frames of a clip are the oracle's."""
        return taken_frames(fps, self.card.config.frames, self.card.fps)

    @cached_property
    def digest(self) -> str:
        """The digest of the stored weights."""
        return digest_file(self.folder / PART / "model.safetensors")

    @cached_property
    def params(self) -> Any:
        """The network's parameters."""
        c = self.card.config
        shapes = jax.eval_shape(partial(OracleNet(c).init, jax.random.key(0)), **c.inputs(1))
        return {"params": load_part(self.folder, PART, shapes["params"])}

    @cached_property
    def _scores(self) -> Callable[[Any, Mapping[str, np.ndarray]], dict[str, Any]]:
        return oracle_scores(OracleNet(self.card.config))


def above_floor(score: float, floor: float) -> float:
    """Return a score in [0, 1] as a share of what lies above the floor, 0 below it."""
    return max(0.0, (score - floor) / (1.0 - floor))


def taken_frames(fps: float, frames: int, rate: float) -> np.ndarray:
    """Return which frames of a clip at `fps` an oracle reads that reads `frames` of them at `rate`
    frames per second."""
    return np.round(np.arange(frames) * (fps / rate)).astype(int)


def fitted_clip(
    frames: np.ndarray, fps: float, wanted: ClipSize, rate: float, folder: Path
) -> np.ndarray:
    """Return a clip uint8 [T, H, W, 3] in the frame count and size that an oracle reads at `rate`
    frames per second; ValueError, naming the oracle's folder, when it is too short."""
    which = taken_frames(fps, wanted.frames, rate)
    if which[-1] >= len(frames):
        raise ValueError(
            f"the oracle of {folder} reads {wanted.frames} frames at {rate:g} fps; "
            f"a clip has {len(frames)} at {fps:g}"
        )
    return resized(frames[which], wanted.height, wanted.width)


def resized(frames: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return frames uint8 [T, H, W, 3] in another size: averaged down or interpolated up."""
    if frames.shape[1:3] == (height, width):
        return frames
    method = cv2.INTER_AREA if height <= frames.shape[1] else cv2.INTER_CUBIC
    return np.stack([cv2.resize(frame, (width, height), interpolation=method) for frame in frames])


def load_learned_oracle(folder: Path) -> LearnedOracle:
    """Return the learned oracle of a model folder; ValueError where it has none."""
    return LearnedOracle(folder, read_oracle_card(folder))
