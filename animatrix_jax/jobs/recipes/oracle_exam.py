"""The exam of an oracle: how well it reads held-out clips, as drawn and after a VAE."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import jax
import numpy as np

from animatrix_data.procedural.oracles import (
    CAMERA_MOVEMENT,
    camera_path,
    classify_camera,
    movement,
    top,
)
from animatrix_data.progress import track
from animatrix_data.taxonomy import ProductionSpec
from animatrix_jax.evaluation.statistics import area_under_curve, rank_correlation
from animatrix_jax.jobs.recipes.oracle_clips import Clips, Views, wanted
from animatrix_jax.models.oracle import FAULT, OracleConfig, OracleNet
from animatrix_jax.models.oracle_frames import TRACKS
from animatrix_jax.runtime.oracle import Accuracy, FaultAccuracy, OracleCard, oracle_scores

CHUNK = 16
QUIET = 0.9
"""The share of sound clips whose fault scores lie below the floor."""
LEAST_SOUND = 4
"""With fewer sound clips no fault is measured."""


class Exam:
    """Held-out clips, and how well an oracle reads them. Tags are asked of sound clips only."""

    def __init__(
        self,
        config: OracleConfig,
        clips: Clips,
        registered: int,
        bar: float | None = None,
        sampler: str = "rehearsed",
    ) -> None:
        self._config, self._clips, self._registered = config, clips, registered
        self._bar, self._sampler = bar, sampler
        self._scores = oracle_scores(OracleNet(config))
        self._sound = np.array([not kinds for kinds in clips.faults], bool)

    def read(self, params: Any) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Return what the network answers for the clips as drawn, and for those after the VAE."""
        return self._answers(params, self._clips.drawn), self._answers(params, self._clips.soft)

    def _answers(self, params: Any, views: Views) -> dict[str, np.ndarray]:
        count, parts = len(views["frames"]), []
        for start in range(0, count, CHUNK):
            chosen = np.minimum(np.arange(start, start + CHUNK), count - 1)
            chunk = {name: values[chosen] for name, values in views.items()}
            parts.append(jax.device_get(self._scores(params, chunk)))
        if not parts:
            return {}
        return {name: np.concatenate([part[name] for part in parts])[:count] for name in parts[0]}

    def numbers(self, params: Any) -> dict[str, float]:
        """Return the numbers that are logged during training."""
        read = self.read(params)
        found = {}
        for name, table in self._tables(read).items():
            found[f"{name}_raw"] = table[""].raw
            if table[""].reconstructed is not None:
                found[f"{name}_reconstructed"] = table[""].reconstructed
        for name, fault in self._faults(read).items():
            found[f"{name}_auc"] = fault.auc
        if self._config.points:
            found["point_error"] = self._point_error(read[0])
        return found

    def _tables(self, read: Sequence[dict[str, np.ndarray]]) -> dict[str, dict[str, Accuracy]]:
        labels = {n: k for n, k in self._config.labels.items() if not n.startswith(FAULT)}
        specs = [spec for spec, sound in zip(self._clips.specs, self._sound, strict=True) if sound]
        tops = [
            {name: [known[k] for k in found[name].argmax(axis=-1)[self._sound[: len(found[name])]]]
             for name, known in labels.items()} if found else dict.fromkeys(labels, ())
            for found in read
        ]  # fmt: skip
        return accuracy_tables(labels, specs, tops)

    def _faults(self, read: Sequence[dict[str, np.ndarray]]) -> dict[str, FaultAccuracy]:
        """Return how well each kind of fault is told from sound clips."""
        names = [name for name in self._config.labels if name.startswith(FAULT)]
        found = {}
        for name in names:
            kind = name.removeprefix(FAULT)
            broken = np.array([kind in kinds for kinds in self._clips.faults], bool)
            if broken.any() and self._sound.sum() >= LEAST_SOUND:
                scores = [part[name][:, 1] for part in read if part]
                found[name] = fault_accuracy(scores, broken, self._sound, self._clips.deformation)
        return found

    def _point_error(self, read: Mapping[str, np.ndarray]) -> float:
        """Return the median distance of found points from the truth, in frame heights."""
        apart = np.linalg.norm(read[TRACKS][..., :2] - self._clips.places, axis=-1) / 2
        inside = self._clips.inside > 0
        return float(np.median(apart[inside])) if inside.any() else 0.0

    @cached_property
    def classical(self) -> dict[str, Accuracy]:
        """The classical oracles' accuracy on the first of the clips."""
        few = slice(self._registered)
        read = [
            {"CameraMotion": [top({"CameraMotion": classify_camera(camera_path(clip))},
                                  "CameraMotion")
                              for clip in track(views["frames"][few], label="Registering")]}
            for views in (self._clips.drawn, self._clips.soft)
        ]  # fmt: skip
        tables = accuracy_tables({"CameraMotion": ()}, self._clips.specs[few], read)
        return {name: table[""] for name, table in tables.items()}

    def card(self, params: Any, fps: float, dtype: Any) -> OracleCard:
        """Return the card of an oracle as it will be stored, in `dtype`."""
        stored = jax.tree.map(lambda leaf: leaf.astype(dtype).astype(leaf.dtype), params)
        read = self.read(stored)
        tables = self._tables(read)
        per_answer = {
            name: {text: value for text, value in table.items() if text}
            for name, table in tables.items()
        }
        bar = 0.0 if self._bar is None else self._bar
        return OracleCard(
            self._config,
            fps,
            accuracy={name: table[""] for name, table in tables.items()},
            per_answer=per_answer,
            classical=self.classical,
            faults=self._faults(read),
            unmeasured={
                name: {text: value.raw for text, value in table.items() if value.raw < bar}
                for name, table in per_answer.items()
            },
            point_error=self._point_error(read[0]) if self._config.points else None,
            sampler=self._sampler,
        )


