"""The pocket text encoder: umT5's form in small, over bytes, by naming hidden bytes.

    animatrix train --config configs/pocket/text.py --workdir runs/pocket/text

Two CPU cores, about three minutes. Public umT5 weights need no such run; the paper freezes them.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """Return the experiment."""
    return ConfigDict(
        {
            "recipe": "text",
            "seed": 0,
            "settings": {
                "corpus": "runs/pocket/corpus",
                "model": {
                    "vocab": 384,
                    "dim": 96,
                    "ffn_dim": 192,
                    "heads": 4,
                    "head_dim": 24,
                    "layers": 3,
                },
                "steps": 1200,
                "batch": 32,
                "length": 144,
                "rate": 0.3,
                "span": 4,
                "optimizer": {"peak_lr": 2e-3, "warmup_steps": 100, "ema_decay": 0.995},
                "export_dtype": "bfloat16",
            },
            "cadence": {"evaluate_every": 1000, "save_every": 1000},
        }
    )
