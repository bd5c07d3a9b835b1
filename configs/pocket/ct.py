"""Pocket continue-training: both noise experts from nothing, images and video mixed.

    animatrix train --config configs/pocket/ct.py --workdir runs/pocket/ct

There is no public checkpoint of this size to continue from, so this stage also does what Wan's
pre-training did. Two CPU cores, about an hour.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """Return the experiment."""
    return ConfigDict(
        {
            "recipe": "flow",
            "seed": 0,
            "settings": {
                "corpus": "runs/pocket/scenes",
                "cache": "runs/pocket/latents",
                "vae": "runs/pocket/vae",
                "text_encoder": "runs/pocket/text",
                "steps": 4500,
                "batch": 16,
                "transformer": {
                    "dim": 128,
                    "ffn_dim": 384,
                    "heads": 2,
                    "layers": 4,
                    "text_length": 80,
                    "patch": (1, 2, 2),
                    "freq_dim": 64,
                    "rope_base": 20.0,
                    "absolute_positions": True,
                    "tag_dim": 64,
                    "tag_heads": 4,
                    "tag_layers": 3,
                    "adaln_rank": 8,
                    "prediction": "preconditioned",
                },
                "tied": True,
                "schedule": {"shift": 3.0, "boundary": 0.8},
                "optimizer": {
                    "kind": "muon",
                    "peak_lr": 5e-3,
                    "final_lr": 1e-3,
                    "warmup_steps": 100,
                    "weight_decay": 0.01,
                    "ema_decay": 0.999,
                },
                "task_ratio": (0.4, 0.3, 0.3),
                "held_out": 64,
                "guidance_text": 3.0,
                "guidance_tag": 2.0,
                "export_dtype": "bfloat16",
            },
            "cadence": {"evaluate_every": 1000, "save_every": 1000},
        }
    )
