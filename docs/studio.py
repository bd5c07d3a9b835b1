"""Draw docs/studio.png: twelve shots of the studio, frames from left to right.

.venv/bin/python docs/studio.py
"""

from pathlib import Path

import numpy as np
from PIL import Image

from animatrix_data.procedural import Size, draw_clip
from animatrix_data.taxonomy import parse_tags

SIZE = Size(height=128, width=128, frames=33, fps=16)
SHOWN = (0, 8, 16, 24, 32)
SHOTS = (
    "VideoStyle: 2D Japanese Anime, MotionType: cast, shot_type: full shot, VFX: Magic Circle, "
    "camera_motion: orbit cw",
    "VideoStyle: Shinkai Style, MotionType: stand, shot_type: long shot, VFX: Meteor Shower, "
    "camera_motion: tilt up (slow)",
    "VideoStyle: 2D Western Comics, MotionType: duel, shot_type: full shot, shot_angle: dutch "
    "angle, camera_motion: push in",
    "VideoStyle: Miyazaki Style, MotionType: ride, shot_type: full shot, VFX: Falling Petals, "
    "camera_motion: follow right",
    "VideoStyle: 2D Japanese Anime, Emotion: happiness, shot_type: close-up, VFX: Musical Notes",
    "VideoStyle: 3D Pixar/Disney, Emotion: surprise, shot_type: close-up, VFX: Exclamation Mark, "
    "camera_motion: zoom in",
    "VideoStyle: 2D Flat Cartoon, MotionType: dance, shot_type: full shot, VFX: Kira-Kira, "
    "shot_angle: low angle",
    "VideoStyle: 3D Cartoon, MotionType: drive, shot_type: full shot, camera_motion: truck right",
    "VideoStyle: 2D Chinese Style, MotionType: weapon swing, MotionStyle: 2D Combat, shot_type: "
    "full shot, VFX: Light Wave",
    "VideoStyle: 3D Realistic CG, MotionType: walk, shot_type: medium shot, VFX: Heavy Rain, "
    "camera_motion: push out",
    "VideoStyle: 2D Japanese Anime, Emotion: anger, shot_type: medium shot, VFX: Vein Pop, "
    "shot_angle: low angle, camera_motion: shake",
    "VideoStyle: Shinkai Style, MotionType: fly, shot_type: full shot, VFX: Aura, camera_motion: "
    "pan left",
)


def main() -> None:
    """Write the picture."""
    rows = []
    for seed, shot in enumerate(SHOTS):
        frames = draw_clip(parse_tags(shot), seed, SIZE).frames
        rows.append(np.concatenate([frames[index] for index in SHOWN], axis=1))
    halves = [np.concatenate(rows[half::2], axis=0) for half in (0, 1)]
    picture = Image.fromarray(np.concatenate(halves, axis=1)).quantize(256)
    picture.save(Path(__file__).with_name("studio.png"), optimize=True)


if __name__ == "__main__":
    main()
