"""What balancing a million clips costs and reaches: `python data/benchmarks/balance.py`.

Writes the catalogue of a synthetic long-tail corpus into a temporary folder. A fresh process then
reads its table, weighs it by eq. 2 with the pool, and builds the selection: seconds (those of the
clock and those of the processor), and how far the process's peak of resident memory lies above
what it had after its imports. Beside it, for several bounds on repetition: the Gini of every axis,
the rarest (style, content) pair, the rarest combinations of style, motion and camera, and how many
clips the weights are worth.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from animatrix_data.sampling.balance import Pool, balance_weights
from animatrix_data.sampling.curriculum import Curriculum, difficulty_buckets
from animatrix_data.sampling.report import balance_report
from animatrix_data.sampling.selection import Phase, Selection, Source
from animatrix_data.sampling.synthetic import CLIPS, long_tail_table, write_long_tail
from animatrix_data.sampling.table import ClipTable, read_table

BOUNDS = (None, 50.0, 30.0, 20.0, 10.0)
RATIO = (0.2, 0.4, 0.4)

type Costs = list[tuple[str, float, float, float]]


def main() -> None:
    """Build, weigh, and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=CLIPS)
    parser.add_argument("--alpha", type=float, default=0.7)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_long_tail(folder, args.clips)
        # In a fresh process the peak is that of the building alone.
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            costs = pool.apply(build, (folder, args.alpha))
    Console().print(_cost_table(costs, args.clips))
    Console().print(_effect_table(long_tail_table(args.clips), args.alpha))


def build(folder: str, alpha: float) -> Costs:
    """Return what each part of building costs: its name, seconds, processor seconds, MB."""
    costs: Costs = []
    start = _memory("VmRSS")

    def measured[Result](name: str, work: Callable[[], Result]) -> Result:
        clock, processor = time.perf_counter(), time.process_time()
        result = work()
        spent = time.perf_counter() - clock, time.process_time() - processor
        costs.append((name, *spent, _memory("VmHWM") - start))
        return result

    curriculum = Curriculum()
    table = measured("read the table", lambda: read_table(folder))
    weights = measured("weigh, with the pool", lambda: balance_weights(table, alpha, Pool()))
    buckets = measured("grade", lambda: difficulty_buckets(table.scores, curriculum.quantiles))

    def select() -> Selection:
        source = Source("corpus", weights, table.shapes, buckets)
        return Selection([Phase(None, RATIO, (source,))], 0, curriculum=curriculum, samples=10**6)

    measured("build the selection", select)
    return costs


def _memory(key: str) -> float:
    """Return VmRSS or VmHWM (its peak) of this process in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(key)).split()[1]) * 1024 / 1e6


def _cost_table(costs: Costs, clips: int) -> Table:
    table = Table("", title=f"Building for {clips:,} clips")
    for heading in ("seconds", "of processor", "peak memory added"):
        table.add_column(heading, justify="right")
    for name, seconds, processor, memory in costs:
        table.add_row(name, f"{seconds:.2f}", f"{processor:.2f}", f"{memory:.0f} MB")
    table.add_section()
    whole, busy = sum(c[1] for c in costs), sum(c[2] for c in costs)
    table.add_row("all", f"{whole:.2f}", f"{busy:.2f}", f"{max(c[3] for c in costs):.0f} MB")
    return table


def _effect_table(clips: ClipTable, alpha: float) -> Table:
    title = f"Weights with alpha {alpha:g} and the pool, by bound on a clip's draws"
    table = Table("bound", title=title)
    for heading in ("Gini S", "M", "C", "V", "pair", "lift", "mean", "≥ 5", "worth"):
        table.add_column(heading, justify="right")
    even = np.full(len(clips), 1 / len(clips))
    ways = {"as found": even}
    for bound in BOUNDS:
        name = "none" if bound is None else f"× {bound:g}"
        ways[name] = balance_weights(clips, alpha, Pool(most=bound))
    for name, weights in ways.items():
        report = balance_report(clips, weights, len(clips), Pool.minimum)
        found, pair = report.combinations, min(report.pairs.present, key=lambda p: p.clips)
        assert found is not None
        table.add_row(
            name,
            *(f"{axis.gini_after:.2f}" for axis in report.axes),
            f"{pair.effective:,.0f}",
            f"{found.lift_median:.1f}",
            f"{found.lift_mean:.1f}",
            f"{found.lifted:.0%}",
            f"{100 / (weights**2).sum() / len(clips):.3g}%",
        )
    table.caption = (
        "pair: effective clips of the rarest pair of style and content; lift: of the "
        f"{found.ties} of {found.count:,} combinations of style, motion and camera that have "
        f"{found.fewest} clip, the median, the mean, and the share lifted 5 times or more; worth: "
        "Kish's effective sample size, as a share of the clips"
    )
    return table


if __name__ == "__main__":
    main()
