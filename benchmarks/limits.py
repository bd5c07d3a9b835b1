"""What the project promises of two cores, measured: one clip, the demo, the test suite.

    python benchmarks/limits.py [clip] [demo] [tests]

Without arguments all three. The demo runs into a fresh folder; `make demo` also installs, which
is not counted here. Peak memory is the largest single process's.
"""

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]


def measure_clip() -> tuple[str, str, str]:
    """Time one shipped-model clip at 20 steps with dual guidance, after compilation."""
    from animatrix_data.taxonomy import parse_tags
    from animatrix_jax.inference.pipeline import generate_clips
    from animatrix_jax.inference.request import Request, SamplerSettings
    from animatrix_jax.runtime.model import load_model

    model = load_model("pocket")
    spec = parse_tags("VideoStyle: Shinkai Style, camera_motion: pan left, VFX: Rain")
    settings = SamplerSettings(steps=20, batch=1)
    seconds = []
    for seed in range(4):
        began = time.perf_counter()
        generate_clips(model, [Request(spec, "A girl walks by the sea.", seed)], settings)
        seconds.append(time.perf_counter() - began)
    return "a clip, 20 steps, dual guidance", f"{min(seconds[1:]):.2f} s", "10 s"


def measure_demo() -> tuple[str, str, str]:
    """Time the demo job and its peak memory."""
    with tempfile.TemporaryDirectory() as folder:
        wall, gib = _run(
            [sys.executable, "-m", "animatrix_jax.cli", "demo", "--out", f"{folder}/demo"]
        )
    return "the demo, installed already", f"{wall:.0f} s, {gib:.1f} GiB", "600 s, 6 GiB"


def measure_tests() -> tuple[str, str, str]:
    """Time the test suite."""
    wall, gib = _run([sys.executable, "-m", "pytest"])
    return "the test suite", f"{wall:.0f} s, {gib:.1f} GiB", "900 s"


def _run(command: list[str]) -> tuple[float, float]:
    began = time.perf_counter()
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    return time.perf_counter() - began, peak


PARTS: dict[str, Callable[[], tuple[str, str, str]]] = {
    "clip": measure_clip,
    "demo": measure_demo,
    "tests": measure_tests,
}


def main() -> None:
    """Print the table of measured values beside their limits."""
    table = Table("what", "measured", "limit")
    for name in sys.argv[1:] or PARTS:
        table.add_row(*PARTS[name]())
    Console().print(table)


if __name__ == "__main__":
    main()
