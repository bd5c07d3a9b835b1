"""How fast one core draws: desk frames a second, and pocket clips a second with H.264 encoding.

    python benchmarks/drawing.py [SAMPLER …]

The studio is to draw at least 60 desk frames a second a core, and to write at least 20 pocket clips
a second a core (default: the samplers `balanced` and `pocket`). Seconds are a core's, whatever else
the machine does.
"""

import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from animatrix_data.procedural import draw_clip
from animatrix_jax.jobs.draw import NAMED_SIZES, DrawSettings, draw_chunk, plan_clip

DESK_CLIPS, POCKET_CLIPS = 60, 120
WARM_UP = 3


def desk_rates(settings: DrawSettings) -> np.ndarray:
    """Return frames a second of each clip, drawing alone."""
    rates = []
    for seed in range(WARM_UP + DESK_CLIPS):
        plan = plan_clip(seed, settings)
        start = time.process_time()
        draw_clip(plan.spec, seed, settings.size, plan.staging, plan.faults)
        rates.append(settings.size.frames / (time.process_time() - start))
    return np.array(rates[WARM_UP:])


def clips_written(settings: DrawSettings) -> float:
    """Return clips a second, from the seed to the mp4 and its row."""
    with tempfile.TemporaryDirectory() as folder:
        draw_chunk(Path(folder), range(WARM_UP), settings)
        start = time.process_time()
        draw_chunk(Path(folder), range(WARM_UP, WARM_UP + POCKET_CLIPS), settings)
        return POCKET_CLIPS / (time.process_time() - start)


def main() -> None:
    """Print the table."""
    table = Table("sampler", "desk frames/s", "slowest tenth", "pocket clips/s")
    for sampler in sys.argv[1:] or ("balanced", "pocket"):
        settings = DrawSettings(NAMED_SIZES["desk"], sampler=sampler)
        rates = desk_rates(settings)
        written = clips_written(replace(settings, size=NAMED_SIZES["pocket"]))
        mean = len(rates) / float(np.sum(1 / rates))
        table.add_row(sampler, f"{mean:.0f}", f"{np.percentile(rates, 10):.0f}", f"{written:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
