"""The desk oracle: reads tags of every axis, faults and a figure's points off clips of the studio.

    make desk

draws 10,000 clips of the sampler `faulty` and 2,000 of `legible` for the exam, and runs

    animatrix train --config configs/desk/oracle.py --workdir runs/desk/oracle

Two CPU cores, about 80 minutes; its accuracy on clips it never saw is in oracle.json.
"""

from ml_collections import ConfigDict

POINTS = ("head", "neck", "hip", "elbow_l", "hand_l", "elbow_r", "hand_r",
          "knee_l", "foot_l", "knee_r", "foot_r")  # fmt: skip


def get_config() -> ConfigDict:
    """Return the experiment."""
    return ConfigDict(
        {
            "recipe": "oracle",
            "seed": 0,
            "settings": {
                "corpus": "runs/desk/oracle_corpus",
                "exam": "runs/desk/oracle_exam",
                "model": "pocket",
                "clip": (33, 128, 128),
                "fps": 16.0,
                "sampler": "faulty",
                "faults": True,
                "steps": 3600,
                "batch": 16,
                "held_out": 700,
                "registered": 60,
                "reconstructed": 0,
                "examined_soft": 96,
                "bar": 0.95,
                "streams": ("seen", "posed", "closer", "field", "statistics"),
                "points": POINTS,
                "skip": 2,
                "stride": 4,
                "posed_dim": 40,
                "hidden": 288,
                "optimizer": {
                    "peak_lr": 2e-3,
                    "warmup_steps": 150,
                    "weight_decay": 0.02,
                    "ema_decay": 0.998,
                },
                "export_dtype": "bfloat16",
            },
            "cadence": {"log_every": 20, "evaluate_every": 1200, "save_every": 1200},
        }
    )
