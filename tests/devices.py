"""Programs of tests that need more devices than the tests' own process has."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any


def on_eight_devices(module: str, *, optimized: bool = False) -> dict[str, Any]:
    """Run a module of the tests where JAX has eight CPU devices; return the facts it prints last.

    Programs that run for milliseconds are not worth the time of making them faster, but where what
    the compiler makes of them is looked at (`optimized`).
    """
    flags = "--xla_force_host_platform_device_count=8"
    done = subprocess.run(
        [sys.executable, "-m", module],
        cwd=Path(__file__).resolve().parent.parent,
        env={
            **os.environ,
            "JAX_PLATFORMS": "cpu",
            "PYTHONPATH": os.pathsep.join(sys.path),
            # Devices wait for each other in collectives: with a thread a core some never start.
            "PJRT_NPROC": "32",
            "XLA_FLAGS": flags if optimized else f"{flags} --xla_backend_optimization_level=0",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    facts: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return facts
