"""Figures drawn alone on a grey frame, for the tests of faces and bodies."""

import numpy as np
import skia
from numpy.typing import NDArray

from animatrix_data.procedural.character import Figure, joints, shows_detail
from animatrix_data.procedural.content import Content
from animatrix_data.procedural.expressions import Look
from animatrix_data.procedural.framing import SHOTS
from animatrix_data.procedural.motion import Pose
from animatrix_data.procedural.styles import STYLES
from animatrix_data.procedural.timing import Build

GIRL = Content("girl", "long", "blonde", "blue", "meadow", "noon", 1)
BOY = Content("boy", "spiky", "black", "red", "meadow", "noon", 1)
PLAIN, REST, BUILD = Look(), Pose(), Build()


def draw(
    look: Look = PLAIN,
    pose: Pose = REST,
    shot: str = "Close-Up",
    style: str = "2D Japanese Anime",
    content: Content = GIRL,
    size: int = 128,
    facing: int = 1,
    build: Build = BUILD,
) -> NDArray[np.int16]:
    """Return the frame [size, size, 3] of a figure on grey."""
    framing = SHOTS[shot](build)
    pixels = np.full((size, size, 4), 150, np.uint8)
    canvas = skia.Surface(pixels, skia.kRGBA_8888_ColorType).getCanvas()
    canvas.translate(size / 2, size / 2)
    canvas.scale(size, size)
    canvas.translate(0, framing.feet)
    canvas.scale(framing.height * facing, framing.height)
    chosen = STYLES[style]
    outline = 0.5 * chosen.outline / framing.height
    fine = shows_detail(build.head * framing.height * size, size)
    figure = Figure(content, chosen, build, outline, fine)
    figure.draw(canvas, pose, joints(pose, build), look, None)
    return pixels[:, :, :3].astype(np.int16)


def face_of(frame: NDArray[np.int16], shot: str, build: Build = BUILD) -> NDArray[np.int16]:
    """Return the part of a frame about the head of an upright figure."""
    framing, size = SHOTS[shot](build), len(frame)
    radius = build.head * framing.height * size
    y = size / 2 + (framing.feet - (build.neck + 0.92 * build.head) * framing.height) * size
    rows = slice(max(0, round(y - radius)), min(size, round(y + 1.2 * radius)))
    columns = slice(max(0, round(size / 2 - radius)), min(size, round(size / 2 + radius)))
    return frame[rows, columns]
