"""The clips that an oracle learns from: as it sees them, and what is known of them, in memory."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from animatrix_data.corpus.catalogue import Catalogue, ClipRow, read_catalogue
from animatrix_data.corpus.video import DecodeLimits, decode_video
from animatrix_data.procedural.oracles import NOTHING, PARTS, answers, mirror
from animatrix_data.progress import track
from animatrix_data.taxonomy import ProductionSpec, parse_tags
from animatrix_jax.evaluation.sources import CHUNK, reconstruct
from animatrix_jax.models.oracle import FAULT, OracleConfig
from animatrix_jax.runtime.model import Model
from animatrix_jax.runtime.oracle import clip_views

NEAR = {
    "head": (*PARTS, "VFX", FAULT + "face"),
    "body": ("MotionType", "MotionStyle", "VFX", FAULT + "limb", FAULT + "melt"),
}
"""What crops of head and body say something about."""
RIPE = 2
"""Frames that a fault has had to show itself where it is to be seen."""

Row = tuple[Catalogue, ClipRow]
"""A clip of a corpus."""
Views = dict[str, np.ndarray]
"""What the network takes of clips [N, …], by the names of its arguments."""


@dataclass(frozen=True)
class Clips:
    """Labelled clips: `drawn` views of all N, and `soft` views of the first M after a VAE.

    faults: the kinds that each shows; starts: [N], from which frame on; deformation: [N], the
    truth's, in [0, 1]; places: points [N, T, K, 2] in half frame heights from the centre, and
    inside: whether they are in the frame [N, T, K] (no points: K is 0).
    """

    specs: tuple[ProductionSpec, ...]
    drawn: Views
    soft: Views
    faults: tuple[frozenset[str], ...]
    starts: np.ndarray
    deformation: np.ndarray
    places: np.ndarray
    inside: np.ndarray

    def __len__(self) -> int:
        return len(self.specs)

    @property
    def softened(self) -> int:
        """How many clips there are after a VAE."""
        return len(self.soft["frames"])


def load_clips(
    rows: Sequence[Row],
    config: OracleConfig,
    model: Model | None = None,
    softened: int = 0,
) -> Clips:
    """Decode clips; the first `softened` also go through the VAE of a model."""
    truths = [json.loads(row.truth or "{}") for _, row in rows]
    places, inside = point_truth([t.get("keypoints", {}) for t in truths], config)
    return Clips(
        specs=tuple(parse_tags(row.tags) for _, row in rows),
        drawn=_gathered(_drawn_views(rows, config), len(rows), config),
        soft=_gathered(_soft_views(rows[:softened], config, model), softened, config),
        faults=tuple(frozenset(f["kind"] for f in t.get("faults", ())) for t in truths),
        starts=np.array(
            [min((f["start"] for f in t.get("faults", ())), default=0) for t in truths]
        ),
        deformation=np.array([t.get("deformation", 0.0) for t in truths]),
        places=places,
        inside=inside,
    )


def corpus_rows(folder: Path, clip: tuple[int, int, int]) -> list[Row]:
    """Return the rows of a corpus; ValueError where its clips are not of one shape, `clip`."""
    catalogue = read_catalogue(folder)
    if tuple(catalogue.buckets) != (clip,):
        raise ValueError(
            f"the corpus {folder} must hold clips of {clip} frames, height and "
            f"width only, not {', '.join(map(str, catalogue.buckets))}"
        )
    return [(catalogue, row) for row in catalogue]


def split_rows(rows: list[Row], held_out: int) -> tuple[list[Row], list[Row]]:
    """Return the rows to train on and the `held_out` last; ValueError where either is empty."""
    if not 0 < held_out < len(rows):
        raise ValueError(
            f"held_out must be between 1 and {len(rows) - 1} of the {len(rows)} clips of the "
            f"corpus, not {held_out}"
        )
    return rows[:-held_out], rows[-held_out:]


def _decoded(entry: Row) -> np.ndarray:
    """Return the frames uint8 [T, H, W, 3] of a clip of a corpus."""
    catalogue, row = entry
    return decode_video(catalogue.clip_path(row), DecodeLimits(max_frames=row.frames)).frames


def _drawn_views(rows: Sequence[Row], config: OracleConfig) -> Iterator[Views]:
    """Yield what the network takes of each clip; decoding and flow leave the interpreter's lock."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from pool.map(lambda e: clip_views(_decoded(e), e[1].fps, config), rows)


def _soft_views(rows: Sequence[Row], config: OracleConfig, model: Model | None) -> Iterator[Views]:
    for start in range(0, len(rows), CHUNK):
        assert model is not None, "clips go through the VAE of a model"
        chunk = rows[start : start + CHUNK]
        decoded = reconstruct(model, np.stack([_decoded(entry) for entry in chunk]))
        for frames, (_, row) in zip(decoded, chunk, strict=True):
            yield clip_views(frames, row.fps, config)


def _gathered(views: Iterable[Views], count: int, config: OracleConfig) -> Views:
    shapes = config.inputs(count)
    kept = {
        name: np.empty(shape.shape, np.uint8 if name == "frames" else np.float32)
        for name, shape in shapes.items()
    }
    for index, view in enumerate(track(views, total=count, label="Looking")):
        for name, values in view.items():
            kept[name][index] = values
    return kept


