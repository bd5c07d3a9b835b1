"""Tune the shipped pocket model on a corpus of your own, named after the colon; the demo does so.

    animatrix train --config configs/pocket/tune.py:runs/rain --workdir runs/tune

Any corpus of 64×64 pixels and 17 frames that `draw` or `ingest` made. The corpus is encoded into
`CORPUS-latents` first, once. Two CPU cores: a few steps a second.
"""

from ml_collections import ConfigDict


def get_config(corpus: str = "runs/corpus") -> ConfigDict:
    """Return the experiment for the corpus at `corpus`."""
    return ConfigDict(
        {
            "recipe": "flow",
            "seed": 0,
            "settings": {
                "corpus": corpus,
                "cache": f"{corpus}-latents",
                "vae": "pocket",
                "text_encoder": "pocket",
                "initial": "pocket",
                "stage": "CT",
                "text": "live",
                "workers": 0,
                "on_bad": "skip",
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
            "cadence": {"log_every": 1, "evaluate_every": 50, "save_every": 100},
        }
    )
