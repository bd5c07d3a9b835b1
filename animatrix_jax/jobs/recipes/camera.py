"""Recipe `camera`: train the camera oracle on clips that the studio draws for it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from animatrix_data.procedural import Size
from animatrix_data.procedural.oracles import answers, movement, sampler_labels
from animatrix_data.taxonomy import ProductionSpec
from animatrix_jax.evaluation.selective import choose_threshold, with_coverage
from animatrix_jax.jobs.recipes.camera_clips import MovedClips, see_clips
from animatrix_jax.jobs.recipes.drawings import Drawing
from animatrix_jax.jobs.recipes.oracle_clips import place
from animatrix_jax.jobs.recipes.oracle_exam import accuracy_tables
from animatrix_jax.jobs.recipes.recipe import Core, Recipe
from animatrix_jax.models.oracle_camera import (
    FIELD,
    TOLD,
    CameraConfig,
    CameraNet,
    read_movement,
)
from animatrix_jax.runtime.camera import CameraCard, save_camera, surest_movement
from animatrix_jax.runtime.oracle import Accuracy
from animatrix_jax.training.camera import camera_step
from animatrix_jax.training.optimizer import OptimizerSettings, make_optimizer
from animatrix_jax.training.state import TrainState, new_state

APART = 100_000
"""How far apart the seeds of two parts begin."""
CHUNK = 100


@dataclass(frozen=True)
class CameraSettings:
    """What an experiment fixes.

    `clip` is (frames, height, width) at `fps`, of which every `skip`-th frame is read. `clips` are
    drawn by `sampler` to learn from, in `parts` that begin at seeds 100,000 apart, and `examined`
    more measure what was learnt; all at the rate at which they are read, one in `coded` of them
    through H.264. `kept` is the folder where it stays what was seen of them; as many `processes`
    draw (0: one per core). The first of the parts is not learnt from: on it is chosen how probable
    a movement must be to be read, so that of the clips of each a share `covered` is read, and a
    share `careful` of these right. An answer that is read right in less than `bar` of the clips
    that are read, or of which less than `needed` are read, is listed as not measured. The other
    numbers are `CameraConfig`'s.
    """

    kept: Path
    clip: tuple[int, int, int]
    fps: float
    skip: int
    clips: int
    steps: int
    batch: int
    parts: int = 2
    seed: int = 5_100_000
    sampler: str = "moves"
    coded: int = 8
    examined: int = 1000
    exam_seed: int = 5_000_000
    bar: float = 0.95
    careful: float = 0.98
    covered: float = 0.6
    needed: float = 0.5
    processes: int = 0
    cells: tuple[int, int, int] = (48, 64, 96)
    course: int = 32
    hidden: int = 128
    dropout: float = 0.3
    optimizer: OptimizerSettings = OptimizerSettings()
    export_dtype: str = "bfloat16"

    def __post_init__(self) -> None:
        """Check what goes together; ValueError says what does not."""
        if (self.clip[0] - 1) % self.skip:
            raise ValueError(
                f"skip must divide the {self.clip[0] - 1} steps between a clip's frames, "
                f"not {self.skip}"
            )
        if self.parts < 2 or self.clips % self.parts:
            raise ValueError(
                f"2 parts or more must divide the {self.clips} clips, not {self.parts}"
            )


def _config(settings: CameraSettings) -> CameraConfig:
    s, (frames, height, width) = settings, settings.clip
    labels = sampler_labels(s.sampler, (FIELD,))
    sizes = (s.skip, s.cells, s.course, s.hidden, s.dropout)
    return CameraConfig(labels, frames, height, width, *sizes)


def core(settings: CameraSettings, seed: int) -> Core:
    """Return what the run compiles; nothing is drawn."""
    config = _config(settings)
    net = CameraNet(config)
    transform, _ = make_optimizer(settings.optimizer, settings.steps)
    inputs = config.inputs(settings.batch)

    def init(key: jax.Array) -> TrainState:
        params = net.init(key, *(jnp.zeros(shape.shape) for shape in config.inputs(1)))
        return new_state(params, transform.init(params))

    example: dict[str, Any] = dict(zip(("image", "course", "totals"), inputs, strict=True))
    for name, width in (("told", TOLD), ("answers", len(config.answers))):
        example[name] = jax.ShapeDtypeStruct((settings.batch, width), jnp.float32)
    example["sample_index"] = jax.ShapeDtypeStruct((settings.batch, 2), jnp.uint32)
    return Core(init, camera_step(net, transform, settings.optimizer.ema_decay, seed), (example,))


def drawings(settings: CameraSettings) -> tuple[list[Drawing], Drawing]:
    """Return what is drawn to learn from and to measure on."""
    s, (frames, height, width) = settings, settings.clip
    read = Size(height, width, (frames - 1) // s.skip + 1, s.fps / s.skip)
    parts = [
        Drawing(s.sampler, read, s.seed + APART * part, s.clips // s.parts, s.coded)
        for part in range(s.parts)
    ]
    return parts, Drawing(s.sampler, read, s.exam_seed, s.examined, s.coded)


def prepare(settings: CameraSettings, seed: int) -> Recipe:
    """Build the run; clips that are not kept yet are drawn."""
    config, parts = _config(settings), core(settings, seed)
    (chosen_on, *to_learn), to_measure = drawings(settings)
    train, held, unseen = (
        see_clips(of, settings.kept, settings.processes)
        for of in (to_learn, [chosen_on], [to_measure])
    )
    read = jax.jit(partial(read_movement, CameraNet(config)))

    def numbers(state: TrainState) -> dict[str, float]:
        rows = _probabilities(read, state.average, held)
        found = selective_tables(config, held.specs, rows, {})
        least = {f"{name}_least": min(value.raw for text, value in table.items() if text)
                 for name, table in found.items()}  # fmt: skip
        return {name: table[""].raw for name, table in found.items()} | least

    def export(state: TrainState, folder: Path) -> None:
        dtype = jnp.dtype(settings.export_dtype)
        stored = jax.tree.map(lambda leaf: leaf.astype(dtype).astype(leaf.dtype), state.average)
        rows = _probabilities(read, stored, held)
        thresholds = movement_thresholds(
            config, held.specs, rows, settings.careful, settings.covered
        )
        rows = _probabilities(read, stored, unseen)
        tables = selective_tables(config, unseen.specs, rows, thresholds)
        save_camera(folder, stored, _card(tables, thresholds, config, settings), dtype)

    return Recipe(
        state=jax.jit(parts.init)(jax.random.key(seed)),
        step=parts.step,
        batches=lambda start: _batches(train, config, settings, seed, start),
        evaluate=numbers,
        export=export,
        total_steps=settings.steps,
        parents={
            "clips": drawn_names(to_learn), "held": chosen_on.name, "exam": to_measure.name,
        },
    )  # fmt: skip


def drawn_names(of: list[Drawing]) -> str:
    """Return the names of several drawings in one line."""
    return " ".join(drawing.name for drawing in of)


def _probabilities(read: Any, params: Any, clips: MovedClips) -> np.ndarray:
    """Return the probability of each answer [N, n] for clips."""
    parts = []
    for start in range(0, len(clips), CHUNK):
        chosen = np.minimum(np.arange(start, start + CHUNK), len(clips) - 1)
        image, course, totals = clips.patterned
        shown = [of[chosen].astype(np.float32) for of in (image, course, totals)]
        parts.append(np.asarray(read(params, tuple(shown))))
    return np.concatenate(parts)[: len(clips)]


def movement_thresholds(
    config: CameraConfig,
    specs: Sequence[ProductionSpec],
    rows: np.ndarray,
    bar: float,
    needed: float,
) -> dict[str, float]:
    """Return how probable [N, n] each movement must be for a clip to be read, all alike, so that of
    the clips of each a share `needed` or more is read, and of these a share `bar` or more right."""
    kinds = list(dict.fromkeys(map(movement, config.answers)))
    names, sure = surest_movement(config.answers, rows)
    read = np.array([kinds.index(name) for name in names])
    asked = np.array([kinds.index(movement(answers(spec, FIELD)[0])) for spec in specs])
    return dict.fromkeys(kinds, choose_threshold(sure, read, asked, len(kinds), bar, needed))


def selective_tables(
    config: CameraConfig,
    specs: Sequence[ProductionSpec],
    rows: np.ndarray,
    thresholds: Mapping[str, float],
) -> dict[str, dict[str, Accuracy]]:
    """Return accuracy by sub-field and answer asked ('' for all) of the clips whose movement is
    probable enough [N, n] to be read, with the share of them that is."""
    names, sure = surest_movement(config.answers, rows)
    kept = [p >= thresholds.get(name, 0.0) for name, p in zip(names, sure, strict=True)]
    top = [config.answers[k] for k in rows.argmax(axis=-1)]
    every, some = (
        accuracy_tables(
            config.labels,
            [spec for spec, keep in zip(specs, of, strict=True) if keep],
            [{FIELD: [text for text, keep in zip(top, of, strict=True) if keep]}, {FIELD: ()}],
        )
        for of in ([True] * len(specs), kept)
    )
    return {
        name: {text: with_coverage(some.get(name, {}).get(text), all_) for text, all_ in of.items()}
        for name, of in every.items()
    }


def _card(
    tables: dict[str, dict[str, Accuracy]],
    thresholds: Mapping[str, float],
    config: CameraConfig,
    settings: CameraSettings,
) -> CameraCard:
    per_answer = {
        name: {text: value for text, value in table.items() if text}
        for name, table in tables.items()
    }
    return CameraCard(
        config,
        settings.fps,
        accuracy={name: table[""] for name, table in tables.items()},
        per_answer=per_answer,
        unmeasured={
            name: {
                text: value.raw
                for text, value in table.items()
                if value.raw < settings.bar or value.read < settings.needed
            }
            for name, table in per_answer.items()
        },
        sampler=settings.sampler,
        thresholds=thresholds,
    )


def _one_hot(specs: tuple[ProductionSpec, ...], known: tuple[str, ...]) -> np.ndarray:
    asked = [known.index(answers(spec, FIELD)[0]) for spec in specs]
    return np.eye(len(known), dtype=np.float32)[asked]


def _batches(
    clips: MovedClips, config: CameraConfig, settings: CameraSettings, seed: int, start: int
) -> Iterator[dict[str, Any]]:
    """Yield batches from a step on: passes over the clips, each in another order."""
    rows, size = _one_hot(clips.specs, config.answers), settings.batch
    image, course, totals = clips.patterned
    for step in range(start, settings.steps):
        indices = range(step * size, (step + 1) * size)
        chosen = np.array([place(i, len(clips), seed) for i in indices])
        shown = {"image": image, "course": course, "totals": totals, "told": clips.told}
        yield {
            **{name: of[chosen].astype(np.float32) for name, of in shown.items()},
            "answers": rows[chosen],
            "sample_index": np.array([[i >> 32, i & 0xFFFFFFFF] for i in indices], "u4"),
        }