def point_truth(
    truths: Sequence[Mapping[str, Sequence[Sequence[float]]]], config: OracleConfig
) -> tuple[np.ndarray, np.ndarray]:
    """Return where the config's points stand in the frames shown, and whether inside of them.

    A clip whose truth lacks a point has it nowhere in the frame.
    """
    places = np.full((len(truths), config.shown, len(config.points), 2), -1e4, np.float32)
    for n, truth in enumerate(truths):
        for k, name in enumerate(config.points):
            if name in truth:
                places[n, :, k] = truth[name][:: config.skip]
    half = np.array([config.width, config.height], np.float32) / 2
    within = (np.abs(places - half) < half).all(axis=-1)
    return (places - half) / (config.height / 2), within.astype(np.float32)


def target_rows(
    specs: Sequence[ProductionSpec],
    faults: Sequence[frozenset[str]],
    labels: Mapping[str, Sequence[str]],
    flipped: bool = False,
) -> dict[str, np.ndarray]:
    """Return the share of each answer per clip, float32 [N, n]; `flipped` mirrors the camera.

    What a spec does not ask for is all zero where there is no answer `NOTHING`. Raises ValueError
    where a spec asks for what is not among the answers.
    """
    rows = {}
    for name, known in labels.items():
        row = np.zeros((len(specs), len(known)), np.float32)
        for i, spec in enumerate(specs):
            for text in wanted(spec, faults[i], name, known):
                if text not in known:
                    raise ValueError(
                        f"a clip's {name}: {text} is not among the oracle's {len(known)} answers: "
                        "its corpus was drawn with another sampler than the config says"
                    )
                row[i, known.index(mirror(text) if flipped else text)] += 1
        rows[name] = row / np.maximum(row.sum(axis=1, keepdims=True), 1)
    return rows


def near_of(labels: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return by crop which of some sub-fields it says something about."""
    known = set(labels)
    return {crop: tuple(n for n in names if n in known) for crop, names in NEAR.items()}


def frame_targets(rows: Mapping[str, np.ndarray], age: np.ndarray) -> dict[str, np.ndarray]:
    """Return the targets of single frames, whose clips' faults are `age` frames old.

    Before its start a fault is not there; while it shows itself, for `RIPE` frames, nothing is
    said about it.
    """
    shown = {}
    for name, row in rows.items():
        if name.startswith(FAULT):
            row = np.where(age[:, None] < 0, [[1, 0]], row)
            row = np.where((age[:, None] >= 0) & (age[:, None] < RIPE), 0, row).astype(np.float32)
        shown[name] = row
    return shown


def wanted(
    spec: ProductionSpec, faults: frozenset[str], name: str, known: Sequence[str]
) -> tuple[str, ...]:
    """Return what a clip is to be read as; empty where its spec says nothing about it."""
    if name.startswith(FAULT):
        kind = name.removeprefix(FAULT)
        return (kind if kind in faults else NOTHING,)
    asked = answers(spec, name)
    return asked or ((NOTHING,) if NOTHING in known else ())


def shown_batch(clips: Clips, chosen: np.ndarray, soft: np.ndarray, flipped: np.ndarray) -> Views:
    """Return the views and points of some clips, each as drawn or after the VAE, or mirrored."""
    batch: Views = {}
    for name, drawn in clips.drawn.items():
        batch[name] = np.stack(
            [
                mirrored(name, clips.soft[name][clip] if s else drawn[clip], f)
                for clip, s, f in zip(chosen, soft, flipped, strict=True)
            ]
        )
    if clips.places.shape[2]:
        batch["places"] = mirrored_places(clips.places[chosen], flipped)
        batch["inside"] = clips.inside[chosen]
    return batch


def framed_batch(clips: Clips, chosen: np.ndarray, which: np.ndarray, flipped: np.ndarray) -> Views:
    """Return one of the shown frames of some clips each, as drawn or mirrored, with the one before
    it and its points."""
    return {
        "frames": single_frames(clips, chosen, which, flipped),
        "before": single_frames(clips, chosen, np.maximum(which - 1, 0), flipped),
        "places": mirrored_places(clips.places[chosen, which][:, None], flipped),
        "inside": clips.inside[chosen, which][:, None],
    }


def single_frames(
    clips: Clips, chosen: np.ndarray, which: np.ndarray, flipped: np.ndarray
) -> np.ndarray:
    """Return one of the shown frames of some clips each, uint8 [B, 1, H, W, 3]."""
    frames = clips.drawn["frames"]
    rows = [
        mirrored("frames", frames[clip, at : at + 1], flip)
        for clip, at, flip in zip(chosen, which, flipped, strict=True)
    ]
    return np.stack(rows)


def mirrored_places(places: np.ndarray, flipped: np.ndarray) -> np.ndarray:
    """Return points [B, …, D], x first, mirrored where the clip is."""
    turned = places.astype(np.float32)
    turned[flipped, ..., 0] *= -1
    return turned


def mirrored(name: str, view: np.ndarray, flipped: bool) -> np.ndarray:
    """Return a clip's view of the mirrored clip: flow to the right becomes flow to the left."""
    if not flipped or name == "statistics":
        return view
    turned = view[:, :, ::-1]
    return turned * np.array([-1, 1, 1], np.float32) if name == "field" else turned


def place(sample: int, count: int, seed: int) -> int:
    """Return the clip of a global sample: each pass visits all in another order (affine steps)."""
    turn, place = divmod(sample, count)
    random = np.random.Generator(np.random.Philox(key=seed, counter=turn << 64))
    stride = int(random.integers(1, count)) if count > 1 else 1
    while np.gcd(stride, count) != 1:
        stride += 1
    return (place * stride + int(random.integers(count))) % count
