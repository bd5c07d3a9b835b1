"""Preference optimisation of the shipped pocket model (section 5.4), on the studio's own faults.

    animatrix draw --out runs/pocket/candidates --clips 250 --candidates 4 --sampler pocket
    animatrix pairs runs/pocket/candidates --reject winner
    animatrix train --config configs/pocket/dpo.py:5000 --workdir runs/pocket/dpo_5000

The argument is beta; decision 10 sweeps 500, 2000 and 5000, which share latents and the errors of
the reference model. Candidates are drawn, a sound one and three with a fault each, not generated:
the pocket model does not draw figures well enough to break them. Two CPU cores, some minutes.
"""

from ml_collections import ConfigDict

CORPUS = "runs/pocket/candidates"


def get_config(beta: str = "5000") -> ConfigDict:
    """Return the experiment at a beta; ValueError for one that is no number."""
    try:
        weight_of_distance = float(beta)
    except ValueError:
        raise ValueError(f"beta is a number such as 500, 2000 or 5000, not {beta!r}") from None
    return ConfigDict(
        {
            "recipe": "dpo",
            "seed": 0,
            "settings": {
                "corpus": CORPUS,
                "cache": f"{CORPUS}-latents",
                "references": f"{CORPUS}-references",
                "vae": "pocket",
                "text_encoder": "pocket",
                "initial": "pocket",
                "beta": weight_of_distance,
                "weight": "one",
                "draws": 8,
                "knee": 0.3,
                "text": "live",
                "steps": 200,
                "batch": 16,
                "optimizer": {
                    "kind": "adamw",
                    "peak_lr": 2e-5,
                    "final_lr": 2e-6,
                    "warmup_steps": 20,
                    "weight_decay": 0.0,
                    "ema_decay": 0.95,
                },
                "held_out": 64,
                "export_dtype": "bfloat16",
            },
            "cadence": {"log_every": 10, "evaluate_every": 50, "save_every": 100},
        }
    )
