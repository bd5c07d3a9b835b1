"""Pocket continue-training: both noise experts from nothing, images and video mixed.

    animatrix train --config configs/pocket/ct.py --workdir runs/pocket/ct

There is no public checkpoint of this size to continue from, so this stage also does what Wan's
pre-training did. Two CPU cores, about 45 minutes.

`ct.py:gpu` is for an accelerator: tokens of 2×2 positions instead of 4×4, preconditioned, and ten
times the samples. It has not run on one yet.
"""

from ml_collections import ConfigDict

ON_A_GPU = {
    "steps": 30000,
    "batch": 64,
    "knee": 0.0,
    "transformer": {
        "dim": 160,
        "ffn_dim": 480,
        "layers": 5,
        "patch": (1, 2, 2),
        "prediction": "preconditioned",
    },
}


def get_config(machine: str = "cpu") -> ConfigDict:
    """Return the experiment for a machine; ValueError where it is neither cpu nor gpu."""
    if machine not in ("cpu", "gpu"):
        raise ValueError(f"there is no machine {machine!r}: it is cpu or gpu")
    config = ConfigDict(
        {
            "recipe": "flow",
            "seed": 0,
            "settings": {
                "corpus": "runs/pocket/scenes",
                "cache": "runs/pocket/latents",
                "vae": "runs/pocket/vae_scenes",
                "text_encoder": "runs/pocket/text",
                "variant": "pocket",
                "steps": 6200,
                "batch": 32,
                "transformer": {
                    "dim": 192,
                    "ffn_dim": 480,
                    "heads": 4,
                    "layers": 4,
                    "text_length": 80,
                    "patch": (1, 4, 4),
                    "freq_dim": 64,
                    "rope_base": 20.0,
                    "absolute_positions": True,
                    "prediction": "clean",
                },
                "tags": {"dim": 64, "heads": 4, "layers": 3, "adaln_rank": 8},
                "knee": 0.3,
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
                "task_ratio": (0.5, 0.3, 0.2),
                "held_out": 64,
                "guidance_text": 3.0,
                "guidance_tag": 2.0,
                "export_dtype": "bfloat16",
            },
            "cadence": {"evaluate_every": 1000, "save_every": 1000},
        }
    )
    if machine == "gpu":
        config.settings.update(ON_A_GPU)
    return config
