"""Continue-training of a public Wan on anime, from small and short to large and long (section 5.1).

    animatrix train --config configs/studio/ct.py:i2v_a14b --workdir runs/studio/ct

The argument is a converted model, as in `sft.py`, which then goes on from this run's workdir. Three
sub-stages, 256 px and 17 frames to 720 px and 65 frames, each with latents of its own, encoded
before the first step; images give way to videos along them. Every tier is used, balanced over the
taxonomy.

It has the meshes of `sft.py`, for 64 and for 256 TPU v5p chips (docs/scale.md). The sub-stages'
lengths are ours, for the paper gives none; no time is measured.
"""

import importlib.util
from pathlib import Path

from ml_collections import ConfigDict

BATCH = 64
STAGES = ((256, 17, 20000), (480, 33, 10000), (720, 65, 5000))
"""Edge in pixels, frames, steps."""


def get_config(model: str = "i2v_a14b") -> ConfigDict:
    """Return the experiment on a converted model; ValueError for one that Wan has not."""
    path = Path(__file__).with_name("sft.py")
    spec = importlib.util.spec_from_file_location("studio_sft", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    config = module.get_config(model)
    name = model.partition("-")[0]
    ratios = [None] * len(STAGES)
    if name in module.T2V_ONLY:
        ratios = [(0.5, 0.5, 0.0), (0.35, 0.65, 0.0), (0.2, 0.8, 0.0)]
    substages = [
        {
            "samples": steps * BATCH,
            "edge": edge,
            "frames": frames,
            "cache": f"runs/studio/latents_{name}_{edge}",
            "ratio": ratio,
        }
        for (edge, frames, steps), ratio in zip(STAGES, ratios, strict=True)
    ]
    config.settings.update(
        stage="CT",
        cache=None,
        substages=tuple(substages),
        batch=BATCH,
        steps=sum(steps for _, _, steps in STAGES),
    )
    config.settings.curriculum = None
    config.settings.optimizer.peak_lr = 2e-5
    return config
