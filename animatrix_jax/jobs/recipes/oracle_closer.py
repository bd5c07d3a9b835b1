"""Recipe `oracle_closer`: train what reads the head and the body of a figure from near.

The points of the truth say where to look, a little beside the mark, since those found later will
be; of an oracle that looks at frames already, which is given, everything else is kept.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from animatrix_data.procedural.faults import FAULTS
from animatrix_data.procedural.oracles import NOTHING, PARTS, sampler_labels
from animatrix_jax.evaluation.oracles import load_oracles
from animatrix_jax.jobs.recipes.oracle_clips import (
    Clips,
    corpus_rows,
    frame_targets,
    framed_batch,
    load_clips,
    near_of,
    place,
    target_rows,
)
from animatrix_jax.jobs.recipes.oracle_exam import Exam
from animatrix_jax.jobs.recipes.oracle_looks import looking_of
from animatrix_jax.jobs.recipes.recipe import Core, Recipe
from animatrix_jax.models.oracle import CLOSER, FAULT, FRAMED, OracleConfig, closer
from animatrix_jax.models.oracle_crops import CROPS, Closer, crop_boxes
from animatrix_jax.runtime.model import load_model
from animatrix_jax.runtime.oracle import save_oracle
from animatrix_jax.training.optimizer import OptimizerSettings, make_optimizer
from animatrix_jax.training.oracle import closer_step
from animatrix_jax.training.state import TrainState, new_state

BROKEN = 0.5
"""The share of samples that show a fault which crops say something about, all kinds alike."""
RIPE = 2
"""Frames that a fault has had to show itself where it is to be seen."""
ASIDE, LARGER = 0.07, 0.1
"""Standard deviations of a box's place, in halves of its edge, and of the logarithm of its size."""


@dataclass(frozen=True)
class CloserSettings:
    """What an experiment fixes.

    `initial` is the folder of an oracle that looks at single frames (recipe `oracle`), whose
    answers must be those of `sampler`, with faults. `clip` is (frames, height, width). The last
    `held_out` clips of the corpus measure what is trained on the others; `bar` is as there.
    """

    corpus: Path
    model: Path
    initial: Path
    clip: tuple[int, int, int]
    steps: int
    batch: int
    sampler: str = "distinct_faulty"
    held_out: int = 400
    bar: float | None = None
    near_dims: tuple[int, int, int, int] = (32, 64, 96, 128)
    near_look: int = 128
    dropout: float = 0.2
    optimizer: OptimizerSettings = OptimizerSettings()
    export_dtype: str = "bfloat16"


def _labels(settings: CloserSettings) -> dict[str, dict[str, tuple[str, ...]]]:
    known = sampler_labels(settings.sampler, ("MotionStyle", "MotionType", *PARTS, "VFX"))
    known = known | {FAULT + kind: (NOTHING, kind) for kind in FAULTS}
    return {crop: {n: known[n] for n in names} for crop, names in near_of(known).items()}


def core(settings: CloserSettings, seed: int) -> Core:
    """Return what the run compiles; neither a corpus nor an oracle is needed."""
    s, labels = settings, _labels(settings)
    net = Closer(labels, s.near_dims, s.near_look, s.dropout)
    transform, _ = make_optimizer(s.optimizer, s.steps)
    _, height, width = s.clip
    boxes = {name: jnp.array([[0.0, 0.0, 0.5]]) for name in CROPS}

    def init(key: jax.Array) -> TrainState:
        params = net.init(key, jnp.zeros((1, height, width, 3)), boxes)
        return new_state(params, transform.init(params))

    every = {name: known for of in labels.values() for name, known in of.items()}
    example = {
        "frames": jax.ShapeDtypeStruct((s.batch, 1, height, width, 3), jnp.uint8),
        "boxes": {name: jax.ShapeDtypeStruct((s.batch, 3), jnp.float32) for name in CROPS},
        "targets": {
            name: jax.ShapeDtypeStruct((s.batch, len(known)), jnp.float32)
            for name, known in every.items()
        },
        "sample_index": jax.ShapeDtypeStruct((s.batch, 2), jnp.uint32),
    }
    return Core(init, closer_step(net, transform, s.optimizer.ema_decay, seed), (example,))


