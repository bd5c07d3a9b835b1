"""The pocket oracle: reads tags off clips of the studio, drawn or through the pocket VAE.

    animatrix draw --out runs/pocket/oracle_corpus --clips 2800 --seed 1000000 --sampler rehearsed
    animatrix train --config configs/pocket/oracle.py --workdir runs/pocket/oracle

Two CPU cores, about ten minutes; its accuracy on clips it never saw is in oracle.json.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """Return the experiment."""
    return ConfigDict(
        {
            "recipe": "oracle",
            "seed": 0,
            "settings": {
                "corpus": "runs/pocket/oracle_corpus",
                "model": "runs/pocket/vae_scenes",
                "clip": (17, 64, 64),
                "steps": 1100,
                "batch": 32,
                "held_out": 300,
                "registered": 60,
                "reconstructed": 700,
                "optimizer": {
                    "peak_lr": 3e-3,
                    "warmup_steps": 60,
                    "weight_decay": 0.02,
                    "ema_decay": 0.99,
                },
                "export_dtype": "bfloat16",
            },
            "cadence": {"evaluate_every": 500, "save_every": 1100},
        }
    )
