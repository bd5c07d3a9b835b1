"""How fast latents are read at random from a cache: `python latents.py`.

At A14B's size (a latent of 81 frames of 720×1280) beside reads of the same bytes from plain files,
one read of each kind in turn. Everything lies in the page cache: what is timed is the way from
there to an array. At pocket size, where a read is short and asking costs, clips a second.
The fastest read of each kind is told, and the median beside it: a cache's read passes from thread
to thread, and on a machine with other work the median is mostly of waiting for a core.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from animatrix_data.corpus.latent_meta import Bucket, LatentMeta
from animatrix_data.corpus.latents import LatentCache

SIZES: dict[str, tuple[Bucket, int]] = {"A14B": ((21, 90, 160), 16), "pocket": ((5, 8, 8), 24)}
TARGET = 0.4


def main() -> None:
    """Write clips of both sizes, read them, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=32)
    parser.add_argument("--reads", type=int, default=64, help="reads at the large size")
    parser.add_argument("--dtype", default="float16")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    table = Table(title=f"latents as {args.dtype}, warm page cache; fastest / median single read")
    for column in ("size", "MB", "read", "MB/s", "clips/s", "beside plain"):
        table.add_column(column, justify="left" if column in ("size", "read") else "right")
    for size, (bucket, channels) in SIZES.items():
        reads = args.reads if size == "A14B" else 16 * args.reads
        for row in _measure(size, bucket, channels, args, reads):
            table.add_row(*row)
    Console().print(table, f"Target at A14B's size: at least {TARGET}, by the fastest.")


def _measure(
    size: str, bucket: Bucket, channels: int, args: argparse.Namespace, reads: int
) -> list[tuple[str, ...]]:
    """Return the table's rows of one size."""
    with tempfile.TemporaryDirectory() as folder:
        cache = _write(Path(folder), bucket, channels, args)
        dtype, shape = cache.read_latents(0).dtype, (*bucket, channels)

        def plain(row: int) -> np.ndarray:
            return np.fromfile(Path(folder) / f"{row}.raw", dtype).reshape(shape)

        ways: dict[str, Callable[[int], object]] = {
            "plain file": plain,
            "latents": cache.read_latents,
            "both": cache.read,
        }
        order = np.random.default_rng(args.seed + 1).integers(args.clips, size=(reads, len(ways)))
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        for number, rows in enumerate(order):
            # Each way comes after each other one equally often.
            names = list(ways)[number % len(ways) :] + list(ways)[: number % len(ways)]
            for name, row in zip(names, rows, strict=True):
                start = time.perf_counter()
                found = ways[name](int(row))
                seconds[name].append(time.perf_counter() - start)
                del found
    megabytes = int(np.prod(shape)) * dtype.itemsize / 1e6
    plainly = _fastest_and_median(seconds["plain file"])
    rows_out = []
    for way, spent in seconds.items():
        amount = megabytes * (2 if way == "both" else 1)
        found = _fastest_and_median(spent)
        cells = (amount / found, 1 / found, amount / found / (megabytes / plainly))
        shown = [" / ".join(f"{value:{form}}" for value in pair)
                 for pair, form in zip(cells, (".0f", ".0f", ".2f"), strict=True)]  # fmt: skip
        rows_out.append((size, f"{megabytes:.3g}", way, *shown))
    return rows_out


def _fastest_and_median(seconds: list[float]) -> np.ndarray:
    return np.array([min(seconds), np.median(seconds)])


def _write(folder: Path, bucket: Bucket, channels: int, args: argparse.Namespace) -> LatentCache:
    """Write the cache, and each clip's latents to a plain file of their own."""
    ids = tuple(f"clip{k}" for k in range(args.clips))
    meta = LatentMeta("vae", "corpus", ids, (bucket,) * args.clips, channels, args.dtype)
    cache = LatentCache.create(folder / "cache", meta)
    random = np.random.default_rng(args.seed)
    for shard in cache.shards:
        shape = (len(shard.rows), *bucket, channels)
        # Whole numbers cost less to draw; what is read does not depend on the values.
        values = random.integers(-64, 64, shape, np.int8)
        cache.write(shard.rows, values, values)
        for row in shard.rows:
            cache.read_latents(row).tofile(folder / f"{row}.raw")
    return LatentCache.open(folder / "cache")


if __name__ == "__main__":
    main()
