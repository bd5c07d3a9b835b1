"""Distil the shipped pocket model into eight steps without guidance (section 7.1).

    animatrix draw --out runs/pocket/scenes --clips 6000 --sampler pocket
    animatrix train --config configs/pocket/dmd.py --workdir runs/pocket/dmd
    animatrix generate --model runs/pocket/dmd --tags "VFX: Rain" --out rain.mp4

Student, critic and teacher start from the shipped model. `dmd.py:dmd2` is the other published
schedule: five steps of the critic for each of the student. Two CPU cores: sixty steps took three
minutes beside other work; all 400 have not been run.
"""

from ml_collections import ConfigDict


def get_config(mode: str = "paper") -> ConfigDict:
    """Return the experiment in a mode, paper or dmd2; the recipe refuses another."""
    return ConfigDict(
        {
            "recipe": "dmd",
            "seed": 0,
            "settings": {
                "corpus": "runs/pocket/scenes",
                "cache": "runs/pocket/latents",
                "vae": "pocket",
                "text_encoder": "pocket",
                "initial": "pocket",
                "steps": 400,
                "batch": 16,
                "knee": 0.3,
                "distillation": {"mode": mode, "anchors": 4, "shift": 3.0},
                "optimizer": {
                    "peak_lr": 1e-4,
                    "final_lr": 1e-5,
                    "warmup_steps": 20,
                    "beta1": 0.0,
                    "clip_norm": None,
                    "ema_decay": 0.98,
                },
                "critic_optimizer": {
                    "peak_lr": 2e-4,
                    "final_lr": 2e-5,
                    "warmup_steps": 20,
                    "beta1": 0.0,
                },
                "teacher_steps": 12,
                "task_ratio": (0.0, 0.5, 0.5),
                "held_out": 32,
                "export_dtype": "bfloat16",
            },
            "cadence": {"log_every": 10, "evaluate_every": 100, "save_every": 200},
        }
    )
