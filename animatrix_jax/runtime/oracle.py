"""The learned oracle of a model folder: its card, its weights, its reading of clips."""

import dataclasses
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import cv2
import jax
import jax.numpy as jnp
import numpy as np

from animatrix_data.files import whole_file
from animatrix_data.procedural.oracles import Reading
from animatrix_data.settings import build
from animatrix_jax.checkpoint.folder import copy_part, load_part, save_part
from animatrix_jax.models.oracle import OracleConfig, OracleNet

PART = "oracle"
CARD = "oracle.json"


@dataclass(frozen=True)
class Accuracy:
    """How often an oracle's top answer is right on held-out renders, before and after the VAE."""

    raw: float
    reconstructed: float
    clips: int


@dataclass(frozen=True)
class OracleCard:
    """What `oracle/oracle.json` holds beside the weights.

    `fps` is the rate of the clips it reads; `accuracy` is by sub-field, `per_answer` by sub-field
    and answer, `classical` that of the classical oracles on the same clips.
    """

    config: OracleConfig
    fps: float
    accuracy: Mapping[str, Accuracy] = field(default_factory=dict)
    per_answer: Mapping[str, Mapping[str, Accuracy]] = field(default_factory=dict)
    classical: Mapping[str, Accuracy] = field(default_factory=dict)
    note: str = ""


def save_oracle(folder: Path, params: Any, card: OracleCard, dtype: Any = jnp.float32) -> None:
    """Write an oracle into a model folder: `oracle/model.safetensors` and `oracle/oracle.json`."""
    save_part(folder, PART, params["params"], dtype)
    with whole_file(folder / PART / CARD) as temporary:
        temporary.write_text(json.dumps(dataclasses.asdict(card), indent=1) + "\n", "utf-8")


def carry_oracle(source: Path, target: Path) -> None:
    """Copy a model folder's oracle into another, where it has one."""
    if (source / PART / CARD).is_file():
        copy_part(source, target, PART)
        with whole_file(target / PART / CARD) as temporary:
            shutil.copyfile(source / PART / CARD, temporary)


def read_oracle_card(folder: Path) -> OracleCard:
    """Return the card of a model folder's oracle; ValueError where there is no sound one."""
    path = folder / PART / CARD
    if not path.is_file():
        raise ValueError(f"the model folder {folder} has no {PART}/{CARD}")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not an oracle's card: {error}") from error
    return build(OracleCard, content, str(path))


def oracle_scores(net: OracleNet) -> Callable[[Any, np.ndarray], dict[str, jax.Array]]:
    """Return a function of (params, frames uint8 [B, T, H, W, 3]) to probabilities [B, n]."""

    def scores(params: Any, frames: jax.Array) -> dict[str, jax.Array]:
        logits: Any = net.apply(params, frames.astype(jnp.float32) / 127.5 - 1.0)
        return {name: jax.nn.softmax(value) for name, value in logits.items()}

    return jax.jit(scores)


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
        readings: list[Reading] = []
        labels = self.card.config.labels
        for start in range(0, len(clips), batch):
            chunk = np.stack([self._fitted(clip, fps) for clip in clips[start : start + batch]])
            padded = np.concatenate([chunk, chunk[:1].repeat(batch - len(chunk), axis=0)])
            scores = jax.device_get(self._scores(self._params, padded))
            for i in range(len(chunk)):
                readings.append(
                    {name: dict(zip(labels[name], map(float, values[i]), strict=True))
                     for name, values in scores.items()}
                )  # fmt: skip
        return readings

    def _fitted(self, frames: np.ndarray, fps: float) -> np.ndarray:
        """Return a clip in the oracle's frame count, rate and size."""
        c = self.card.config
        which = np.round(np.arange(c.frames) * fps / self.card.fps).astype(int)
        if which[-1] >= len(frames):
            raise ValueError(
                f"the oracle of {self.folder} reads {c.frames} frames at {self.card.fps:g} fps; "
                f"a clip has {len(frames)} at {fps:g}"
            )
        return resized(frames[which], c.height, c.width)

    @cached_property
    def _params(self) -> Any:
        c = self.card.config
        clip = jax.ShapeDtypeStruct((1, c.frames, c.height, c.width, 3), jnp.float32)
        shapes = jax.eval_shape(partial(OracleNet(c).init, jax.random.key(0)), clip)
        return {"params": load_part(self.folder, PART, shapes["params"])}

    @cached_property
    def _scores(self) -> Callable[[Any, np.ndarray], dict[str, jax.Array]]:
        return oracle_scores(OracleNet(self.card.config))


def resized(frames: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return frames uint8 [T, H, W, 3] in another size: averaged down or interpolated up."""
    if frames.shape[1:3] == (height, width):
        return frames
    method = cv2.INTER_AREA if height <= frames.shape[1] else cv2.INTER_CUBIC
    return np.stack([cv2.resize(frame, (width, height), interpolation=method) for frame in frames])


def load_learned_oracle(folder: Path) -> LearnedOracle:
    """Return the learned oracle of a model folder; ValueError where it has none."""
    return LearnedOracle(folder, read_oracle_card(folder))
