"""The clips that the camera oracle learns from: drawn, seen once, and kept as they were seen.

What is kept of a clip is the pattern in which it moves, in half precision, and what is true of its
motion: a twentieth of its pixels. A stopped drawing goes on where it was stopped, and a second run
draws nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from animatrix_data.files import whole_file
from animatrix_data.procedural import (
    draw_clip,
    sample_spec,
    sample_staging,
)
from animatrix_data.procedural.oracles.parallax import Parallax, parallax
from animatrix_data.procedural.oracles.patterns import Patterns, patterns
from animatrix_data.progress import ticking
from animatrix_data.taxonomy import ProductionSpec, parse_tags, print_tags
from animatrix_jax.jobs.recipes.drawings import Drawing, recoded
from animatrix_jax.jobs.workers import spread
from animatrix_jax.models.oracle_camera import TOLD

CHUNK = 50
"""How many clips a file holds."""
CAMERA = ("dx", "dy", "scale", "roll", "subject_scale")
POINTS = ("head", "hip")
KEPT = ("image", "course", "totals", "told")
FARTHEST = 1.5
"""How far (frame heights from the middle) a point is said to be at most."""
CODED = 1
"""Which of every `coded` clips goes through H.264."""


@dataclass(frozen=True)
class MovedClips:
    """N clips as a camera oracle takes them (`Patterned`, in half precision), what was asked of
    them, and what is true of their motion [N, 13]."""

    specs: tuple[ProductionSpec, ...]
    patterned: tuple[np.ndarray, np.ndarray, np.ndarray]
    told: np.ndarray

    def __len__(self) -> int:
        return len(self.specs)


def see_clips(drawings: Sequence[Drawing], kept: Path, processes: int = 1) -> MovedClips:
    """Return the clips of some drawings, drawing those that are not in the folder `kept` yet."""
    chunks = [chunk for drawing in drawings for chunk in drawing.chunks(CHUNK)]
    missing = [chunk for chunk in chunks if not (kept / f"{chunk.name}.npz").is_file()]
    with ticking("Drawing", sum(chunk.clips for chunk in missing)) as ticker:
        for done in spread(partial(_see, kept), missing, processes):
            ticker.advance(done)
    files = [_loaded(kept / f"{chunk.name}.npz") for chunk in chunks]
    image, course, totals, told = (
        np.concatenate([arrays[name] for _, arrays in files]) for name in KEPT
    )
    specs = tuple(spec for some, _ in files for spec in some)
    return MovedClips(specs, (image, course, totals), told)


def _see(kept: Path, drawing: Drawing) -> int:
    """Draw the clips of a file and keep what is seen of them; return how many."""
    rows = [see_clip(seed, drawing) for seed in range(drawing.seed, drawing.seed + drawing.clips)]
    found = patterns(
        np.stack([seen.short for _, seen, _ in rows]),
        np.stack([seen.long for _, seen, _ in rows]),
        np.stack([seen.colours for _, seen, _ in rows]),
    )
    camera, points = (
        np.stack([truth[name] for *_, truth in rows]) for name in ("camera", "points")
    )
    told = told_truth(camera, points, found, drawing.size.height)
    values = (found.image, found.course, found.totals, told)
    arrays = {name: of.astype(np.float16) for name, of in zip(KEPT, values, strict=True)}
    with whole_file(kept / f"{drawing.name}.npz") as temporary:
        tags = np.array([print_tags(spec) for spec, *_ in rows])
        np.savez(temporary, allow_pickle=False, tags=tags, **arrays)
    return drawing.clips


def see_clip(seed: int, drawing: Drawing) -> tuple[ProductionSpec, Parallax, dict[str, np.ndarray]]:
    """Return the spec of a drawing's clip, what moves how in it, and the truth of that."""
    spec = sample_spec(seed, drawing.sampler)
    staging = sample_staging(seed, drawing.sampler, spec)
    clip = draw_clip(spec, seed, drawing.size, staging)
    frames = clip.frames
    if drawing.coded and seed % drawing.coded == CODED:
        frames = recoded(frames, drawing.size.fps)
    camera = np.stack([clip.truth["camera"][name] for name in CAMERA], axis=1)
    points = np.stack([clip.truth["keypoints"][name] for name in POINTS], axis=1)
    return spec, parallax(frames, drawing.size.fps), {"camera": camera, "points": points}


def _loaded(path: Path) -> tuple[tuple[ProductionSpec, ...], dict[str, np.ndarray]]:
    """Return the specs of a file's clips and what is kept of them."""
    with np.load(path) as file:
        specs = tuple(parse_tags(str(text)) for text in file["tags"])
        return specs, {name: file[name] for name in KEPT}


def told_truth(camera: np.ndarray, points: np.ndarray, found: Patterns, height: int) -> np.ndarray:
    """Return what is true of the motion of clips [N, 13], in the order of `TOLD`.

    camera: [N, T, 5], in the order of `CAMERA`; points: [N, T, 2, 2] in pixels. All motion is taken
    along the course of the clip's pattern, against the pattern's size, and flattened by an arcsinh.
    """
    across, down, scale, roll, subject = np.moveaxis(camera, -1, 0)
    places = np.clip(points / height - 0.5, -FARTHEST, FARTHEST)
    courses = [across / height, down / height, np.log(scale), roll,
               np.log(np.maximum(subject, 1e-3)),
               *np.moveaxis(places.reshape(*places.shape[:2], 4), -1, 0)]  # fmt: skip
    ways = [np.einsum("nt,nt->n", found.profile, np.diff(course, axis=1)) for course in courses]
    moved = np.arcsinh(3 * np.stack(ways, axis=-1) / found.size[:, None])
    stand = 2 * places.mean(axis=1).reshape(len(places), 4)
    told = np.concatenate([moved, stand], axis=-1).astype(np.float32)
    assert told.shape[1] == TOLD
    return told
