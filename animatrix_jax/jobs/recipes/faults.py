"""Recipe `faults`: train the fault oracle on frames that the studio draws with and without."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from animatrix_data.procedural import Size
from animatrix_data.progress import track
from animatrix_jax.evaluation.sources import draw_shown
from animatrix_jax.evaluation.statistics import area_under_curve
from animatrix_jax.jobs.recipes.drawings import Drawing
from animatrix_jax.jobs.recipes.fault_frames import (
    KINDS,
    SOUND,
    kinds_of,
    see_frames,
)
from animatrix_jax.jobs.recipes.oracle_clips import place
from animatrix_jax.jobs.recipes.oracle_exam import fault_accuracy
from animatrix_jax.jobs.recipes.recipe import Core, Recipe, batch_random
from animatrix_jax.models.oracle import FAULT
from animatrix_jax.models.oracle_faults import CELL, SCALE, FaultConfig, FaultNet
from animatrix_jax.runtime.faults import CLASSICAL, FaultCard, clip_scores, frame_odds, save_faults
from animatrix_jax.runtime.oracle import FaultAccuracy
from animatrix_jax.training.faults import fault_step
from animatrix_jax.training.optimizer import OptimizerSettings, make_optimizer
from animatrix_jax.training.state import TrainState, new_state

CHUNK = 64
QUIET = 0.5
"""The share of sound clips whose scores say nothing, of kinds for which none is named."""
TRIES = 4
"""Of how many squares of a frame the best is learnt from."""


@dataclass(frozen=True)
class FaultSettings:
    """What an experiment fixes.

    `clip` is (frames, height, width) at `fps`; frames of `clips` clips of `sampler` from `seed` on
    are learnt from, one clip in `coded` through H.264, and those of `held_out` more, whose seeds
    follow, say during training how it goes. `kept` is the folder where they stay; as many
    `processes` draw (0: one per core). Of each frame a square of `crop` pixels is learnt from: of a
    few that are cut out anywhere the one that shows most of arms. In the end `examined` whole
    clips of `exam_sampler` from `exam_seed` on measure how well each of `kinds` is told; `quiet`
    is, by kind, the share of sound clips whose scores say nothing (`QUIET` where none is named).
    The kinds in `classical` are told without the network (`CLASSICAL`). The other numbers are
    `FaultConfig`'s.
    """

    kept: Path
    clip: tuple[int, int, int]
    fps: float
    kinds: tuple[str, ...]
    clips: int
    steps: int
    batch: int
    crop: int = 64
    seed: int = 9_000_000
    sampler: str = "broken"
    coded: int = 4
    held_out: int = 300
    examined: int = 1500
    exam_seed: int = 9_500_000
    exam_sampler: str = "distinct_faulty"
    quiet: Mapping[str, float] = field(default_factory=dict)
    classical: tuple[str, ...] = ()
    processes: int = 0
    skip: int = 1
    dims: tuple[int, int, int] = (48, 96, 192)
    hidden: int = 128
    dropout: float = 0.2
    optimizer: OptimizerSettings = OptimizerSettings()
    export_dtype: str = "bfloat16"

    def __post_init__(self) -> None:
        """Check the kinds and that no clip is learnt from and examined; ValueError says why not."""
        if self.crop % SCALE or not 0 < self.crop <= min(self.clip[1:]):
            raise ValueError(
                f"crop must be a multiple of {SCALE} that the frames of "
                f"{self.clip[1]}x{self.clip[2]} hold, not {self.crop}"
            )
        if unknown := {*self.kinds, *self.quiet} - set(KINDS):
            raise ValueError(f"there is no fault {min(unknown)!r}: it is one of {', '.join(KINDS)}")
        if unknown := set(self.classical) - ({*self.kinds} & {*CLASSICAL}):
            raise ValueError(
                f"the fault {min(unknown)!r} is not told without a network; of the kinds to be "
                f"found it is {', '.join(k for k in self.kinds if k in CLASSICAL) or 'none'}"
            )
        last = self.seed + self.clips + self.held_out
        if self.seed < self.exam_seed + self.examined and self.exam_seed < last:
            raise ValueError(
                f"exam_seed must leave the seeds {self.seed} to {last - 1} to what is learnt from, "
                f"not be {self.exam_seed}"
            )


def _config(settings: FaultSettings) -> FaultConfig:
    s = settings
    return FaultConfig(s.kinds, *s.clip, s.skip, s.dims, s.hidden, s.dropout)


def core(settings: FaultSettings, seed: int) -> Core:
    """Return what the run compiles; nothing is drawn."""
    config, batch = _config(settings), settings.batch
    net = FaultNet(config)
    transform, _ = make_optimizer(settings.optimizer, settings.steps)

    def init(key: jax.Array) -> TrainState:
        params = net.init(key, *(jnp.zeros(shape.shape) for shape in config.inputs(1)))
        return new_state(params, transform.init(params))

    cells = settings.crop // CELL
    frames = jax.ShapeDtypeStruct((batch, 1, settings.crop, settings.crop, 3), jnp.uint8)
    example = {
        "frames": frames,
        "before": frames,
        "changed": jax.ShapeDtypeStruct((batch, cells, cells), jnp.uint8),
        "arms": jax.ShapeDtypeStruct((batch, cells, cells), jnp.uint8),
        "kind": jax.ShapeDtypeStruct((batch, len(config.kinds)), jnp.float32),
        "sample_index": jax.ShapeDtypeStruct((batch, 2), jnp.uint32),
    }
    return Core(init, fault_step(net, transform, settings.optimizer.ema_decay, seed), (example,))


def drawings(settings: FaultSettings) -> tuple[Drawing, Drawing]:
    """Return what is drawn to learn from, and what says how it goes."""
    s = settings
    first = s.seed + s.clips
    return (
        Drawing(s.sampler, _size(s), s.seed, s.clips, s.coded),
        Drawing(s.sampler, _size(s), first, s.held_out, s.coded),
    )


def _size(settings: FaultSettings) -> Size:
    frames, height, width = settings.clip
    return Size(height, width, frames, settings.fps)


def prepare(settings: FaultSettings, seed: int) -> Recipe:
    """Build the run; frames that are not kept yet are drawn."""
    config, parts = _config(settings), core(settings, seed)
    to_learn, to_hold = drawings(settings)
    train, held = (see_frames(of, settings.kept, settings.processes) for of in (to_learn, to_hold))
    odds = frame_odds(config)

    def numbers(state: TrainState) -> dict[str, float]:
        return frame_areas(config, odds, state.average, held)

    def export(state: TrainState, folder: Path) -> None:
        dtype = jnp.dtype(settings.export_dtype)
        stored = jax.tree.map(lambda leaf: leaf.astype(dtype).astype(leaf.dtype), state.average)
        found = examine(config, stored, settings)
        card = FaultCard(
            config,
            settings.fps,
            found,
            sampler=settings.exam_sampler,
            classical=settings.classical,
        )
        save_faults(folder, stored, card, dtype)

    return Recipe(
        state=jax.jit(parts.init)(jax.random.key(seed)),
        step=parts.step,
        batches=lambda start: _batches(train, config, settings, seed, start),
        evaluate=numbers,
        export=export,
        total_steps=settings.steps,
        parents={"frames": to_learn.name, "held": to_hold.name},
    )


def frame_areas(
    config: FaultConfig, odds: Any, params: Any, files: Sequence[np.ndarray]
) -> dict[str, float]:
    """Return how well frames of each kind are told from sound ones: the areas under the curves."""
    found = []
    for rows in files:
        for start in range(0, len(rows), CHUNK):
            chosen = rows[np.minimum(np.arange(start, start + CHUNK), len(rows) - 1)]
            some = np.asarray(odds(params, chosen["frames"], chosen["before"]))
            found.append(some[: len(rows) - start])
    scores, kinds = np.concatenate(found), kinds_of(files)
    return {
        f"{kind}_area": area_under_curve(scores[kinds == of, k], scores[kinds == SOUND, k])
        for k, kind in enumerate(config.kinds)
        if (of := KINDS.index(kind)) in kinds
    }


def examine(config: FaultConfig, params: Any, settings: FaultSettings) -> dict[str, FaultAccuracy]:
    """Return how well each kind of fault is told in whole clips, by the name of its answers."""
    s, read = settings, clip_scores(config, params, settings.classical)
    scores: list[np.ndarray] = []
    kinds, deformation = [], []
    for number in track(range(s.exam_seed, s.exam_seed + s.examined), label="Examining"):
        shown = draw_shown(number, _size(s), s.exam_sampler)
        scores += read([shown.frames])
        kinds.append(shown.faults)
        deformation.append(shown.deformation)
    sound = np.array([not of for of in kinds])
    found = {}
    for k, kind in enumerate(config.kinds):
        broken = np.array([kind in of for of in kinds])
        if broken.any() and sound.sum() > 2:
            row = [np.array([of[k] for of in scores])]
            quiet = s.quiet.get(kind, QUIET)
            found[FAULT + kind] = fault_accuracy(row, broken, sound, np.array(deformation), quiet)
    return found


def _batches(
    files: Sequence[np.ndarray],
    config: FaultConfig,
    settings: FaultSettings,
    seed: int,
    start: int,
) -> Iterator[dict[str, Any]]:
    """Yield batches from a step on: passes over the frames, a square of each, half of them
    mirrored."""
    firsts = np.cumsum([0, *map(len, files)])
    known = np.array([[kind == KINDS.index(k) for k in config.kinds]
                      for kind in (*range(len(KINDS)), SOUND)], np.float32)  # fmt: skip
    size, edge = settings.batch, settings.crop // CELL
    for step in range(start, settings.steps):
        indices = range(step * size, (step + 1) * size)
        random = batch_random(seed, step)
        corners = random.integers(np.array(config.cells) - edge + 1, size=(size, TRIES, 2))
        flipped = random.random(size) < 0.5
        rows = []
        for index, some, flip in zip(indices, corners, flipped, strict=True):
            at = place(index, int(firsts[-1]), seed)
            file = int(np.searchsorted(firsts, at, side="right")) - 1
            row = files[file][at - firsts[file]]
            corner = max(some, key=lambda at: _cells(row["arms"], at, edge).sum())
            rows.append(_cut(row, corner, edge, flip))
        yield {
            **{name: np.stack([row[name] for row in rows]) for name in rows[0]},
            "kind": known[[row["kind"] for row in rows]],
            "sample_index": np.array([[i >> 32, i & 0xFFFFFFFF] for i in indices], "u4"),
        }


def _cut(row: np.ndarray, corner: np.ndarray, edge: int, flip: bool) -> dict[str, np.ndarray]:
    """Return a square of a row, `edge` cells wide, from the cell `corner` (down, across) on."""
    cut = {"kind": row["kind"]}
    for name, scale in (("frames", CELL), ("before", CELL), ("changed", 1), ("arms", 1)):
        square = _cells(row[name], scale * corner, scale * edge)
        square = square[:, ::-1] if flip else square
        cut[name] = square if scale == 1 else square[None]
    return cut


def _cells(values: np.ndarray, corner: np.ndarray, edge: int) -> np.ndarray:
    """Return a square of values [h, w, …] from a corner (down, across) on."""
    top, left = corner
    return values[top : top + edge, left : left + edge]
