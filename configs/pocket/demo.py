"""The demo's minute of training: the shipped pocket model on a small corpus drawn for the occasion.

    animatrix demo --config configs/pocket/demo.py --out runs/demo

Corpus and latents are put in the demo's own folder. Two CPU cores, one to two minutes.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """Return the experiment; `corpus` and `cache` are the demo's to fill in."""
    return ConfigDict(
        {
            "recipe": "flow",
            "seed": 0,
            "settings": {
                "corpus": "runs/demo/corpus",
                "cache": "runs/demo/latents",
                "vae": "pocket",
                "text_encoder": "pocket",
                "initial": "pocket",
                "steps": 300,
                "batch": 16,
                "knee": 0.3,
                "optimizer": {
                    "peak_lr": 3e-4,
                    "final_lr": 3e-5,
                    "warmup_steps": 20,
                    "weight_decay": 0.01,
                    "ema_decay": 0.99,
                },
                "task_ratio": (0.1, 0.5, 0.4),
                "held_out": 16,
                "export_dtype": "bfloat16",
            },
            "cadence": {"log_every": 1, "evaluate_every": 50, "save_every": 300},
        }
    )
