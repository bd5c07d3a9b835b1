"""The desk oracle: reads tags of every axis, faults and a figure's points off clips of the studio.

    make desk

draws 12,000 clips of the sampler `distinct_faulty` and 1,480 of `distinct` for the exam, and trains
in three parts: what looks at single frames, what then reads head and body from near, and what
judges all that was seen of each clip.

    animatrix train --config configs/desk/oracle.py --workdir runs/desk/oracle_looking
    animatrix train --config configs/desk/oracle.py:closer --workdir runs/desk/oracle_closer
    animatrix train --config configs/desk/oracle.py:judging --workdir runs/desk/oracle

Two CPU cores; looking takes 0.5 s a step there, 75 minutes, the others an hour together. It should
read every answer right for 95 % of the clips it never saw, and tell every fault with an area under
the curve of 0.97; runs/desk/oracle/model/oracle/oracle.json says what it reads, docs/studio.md what
it reached.
"""

from ml_collections import ConfigDict

POINTS = ("head", "neck", "hip", "elbow_l", "hand_l", "elbow_r", "hand_r",
          "knee_l", "foot_l", "knee_r", "foot_r")  # fmt: skip
CLIPS = {
    "corpus": "runs/desk/oracle_corpus",
    "clip": (33, 128, 128),
    "sampler": "distinct_faulty",
    "held_out": 700,
    "bar": 0.95,
    "export_dtype": "bfloat16",
}
"""What all parts share."""
FRAMES = {
    "model": "pocket",
    "fps": 16.0,
    "faults": True,
    "registered": 0,
    "points": POINTS,
    "skip": 3,
    "join": 384,
}
"""What the parts of the recipe `oracle` share."""
PARTS = {
    "looking": {
        **FRAMES,
        "streams": ("framed",),
        "examined_soft": 0,
        "steps": 9000,
        "batch": 48,
    },
    "closer": {"initial": "runs/desk/oracle_looking", "steps": 2000, "batch": 48},
    "judging": {
        **FRAMES,
        "initial": "runs/desk/oracle_closer",
        "streams": ("framed", "closer", "field", "statistics"),
        "exam": "runs/desk/oracle_exam",
        "examined_soft": 32,
        "steps": 4000,
        "batch": 64,
    },
}
PEAK_LR = {"looking": 2.5e-3, "closer": 2e-3, "judging": 2e-3}
SAVE_EVERY = {"looking": 1500, "closer": 1000, "judging": 4000}


def get_config(part: str = "looking") -> ConfigDict:
    """Return the experiment; ValueError where `part` is none of `PARTS`."""
    if part not in PARTS:
        raise ValueError(f"there is no part {part!r}: it is {', '.join(PARTS)}")
    optimizer = {
        "peak_lr": PEAK_LR[part],
        "warmup_steps": 150,
        "weight_decay": 0.05,
        "ema_decay": 0.998,
    }
    return ConfigDict(
        {
            "recipe": "oracle_closer" if part == "closer" else "oracle",
            "seed": 0,
            "settings": {**CLIPS, **PARTS[part], "optimizer": optimizer},
            "cadence": {"log_every": 50, "evaluate_every": 10000, "save_every": SAVE_EVERY[part]},
        }
    )
