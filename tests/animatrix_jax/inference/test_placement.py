"""One expert's guided velocity on eight devices, against one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import pytest

from animatrix_jax.inference.placement import placed_velocity
from animatrix_jax.parallel.mesh import MeshSettings
from tests.animatrix_jax.inference.placement_checks import CONFIG, MESHES


def test_eight_devices_give_one_devices_velocity_and_share_the_weights(repository: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.animatrix_jax.inference.placement_checks"],
        cwd=repository,
        env={
            **os.environ,
            "JAX_PLATFORMS": "cpu",
            "PYTHONPATH": os.pathsep.join(sys.path),
            "XLA_FLAGS": "--xla_force_host_platform_device_count=8 "
            "--xla_backend_optimization_level=0",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found.keys() == MESHES.keys()
    for name, facts in found.items():
        assert facts["error"] < 1e-5, name
        assert facts["share"] < 0.25, name


def test_a_mesh_that_splits_the_experts_is_refused() -> None:
    axes = MeshSettings(expert=2).extents
    mesh = jax.sharding.AbstractMesh(tuple(axes.values()), tuple(axes))
    with pytest.raises(ValueError, match="every device works on the active expert"):
        placed_velocity(CONFIG, {}, mesh)  # type: ignore[arg-type]