def prepare(settings: CloserSettings, seed: int) -> Recipe:
    """Build the run; the corpus is decoded into memory."""
    s, parts = settings, core(settings, seed)
    looking = looking_of(s.initial)
    card = load_oracles(s.initial).learned.card
    near = {crop: tuple(of) for crop, of in _labels(s).items()}
    config = replace(
        card.config, streams=(FRAMED, CLOSER), near=near, near_dims=s.near_dims,
        near_look=s.near_look,
    )  # fmt: skip
    if closer(config).labels != _labels(s):
        raise ValueError(f"the oracle of {s.initial} answers other tags than {s.sampler} asks for")
    rows = corpus_rows(s.corpus, s.clip)
    split = len(rows) - s.held_out
    if not 0 < s.held_out < len(rows):
        raise ValueError(f"held_out {s.held_out} leaves nothing of {len(rows)} clips to train on")
    model = load_model(s.model)
    train = load_clips(rows[:split], config, model, 0)
    exam = Exam(config, load_clips(rows[split:], config, model, 0), 0, s.bar, s.sampler)

    def whole(params: Any) -> Any:
        return {"params": {**looking, CLOSER: params["params"]}}

    def export(state: TrainState, folder: Path) -> None:
        dtype, params = jnp.dtype(s.export_dtype), whole(state.average)
        save_oracle(folder, params, exam.card(params, card.fps, dtype), dtype)

    return Recipe(
        state=jax.jit(parts.init)(jax.random.key(seed)),
        step=parts.step,
        batches=lambda start: _batches(train, config, s, seed, start),
        evaluate=lambda state: exam.numbers(whole(state.average)),
        export=export,
        total_steps=s.steps,
        parents={"corpus": rows[0][0].digest, "vae": model.vae_digest},
    )


def _batches(
    clips: Clips, config: OracleConfig, settings: CloserSettings, seed: int, start: int
) -> Iterator[dict[str, Any]]:
    """Yield batches from a step on: passes over the corpus, and as many frames with faults."""
    labels = {name: known for of in _labels(settings).values() for name, known in of.items()}
    rows = target_rows(clips.specs, clips.faults, labels)
    tracks = np.concatenate([clips.places, clips.inside[..., None]], axis=-1)
    boxes = jax.device_get(crop_boxes(jnp.asarray(tracks), config.points))
    pools = _pools(clips.faults, labels)
    size, count, shown, skip = settings.batch, len(clips), config.shown, config.skip
    for step in range(start, settings.steps):
        indices = range(step * size, (step + 1) * size)
        random = np.random.Generator(np.random.Philox(key=seed, counter=step))
        chosen = np.array([place(i, count, seed) for i in indices])
        which, flipped = random.integers(shown, size=size), random.random(size) < 0.5
        for i in range(round(BROKEN * size) if pools else 0):
            pool = pools[int(random.integers(len(pools)))]
            chosen[i] = pool[int(random.integers(len(pool)))]
            first = -(-(clips.starts[chosen[i]] + RIPE) // skip)
            which[i] = random.integers(min(first, shown - 1), shown)
        frames = framed_batch(clips, chosen, which, flipped)["frames"]
        yield {
            "frames": frames,
            "boxes": {name: _beside(box[chosen, which], flipped, random)
                      for name, box in boxes.items()},
            "targets": frame_targets({n: row[chosen] for n, row in rows.items()},
                                     which * skip < clips.starts[chosen]),
            "sample_index": np.array([[i >> 32, i & 0xFFFFFFFF] for i in indices], "u4"),
        }  # fmt: skip


def _pools(faults: Sequence[frozenset[str]], labels: Iterable[str]) -> list[list[int]]:
    """Return by kind the clips that show a fault which crops say something about."""
    kinds = [name.removeprefix(FAULT) for name in labels if name.startswith(FAULT)]
    pools = [[i for i, shown in enumerate(faults) if kind in shown] for kind in kinds]
    return [pool for pool in pools if pool]


def _beside(boxes: np.ndarray, flipped: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return boxes [B, 3] a little beside the mark, mirrored where the frame is."""
    moved = boxes.copy()
    moved[:, 0] *= np.where(flipped, -1, 1)
    moved[:, :2] += ASIDE * boxes[:, 2:] * random.normal(size=(len(boxes), 2))
    moved[:, 2] *= np.exp(LARGER * random.normal(size=len(boxes)))
    return moved.astype(np.float32)
