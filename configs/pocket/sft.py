"""Pocket supervised fine-tuning: the same objective on video, with a falling learning rate.

    animatrix train --config configs/pocket/sft.py --workdir runs/pocket/sft

Two CPU cores, about ten minutes. `sft.py:gpu` follows `ct.py:gpu`; it has not run yet.
"""

import importlib.util
from pathlib import Path

from ml_collections import ConfigDict


def get_config(machine: str = "cpu") -> ConfigDict:
    """Return the experiment: continue-training's, from its model, with its own rates.

    Raises ValueError where `machine` is neither cpu nor gpu.
    """
    path = Path(__file__).with_name("ct.py")
    spec = importlib.util.spec_from_file_location("pocket_ct", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    config = module.get_config(machine)
    config.settings.initial = "runs/pocket/ct"
    config.settings.steps = 1000 if machine == "cpu" else 5000
    config.settings.tied = False
    config.settings.task_ratio = (0.1, 0.5, 0.4)
    config.settings.optimizer.peak_lr = 1e-3
    config.settings.optimizer.final_lr = 2e-5
    config.settings.optimizer.warmup_steps = 50
    return config
