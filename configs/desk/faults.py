"""The desk fault oracle: finds what is broken in a frame, and where.

    animatrix train --config configs/desk/faults.py --workdir runs/desk/faults

draws its own frames (sampler `broken`), each with and without its fault and without arms, keeps
them in runs/desk/fault_frames (2.4 GB), learns from those of 3,700 clips and reads 2,400 whole
clips of `distinct_faulty` that it never saw. Two CPU cores: some 10 minutes of drawing, half an
hour of training, 6 minutes of examination. Every kind should be told with an area under the curve
of 0.97; runs/desk/faults/model/faults/faults.json says how well it is. The shares of `quiet` were
chosen on 800 clips from seed 9,400,000.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """Return the experiment."""
    return ConfigDict(
        {
            "recipe": "faults",
            "seed": 0,
            "settings": {
                "kept": "runs/desk/fault_frames",
                "clip": (33, 128, 128),
                "fps": 16.0,
                "kinds": ("limb", "face", "outline", "tear", "melt"),
                "quiet": {"limb": 0.9, "tear": 0.9},
                "classical": ("tear",),
                "clips": 3700,
                "steps": 6000,
                "batch": 64,
                "examined": 2400,
                "exam_seed": 9_700_000,
                "optimizer": {
                    "peak_lr": 2e-3,
                    "warmup_steps": 150,
                    "weight_decay": 0.05,
                    "ema_decay": 0.998,
                },
            },
            "cadence": {"log_every": 50, "evaluate_every": 500, "save_every": 1000},
        }
    )
