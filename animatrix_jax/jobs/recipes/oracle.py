"""Recipe `oracle`: train the learned oracle on clips as drawn and as a VAE gives them back."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from animatrix_data.procedural.faults import FAULTS
from animatrix_data.procedural.oracles import NOTHING, PAIRS_PER_SECOND, PARTS, sampler_labels
from animatrix_jax.jobs.recipes.oracle_clips import (
    Clips,
    Views,
    corpus_rows,
    frame_targets,
    framed_batch,
    load_clips,
    near_of,
    place,
    shown_batch,
    split_rows,
    target_rows,
)
from animatrix_jax.jobs.recipes.oracle_exam import Exam
from animatrix_jax.jobs.recipes.oracle_looks import (
    check_looking,
    joined,
    judging,
    look,
    looked_batch,
    looked_shapes,
    looking_of,
)
from animatrix_jax.jobs.recipes.recipe import Core, Recipe, batch_random
from animatrix_jax.models.oracle import CLOSER, FAULT, FRAMED, LOOKING, OracleConfig, OracleNet
from animatrix_jax.runtime.model import load_model
from animatrix_jax.runtime.oracle import save_oracle
from animatrix_jax.training.optimizer import OptimizerSettings, make_optimizer
from animatrix_jax.training.oracle import oracle_step
from animatrix_jax.training.state import TrainState, new_state

FIELDS = ("VideoStyle", "MotionStyle", "MotionType", *PARTS, "MotionAmplitude", "MotionSpeed",
          "ShotScale", "ShotAngle", "CameraMotion", "VFX")  # fmt: skip
IN_TIME = ("MotionAmplitude", "MotionSpeed", "CameraMotion", FAULT + "colour", FAULT + "freeze")
"""What a single frame says nothing about."""


@dataclass(frozen=True)
class OracleSettings:
    """What an oracle experiment fixes.

    `clip` is (frames, height, width), at `fps`; the answers are what `sampler` asks for and, with
    `faults`, the kinds of faults. The first `reconstructed` clips of the corpus (None: all) and the
    first `examined_soft` of those that are only measured on (None: all) go through the VAE of
    `model` (where frames are looked at one by one, none of the former); the latter are the
    `held_out` clips at the corpus' end and all clips of `exam`. A clip that has a reconstruction is
    shown as drawn with probability `sharp`. The classical oracles are measured on `registered` of
    the held-out clips, all of whose frames must be shown.

    Where `streams` are ("framed",) alone, a sample is one frame of a clip, and answers are those a
    frame can give. With `initial`, the folder of an oracle that looks at single frames, what looks
    is taken from there as it is: every clip is looked at once, and only what judges that is
    trained, from nothing. An answer that is read right less often than `bar` (None: no such list)
    is listed as not measured. The other numbers are `OracleConfig`'s.
    """

    corpus: Path
    model: Path
    clip: tuple[int, int, int]
    steps: int
    batch: int
    fps: float = 8.0
    sampler: str = "rehearsed"
    faults: bool = False
    exam: Path | None = None
    held_out: int = 400
    reconstructed: int | None = None
    examined_soft: int | None = None
    sharp: float = 0.35
    registered: int = 150
    bar: float | None = None
    initial: Path | None = None
    streams: tuple[str, ...] = ("seen", "moved")
    points: tuple[str, ...] = ()
    skip: int = 1
    stride: int = 2
    dim: int = 32
    motion_dim: int = 24
    frame_dims: tuple[int, int, int] = (48, 96, 192)
    look: int = 256
    near_dims: tuple[int, int, int, int] = (32, 64, 96, 128)
    near_look: int = 128
    course: int = 96
    listen: int = 192
    hidden: int = 192
    join: int = 0
    fault_hidden: int = 96
    dropout: float = 0.2
    optimizer: OptimizerSettings = OptimizerSettings()
    export_dtype: str = "bfloat16"

    def __post_init__(self) -> None:
        """Check what goes together; ValueError says what does not."""
        if self.initial is not None and FRAMED not in self.streams:
            raise ValueError(
                f"streams must hold {FRAMED!r} where an initial oracle looks at frames"
            )
        if self.registered and self.skip > 1:
            raise ValueError(
                f"registered must be 0 where only every {self.skip}th frame is shown, since the "
                f"classical oracles read all, not {self.registered}"
            )


def core(settings: OracleSettings, seed: int) -> Core:
    """Return what the run compiles; no corpus is needed."""
    config = _config(settings)
    net = OracleNet(config)
    transform, _ = make_optimizer(settings.optimizer, settings.steps)
    batch = settings.batch

    def init(key: jax.Array) -> TrainState:
        blank: Any = {name: jnp.zeros(shape.shape) for name, shape in config.inputs(1).items()}
        params = net.init(key, **blank)
        params = judging(params) if settings.initial else params
        return new_state(params, transform.init(params))

    example: dict[str, Any] = dict(config.inputs(batch))
    example["frames"] = jax.ShapeDtypeStruct(example["frames"].shape, jnp.uint8)
    if config.looks_only:
        shape = (batch, 1, config.height, config.width, 3)
        example["frames"] = example["before"] = jax.ShapeDtypeStruct(shape, jnp.uint8)
    if settings.initial:
        example |= looked_shapes(net, config.inputs(batch))
        del example["frames"]
    example["targets"] = {
        name: jax.ShapeDtypeStruct((batch, len(known)), jnp.float32)
        for name, known in config.labels.items()
    }
    example["sample_index"] = jax.ShapeDtypeStruct((batch, 2), jnp.uint32)
    if config.points and not settings.initial:
        shape = (batch, *example["frames"].shape[1:2], len(config.points))
        example["places"] = jax.ShapeDtypeStruct((*shape, 2), jnp.float32)
        example["inside"] = jax.ShapeDtypeStruct(shape, jnp.float32)
    return Core(init, oracle_step(net, transform, settings.optimizer.ema_decay, seed), (example,))


def _config(settings: OracleSettings) -> OracleConfig:
    frames, height, width = settings.clip
    s = settings
    labels = sampler_labels(s.sampler, FIELDS)
    if s.faults:
        labels = labels | {FAULT + kind: (NOTHING, kind) for kind in FAULTS}
    framed = tuple(name for name in labels if name not in IN_TIME)
    if {*s.streams} <= {*LOOKING}:
        labels = {name: labels[name] for name in framed}
    pairs = (frames - 1) // max(1, round(s.fps / PAIRS_PER_SECOND))
    return OracleConfig(
        labels, frames, height, width,
        streams=s.streams, points=s.points, pairs=pairs, skip=s.skip, stride=s.stride,
        dim=s.dim, motion_dim=s.motion_dim, framed=framed if FRAMED in s.streams else (),
        near=near_of(labels) if CLOSER in s.streams else {}, near_dims=s.near_dims,
        near_look=s.near_look,
        frame_dims=s.frame_dims, look=s.look, course=s.course, listen=s.listen, hidden=s.hidden,
        join=s.join, fault_hidden=s.fault_hidden, dropout=s.dropout,
    )  # fmt: skip


def prepare(settings: OracleSettings, seed: int) -> Recipe:
    """Build the run; the corpus is decoded, and reconstructed once, into memory."""
    config, parts = _config(settings), core(settings, seed)
    looking = looking_of(settings.initial) if settings.initial else None
    if looking:
        check_looking(looking, config, settings.fps)
    rows = corpus_rows(settings.corpus, settings.clip)
    extra = corpus_rows(settings.exam, settings.clip) if settings.exam else []
    seen, unseen = split_rows(rows, settings.held_out)
    model = load_model(settings.model)
    examined = settings.examined_soft
    count = settings.reconstructed if FRAMED not in config.streams else 0
    unseen = unseen + extra
    train = load_clips(seen, config, model, len(seen) if count is None else min(count, len(seen)))
    held_out = load_clips(
        unseen, config, model, len(unseen) if examined is None else min(examined, len(unseen))
    )
    exam = Exam(config, held_out, settings.registered, settings.bar, settings.sampler)
    state = jax.jit(parts.init)(jax.random.key(seed))
    seeing = looking.params if looking else {}
    looked = look(OracleNet(config), joined(state.params, seeing), train) if looking else None
    if looking:
        # What was looked at is most of the memory, and is not needed again.
        train = replace(train, drawn={k: v for k, v in train.drawn.items() if k != "frames"})

    def export(state: TrainState, folder: Path) -> None:
        dtype, params = jnp.dtype(settings.export_dtype), joined(state.average, seeing)
        save_oracle(folder, params, exam.card(params, settings.fps, dtype), dtype)

    parents = {"corpus": rows[0][0].digest, "vae": model.vae_digest}
    parents |= {"oracle": looking.digest} if looking else {}
    return Recipe(
        state=state,
        step=parts.step,
        batches=lambda start: _batches(train, looked, config, settings, seed, start),
        evaluate=lambda state: exam.numbers(joined(state.average, seeing)),
        export=export,
        total_steps=settings.steps,
        parents=parents | ({"exam": extra[0][0].digest} if extra else {}),
    )


def _batches(
    clips: Clips,
    looked: Views | None,
    config: OracleConfig,
    settings: OracleSettings,
    seed: int,
    start: int,
) -> Iterator[dict[str, Any]]:
    """Yield batches from a step on: passes over the corpus, half of the samples mirrored."""
    labels = config.labels
    targets = [target_rows(clips.specs, clips.faults, labels, flip) for flip in (False, True)]
    size, count = settings.batch, len(clips)
    for step in range(start, settings.steps):
        indices = range(step * size, (step + 1) * size)
        random = batch_random(seed, step)
        chosen = np.array([place(i, count, seed) for i in indices])
        flipped, sharp = random.random(size) < 0.5, random.random(size) < settings.sharp
        rows = {
            name: np.where(flipped[:, None], targets[1][name][chosen], targets[0][name][chosen])
            for name in labels
        }
        if config.looks_only:
            which = random.integers(config.shown, size=size)
            shown = framed_batch(clips, chosen, which, flipped)
            rows = frame_targets(rows, which * config.skip - clips.starts[chosen])
        elif looked is not None:
            shown = looked_batch(clips, looked, chosen, flipped)
        else:
            soft = (chosen < clips.softened) & ~sharp
            shown = shown_batch(clips, chosen, soft, flipped)
        yield {
            **shown,
            "targets": rows,
            "sample_index": np.array([[i >> 32, i & 0xFFFFFFFF] for i in indices], "u4"),
        }
