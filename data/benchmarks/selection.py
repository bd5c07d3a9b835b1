"""What drawing clips by curriculum and balance costs: `python data/benchmarks/selection.py`.

A synthetic long tail of a million clips in 125 difficulty buckets and six shapes: seconds and
memory to build the selection, microseconds a sample drawn in whole blocks and asked for one by
one, beside what NumPy offers for a distribution that moves with every block: cumulative weights of
all clips and `searchsorted`, or `Generator.choice(p=…)`, made anew.
"""

from __future__ import annotations

import argparse
import pickle
import time
import tracemalloc
from collections.abc import Callable

import numpy as np
from rich.console import Console
from rich.table import Table

from animatrix_data.sampling.curriculum import Curriculum, difficulty_buckets, schedule
from animatrix_data.sampling.selection import Phase, Selection, Source

BLOCK, SHAPES, RATIO = 64, 6, (0.2, 0.4, 0.4)


def main() -> None:
    """Build, draw, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=1_000_000)
    parser.add_argument("--blocks", type=int, default=4000, help="blocks drawn for a timing")
    args = parser.parse_args()
    curriculum = Curriculum()
    scores = np.random.default_rng(1).random((args.clips, 3))
    graded = timed(lambda: difficulty_buckets(scores, curriculum.quantiles), 1)
    source = long_tail(difficulty_buckets(scores, curriculum.quantiles))
    length = args.blocks * BLOCK

    def build() -> Selection:
        phase = Phase(None, RATIO, (source,))
        return Selection([phase], 0, curriculum=curriculum, samples=length)

    seconds = timed(build, 1)
    tracemalloc.start()
    selection = build()
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    numbers = iter(range(args.blocks))
    by_block = timed(lambda: selection.draw(next(numbers)), args.blocks) / BLOCK
    indices = iter(range(length))
    one_by_one = timed(lambda: selection(next(indices)), length)
    random, taus = np.random.default_rng(0), iter(np.linspace(0, 1, 16))
    edges = timed(lambda: by_edges(source, curriculum, next(taus), random), 5) / BLOCK
    choice = timed(lambda: by_choice(source, curriculum, next(taus), random), 5) / BLOCK

    levels = len(np.unique(source.buckets))
    title = f"{args.clips:,} clips, {levels} difficulty buckets, {SHAPES} shapes"
    table = Table("", "µs a sample", "times ours", title=title)
    rows = {
        "in whole blocks": by_block,
        "one by one, in order": one_by_one,
        f"searchsorted over all clips, {BLOCK} at once": edges,
        f"Generator.choice(p=…), {BLOCK} at once": choice,
    }
    for name, spent in rows.items():
        table.add_row(name, f"{1e6 * spent:,.2f}", f"{spent / by_block:,.1f}")
    table.caption = (
        f"scores to buckets in {graded:.2f} s; built in {seconds:.2f} s, "
        f"{peak / 2**20:.0f} MiB at most, {kept / 2**20:.0f} MiB kept: "
        f"{len(pickle.dumps(selection)) / args.clips:.1f} bytes a clip"
    )
    Console().print(table)


def long_tail(buckets: np.ndarray) -> Source:
    """Clips whose labels on four axes are long-tailed, under eq. 2 with α = 0.7."""
    random, clips = np.random.default_rng(0), len(buckets)
    labels = random.zipf(1.6, (clips, 4)) % 40
    counts = np.stack([np.bincount(column)[column] for column in labels.T], axis=1)
    weights = counts.prod(axis=1, dtype=np.float64) ** -0.7
    shapes = random.choice(SHAPES, clips, p=[0.4, 0.3, 0.15, 0.1, 0.04, 0.01])
    return Source("synthetic", weights, shapes, buckets)


def by_edges(
    source: Source, curriculum: Curriculum, tau: float, random: np.random.Generator
) -> np.ndarray:
    """Draw a block of one shape from cumulative weights of all clips."""
    edges = np.cumsum(_weights(source, curriculum, tau))
    return np.searchsorted(edges, random.random(BLOCK) * edges[-1], side="right")


def by_choice(
    source: Source, curriculum: Curriculum, tau: float, random: np.random.Generator
) -> np.ndarray:
    """Draw a block of one shape as NumPy does it."""
    weights = _weights(source, curriculum, tau)
    return random.choice(len(weights), BLOCK, p=weights / weights.sum())


def _weights(source: Source, curriculum: Curriculum, tau: float) -> np.ndarray:
    """Eq. 16 for every clip of the first shape."""
    assert source.buckets is not None
    return schedule(tau, curriculum)[source.buckets] * source.weights * (source.shapes == 0)


def timed(call: Callable[[], object], times: int) -> float:
    """Seconds of processor a call takes."""
    start = time.process_time()
    for _ in range(times):
        call()
    return (time.process_time() - start) / times


if __name__ == "__main__":
    main()
