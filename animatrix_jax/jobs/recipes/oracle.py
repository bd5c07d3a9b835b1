"""Recipe `oracle`: train the learned oracle on clips as drawn and as a VAE gives them back."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from animatrix_data.corpus.catalogue import Catalogue, read_catalogue
from animatrix_data.pipeline.frames import read_frames
from animatrix_data.procedural.oracles import (
    CAMERA_MOVEMENT,
    NOTHING,
    answers,
    camera_path,
    classify_camera,
    mirror,
    movement,
    studio_labels,
    top,
)
from animatrix_data.progress import track
from animatrix_data.taxonomy import ProductionSpec, parse_tags
from animatrix_jax.evaluation.sources import reconstruct
from animatrix_jax.jobs.recipes.recipe import Core, Recipe
from animatrix_jax.models.oracle import OracleConfig, OracleNet
from animatrix_jax.runtime.model import Model, load_model
from animatrix_jax.runtime.oracle import Accuracy, OracleCard, oracle_scores, save_oracle
from animatrix_jax.training.optimizer import OptimizerSettings, make_optimizer
from animatrix_jax.training.oracle import oracle_step
from animatrix_jax.training.state import TrainState, new_state

FIELDS = ("VideoStyle", "MotionStyle", "MotionType", "MotionAmplitude", "MotionSpeed",
          "ShotScale", "CameraMotion", "VFX")  # fmt: skip
CHUNK = 16


@dataclass(frozen=True)
class OracleSettings:
    """What an oracle experiment fixes.

    `clip` is (frames, height, width). The first `reconstructed` clips of the corpus (None: all) and
    the `held_out` ones at its end, which are only measured on, go through the VAE of `model`. A
    clip that has a reconstruction is shown as drawn with probability `sharp`. The classical oracles
    are measured on `registered` of the held-out clips. The other numbers are `OracleConfig`'s.
    """

    corpus: Path
    model: Path
    clip: tuple[int, int, int]
    steps: int
    batch: int
    held_out: int = 400
    reconstructed: int | None = None
    sharp: float = 0.35
    registered: int = 150
    dim: int = 32
    motion_dim: int = 24
    hidden: int = 192
    dropout: float = 0.2
    optimizer: OptimizerSettings = OptimizerSettings()
    export_dtype: str = "bfloat16"


@dataclass(frozen=True)
class Clips:
    """Labelled clips in memory: as drawn [N, …] and, of the first M, reconstructed [M, …]."""

    specs: tuple[ProductionSpec, ...]
    drawn: np.ndarray
    reconstructed: np.ndarray


def core(settings: OracleSettings, seed: int) -> Core:
    """Return what the run compiles; no corpus is needed."""
    config = _config(settings)
    net = OracleNet(config)
    transform, _ = make_optimizer(settings.optimizer, settings.steps)
    batch = settings.batch

    def init(key: jax.Array) -> TrainState:
        params = net.init(key, jnp.zeros((1, *settings.clip, 3)))
        return new_state(params, transform.init(params))

    targets = {
        name: jax.ShapeDtypeStruct((batch, len(known)), jnp.float32)
        for name, known in config.labels.items()
    }
    example = {
        "frames": jax.ShapeDtypeStruct((batch, *settings.clip, 3), jnp.uint8),
        "targets": targets,
        "sample_index": jax.ShapeDtypeStruct((batch, 2), jnp.uint32),
    }
    return Core(init, oracle_step(net, transform, settings.optimizer.ema_decay, seed), (example,))


def _config(settings: OracleSettings) -> OracleConfig:
    frames, height, width = settings.clip
    return OracleConfig(
        studio_labels(FIELDS),
        frames,
        height,
        width,
        dim=settings.dim,
        motion_dim=settings.motion_dim,
        hidden=settings.hidden,
        dropout=settings.dropout,
    )


def prepare(settings: OracleSettings, seed: int) -> Recipe:
    """Build the run; the corpus is decoded, and reconstructed once, into memory."""
    config, parts = _config(settings), core(settings, seed)
    catalogue = read_catalogue(settings.corpus)
    if tuple(catalogue.buckets) != (settings.clip,):
        raise ValueError(
            f"the corpus {settings.corpus} must hold clips of {settings.clip} frames, height and "
            f"width only, not {', '.join(map(str, catalogue.buckets))}"
        )
    model = load_model(settings.model)
    train, held_out = _load(catalogue, model, settings)
    exam = Exam(config, held_out, settings.registered)

    def evaluate(state: TrainState) -> dict[str, float]:
        numbers = {}
        for name, table in exam.learned(state.average).items():
            numbers[f"{name}_raw"] = table[""].raw
            numbers[f"{name}_reconstructed"] = table[""].reconstructed
        return numbers

    def export(state: TrainState, folder: Path) -> None:
        dtype = jnp.dtype(settings.export_dtype)
        save_oracle(folder, state.average, exam.card(state.average, catalogue[0].fps, dtype), dtype)

    return Recipe(
        state=jax.jit(parts.init)(jax.random.key(seed)),
        step=parts.step,
        batches=lambda start: _batches(train, config.labels, settings, seed, start),
        evaluate=evaluate,
        export=export,
        total_steps=settings.steps,
        parents={"corpus": catalogue.digest, "vae": model.vae_digest},
    )


def _load(catalogue: Catalogue, model: Model, settings: OracleSettings) -> tuple[Clips, Clips]:
    """Return the clips to train on and those held out."""
    frames = read_frames(catalogue)
    specs = tuple(parse_tags(row.tags) for row in catalogue)
    split = len(frames) - settings.held_out
    if not 0 < settings.held_out < len(frames):
        raise ValueError(
            f"held_out {settings.held_out} leaves nothing of the {len(frames)} clips of "
            f"{settings.corpus} to train on"
        )
    count = split if settings.reconstructed is None else min(settings.reconstructed, split)
    return (
        Clips(specs[:split], frames[:split], reconstruct(model, frames[:count])),
        Clips(specs[split:], frames[split:], reconstruct(model, frames[split:])),
    )


def _batches(
    clips: Clips,
    labels: Mapping[str, Sequence[str]],
    settings: OracleSettings,
    seed: int,
    start: int,
) -> Iterator[dict[str, Any]]:
    """Yield batches from a step on: passes over the corpus, half of the samples mirrored."""
    targets = [target_rows(clips.specs, labels, flipped) for flipped in (False, True)]
    size, count = settings.batch, len(clips.drawn)
    for step in range(start, settings.steps):
        indices = range(step * size, (step + 1) * size)
        random = np.random.Generator(np.random.Philox(key=seed, counter=step))
        chosen = np.array([place(i, count, seed) for i in indices])
        flipped, sharp = random.random(size) < 0.5, random.random(size) < settings.sharp
        frames = np.stack(
            [_shown(clips, clip, s, f) for clip, s, f in zip(chosen, sharp, flipped, strict=True)]
        )
        yield {
            "frames": frames,
            "targets": {
                name: np.stack([targets[int(f)][name][clip] for clip, f in
                                zip(chosen, flipped, strict=True)])
                for name in labels
            },
            "sample_index": np.array([[i >> 32, i & 0xFFFFFFFF] for i in indices], "u4"),
        }  # fmt: skip


def place(sample: int, count: int, seed: int) -> int:
    """Return the clip of a global sample: each pass visits all in another order (affine steps)."""
    turn, place = divmod(sample, count)
    random = np.random.Generator(np.random.Philox(key=seed, counter=turn << 64))
    stride = int(random.integers(1, count)) if count > 1 else 1
    while np.gcd(stride, count) != 1:
        stride += 1
    return (place * stride + int(random.integers(count))) % count


def _shown(clips: Clips, clip: int, sharp: bool, flipped: bool) -> np.ndarray:
    soft = clip < len(clips.reconstructed) and not sharp
    frames = clips.reconstructed[clip] if soft else clips.drawn[clip]
    return frames[:, :, ::-1] if flipped else frames


def target_rows(
    specs: Sequence[ProductionSpec], labels: Mapping[str, Sequence[str]], flipped: bool = False
) -> dict[str, np.ndarray]:
    """Return the share of each answer per spec, float32 [N, n]; `flipped` mirrors the camera."""
    rows = {}
    for name, known in labels.items():
        row = np.zeros((len(specs), len(known)), np.float32)
        for i, spec in enumerate(specs):
            for text in answers(spec, name) or (NOTHING,):
                row[i, known.index(mirror(text) if flipped else text)] += 1
        rows[name] = row / row.sum(axis=1, keepdims=True)
    return rows


class Exam:
    """Held-out clips, and how well an oracle reads them as drawn and reconstructed."""

    def __init__(self, config: OracleConfig, clips: Clips, registered: int) -> None:
        self._config, self._clips, self._registered = config, clips, registered
        self._scores = oracle_scores(OracleNet(config))

    def learned(self, params: Any) -> dict[str, dict[str, Accuracy]]:
        """Return the learned oracle's accuracy by sub-field and answer asked ('' for all)."""
        read = []
        for frames in (self._clips.drawn, self._clips.reconstructed):
            parts = [jax.device_get(self._scores(params, frames[i : i + CHUNK]))
                     for i in range(0, len(frames), CHUNK)]  # fmt: skip
            read.append(
                {name: [known[k] for part in parts for k in part[name].argmax(axis=-1)]
                 for name, known in self._config.labels.items()}
            )  # fmt: skip
        return accuracy_tables(self._config.labels, self._clips.specs, read)

    @cached_property
    def classical(self) -> dict[str, Accuracy]:
        """The classical oracles' accuracy on the first of the clips."""
        few = slice(self._registered)
        read = [
            {"CameraMotion": [top({"CameraMotion": classify_camera(camera_path(clip))},
                                  "CameraMotion")
                              for clip in track(frames[few], label="Registering")]}
            for frames in (self._clips.drawn, self._clips.reconstructed)
        ]  # fmt: skip
        tables = accuracy_tables({"CameraMotion": ()}, self._clips.specs[few], read)
        return {name: table[""] for name, table in tables.items()}

    def card(self, params: Any, fps: float, dtype: Any) -> OracleCard:
        """Return the card of an oracle as it will be stored, in `dtype`."""
        stored = jax.tree.map(lambda leaf: leaf.astype(dtype).astype(leaf.dtype), params)
        tables = self.learned(stored)
        return OracleCard(
            self._config,
            fps,
            accuracy={name: table[""] for name, table in tables.items()},
            per_answer={
                name: {text: value for text, value in table.items() if text}
                for name, table in tables.items()
            },
            classical=self.classical,
        )


