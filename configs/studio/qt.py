"""Quality tuning of a fine-tuned Wan: the reviewed clips alone, by a target distribution (5.3).

    animatrix train --config configs/studio/qt.py:i2v_a14b --workdir runs/studio/qt

The argument is the model that `sft.py` was given; this run goes on from its workdir. Clips of tier
S at 720 px and 65 frames, at most 5e-5. The target says which shares of the draws production needs:
its numbers are ours, for the paper gives none; the combination is its example. A corpus that
has no clip of a class named here is refused in a sentence: set the target to what yours holds, and

    animatrix balance runs/studio/corpus --config configs/studio/qt.py

shows what becomes of it. It has the meshes of `sft.py`, for 64 and for 256 TPU v5p chips
(docs/scale.md). No time is measured.
"""

import importlib.util
from pathlib import Path

from ml_collections import ConfigDict

BATCH, STEPS = 64, 2000
COMPLEX = ("Dolly Zoom", "Orbit", "Follow", "Push")
TARGET = {
    "M": {"Combat and Power": 0.25},
    "C": {"Static": 0.25, "Pan": 0.15},
    "combinations": ({"share": 0.08, "M": ("Combat and Power",), "C": COMPLEX},),
}


def get_config(model: str = "i2v_a14b") -> ConfigDict:
    """Return the experiment on a fine-tuned model; ValueError for one that Wan has not."""
    path = Path(__file__).with_name("sft.py")
    spec = importlib.util.spec_from_file_location("studio_sft", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    config = module.get_config(model)
    settings, name = config.settings, model.partition("-")[0]
    settings.update(stage="QT", initial="runs/studio/sft", steps=STEPS, batch=BATCH, cache=None)
    settings.balance, settings.target = None, ConfigDict(TARGET)
    settings.substages = (
        {
            "samples": STEPS * BATCH,
            "edge": 720,
            "frames": 65,
            "cache": f"runs/studio/latents_{name}_720",
            "ratio": settings.task_ratio,
        },
    )
    settings.optimizer.update(peak_lr=5e-5, final_lr=5e-6, warmup_steps=100)
    return config