def fault_accuracy(
    scores: Sequence[np.ndarray],
    broken: np.ndarray,
    sound: np.ndarray,
    deformation: np.ndarray,
    quiet: float = QUIET,
) -> FaultAccuracy:
    """Return how well `broken` clips [N] are told from `sound` ones by their scores [N], as drawn
    and, if there are two, those of the first of them after a VAE.

    Below the floor lies a share `quiet` of every second sound clip; the others are measured.
    """
    calm = np.flatnonzero(sound)
    floor = float(np.quantile(scores[0][calm[::2]], quiet))
    raw, *soft = (np.maximum(of, floor) for of in scores)
    rest = calm[1::2]
    return FaultAccuracy(
        auc=area_under_curve(raw[broken], raw[rest]),
        reconstructed=_soft_area(soft[0], broken, rest) if soft else None,
        correlation=rank_correlation(raw[rest], deformation[rest]),
        floor=floor,
        clips=int(broken.sum()),
    )


def _soft_area(scores: np.ndarray, broken: np.ndarray, rest: np.ndarray) -> float | None:
    """Return the area on the first clips, those after the VAE; None where a kind is missing."""
    broken, rest = broken[: len(scores)], rest[rest < len(scores)]
    return area_under_curve(scores[broken], scores[rest]) if broken.any() and len(rest) else None


def accuracy_tables(
    labels: Mapping[str, Sequence[str]],
    specs: Sequence[ProductionSpec],
    read: Sequence[Mapping[str, Sequence[str]]],
) -> dict[str, dict[str, Accuracy]]:
    """Return accuracy by sub-field and answer asked ('' for all of them).

    `read` holds the top answers by sub-field for the clips as drawn, and for the first of them
    after the VAE. A clip that says nothing about a sub-field is not counted there.
    """
    tables = {}
    for name, known in labels.items():
        asked = [wanted(spec, frozenset(), name, known) for spec in specs]
        tables[name] = _table(asked, [variant[name] for variant in read], known)
        if name == "CameraMotion":
            moves = [tuple(map(movement, texts)) for texts in asked]
            found = [list(map(movement, variant[name])) for variant in read]
            unique = tuple(dict.fromkeys(map(movement, known)))
            tables[CAMERA_MOVEMENT] = _table(moves, found, unique)
    return {name: table for name, table in tables.items() if table}


def _table(
    asked: Sequence[tuple[str, ...]], read: Sequence[Sequence[str]], known: Sequence[str]
) -> dict[str, Accuracy]:
    hits = [np.array([r in a for r, a in zip(found, asked, strict=False)], bool) for found in read]
    table = {}
    for text in ("", *known):
        chosen = np.array([bool(texts) and (not text or text in texts) for texts in asked], bool)
        if chosen.any():
            raw, soft = (hit[chosen[: len(hit)]] for hit in hits)
            after = float(soft.mean()) if len(soft) else None
            table[text] = Accuracy(float(raw.mean()), after, int(chosen.sum()))
    return table
