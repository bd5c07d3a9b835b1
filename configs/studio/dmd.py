"""Distil a quality-tuned Wan into eight steps without guidance (section 7.1).

    animatrix train --config configs/studio/dmd.py:i2v_a14b --workdir runs/studio/dmd

The argument is the model that `qt.py` was given; this run goes on from its workdir. The paper
distils image to video: four steps an expert, guidance 5 (text) and 2 (tag), flow shift 10, a critic
that learns at every second step, an average over 0.995; learning rates and steps are ours, for the
paper gives none. The teacher is held in bfloat16. At 720 px and 65 frames.

It has the meshes of `sft.py`, for 64 and for 256 TPU v5p chips; a plan of them is printed by

    animatrix plan --config configs/studio/dmd.py:i2v_a14b --topology v5p:4x4x4

and stands in docs/scale.md. No time is measured.
"""

import importlib.util
from pathlib import Path

from ml_collections import ConfigDict

BATCH, STEPS = 64, 2000


def get_config(model: str = "i2v_a14b") -> ConfigDict:
    """Return the experiment on a tuned model; ValueError for one that Wan has not."""
    path = Path(__file__).with_name("qt.py")
    spec = importlib.util.spec_from_file_location("studio_qt", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    config = module.get_config(model)
    settings, name = config.settings, model.partition("-")[0]
    config.recipe = "dmd"
    ratio = settings.task_ratio if settings.task_ratio[2] == 0 else (0.0, 0.0, 1.0)
    settings.update(initial="runs/studio/qt", steps=STEPS, batch=BATCH, task_ratio=ratio)
    # A student sees every tag of its clips: no curriculum thins them.
    settings.target = settings.curriculum = None
    settings.substages = (
        {
            "samples": STEPS * BATCH,
            "edge": 720,
            "frames": 65,
            "cache": f"runs/studio/latents_{name}_720",
            "ratio": ratio,
        },
    )
    rates = {"peak_lr": 2e-6, "final_lr": 2e-6, "warmup_steps": 20, "beta1": 0.0, "beta2": 0.999}
    settings.optimizer.update(**rates, clip_norm=None, ema_decay=0.995)
    settings.critic_optimizer = ConfigDict({**rates, "weight_decay": 0.01})
    settings.distillation = ConfigDict({"mode": "paper", "anchors": 4, "shift": 10.0})
    settings.teacher_dtype = "bfloat16"
    return config
