"""One expert's guided velocity on eight devices, against one."""

import jax
import pytest

from animatrix_jax.inference.placement import placed_velocity
from animatrix_jax.parallel.mesh import MeshSettings
from tests.animatrix_jax.inference.placement_checks import CONFIG, MESHES
from tests.devices import on_eight_devices


def test_eight_devices_give_one_devices_velocity_and_share_the_weights() -> None:
    found = on_eight_devices("tests.animatrix_jax.inference.placement_checks")
    assert found.keys() == MESHES.keys()
    for name, facts in found.items():
        assert facts["error"] < 1e-5, name
        assert facts["share"] < 0.25, name


def test_a_mesh_that_splits_the_experts_is_refused() -> None:
    axes = MeshSettings(expert=2).extents
    mesh = jax.sharding.AbstractMesh(tuple(axes.values()), tuple(axes))
    with pytest.raises(ValueError, match="every device works on the active expert"):
        placed_velocity(CONFIG, {}, mesh)  # type: ignore[arg-type]
