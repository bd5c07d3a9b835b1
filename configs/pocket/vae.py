"""The pocket VAE: 4×4 pixels and 4 frames to one latent position of 24 channels.

    animatrix draw --out runs/pocket/corpus --clips 8000
    animatrix train --config configs/pocket/vae.py --workdir runs/pocket/vae

Two CPU cores, about half an hour; held-out reconstructions of 26 dB or more.

`vae.py:scenes` goes on from there on the clips of the sampler `pocket`, which the transformer
learns: five minutes more.

    animatrix train --config configs/pocket/vae.py:scenes --workdir runs/pocket/vae_scenes
"""

from ml_collections import ConfigDict

ON_SCENES = {
    "corpus": "runs/pocket/scenes",
    "initial": "runs/pocket/vae",
    "stages": ({"steps": 220, "batch": 4, "shape": (17, 64, 64)},),
}


def get_config(corpus: str = "studio") -> ConfigDict:
    """Return the experiment; ValueError where `corpus` is neither studio nor scenes."""
    if corpus not in ("studio", "scenes"):
        raise ValueError(f"there is no corpus {corpus!r}: it is studio or scenes")
    config = ConfigDict(
        {
            "recipe": "vae",
            "seed": 0,
            "settings": {
                "corpus": "runs/pocket/corpus",
                "model": {
                    "base_dim": 16,
                    "z_dim": 24,
                    "multipliers": (2, 4, 5),
                    "res_blocks": 1,
                    "strides": ((2, 2), (2, 1)),
                    "temporal_kernels": (1, 3, 3),
                    "patch": 2,
                    "linear_path": True,
                },
                "stages": (
                    {"steps": 2600, "batch": 8, "shape": (9, 32, 32)},
                    {"steps": 400, "batch": 4, "shape": (17, 64, 64)},
                ),
                "optimizer": {
                    "peak_lr": 1e-3,
                    "final_lr": 2e-5,
                    "warmup_steps": 50,
                    "ema_decay": 0.998,
                },
                "loss": {"edges": 0.1, "divergence": 1e-5},
                "held_out": 64,
                "export_dtype": "bfloat16",
            },
            "cadence": {"evaluate_every": 500, "save_every": 500},
        }
    )
    if corpus == "scenes":
        config.settings.update(ON_SCENES)
        config.settings.loss.edges = 0.02
        config.settings.optimizer.update(peak_lr=8e-4, warmup_steps=10, ema_decay=0.95)
    return config
