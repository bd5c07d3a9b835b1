"""Pocket supervised fine-tuning: the same objective on video, with a falling learning rate.

    animatrix train --config configs/pocket/sft.py --workdir runs/pocket/sft

Two CPU cores, about ten minutes. `sft.py:gpu` follows `ct.py:gpu`; it has not run yet.
`sft.py:further` goes on from the shipped model instead, half an hour, as often as there is time:

    animatrix draw --out runs/pocket/scenes --clips 6000 --sampler pocket
    animatrix train --config configs/pocket/sft.py:further --workdir runs/pocket/further
"""

import importlib.util
from pathlib import Path

from ml_collections import ConfigDict


def get_config(machine: str = "cpu") -> ConfigDict:
    """Return the experiment: continue-training's, from its model, with its own rates.

    `machine` is cpu, gpu, or further for the shipped model on a CPU; ValueError for another.
    """
    if machine not in ("cpu", "gpu", "further"):
        raise ValueError(f"there is no machine {machine!r}: it is cpu, gpu or further")
    path = Path(__file__).with_name("ct.py")
    spec = importlib.util.spec_from_file_location("pocket_ct", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    config = module.get_config("cpu" if machine == "further" else machine)
    config.settings.initial = "runs/pocket/ct"
    config.settings.steps = 1000 if machine == "cpu" else 5000
    config.settings.tied = False
    config.settings.task_ratio = (0.1, 0.5, 0.4)
    config.settings.optimizer.peak_lr = 1e-3
    config.settings.optimizer.final_lr = 2e-5
    config.settings.optimizer.warmup_steps = 50
    if machine == "further":
        for part in ("initial", "vae", "text_encoder"):
            config.settings[part] = "pocket"
        config.settings.steps = 2550
        config.settings.optimizer.peak_lr = 3e-3
        config.settings.optimizer.warmup_steps = 100
    return config
