"""One run in several processes: how they find each other, and what they do together.

`ANIMATRIX_PROCESSES` is how many there are, `ANIMATRIX_PROCESS` which of them this is, and
`ANIMATRIX_COORDINATOR` (host:port) where the first one listens. With `ANIMATRIX_PROCESSES=auto`
JAX finds all three itself, on SLURM, MPI, Cloud TPU and GKE. Without them there is one process.
"""

import itertools
import os
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from jax.experimental import multihost_utils

PROCESSES, PROCESS = "ANIMATRIX_PROCESSES", "ANIMATRIX_PROCESS"
COORDINATOR = "ANIMATRIX_COORDINATOR"
AUTO = "auto"
A_DAY = 24 * 3600
"""The most seconds that processes wait for one another's slow work."""
_visits = itertools.count()


def start_processes(
    heartbeat_seconds: int = 100, environment: Mapping[str, str] | None = None
) -> None:
    """Join the other processes of a run where there are any, before a device is touched.

    A process that is silent for `heartbeat_seconds` is dead: the others then end with a status
    that is not 0. Where they are joined already nothing happens. Raises ValueError for variables
    that contradict themselves, and where the others do not come.
    """
    place = process_place(os.environ if environment is None else environment)
    if place is None or jax.distributed.is_initialized():
        return
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    try:
        jax.distributed.initialize(*place, heartbeat_timeout_seconds=heartbeat_seconds)
    except RuntimeError as error:
        raise ValueError(f"the processes of the run did not find each other: {error}") from error


def process_place(
    environment: Mapping[str, str],
) -> tuple[str | None, int | None, int | None] | None:
    """Return coordinator, count and number of this process as the environment says them.

    None is a process alone; all three None are for JAX to find. Raises ValueError.
    """
    said = {name: environment.get(name) or "" for name in (PROCESSES, PROCESS, COORDINATOR)}
    if said[PROCESSES] == AUTO:
        return None, None, None
    if not any(said.values()):
        return None
    missing = " and ".join(name for name, value in said.items() if not value)
    if missing:
        given = " and ".join(name for name, value in said.items() if value)
        raise ValueError(f"{given} without {missing}: several processes need all three")
    if not (said[PROCESSES].isdigit() and said[PROCESS].isdigit()):
        raise ValueError(
            f"{PROCESSES} and {PROCESS} must be whole numbers (the former may be {AUTO}), not "
            f"{said[PROCESSES]!r} and {said[PROCESS]!r}"
        )
    count, number = int(said[PROCESSES]), int(said[PROCESS])
    if number >= count:
        raise ValueError(f"{PROCESS} counts from 0 to {count - 1}, and is {number}")
    host, _, port = said[COORDINATOR].rpartition(":")
    if not host or not port.isdigit():
        raise ValueError(f"{COORDINATOR} must be host:port, not {said[COORDINATOR]!r}")
    return said[COORDINATOR], count, number


def gathered(tree: Any) -> Any:
    """Return a tree of arrays whole in every process; in one process it is as it was."""
    if jax.process_count() == 1:
        return tree
    return multihost_utils.process_allgather(tree, tiled=True)


def from_first(array: np.ndarray) -> np.ndarray:
    """Return the first process' array in every process; all give one of its shape and type."""
    if jax.process_count() == 1:
        return array
    return np.asarray(multihost_utils.broadcast_one_to_all(array))


def together(place: str) -> None:
    """Return when all processes of the run have come to this place, within a day.

    No device takes part. Raises TimeoutError where one does not come.
    """
    client = ocp.multihost.get_jax_distributed_client() if jax.process_count() > 1 else None
    if client is None:
        return
    try:
        client.wait_at_barrier(f"animatrix/together/{place}/{next(_visits)}", A_DAY * 1000)
    except jax.errors.JaxRuntimeError as error:
        raise TimeoutError(f"not all processes came to {place!r}") from error
