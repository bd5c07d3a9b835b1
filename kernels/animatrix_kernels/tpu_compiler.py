"""The TPU compiler on a machine without a TPU: the devices of any slice, to compile for.

libtpu compiles ahead of time for every generation. It is not importable where there is no TPU, or
JAX would search for one aloud: setting up puts it into a folder of its own, and it is loaded when
the first slice is asked for.
"""

import contextlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import jax
from jax.experimental import topologies

SETTINGS = {
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_ACCELERATOR_TYPE": "v5p-8",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_WORKER_ID": "0",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
}
"""Keep libtpu from searching this machine for a TPU, and let several processes compile at a time.

The accelerator type named here does not bind what is compiled for.
"""


def library() -> Path | None:
    """Return the file of libtpu: the one named by TPU_LIBRARY_PATH, or what setup has installed.

    None where there is neither.
    """
    named = os.environ.get("TPU_LIBRARY_PATH")
    file = Path(named) if named else Path(sys.prefix) / "tpu" / "libtpu" / "libtpu.so"
    return file if file.is_file() else None


def available() -> bool:
    """Return whether `topology` can be had."""
    return library() is not None or _on_a_tpu_machine()


def topology(name: str) -> tuple[jax.Device, ...]:
    """Return the devices of a TPU slice, for shardings to lower and compile with.

    Args:
      name: generation and shape, such as 'v5e:4x4', 'v5p:4x4x4' or 'v6e:16x16'.

    Raises:
      ValueError: a slice that there is not, or a machine without libtpu.
    """
    if not available():
        raise ValueError(
            "compiling for a TPU takes libtpu, which `make setup` installs on Linux for x86_64: "
            "name its libtpu.so in TPU_LIBRARY_PATH"
        )
    with contextlib.nullcontext() if _on_a_tpu_machine() else _settings():
        try:
            return tuple(topologies.get_topology_desc(name, platform="tpu").devices)
        except jax.errors.JaxRuntimeError as error:
            reason = str(error).splitlines()[0]
            raise ValueError(
                f"there is no TPU slice {name!r} ({reason}): name one as in 'v5p:4x4x4'"
            ) from error


def _on_a_tpu_machine() -> bool:
    """Return whether libtpu is importable, as jax[tpu] installs it where there are TPUs."""
    return importlib.util.find_spec("libtpu") is not None


@contextlib.contextmanager
def _settings() -> Iterator[None]:
    """Set the environment while libtpu loads; later JAX must not take the machine for a TPU's."""
    before = {name: os.environ.get(name) for name in (*SETTINGS, "TPU_LIBRARY_PATH")}
    os.environ.update({**SETTINGS, "TPU_LIBRARY_PATH": str(library())})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
