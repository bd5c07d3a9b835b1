"""The fault oracle of a model folder: its card, its weights, its reading of clips."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from animatrix_data.files import digest_file
from animatrix_data.procedural.oracles import NOTHING, Reading
from animatrix_data.procedural.oracles.tears import tear_score
from animatrix_jax.checkpoint.folder import load_part
from animatrix_jax.models.oracle import FAULT
from animatrix_jax.models.oracle_faults import FaultConfig, FaultNet, clip_odds
from animatrix_jax.runtime.oracle import FaultAccuracy, above_floor, fitted_clip
from animatrix_jax.runtime.oracle_cards import read_card, save_with_card

CLASSICAL: Mapping[str, Callable[[np.ndarray], float]] = {"tear": tear_score}
"""Kinds of faults to what scores them in [0, 1) from frames uint8 [T, H, W, 3] without weights."""
PART = "faults"
CARD = "faults.json"


@dataclass(frozen=True)
class FaultCard:
    """What `faults/faults.json` holds beside the weights.

    `fps` is the rate of the clips it reads; `faults` says how well each kind is told, by the name
    of the answers, on clips of `sampler`. The kinds in `classical` are scored without the network.
    """

    config: FaultConfig
    fps: float
    faults: Mapping[str, FaultAccuracy] = field(default_factory=dict)
    note: str = ""
    sampler: str = "distinct_faulty"
    classical: tuple[str, ...] = ()

    @property
    def labels(self) -> dict[str, tuple[str, ...]]:
        """The answers, by the name of the kind."""
        return {FAULT + kind: (NOTHING, kind) for kind in self.config.kinds}

    def reading(self, scores: np.ndarray) -> Reading:
        """Return what a clip shows by how probable each kind of fault is [K]."""
        read: Reading = {}
        for (name, known), score in zip(self.labels.items(), scores.tolist(), strict=True):
            floor = self.faults[name].floor if name in self.faults else 0.0
            above = above_floor(score, floor)
            read[name] = dict(zip(known, (1.0 - above, above), strict=True))
        return read


def save_faults(folder: Path, params: Any, card: FaultCard, dtype: Any = jnp.float32) -> None:
    """Write a fault oracle into a model folder: `faults/model.safetensors` and its card."""
    save_with_card(folder, PART, params, card, dtype)


def read_fault_card(folder: Path) -> FaultCard:
    """Return the card of a model folder's fault oracle; ValueError where there is no sound one."""
    return read_card(FaultCard, folder, PART)


def frame_odds(config: FaultConfig) -> Callable[[Any, np.ndarray, np.ndarray], jax.Array]:
    """Return a function of params, frames and those before them, uint8 [N, H, W, 3], to the
    logarithm of the odds of each kind of fault [N, K]."""
    net = FaultNet(config)

    def odds(params: Any, frames: jax.Array, before: jax.Array) -> jax.Array:
        out: Any = net.apply(
            params, *(x.astype(jnp.float32) / 127.5 - 1.0 for x in (frames, before))
        )
        return out[1]

    return jax.jit(odds)


def clip_scores(
    config: FaultConfig, params: Any, classical: Sequence[str] = ()
) -> Callable[[Sequence[np.ndarray]], Iterator[np.ndarray]]:
    """Return a function of clips uint8 [T, H, W, 3] of the config's size that yields how probable
    each kind of fault is in each, [K]; those in `classical` by what is in `CLASSICAL`."""
    odds = frame_odds(config)
    which = np.array(config.looked)

    def scores(clips: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
        for clip in clips:
            found = clip_odds(odds(params, clip[which], clip[which - 1]))
            probable = np.array(jax.nn.sigmoid(found))
            for kind in classical:
                probable[config.kinds.index(kind)] = CLASSICAL[kind](clip)
            yield probable

    return scores


@dataclass(frozen=True)
class FaultOracle:
    """The fault oracle of a model folder; its weights load when it first reads."""

    folder: Path
    card: FaultCard

    def __call__(self, frames: np.ndarray, fps: float) -> Reading:
        """Return what a clip uint8 [T, H, W, 3] shows; ValueError when it is too short."""
        return self.read([frames], fps)[0]

    def read(self, clips: Sequence[np.ndarray], fps: float) -> list[Reading]:
        """Return what each of some clips shows; ValueError when one is too short."""
        config, rate = self.card.config, self.card.fps
        fitted = [fitted_clip(clip, fps, config, rate, self.folder) for clip in clips]
        return [self.card.reading(scores) for scores in self._scores(fitted)]

    @cached_property
    def digest(self) -> str:
        """The digest of the stored weights."""
        return digest_file(self.folder / PART / "model.safetensors")

    @cached_property
    def params(self) -> Any:
        """The network's parameters."""
        shapes: Any = jax.eval_shape(
            FaultNet(self.card.config).init, jax.random.key(0), *self.card.config.inputs(1)
        )
        return {"params": load_part(self.folder, PART, shapes["params"])}

    @cached_property
    def _scores(self) -> Callable[[Sequence[np.ndarray]], Iterator[np.ndarray]]:
        return clip_scores(self.card.config, self.params, self.card.classical)


def load_fault_oracle(folder: Path) -> FaultOracle:
    """Return the fault oracle of a model folder; ValueError where it has none."""
    return FaultOracle(folder, read_fault_card(folder))
