"""How well the classical camera oracle reads paths and movements: `python camera_path.py`.

Draws held-out clips at desk size with a sampler, registers each, and prints by movement: the error
of the path as a share of its travel (clips that travel at least 8 pixels; see `path_error`) and the
share of clips where it is at most 15 %, the drift where the camera stands still, and the share of
clips whose movement is named rightly. Paths whose background is hardly seen (`UNREAD`) count in
neither error nor drift; their share is printed.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict

import numpy as np
from rich.console import Console
from rich.table import Table

from animatrix_data.procedural import Size, draw_clip, find_sampler, sample_spec
from animatrix_data.procedural.oracles import camera_path, classify_camera, path_error
from animatrix_data.procedural.oracles.answers import answer
from animatrix_data.procedural.oracles.camera import TRAVEL, UNREAD, PathError

DESK = Size(128, 128, 33, 16)
DRIFT, ERROR = 0.5, 0.15
ALL = "all"


def main() -> None:
    """Draw, register, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1_000_000, help="seed of the first clip")
    parser.add_argument("--sampler", default="distinct")
    args = parser.parse_args()
    staging = find_sampler(args.sampler).staging
    errors: dict[str, list[PathError]] = defaultdict(list)
    right: dict[str, list[bool]] = defaultdict(list)
    read: dict[str, list[bool]] = defaultdict(list)
    spent = 0.0
    for seed in range(args.seed, args.seed + args.clips):
        spec = sample_spec(seed, args.sampler)
        moves = spec.get("CameraMotion")
        name = moves[0].name if len(moves) == 1 else "sequences"
        clip = draw_clip(spec, seed, DESK, staging)
        start = time.process_time()
        path = camera_path(clip.frames)
        scores = classify_camera(path)
        spent += time.process_time() - start
        error = path_error(path, clip.truth["camera"], DESK.height, DESK.width)
        for row in (name, ALL):
            read[row].append(path.seen >= UNREAD)
            errors[row].append(error)
        if len(moves) == 1:
            hit = max(scores, key=lambda text: scores[text]) == answer(moves[0])
            right[name].append(hit)
            right[ALL].append(hit)
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


def _row(name: str, told: list[PathError], read: list[bool], right: list[bool]) -> tuple[str, ...]:
    """Return the cells of one movement."""
    errors = [error for error, counts in zip(told, read, strict=True) if counts]
    shares = [error.relative for error in errors if error.travel >= TRAVEL]
    drifts = [error.drift for error in errors if error.travel == 0]
    cells = [name, str(len(told)), f"{1 - np.mean(read):.0%}"]
    cells += [f"{np.percentile(shares, q):.1%}" if shares else "" for q in (50, 95)]
    cells.append(f"{np.mean(np.array(shares) <= ERROR):.0%}" if shares else "")
    cells += [f"{np.percentile(drifts, q):.2f} px" if drifts else "" for q in (50, 95)]
    cells.append(f"{np.mean(np.array(drifts) <= DRIFT):.0%}" if drifts else "")
    cells.append(f"{np.mean(right):.0%}" if right else "")
    return tuple(cells)


if __name__ == "__main__":
    main()
