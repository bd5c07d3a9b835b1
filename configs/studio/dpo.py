"""Deformation-aware preference optimisation of a quality-tuned Wan (section 5.4, eq. 18).

    animatrix pairs runs/studio/candidates --to_label runs/studio/unsure.csv
    animatrix train --config configs/studio/dpo.py:i2v_a14b --workdir runs/studio/dpo

The argument is the model that `sft.py` was given; this run goes on from the workdir of `qt.py`,
which is the reference, too. `runs/studio/candidates` is a corpus of four generated clips a prompt,
rated by the judge; the paper has 10 thousand prompts and 50 thousand pairs. One pass over them, at
720 px and 65 frames as in quality tuning, beta 5000 (decision 10). The paper gives neither beta nor
a learning rate: ours are the public trainers' beta and a fifth of quality tuning's last rate.
The reference model is asked once a sample and expert before training, on the same devices, and
takes no memory of the step. Meshes of `sft.py`, for 64 and for 256 TPU v5p chips, a device one pair
at a time; what they hold is told by

    animatrix plan --config configs/studio/dpo.py:i2v_a14b --topology v5p:4x4x4

No time is measured.
"""

import importlib.util
from pathlib import Path

from ml_collections import ConfigDict

BATCH, STEPS = 64, 800


def get_config(model: str = "i2v_a14b") -> ConfigDict:
    """Return the experiment on a quality-tuned model; ValueError for one that Wan has not."""
    path = Path(__file__).with_name("qt.py")
    spec = importlib.util.spec_from_file_location("studio_qt", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    config = module.get_config(model)
    settings, name = config.settings, model.partition("-")[0]
    config.recipe = "dpo"
    for flow_alone in ("balance", "target", "curriculum", "task_ratio"):
        del settings[flow_alone]
    settings.update(
        stage="DPO",
        corpus="runs/studio/candidates",
        initial="runs/studio/qt",
        references="runs/studio/references",
        beta=5000.0,
        weight="one",
        draws=8,
        steps=STEPS,
        batch=BATCH,
        on_bad="raise",
        held_out=512,
    )
    settings.substages = (
        {
            "samples": STEPS * BATCH,
            "edge": 720,
            "frames": 65,
            "cache": f"runs/studio/latents_{name}_candidates",
        },
    )
    settings.optimizer.update(peak_lr=1e-6, final_lr=1e-7, warmup_steps=50, weight_decay=0.0)
    return config
