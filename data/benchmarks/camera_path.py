"""How well the classical camera oracle reads paths and movements: `python camera_path.py`.

Draws held-out clips at desk size with a sampler, registers each, and prints by movement: the error
of the path as a share of its travel (clips that travel at least 8 pixels; see `path_error`) and the
share of clips where it is at most 15 %, the drift where the camera stands still, and the share of
clips whose movement is named rightly. Paths whose background is hardly seen (`UNREAD`) count in
neither error nor drift; their share is printed.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from time import process_time

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from animatrix_data.procedural import Size, draw_clip, find_sampler, sample_spec
from animatrix_data.procedural.oracles import camera_path, classify_camera, path_error
from animatrix_data.procedural.oracles.answers import answer
from animatrix_data.procedural.oracles.camera import DRIFT, TRAVEL, UNREAD, PathError

DESK = Size(128, 128, 33, 16)
ERROR = 0.15
ALL = "all"


@dataclass(frozen=True)
class Told:
    """What came of a clip: its movement, whether its path counts, the path's error, whether the
    movement is named rightly (none for a sequence), and the seconds of processor that it took."""

    name: str
    read: bool
    error: PathError
    hit: bool | None
    spent: float


def told(seed: int, sampler: str) -> Told:
    """Draw a clip, and register it."""
    cv2.setNumThreads(1)
    spec = sample_spec(seed, sampler)
    moves = spec.get("CameraMotion")
    clip = draw_clip(spec, seed, DESK, find_sampler(sampler).staging)
    start = process_time()
    path = camera_path(clip.frames)
    scores = classify_camera(path)
    spent = process_time() - start
    error = path_error(path, clip.truth["camera"], DESK.height, DESK.width)
    alone = len(moves) == 1
    hit = max(scores, key=lambda text: scores[text]) == answer(moves[0]) if alone else None
    return Told(moves[0].name if alone else "sequences", path.seen >= UNREAD, error, hit, spent)


def main() -> None:
    """Draw, register, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1_000_000, help="seed of the first clip")
    parser.add_argument("--sampler", default="distinct")
    parser.add_argument("--processes", type=int, default=1)
    args = parser.parse_args()
    errors: dict[str, list[PathError]] = defaultdict(list)
    right: dict[str, list[bool]] = defaultdict(list)
    read: dict[str, list[bool]] = defaultdict(list)
    spent = 0.0
    seeds = range(args.seed, args.seed + args.clips)
    with ProcessPoolExecutor(args.processes) as pool:
        for clip in pool.map(partial(told, sampler=args.sampler), seeds):
            spent += clip.spent
            for row in (clip.name, ALL):
                read[row].append(clip.read)
                errors[row].append(clip.error)
                if clip.hit is not None:
                    right[row].append(clip.hit)
    table = Table(title=f"{args.clips} clips of `{args.sampler}` from seed {args.seed}, desk size; "
                        f"{1000 * spent / args.clips:.0f} ms of processor a clip")  # fmt: skip
    for head in ("movement", "clips", "unread", "error (median)", "error (p95)",
                 f"error ≤ {ERROR:.0%}", "drift (median)", "drift (p95)", f"drift ≤ {DRIFT}",
                 "named rightly"):  # fmt: skip
        table.add_column(head, justify="left" if head == "movement" else "right")
    for name in sorted(errors, key=lambda key: (key == ALL, key)):
        table.add_row(*_row(name, errors[name], read[name], right[name]))
    moving = [seen for seen, error in zip(read[ALL], errors[ALL], strict=True)
              if error.travel >= TRAVEL]  # fmt: skip
    table.caption = f"of {len(moving)} clips that travel, {np.mean(moving):.0%} are read"
    Console().print(table)


def _row(name: str, found: list[PathError], read: list[bool], right: list[bool]) -> tuple[str, ...]:
    """Return the cells of one movement."""
    errors = [error for error, counts in zip(found, read, strict=True) if counts]
    shares = [error.relative for error in errors if error.travel >= TRAVEL]
    drifts = [error.drift for error in errors if error.travel == 0]
    cells = [name, str(len(found)), f"{1 - np.mean(read):.0%}"]
    cells += [f"{np.percentile(shares, q):.1%}" if shares else "" for q in (50, 95)]
    cells.append(f"{np.mean(np.array(shares) <= ERROR):.0%}" if shares else "")
    cells += [f"{np.percentile(drifts, q):.2f} px" if drifts else "" for q in (50, 95)]
    cells.append(f"{np.mean(np.array(drifts) <= DRIFT):.0%}" if drifts else "")
    cells.append(f"{np.mean(right):.0%}" if right else "")
    return tuple(cells)


if __name__ == "__main__":
    main()
