"""Machines that `plan` knows: what a chip holds and does, and the devices to compile for.

Sources: the pages of Cloud TPU on v5e, v5p and v6e, and NVIDIA's data sheets of the H100 SXM and
the H200 SXM (dense bfloat16). Clocks are the peak over the matrix units' size.
"""

import contextlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

import jax

from animatrix_data.settings import near
from animatrix_jax.jobs.launch_machines import parse_machine
from animatrix_kernels import tpu_compiler

GIB = 2.0**30


@dataclass(frozen=True)
class Chip:
    """One device: memory in bytes, peak bfloat16 operations, bytes a second, clock in hertz.

    `links` is what all its links carry in a second in both directions together, of `dims`
    directions of a torus (1: a switch); `network` what a GPU sends to other nodes.
    """

    name: str
    memory: float
    peak: float
    memory_bandwidth: float
    links: float
    dims: int
    clock: float = 0.0
    network: float = 0.0


CHIPS = {
    "v5e": Chip("TPU v5e", 16 * GIB, 197e12, 819e9, 200e9, 2, 1.5e9),
    "v5p": Chip("TPU v5p", 95 * GIB, 459e12, 2765e9, 600e9, 3, 1.75e9),
    "v6e": Chip("TPU v6e", 32 * GIB, 918e12, 1640e9, 448e9, 2, 1.75e9),
    "h100": Chip("H100 SXM", 80e9, 989e12, 3350e9, 900e9, 1, network=50e9),
    "h200": Chip("H200 SXM", 141e9, 989e12, 4800e9, 900e9, 1, network=50e9),
}
GPUS = ("h100", "h200")
ALIASES = {"gpu": "h100"}
SMALLEST = {"v5e": "v5e:2x2", "v5p": "v5p:2x2x1", "v6e": "v6e:2x2"}
"""The slice that a single chip is taken from."""
A_NODE = 8
"""GPUs that a switch joins."""


@dataclass(frozen=True)
class Target:
    """So many chips; `stand_in` says what is compiled in place of a program for them, if any."""

    name: str
    chip: Chip
    count: int
    topology: str | None
    stand_in: str = ""

    def devices(self) -> Sequence[jax.Device]:
        """Return devices to compile for; ValueError where this machine cannot have them."""
        if self.topology is not None:
            return tpu_compiler.topology(self.topology)[: self.count]
        return cpu_devices(self.count)


def find_target(name: str) -> Target:
    """Return what a name says: v5p:4x4x4, v5e:1 (a single chip), h100:8, h100:8x8 (nodes × GPUs).

    Raises ValueError for a machine, or a topology, that there is not.
    """
    kind, _, size = name.partition(":")
    kind = ALIASES.get(kind, kind)
    if kind not in CHIPS:
        known = (*CHIPS, *ALIASES)
        raise ValueError(f"--topology cannot be {name!r}{near(kind, known)} (as in v5p:4x4x4)")
    if kind in GPUS:
        form = re.fullmatch(r"(?:(?P<nodes>\d+)x)?(?P<each>\d+)", size)
        if form is None or not int(form["each"]) * int(form["nodes"] or 1):
            raise ValueError(
                f"--topology {name!r} needs a number of GPUs, or NODESxGPUS, after ':', "
                f"as in {kind}:8 or {kind}:4x8"
            )
        count = int(form["nodes"] or 1) * int(form["each"])
        stand_in = (
            "compiled for as many CPU devices: sharding and collectives are those of GPUs; kernels "
            "are in their plain form, of the same operations and with temporaries of their own"
        )
        return Target(name, CHIPS[kind], count, None, stand_in)
    if size == "1":
        return Target(name, CHIPS[kind], 1, SMALLEST[kind])
    machine = parse_machine(f"{kind}:{size}")
    return Target(name, CHIPS[kind], machine.hosts * machine.devices, f"{kind}:{size}")


def cpu_devices(count: int) -> Sequence[jax.Device]:
    """Return so many devices of this CPU, made now where JAX has not been used yet.

    Raises ValueError where it has, and has fewer.
    """
    with contextlib.suppress(RuntimeError):
        jax.config.update("jax_num_cpu_devices", count)
    devices = jax.devices("cpu")
    if len(devices) < count:
        raise ValueError(
            f"{count} devices are asked for and JAX has made {len(devices)} already: set "
            f"XLA_FLAGS=--xla_force_host_platform_device_count={count} before it starts"
        )
    return devices[:count]
