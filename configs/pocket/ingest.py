"""Real footage at the pocket size: 64×64, 17 frames, 8 a second, with the entry floor lowered.

    animatrix ingest FOLDER --config configs/pocket/ingest.py --out runs/footage

Two CPU cores, a second or two for each minute of video.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """Return what a video must be, and what its clips become."""
    return ConfigDict(
        {
            "fps": 8.0,
            "frames": (17,),
            "sizes": ((64, 64),),
            "min_width": 64,
            "min_height": 64,
            "min_seconds": 2.125,
            "min_bitrate": 6000.0,
        }
    )
