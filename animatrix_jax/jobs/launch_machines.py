"""What a run asks for, `v5p:4x4x4` or `h100:8`: devices, hosts, and each provider's own names."""

import itertools
import math
import re
from dataclasses import dataclass

from animatrix_data.settings import near

FLAT = ("1x1", "2x2", "2x4", "4x4", "4x8", "8x8", "8x16", "16x16")
SMALL_CUBES = ("2x2x1", "2x2x2", "2x2x4", "2x4x4")
"""The v5p topologies with a side below four; of the others every side is a multiple of four."""
MOST_CHIPS = 6144
"""What one v5p job can have."""


@dataclass(frozen=True)
class Generation:
    """A TPU generation's names: GKE's node label, Cloud TPU's type and its VM image.

    Cloud TPU counts `cores` a chip in a type's name: v5p-128 has 64 chips.
    """

    gke: str
    cloud: str
    runtime: str
    cores: int


GENERATIONS = {
    "v5e": Generation("tpu-v5-lite-podslice", "v5litepod", "v2-alpha-tpuv5-lite", 1),
    "v5p": Generation("tpu-v5p-slice", "v5p", "v2-alpha-tpuv5", 2),
    "v6e": Generation("tpu-v6e-slice", "v6e", "v2-alpha-tpuv6e", 1),
}


@dataclass(frozen=True)
class Card:
    """A GPU's names: GKE's node label, xpk's device type (empty: it has none), SkyPilot's."""

    gke: str
    xpk: str
    sky: str


CARDS = {
    "a100": Card("nvidia-tesla-a100", "a100-40gb", "A100"),
    "a100-80gb": Card("nvidia-a100-80gb", "", "A100-80GB"),
    "b200": Card("nvidia-b200", "b200", "B200"),
    "h100": Card("nvidia-h100-80gb", "h100-80gb", "H100"),
    "h100-mega": Card("nvidia-h100-mega-80gb", "h100-mega-80gb", "H100-MEGA"),
    "h200": Card("nvidia-h200-141gb", "h200-141gb", "H200"),
    "l4": Card("nvidia-l4", "l4", "L4"),
}


@dataclass(frozen=True)
class Machine:
    """Hosts and the devices of each: `kind` is cpu, gpu or tpu; `topology` is a TPU's own."""

    kind: str
    name: str
    hosts: int
    devices: int
    topology: str = ""

    @property
    def generation(self) -> Generation:
        """A TPU's names."""
        return GENERATIONS[self.name]

    @property
    def card(self) -> Card:
        """A GPU's names."""
        return CARDS[self.name]

    @property
    def cloud_type(self) -> str:
        """A TPU as Cloud TPU and SkyPilot name it, by its number of cores: v5p-128."""
        chips = self.hosts * self.devices
        return f"{self.generation.cloud}-{chips * self.generation.cores}"


def parse_machine(accelerator: str, nodes: int | None = None) -> Machine:
    """The machine that `accelerator` and `nodes` ask for.

    Args:
      accelerator: TPU:TOPOLOGY (v5p:4x4x4), GPU:NUMBER in a node (h100:8), or cpu:NUMBER of
        devices a process.
      nodes: how many nodes (None: one, or the hosts that the topology has).

    Raises:
      ValueError: no such accelerator or topology, or another number of nodes than the topology's.
    """
    name, _, size = accelerator.partition(":")
    if name in GENERATIONS:
        return _tpu(name, size, nodes)
    if name != "cpu" and name not in CARDS:
        known = (*GENERATIONS, *CARDS, "cpu")
        raise ValueError(f"accelerator cannot be {name!r}{near(name, known)}")
    if not re.fullmatch("[1-9][0-9]{0,2}", size):
        raise ValueError(
            f"accelerator {accelerator!r} needs a number of devices after ':', as in {name}:8"
        )
    return Machine("cpu" if name == "cpu" else "gpu", name, nodes or 1, int(size))


def default_topology(machine: Machine) -> str:
    """The topology that Cloud TPU gives where only a number of chips is asked for.

    It is the one whose longest side is shortest; only v5p has several of one size.
    """
    chips = machine.hosts * machine.devices
    if machine.name != "v5p" or machine.topology in SMALL_CUBES:
        return machine.topology
    sides = [side for side in range(4, chips // 16 + 1, 4) if chips % side == 0]
    cubes = itertools.combinations_with_replacement(sides, 3)
    shape = min((cube for cube in cubes if math.prod(cube) == chips), key=max)
    return "x".join(map(str, shape))


def _tpu(name: str, topology: str, nodes: int | None) -> Machine:
    if not _exists(name, topology):
        known = FLAT if name != "v5p" else (*SMALL_CUBES, "4x4x4", "4x4x8", "4x8x8", "8x8x8")
        raise ValueError(f"{name} has no topology {topology!r}{near(topology, known)}")
    chips = math.prod(map(int, topology.split("x")))
    # One VM holds up to eight chips of a flat generation; slices over several VMs have four each.
    devices = chips if chips < 4 or (name != "v5p" and chips == 8) else 4
    hosts = chips // devices
    if nodes not in (None, hosts):
        raise ValueError(
            f"{name}:{topology} is {hosts} hosts of {devices} chips, not {nodes} nodes: "
            "leave nodes out"
        )
    return Machine("tpu", name, hosts, devices, topology)


def _exists(name: str, topology: str) -> bool:
    if name != "v5p":
        return topology in FLAT
    if topology in SMALL_CUBES:
        return True
    if not re.fullmatch(r"[1-9]\d{0,2}(x[1-9]\d{0,2}){2}", topology):
        return False
    sides = [int(side) for side in topology.split("x")]
    fits = all(side % 4 == 0 for side in sides) and math.prod(sides) <= MOST_CHIPS
    return fits and sides == sorted(sides)
