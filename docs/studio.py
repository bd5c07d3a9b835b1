"""Draw docs/studio.png: the studio's six visual styles, a clip each, frames from left to right.

.venv/bin/python docs/studio.py
"""

from pathlib import Path

import numpy as np
from PIL import Image

from animatrix_data.procedural import DRAWABLE, Size, draw_clip
from animatrix_data.taxonomy import parse_tags

SIZE = Size(height=128, width=128, frames=33, fps=16)
SHOWN = (0, 8, 16, 24, 32)
PLAYS = (
    "MotionType: walk, shot_type: full shot, camera_motion: pan left (slow, medium)",
    "MotionType: run, shot_type: long shot, camera_motion: pan right, VFX: Linear Speed Lines",
    "MotionType: wave, shot_type: medium shot, camera_motion: static, VFX: Falling Petals",
    "MotionType: jump, shot_type: full shot, camera_motion: zoom in, VFX: Kira-Kira",
    "MotionType: turn, shot_type: medium shot, camera_motion: push in, VFX: Rain",
    "MotionType: walk, shot_type: full shot, camera_motion: tilt up, VFX: Snow",
)


def main() -> None:
    """Write the picture."""
    rows = []
    for seed, (style, play) in enumerate(zip(DRAWABLE["VideoStyle"], PLAYS, strict=True)):
        spec = parse_tags(f"VideoStyle: {style}, MotionStyle: 2D Daily, {play}")
        frames = draw_clip(spec, seed, SIZE).frames
        rows.append(np.concatenate([frames[index] for index in SHOWN], axis=1))
    halves = [np.concatenate(rows[half::2], axis=0) for half in (0, 1)]
    Image.fromarray(np.concatenate(halves, axis=1)).save(
        Path(__file__).with_name("studio.png"), optimize=True
    )


if __name__ == "__main__":
    main()
