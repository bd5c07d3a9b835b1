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
from animatrix_jax.jobs.recipes.oracle_clips import (
    RIPE,
    Clips,
    corpus_rows,
    frame_targets,
    load_clips,
    mirrored_places,
    near_of,
    place,
    single_frames,
    split_rows,
    target_rows,
)
from animatrix_jax.jobs.recipes.oracle_exam import Exam
from animatrix_jax.jobs.recipes.oracle_looks import looking_of
from animatrix_jax.jobs.recipes.recipe import Core, Recipe, batch_random
from animatrix_jax.models.oracle import CLOSER, FAULT, FRAMED, OracleConfig
from animatrix_jax.models.oracle_crops import CROPS, Closer, crop_boxes
from animatrix_jax.runtime.oracle import save_oracle
from animatrix_jax.training.optimizer import OptimizerSettings, make_optimizer
from animatrix_jax.training.oracle import closer_step
from animatrix_jax.training.state import TrainState, new_state

BROKEN = 0.5
"""The share of samples that are picked for a fault which crops say something about, all kinds
alike, beside those that are as the corpus has them."""
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
    s, parts, labels = settings, core(settings, seed), _labels(settings)
    looking = looking_of(s.initial)
    known = looking.config.labels
    if any(known.get(name) != answers for of in labels.values() for name, answers in of.items()):
        raise ValueError(f"the oracle of {s.initial} answers other tags than {s.sampler} asks for")
    if (clip := (looking.config.frames, looking.config.height, looking.config.width)) != s.clip:
        raise ValueError(f"the oracle of {s.initial} reads clips of {clip}, not {s.clip}")
    near = {crop: tuple(of) for crop, of in labels.items()}
    config = replace(
        looking.config, streams=(FRAMED, CLOSER), near=near, near_dims=s.near_dims,
        near_look=s.near_look,
    )  # fmt: skip
    rows, unseen = split_rows(corpus_rows(s.corpus, s.clip), s.held_out)
    train = load_clips(rows, config)
    exam = Exam(config, load_clips(unseen, config), 0, s.bar, s.sampler)

    def whole(params: Any) -> Any:
        return {"params": {**looking.params, CLOSER: params["params"]}}

    def export(state: TrainState, folder: Path) -> None:
        dtype, params = jnp.dtype(s.export_dtype), whole(state.average)
        save_oracle(folder, params, exam.card(params, looking.fps, dtype), dtype)

    return Recipe(
        state=jax.jit(parts.init)(jax.random.key(seed)),
        step=parts.step,
        batches=lambda start: _batches(train, config, s, seed, start),
        evaluate=lambda state: exam.numbers(whole(state.average)),
        export=export,
        total_steps=s.steps,
        parents={"corpus": rows[0][0].digest, "oracle": looking.digest},
    )


def _batches(
    clips: Clips, config: OracleConfig, settings: CloserSettings, seed: int, start: int
) -> Iterator[dict[str, Any]]:
    """Yield batches from a step on: any frames of the corpus, and as many picked with faults."""
    labels = {name: config.labels[name] for of in config.near.values() for name in of}
    rows = target_rows(clips.specs, clips.faults, labels)
    tracks = np.concatenate([clips.places, clips.inside[..., None]], axis=-1)
    boxes = jax.device_get(crop_boxes(jnp.asarray(tracks), config.points))
    pools = _pools(clips.faults, labels)
    size, count, shown, skip = settings.batch, len(clips), config.shown, config.skip
    for step in range(start, settings.steps):
        indices = range(step * size, (step + 1) * size)
        random = batch_random(seed, step)
        chosen = np.array([place(i, count, seed) for i in indices])
        which, flipped = random.integers(shown, size=size), random.random(size) < 0.5
        for i in range(round(BROKEN * size) if pools else 0):
            pool = pools[int(random.integers(len(pools)))]
            chosen[i] = pool[int(random.integers(len(pool)))]
            first = -(-(clips.starts[chosen[i]] + RIPE) // skip)
            which[i] = random.integers(min(first, shown - 1), shown)
        yield {
            "frames": single_frames(clips, chosen, which, flipped),
            "boxes": {name: _beside(box[chosen, which], flipped, random)
                      for name, box in boxes.items()},
            "targets": frame_targets({n: row[chosen] for n, row in rows.items()},
                                     which * skip - clips.starts[chosen]),
            "sample_index": np.array([[i >> 32, i & 0xFFFFFFFF] for i in indices], "u4"),
        }  # fmt: skip


def _pools(faults: Sequence[frozenset[str]], labels: Iterable[str]) -> list[list[int]]:
    """Return by kind the clips that show a fault which crops say something about."""
    kinds = [name.removeprefix(FAULT) for name in labels if name.startswith(FAULT)]
    pools = [[i for i, shown in enumerate(faults) if kind in shown] for kind in kinds]
    return [pool for pool in pools if pool]


def _beside(boxes: np.ndarray, flipped: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return boxes [B, 3] a little beside the mark, mirrored where the frame is."""
    moved = mirrored_places(boxes, flipped)
    moved[:, :2] += ASIDE * boxes[:, 2:] * random.normal(size=(len(boxes), 2))
    moved[:, 2] *= np.exp(LARGER * random.normal(size=len(boxes)))
    return moved
