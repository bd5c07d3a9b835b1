"""Which samples each process reads: together they read every batch, each what its devices hold."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from jax.sharding import Mesh

from animatrix_jax.parallel import batches
from animatrix_jax.parallel.batches import BatchPlacement
from animatrix_jax.parallel.mesh import AXES, MeshSettings, make_mesh
from animatrix_jax.parallel.partition import batch_sharding


@dataclass(frozen=True)
class Held:
    """The sharding of a batch as one process sees it, whose devices are some of the mesh's."""

    indices: dict[Any, tuple[slice, ...]]

    def addressable_devices_indices_map(self, shape: tuple[int, ...]) -> Any:
        return self.indices


def places(
    monkeypatch: pytest.MonkeyPatch,
    extents: tuple[int, ...],
    own: range,
    size: int,
    experts: int = 2,
) -> tuple[int, ...] | None:
    """Return the places of the process with the devices `own` of a mesh of these extents."""
    mesh = Mesh(np.arange(np.prod(extents)).reshape(extents), AXES)  # type: ignore[arg-type]
    split = extents[1] * extents[2]
    rows = size // experts // split
    indices = {}
    for device in own:
        expert, data, fsdp, _, _ = np.unravel_index(device, extents)
        group = int(data * extents[2] + fsdp)
        each = slice(int(expert), int(expert) + 1) if extents[0] > 1 else slice(None)
        indices[device] = (each, slice(group * rows, (group + 1) * rows))
    monkeypatch.setattr(batches, "batch_sharding", lambda _: Held(indices))
    return BatchPlacement(mesh, size, experts).places


@pytest.mark.parametrize(
    "extents", [(1, 2, 4, 1, 1), (2, 2, 2, 1, 1), (1, 1, 8, 1, 1), (2, 1, 4, 1, 1)]
)
@pytest.mark.parametrize("experts", [1, 2])
def test_processes_share_a_batch(
    monkeypatch: pytest.MonkeyPatch, extents: tuple[int, ...], experts: int
) -> None:
    if extents[0] > experts:
        return
    for processes in (2, 4, 8):
        each = 8 // processes
        owned = [range(p * each, (p + 1) * each) for p in range(processes)]
        shares = [places(monkeypatch, extents, own, 16, experts) for own in owned]
        assert sorted(place for share in shares for place in share or ()) == list(range(16))
        assert len({len(share or ()) for share in shares}) == 1


def test_those_who_share_a_sequence_read_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (
        places(monkeypatch, (1, 1, 2, 4, 1), own, 8) for own in (range(2), range(2, 4))
    )
    assert first == second == (0, 1, 2, 3)
    assert places(monkeypatch, (2, 1, 1, 4, 1), range(4), 8) == (0, 2, 4, 6)
    assert places(monkeypatch, (1, 1, 2, 4, 1), range(8), 8) is None


def test_a_batch_goes_onto_one_device_whole() -> None:
    mesh = make_mesh(MeshSettings())
    placement = BatchPlacement(mesh, 8, 1)
    assert placement.places is None and placement.rows == 8
    put = placement.put(np.arange(16).reshape(2, 4, 2))
    assert put.shape == (1, 8, 2) and put.sharding == batch_sharding(mesh)


def test_what_does_not_divide_is_refused() -> None:
    mesh = Mesh(np.arange(8).reshape(1, 2, 4, 1, 1), AXES)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"batch of 8 samples .* use a multiple of 16"):
        BatchPlacement(mesh, 8, 2)
    apart = Mesh(np.arange(2).reshape(2, 1, 1, 1, 1), AXES)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"expert axis has 2 devices .* this one has 1"):
        BatchPlacement(apart, 8, 1)
