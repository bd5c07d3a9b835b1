"""The desk camera oracle: names twelve movements of the camera with their directions.

    animatrix train --config configs/desk/camera.py --workdir runs/desk/camera

draws its own clips (sampler `moves`, 33 frames of 128×128 at 16 fps), keeps what it sees of them in
runs/desk/camera_clips, and learns from 5,100 of that. On 1,700 more it is chosen how sure it must
be to name a movement; then it reads 1,500 others that it never saw. Two CPU cores: some 20 minutes
of drawing and seeing (40 of a single core), 10 of training. Every movement should be read right in
95 % of the clips that are read; runs/desk/camera/model/camera/camera.json says of how many that is
so.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """Return the experiment."""
    return ConfigDict(
        {
            "recipe": "camera",
            "seed": 0,
            "settings": {
                "kept": "runs/desk/camera_clips",
                "clip": (33, 128, 128),
                "fps": 16.0,
                "skip": 1,
                "clips": 6800,
                "parts": 4,
                "seed": 5_100_000,
                "examined": 3000,
                "exam_seed": 6_900_000,
                "steps": 3600,
                "batch": 64,
                "optimizer": {
                    "peak_lr": 2e-3,
                    "warmup_steps": 100,
                    "weight_decay": 0.05,
                    "ema_decay": 0.998,
                },
            },
            "cadence": {"log_every": 100, "evaluate_every": 1200, "save_every": 1200},
        }
    )
