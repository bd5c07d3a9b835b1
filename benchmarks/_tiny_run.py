"""The run that is killed and moved: two experts of a few numbers, through the command."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from animatrix_jax.jobs import draw

ROOT = Path(__file__).resolve().parents[1]
SIZE = "32x32x5@8"
SEED = 0
SAVE_EVERY = 4
BEGINNING = """from ml_collections import ConfigDict


def get_config(mesh=""):
    extents = dict(part.split("=") for part in mesh.split(",") if part)
    config = {config!r}
    config["mesh"] = {axis: int(extent) for axis, extent in extents.items()}
    return ConfigDict(config)
"""


def prepare(folder: Path, steps: int) -> dict[str, Any]:
    """Draw a corpus, and write the config of the run; what follows its colon is a mesh."""
    draw.run(folder / "corpus", clips=16, size=SIZE, seed=SEED, processes=1)
    config = {
        "recipe": "flow",
        "seed": SEED,
        "settings": {
            "corpus": str(folder / "corpus"), "cache": str(folder / "latents"),
            "vae": "pocket", "text_encoder": "pocket", "steps": steps, "batch": 8, "held_out": 8,
            "task_ratio": (0.0, 0.5, 0.5), "optimizer": {"peak_lr": 1e-3, "warmup_steps": 10},
            "transformer": {"dim": 32, "ffn_dim": 64, "heads": 4, "layers": 1, "text_length": 80},
            "tags": {"dim": 16, "heads": 2, "layers": 1, "adaln_rank": 8},
        },
        "cadence": {"log_every": 1, "evaluate_every": 10**6, "save_every": SAVE_EVERY},
    }  # fmt: skip
    (folder / "config.py").write_text(BEGINNING.replace("{config!r}", repr(config)))
    return config


def start(
    folder: Path, name: str, mesh: str = "", environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a life of a run; what it says goes to a file."""
    command = [sys.executable, "-m", "animatrix_jax.cli", "train"]
    command += ["--config", f"{folder / 'config.py'}:{mesh}", "--workdir", str(folder / name)]
    around = os.environ | {
        "JAX_COMPILATION_CACHE_DIR": str(folder / "programs"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    with open(folder / f"{name}.log", "ab") as log:
        return subprocess.Popen(
            command, cwd=ROOT, env=around | dict(environment or {}), stdout=log, stderr=log
        )
