"""Moves checkpoints between 8, 4, 2 and 1 devices; prints as JSON what came back.

eight_devices.py FOLDER: the moves in one process of eight devices
eight_devices.py FOLDER PROCESS PORT: one of two processes of four devices, which start from
what the first left in FOLDER
"""

import errno
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from animatrix_jax.checkpoint import training
from animatrix_jax.checkpoint.manifest import list_files
from animatrix_jax.checkpoint.peers import Peers
from animatrix_jax.checkpoint.training import Checkpoints
from tests.animatrix_jax.checkpoint.states import state_of

SPECS = {
    "rows": {(8, 16): P("a", "b"), (16, 8): P(("a", "b")), (8,): P("b")},
    "columns": {(8, 16): P("b"), (16, 8): P(None, "a"), (8, 2): P("a")},
    "whole": {},
}


def shardings(devices: int, split: str) -> Any:
    """Where every leaf of a state lies: on a mesh of so many devices, split so."""
    shape = (2, devices // 2) if devices > 1 else (1, 1)
    mesh = jax.sharding.Mesh(np.array(jax.devices()[:devices]).reshape(shape), ("a", "b"))
    return jax.tree.map(
        lambda leaf: NamedSharding(mesh, SPECS[split].get(leaf.shape, P())), state_of(0)
    )


def spread(step: int, devices: int, split: str) -> Any:
    """Return the state of a step, laid out so."""

    def lay(leaf: Any, sharding: NamedSharding) -> jax.Array:
        return jax.make_array_from_callback(leaf.shape, sharding, lambda index: leaf[index])

    return jax.tree.map(lay, state_of(step), shardings(devices, split))


def shapes(devices: int, split: str) -> Any:
    """Return the shapes of a state with where it is to lie."""
    return jax.tree.map(
        lambda leaf, sharding: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
        state_of(0),
        shardings(devices, split),
    )


def came_back(found: Any, step: int, devices: int, split: str) -> bool:
    """Whether every shard that this process has holds the bits of a step and lies as asked."""

    def right(leaf: jax.Array, wanted: np.ndarray, sharding: NamedSharding) -> bool:
        shards = [
            np.asarray(shard.data).tobytes() == wanted[shard.index].tobytes()
            for shard in leaf.addressable_shards
        ]
        return leaf.sharding == sharding and leaf.dtype == wanted.dtype and all(shards)

    placed = shardings(devices, split)
    return all(jax.tree.leaves(jax.tree.map(right, found, state_of(step), placed)))


def move(folder: Path) -> dict[str, bool]:
    """Save on some devices, restore onto others, in a chain."""
    facts = {}
    chain = [(8, "rows"), (4, "columns"), (2, "whole"), (1, "whole"), (8, "columns"), (4, "rows")]
    with Checkpoints(folder) as checkpoints:
        state = spread(1, 8, "rows")
        for step, (devices, split) in enumerate(chain, 1):
            advance = jax.jit(lambda x: jax.tree.map(lambda leaf: leaf + 1, x), donate_argnums=0)
            fresh = spread(step, devices, split)
            checkpoints.save(step, fresh)
            advance(fresh)
            for number, cut in [*chain, (8, "whole"), (2, "columns")]:
                at, state = checkpoints.restore(shapes(number, cut))
                name = f"{devices} {split} to {number} {cut}"
                facts[name] = at == step and came_back(state, step, number, cut)
    return facts


def meet(folder: Path, process: int) -> dict[str, Any]:
    """Save, restore, be damaged and fail together with the other process."""
    facts: dict[str, Any] = {}
    checkpoints = Checkpoints(folder)
    record = training.record_files

    def recorded(place: Path, names: list[str]) -> Any:
        facts["hashed"] = names
        return record(place, names)

    def unread(*_: Any) -> Any:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    training.record_files = recorded  # type: ignore[assignment]
    step, state = checkpoints.restore(shapes(8, "rows"))
    facts["from one process"] = step == 6 and came_back(state, 6, 8, "rows")
    for step in (7, 8):
        checkpoints.save(step, spread(step, 8, "columns"))
    step, state = checkpoints.restore(shapes(8, "whole"))
    facts["two processes"] = step == 8 and came_back(state, 8, 8, "whole")

    if process == 0:
        path = max(list_files(folder / "8").values(), key=lambda path: path.stat().st_size)
        path.write_bytes(path.read_bytes()[:-1] + b"!")
    multihost_utils.sync_global_devices("damaged")
    checkpoints.close()
    checkpoints = Checkpoints(folder)
    step, state = checkpoints.restore(shapes(8, "rows"))
    facts["damaged"] = step == 7 and came_back(state, 7, 8, "rows")

    write: Callable[..., str] = checkpoints._write

    def broken(*arguments: Any) -> str:
        return write(*arguments) or "disk full"

    if process == 1:
        checkpoints._write = broken  # type: ignore[method-assign]
    checkpoints.save(8, spread(8, 8, "rows"))
    checkpoints.wait()
    checkpoints._write = write  # type: ignore[method-assign]
    training.record_files = unread if process == 1 else recorded  # type: ignore[assignment]
    checkpoints.save(8, spread(8, 8, "rows"))
    checkpoints.wait()
    training.record_files = recorded  # type: ignore[assignment]
    facts["failures"] = list(checkpoints.failures)
    facts["newest"] = checkpoints.newest
    checkpoints.save(9, spread(9, 8, "rows"))
    checkpoints.close()
    facts["goes on"] = checkpoints.newest == 9 and len(checkpoints.failures) == 2

    facts["told"] = Peers().tell("value", lambda: [1, "two"])
    facts["refused"] = raised(lambda: Peers().tell("error", refuse))
    hasty = Peers(timeout=0.5)
    if process == 0:
        facts["late"] = raised(lambda: hasty.gather("never", ""))
    multihost_utils.sync_global_devices("late")
    if process == 1:
        facts["late"] = raised(lambda: hasty.gather("never", ""))
    return facts


def refuse() -> None:
    raise ValueError("it cannot be")


def raised(act: Callable[[], Any]) -> str:
    """Return the type and the text of what is raised."""
    try:
        act()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def main() -> None:
    folder, *place = sys.argv[1:]
    if place:
        process, port = map(int, place)
        jax.distributed.initialize(f"localhost:{port}", 2, process)
        print(json.dumps(meet(Path(folder), process)))
    else:
        print(json.dumps(move(Path(folder))))


if __name__ == "__main__":
    main()
