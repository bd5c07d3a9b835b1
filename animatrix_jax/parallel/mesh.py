"""The mesh of devices and its five axes.

`expert` splits the two noise experts, `data` holds replicas, `fsdp` splits parameters and
optimiser, `context` the sequence, `tensor` the heads and the feed-forward's width. A batch is split
over `data` and `fsdp`, and parameters over `fsdp` and `context`: whoever shares a sequence need not
hold the same weights.
"""

import contextlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax.experimental import mesh_utils
from jax.sharding import AxisType, Mesh, PartitionSpec

from animatrix_data.settings import near
from animatrix_kernels.partition import Split, split_over

AXES = ("expert", "data", "fsdp", "context", "tensor")
BATCH_AXES = ("data", "fsdp")
PARAMETER_AXES = ("fsdp", "context")


@dataclass(frozen=True)
class MeshSettings:
    """How many devices each axis has."""

    expert: int = 1
    data: int = 1
    fsdp: int = 1
    context: int = 1
    tensor: int = 1

    def __post_init__(self) -> None:
        """Check that there is a device along every axis."""
        for axis, extent in self.extents.items():
            if extent < 1:
                raise ValueError(f"the mesh axis {axis} has 1 device or more, not {extent}")

    @property
    def extents(self) -> dict[str, int]:
        """The axes with their numbers of devices, in the mesh's order."""
        return {axis: getattr(self, axis) for axis in AXES}

    @property
    def size(self) -> int:
        """All devices of the mesh."""
        return math.prod(self.extents.values())

    def __str__(self) -> str:
        """Return the axes that split anything, as in `fsdp 4 × tensor 2`."""
        split = [f"{axis} {extent}" for axis, extent in self.extents.items() if extent > 1]
        return " × ".join(split) or "one device"


def parse_mesh(text: str) -> MeshSettings:
    """Return the mesh that a text says, as in `context=4,tensor=2`; axes left out have 1 device.

    Raises ValueError for what is no axis, or no number of devices.
    """
    extents: dict[str, int] = {}
    for part in text.split(","):
        axis, _, extent = (word.strip() for word in part.partition("="))
        if axis not in AXES:
            raise ValueError(f"a mesh has no axis {axis!r}{near(axis, AXES)}")
        if not extent.isdecimal() or axis in extents:
            raise ValueError(f"a mesh is written as context=4,tensor=2, not {text!r}")
        extents[axis] = int(extent)
    return MeshSettings(**extents)


def choose_mesh(
    mesh: MeshSettings | None, meshes: Mapping[str, MeshSettings], devices: int
) -> MeshSettings:
    """Return the mesh for so many devices: the one that is said, or the one kept for this number.

    Nothing said and nothing kept is one device. Raises ValueError where no mesh is of this size.
    """
    found = mesh or meshes.get(str(devices))
    if found is None and (devices == 1 or not meshes):
        found = MeshSettings()
    if found is None:
        raise ValueError(
            f"the config has meshes of {', '.join(meshes)} devices, and there are {devices}: say "
            f"one of this size, as in --mesh fsdp={devices}"
        )
    if found.size > devices:
        raise ValueError(
            f"the mesh ({found}) takes {found.size} devices, and there are {devices}: the product "
            "of its axes is the number of devices"
        )
    return found


def make_mesh(settings: MeshSettings, devices: Sequence[jax.Device] | None = None) -> Mesh:
    """Return the mesh over `devices` (default: the first ones that JAX has, of all processes).

    JAX lays the axes along the links of a TPU slice where it knows them; an axis may take a part of
    a physical one.
    """
    shape = tuple(settings.extents.values())
    kinds = (AxisType.Auto,) * len(AXES)
    taken = (jax.devices() if devices is None else devices)[: settings.size]
    if settings.size == 1:
        return Mesh(np.asarray(taken).reshape(shape), AXES, axis_types=kinds)
    laid = mesh_utils.create_device_mesh(shape, taken, allow_split_physical_axes=True)
    return Mesh(laid, AXES, axis_types=kinds)


def kernels_on(mesh: Mesh) -> contextlib.AbstractContextManager[None]:
    """Return a context in which what is traced runs its kernels on each device's own part."""
    if mesh.size == 1:
        return contextlib.nullcontext()
    return split_over(Split(mesh, BATCH_AXES, ("context",), ("tensor",), ("expert",)))


def compiler_options(mesh: Mesh) -> dict[str, Any] | None:
    """Return how a program for a mesh is compiled, as `jax.jit` takes it; None as JAX would.

    The TPU compiler would multiply by split weights one device's part after the other, as parts
    arrive, and sum up in bfloat16: with 32 parts that reads and rounds the sum 32 times. Whole
    weights of one layer are gathered instead.
    """
    if mesh.size == 1 or mesh.devices.flat[0].platform != "tpu":
        return None
    return {"xla_jf_spmd_threshold_for_windowed_einsum_mib": 2**20}


def map_experts[Result](
    function: Callable[..., Result], mesh: Mesh, *, in_turn: bool = True
) -> Callable[..., Result]:
    """Return `function` of one expert's trees as one of trees with a leading expert dim.

    Where the mesh splits the experts, each has devices of its own, between which nothing goes.
    Elsewhere every device works on one expert after the other (`in_turn`), which holds the
    activations of one alone, or on both at once; a mesh of one device always does the latter.
    """
    if mesh.shape["expert"] > 1:
        return _apart(function, mesh)
    if mesh.size == 1 or not in_turn:
        return jax.vmap(function)
    return lambda *trees: jax.lax.map(lambda one: function(*one), trees)


def _apart[Result](function: Callable[..., Result], mesh: Mesh) -> Callable[..., Result]:
    def own(*trees: Any) -> Any:
        found = function(*jax.tree.map(lambda leaf: leaf[0], trees))
        return jax.tree.map(lambda leaf: leaf[None], found)

    spec = PartitionSpec("expert")
    return jax.shard_map(
        own, mesh=mesh, in_specs=spec, out_specs=spec, axis_names={"expert"}, check_vma=False
    )
