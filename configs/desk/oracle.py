"""The desk oracle: reads tags of every axis, faults and a figure's points off clips of the studio.

    make desk

draws 8,100 clips of the sampler `faulty` and 1,480 of `legible` for the exam, trains all of it

    animatrix train --config configs/desk/oracle.py --workdir runs/desk/oracle_looking

and then, with what looks at pixels as it is, goes many times over what was seen of each clip:

    animatrix train --config configs/desk/oracle.py:judging --workdir runs/desk/oracle

Two CPU cores, about 45 minutes beside the drawing; its accuracy on clips it never saw is in
runs/desk/oracle/model/oracle/oracle.json (docs/studio.md has that of a first run: style 89 %, VFX
61 %, motion 40 %, below what it should reach).
"""

from ml_collections import ConfigDict

POINTS = ("head", "neck", "hip", "elbow_l", "hand_l", "elbow_r", "hand_r",
          "knee_l", "foot_l", "knee_r", "foot_r")  # fmt: skip
JUDGING = {
    "initial": "runs/desk/oracle_looking",
    "steps": 4000,
    "batch": 64,
    "optimizer": {
        "peak_lr": 3e-3,
        "warmup_steps": 100,
        "weight_decay": 0.05,
        "ema_decay": 0.998,
    },
}


def get_config(part: str = "looking") -> ConfigDict:
    """Return the experiment; ValueError where `part` is neither looking nor judging."""
    if part not in ("looking", "judging"):
        raise ValueError(f"there is no part {part!r}: it is looking or judging")
    config = ConfigDict(
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
                "steps": 2400,
                "batch": 16,
                "held_out": 700,
                "registered": 48,
                "reconstructed": 0,
                "examined_soft": 48,
                "bar": 0.95,
                "streams": ("seen", "posed", "closer", "field", "statistics"),
                "points": POINTS,
                "skip": 2,
                "stride": 4,
                "posed_dim": 40,
                "hidden": 288,
                "join": 512,
                "optimizer": {
                    "peak_lr": 2e-3,
                    "warmup_steps": 150,
                    "weight_decay": 0.02,
                    "ema_decay": 0.998,
                },
                "export_dtype": "bfloat16",
            },
            "cadence": {"log_every": 20, "evaluate_every": 4000, "save_every": 4000},
        }
    )
    if part == "judging":
        config.settings.update(JUDGING)
    return config
