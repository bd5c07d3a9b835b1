"""What saving costs a training loop: how long it is blocked, and how fast files are hashed.

    python benchmarks/checkpoint.py [GIGABYTES] [EVERY]

A state of GIGABYTES (1) of float32, donated by every step, is saved every EVERY (50) steps; a
step multiplies matrices on the same cores for about half a second. (Shipped configs save every
500 steps.) Blocked is the share of the save intervals that the loop's thread spends in `save`.
The first save is not counted: it makes Orbax ready.
"""

import sys
import tempfile
import time
from pathlib import Path

import jax
import jax.numpy as jnp
from rich.console import Console
from rich.table import Table

from animatrix_jax.checkpoint.manifest import (
    file_sizes,
    find_damage,
    read_manifest,
    record_files,
    share_of,
    write_manifest,
)
from animatrix_jax.checkpoint.training import Checkpoints

LEAVES, EDGE, SAVES = 24, 1536, 3
STEP_SECONDS = 0.5
PROCESSES = 2
"""Among how many the hashing is shared, for one row."""


def make_state(gigabytes: float) -> dict[str, jax.Array]:
    """Return leaves of random float32, so many bytes together."""
    size = int(gigabytes * 1e9 / 4 / LEAVES)
    keys = jax.random.split(jax.random.key(0), LEAVES)
    return {f"leaf{i}": 0.02 * jax.random.normal(key, (size,)) for i, key in enumerate(keys)}


def calibrate(work: jax.Array) -> int:
    """Return how many products make a step of STEP_SECONDS."""
    multiply = jax.jit(lambda x: x @ x)
    jax.block_until_ready(multiply(work))
    began = time.perf_counter()
    for _ in range(4):
        jax.block_until_ready(multiply(work))
    return max(1, round(STEP_SECONDS / ((time.perf_counter() - began) / 4)))


def main() -> None:
    """Print the table."""
    gigabytes = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    every = int(sys.argv[2]) if len(sys.argv) > 2 else 50
    work = jnp.ones((EDGE, EDGE)) / EDGE
    products = calibrate(work)

    def step(state: dict[str, jax.Array]) -> dict[str, jax.Array]:
        done = jax.lax.fori_loop(0, products, lambda _, x: x @ x, work)
        return jax.tree.map(lambda leaf: leaf * done[0, 0], state)

    advance = jax.jit(step, donate_argnums=0)
    state = jax.block_until_ready(advance(make_state(gigabytes)))
    with tempfile.TemporaryDirectory() as place:
        checkpoints = Checkpoints(Path(place))
        checkpoints.save(0, state)
        first, began = checkpoints.blocked_seconds, time.perf_counter()
        for number in range(1, SAVES * every + 1):
            state = jax.block_until_ready(advance(state))
            if number % every == 0:
                checkpoints.save(number, state)
        wall, blocked = time.perf_counter() - began, checkpoints.blocked_seconds - first
        waited = time.perf_counter()
        checkpoints.close()
        waited = time.perf_counter() - waited
        assert not checkpoints.failures, checkpoints.failures
        newest = Path(place) / str(checkpoints.newest)
        total = read_manifest(newest).bytes / 1e9
        began = time.perf_counter()
        assert find_damage(newest, SAVES * every) == []
        verifying = total / (time.perf_counter() - began)
        began = time.perf_counter()
        write_manifest(newest, SAVES * every, {})
        hashing = time.perf_counter() - began
        sizes = file_sizes(newest)
        began = time.perf_counter()
        record_files(newest, share_of(sizes, 0, PROCESSES))
        sharing = time.perf_counter() - began
        began = time.perf_counter()
        Checkpoints(Path(place)).restore(state)
        restoring = time.perf_counter() - began
    table = Table("what", "measured", "limit")
    rows = [
        ("a step", f"{wall / SAVES / every:.2f} s", ""),
        (f"save interval, {every} steps", f"{wall / SAVES:.1f} s", ""),
        (f"a save of {total:.2f} GB blocks the loop", f"{blocked / SAVES:.2f} s", ""),
        ("of the save interval", f"{100 * blocked / wall:.1f} %", "5 %"),
        ("a save until committed, from the last step", f"{waited:.1f} s", ""),
        ("hashing into a manifest", f"{hashing:.2f} s, {total / hashing:.2f} GB/s", ""),
        (f"the share of one of {PROCESSES} processes", f"{sharing:.2f} s", ""),
        ("verifying", f"{verifying:.2f} GB/s", ""),
        ("restoring, verified", f"{restoring:.1f} s", ""),
    ]
    for row in rows:
        table.add_row(*row)
    Console().print(table)


if __name__ == "__main__":
    main()
