"""Teach the classical camera oracle which path is the camera's: `python teach_camera_path.py`.

Draws clips at desk size with a sampler, measures the paths that the oracle tries in each, and
learns from their errors how likely a path is the camera's. Prints how well clips are read that a
fifth of the lessons left out, then writes what all of them teach. A folder for `--cache` keeps what
was measured, so that a stopped run goes on; a tenth of a gigabyte holds 400 clips.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
from rich.progress import track

from animatrix_data.procedural import Size, draw_clip, find_sampler, sample_spec
from animatrix_data.procedural.oracles.camera import DRIFT, TRAVEL, UNREAD, path_error
from animatrix_data.procedural.oracles.choice import ASSET, written
from animatrix_data.procedural.oracles.evidence import Trail, Witness
from animatrix_data.procedural.oracles.hypotheses import candidates
from animatrix_data.procedural.oracles.judgement import differing, measured
from animatrix_data.procedural.oracles.registration import Tracker
from animatrix_data.procedural.oracles.teaching import MOST, Lesson, guesses, taught

DESK = Size(128, 128, 33, 16)
FOLDS = 5


def main() -> None:
    """Measure, learn, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=400)
    parser.add_argument("--seed", type=int, default=8_000_000, help="seed of the first clip")
    parser.add_argument("--sampler", default="distinct")
    parser.add_argument("--decay", type=float, default=0.03)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--cache", type=Path, default=None)
    parser.add_argument("--out", type=Path, default=ASSET)
    args = parser.parse_args()
    with TemporaryDirectory() as folder:
        cache = args.cache or Path(folder)
        cache.mkdir(parents=True, exist_ok=True)
        seeds = range(args.seed, args.seed + args.clips)
        told = list(_told(seeds, args.sampler, cache, args.processes))
    names = list(told[0][0])
    lessons, travels = [lesson for _, lesson, _ in told], np.array([travel for *_, travel in told])
    _examine(names, lessons, travels, args.decay)
    command = (
        f"python data/benchmarks/teach_camera_path.py --clips {args.clips} --seed {args.seed} "
        f"--sampler {args.sampler} --decay {args.decay}"
    )
    head = f"How likely a path is the camera's: mean, spread and weight of each measure.\n{command}"
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(written(taught(names, lessons, args.decay), head), encoding="utf-8")


def _told(
    seeds: range, sampler: str, cache: Path, processes: int
) -> Iterator[tuple[list[str], Lesson, float]]:
    """Yield the names of the measures, a lesson and the travel of each clip."""
    measure = partial(lesson, sampler=sampler, cache=cache)
    with ProcessPoolExecutor(processes) as pool:
        yield from track(pool.map(measure, seeds), "clips", len(seeds))


def lesson(seed: int, sampler: str, cache: Path) -> tuple[list[str], Lesson, float]:
    """Return the names of the measures, the lesson and the travel of a clip, once measured."""
    file = cache / f"{sampler}-{seed}.npz"
    if not file.exists():
        cv2.setNumThreads(1)
        clip = draw_clip(sample_spec(seed, sampler), seed, DESK, find_sampler(sampler).staging)
        witness = Witness(tracker := Tracker(clip.frames))
        tried = candidates(tracker, witness)
        measures = measured(tried, witness)
        trails = [candidate.trail for candidate in tried]
        errors, travel = zip(
            *(_missed(trail, clip.truth["camera"]) for trail in trails), strict=True
        )
        np.savez(file, names=list(measures), measures=np.stack(list(measures.values()), 1),
                 errors=errors, other=differing(trails), travel=travel[0])  # fmt: skip
    with np.load(file) as kept:
        told = Lesson(kept["measures"], kept["errors"], kept["other"])
        return kept["names"].tolist(), told, float(kept["travel"])


def _missed(trail: Trail, truth: dict[str, list[float]]) -> tuple[float, float]:
    """Return the error of a path as a share of the travel, and the travel; a still camera's drift
    is brought to the same scale."""
    error = path_error(trail.placed(DESK.height), truth, DESK.height, DESK.width)
    if error.travel == 0:
        return error.drift * MOST / DRIFT, 0.0
    return error.error / max(error.travel, TRAVEL), error.travel


def _examine(names: list[str], lessons: list[Lesson], travels: np.ndarray, decay: float) -> None:
    """Print how well clips are read that were left out of the lessons."""
    fold = np.arange(len(lessons)) % FOLDS
    errors, sure = np.zeros((2, len(lessons)))
    for left in range(FOLDS):
        choice = taught(
            names, [one for one, f in zip(lessons, fold, strict=True) if f != left], decay
        )
        for place in np.flatnonzero(fold == left):
            best, sure[place] = guesses(choice, lessons[place])
            errors[place] = lessons[place].errors[best]
    moving, still = travels >= TRAVEL, travels == 0
    for least in (UNREAD, 0.5, 0.6, 0.7, 0.8, 0.9):
        seen, stood = errors[moving & (sure >= least)], errors[still & (sure >= least)]
        print(f"read where {least:.2f} is reached: {len(seen) / moving.sum():.1%} of those that "
              f"travel, median {np.median(seen):.1%}, p95 {np.percentile(seen, 95):.1%}, within "
              f"{MOST:.0%} {np.mean(seen <= MOST):.1%}; {len(stood) / still.sum():.1%} of still "
              f"ones, {np.mean(stood <= MOST):.1%} within {DRIFT} px")  # fmt: skip


if __name__ == "__main__":
    main()