def accuracy_tables(
    labels: Mapping[str, Sequence[str]],
    specs: Sequence[ProductionSpec],
    read: Sequence[Mapping[str, Sequence[str]]],
) -> dict[str, dict[str, Accuracy]]:
    """Return accuracy by sub-field and answer asked ('' for all of them).

    `read` holds the top answers by sub-field for the clips as drawn and for them reconstructed.
    """
    tables = {}
    for name in labels:
        asked = [answers(spec, name) or (NOTHING,) for spec in specs]
        tables[name] = _table(asked, [variant[name] for variant in read], labels[name])
        if name == "CameraMotion":
            moves = [tuple(map(movement, texts)) for texts in asked]
            found = [list(map(movement, variant[name])) for variant in read]
            tables[CAMERA_MOVEMENT] = _table(moves, found, ())
    return tables


def _table(
    asked: Sequence[tuple[str, ...]], read: Sequence[Sequence[str]], known: Sequence[str]
) -> dict[str, Accuracy]:
    hits = [np.array([r in a for r, a in zip(found, asked, strict=True)]) for found in read]
    table = {}
    for text in ("", *known):
        chosen = np.array([not text or text in wanted for wanted in asked])
        if chosen.any():
            raw, soft = (float(hit[chosen].mean()) for hit in hits)
            table[text] = Accuracy(raw, soft, int(chosen.sum()))
    return table
