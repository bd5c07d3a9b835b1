"""The view: where camera, framing and angle put a background layer and the figure's plane."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import skia

from animatrix_data.procedural.camera import FAR_DEPTH, CameraPath
from animatrix_data.procedural.framing import Framing

PIVOT = 0.12
"""The height in the frame about which a shot scale enlarges the background (the horizon)."""
FIGURE_SHARE = 0.6
"""The figure's share of a pan or tilt: the camera keeps it in the frame."""


@dataclass(frozen=True)
class Layer:
    """A background layer: a picture in frame heights, its depth and its share of a pan."""

    picture: skia.Picture
    depth: float
    share: float


class View:
    """What the camera does to the planes of a scene; lengths are frame heights."""

    def __init__(self, camera: CameraPath, framing: Framing, frames: int, height: int) -> None:
        self.camera = camera
        self.framing = framing
        self.frames = frames
        self.height = height
        self._scales: dict[float, list[float]] = {}

    def _scale(self, depth: float, t: int) -> float:
        if depth not in self._scales:
            self._scales[depth] = self.camera.depth_scale(depth).tolist()
        return self._scales[depth][t]

    def _offset(self, share: float, t: int) -> tuple[float, float]:
        shake = self.camera.shake[t]
        return (
            float(self.camera.x[t] * share + shake[0]),
            float(self.camera.y[t] * share + shake[1]),
        )

    def draw_layer(self, canvas: skia.Canvas, layer: Layer, t: int) -> None:
        """Draw a background layer as it is seen in a frame."""
        canvas.save()
        canvas.translate(*self._offset(layer.share, t))
        world, scale = self.framing.world, self._scale(layer.depth, t)
        canvas.scale(scale * world, scale * world)
        canvas.translate(0, PIVOT / world - PIVOT)
        canvas.drawPicture(layer.picture)
        canvas.restore()

    @contextmanager
    def figure(self, canvas: skia.Canvas, t: int) -> Iterator[None]:
        """Put the origin of the canvas where the figure stands, in figure heights, for a while."""
        canvas.save()
        canvas.translate(*self._offset(FIGURE_SHARE, t))
        scale = self._scale(1.0, t)
        canvas.scale(scale, scale)
        canvas.translate(0, self.framing.feet)
        canvas.scale(self.framing.height, self.framing.height)
        yield
        canvas.restore()

    def truth(self) -> dict[str, list[float]]:
        """Return the path of the far layer in pixels relative to frame 0, and its scale.

        A point p of frame 0 is seen in frame t at centre + scale[t] · (p − centre) + (dx, dy)[t].
        """
        scale = self.camera.depth_scale(FAR_DEPTH)
        scale = scale / scale[0]
        x = (self.camera.x + self.camera.shake[:, 0]) * self.height
        y = (self.camera.y + self.camera.shake[:, 1]) * self.height
        subject = self.camera.depth_scale(1.0)
        return {
            "dx": np.round(x - scale * x[0], 3).tolist(),
            "dy": np.round(y - scale * y[0], 3).tolist(),
            "scale": np.round(scale, 4).tolist(),
            "subject_scale": np.round(subject / subject[0], 4).tolist(),
            "roll": [0.0] * self.frames,
        }
