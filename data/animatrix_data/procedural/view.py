"""The view: where camera, framing and angle put a background layer and the figure's plane.

The background whose path is a clip's truth is the far layer (with the sky behind it, which keeps
its pace but in a pan); seen from above, where the ground fills the frame, the ground moves with it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import skia
from numpy.typing import NDArray

from animatrix_data.procedural.acting import Actor
from animatrix_data.procedural.camera import (
    FAR_DEPTH,
    GROUND_DEPTH,
    TURN_PER_ORBIT,
    CameraPath,
)
from animatrix_data.procedural.character import joints
from animatrix_data.procedural.framing import Angle, Framing, Projective
from animatrix_data.procedural.painter import EXTENT
from animatrix_data.procedural.registry import generator
from animatrix_data.procedural.timing import Build

PIVOT = 0.12
"""The height in the frame about which a shot scale enlarges the background (the horizon)."""
TILE = (0.26, 0.52)
"""The strip of the ground that repeats where more of it is seen than a place paints in detail."""
GROUND_TOP = 0.24
ORBIT_SHEAR = 3.0
"""How much more (per frame height) an orbit slides the ground the nearer it is."""
BLUR_LEAST = 0.3
"""A blur of a smaller sigma (pixels) is not drawn."""
FIGURE_REACH = (0.46, 0.42)
"""How far across and down the camera may put the figure's plane from the middle."""
FIGURE_GROWTH = 2.0
"""How far from its framing (as a factor) the camera may scale the figure."""
SHRINK = 0.9
FACE_SHIFT = 0.6
"""How far, in head radii, a face in profile lies before the head's centre."""
DAPPLES = 420
NEAR_FOOT = 0.45
"""Where near things rise from: no camera shows what is below."""
NEAR_LEAST = 0.8
"""The least scale of near things beside a subject that is followed: smaller ones would float."""

PLANES = ((1e6, 0.9), (FAR_DEPTH, 1.0), (2.8, 1.05), (GROUND_DEPTH, 1.1), (0.8, 1.5))
"""Depth and share of a pan of a place's layers: sky, far, middle, ground, and the one in front."""
FAR = PLANES[1]

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Layer:
    """A background layer: a picture in frame heights, its depth and its share of a pan."""

    picture: skia.Picture
    depth: float
    share: float


class View:
    """What the camera does to the planes of a scene; lengths are frame heights.

    A sequence of moves that together would leave the painted background, or lose the figure, is
    made smaller as a whole.
    """

    def __init__(
        self,
        camera: CameraPath,
        framing: Framing,
        angle: Angle,
        shape: tuple[int, int, int],
        seed: int,
    ) -> None:
        self.framing = framing
        self.angle = angle
        self.seed = seed
        self.frames, self.height, width = shape
        self.aspect = width / self.height
        rng = generator(seed, "roll")
        self.roll = angle.roll * rng.uniform(0.8, 1.2) * (1 if rng.uniform() < 0.5 else -1)
        camera = self._fitted(camera)
        self.turns = -camera.orbit * TURN_PER_ORBIT
        self.spin = np.zeros(self.frames)
        if angle.plan:
            # Seen from overhead, a camera that circles turns the ground in the picture.
            self.spin = -self.turns
            camera = replace(camera, orbit=np.zeros(self.frames))
        self.camera = camera
        self._paths: dict[tuple[float, float], tuple[list[list[float]], list[float]]] = {}
        self._figure_path = (camera.figure_offset().tolist(), camera.depth_scale(1.0).tolist())
        self._floors: dict[int, skia.Picture] = {}
        self._steady = [[0.0, 0.0]] * self.frames

    def block(self, actor: Actor, build: Build) -> Actor:
        """Return an actor as the camera's way shows it: turned by an orbit, facing where it goes.

        A framing that keeps the face in the frame is steadied on this actor.
        """
        facing = self.camera.heading or actor.facing
        poses = actor.poses
        if self.turns.any():
            turns = (self.turns * facing).tolist()
            poses = [replace(p, turn=p.turn + a) for p, a in zip(poses, turns, strict=True)]
        if self.framing.steady:
            faces = np.array([joints(pose, build).head for pose in poses])
            faces[:, 0] += FACE_SHIFT * build.head * np.sin([pose.turn for pose in poses])
            still = np.array([0.0, -(build.neck + 0.92 * build.head)])
            self._steady = ((still - faces) * (facing, 1) * self.framing.steady).tolist()
        return replace(actor, poses=poses, facing=facing)

    def draw_layer(self, canvas: skia.Canvas, layer: Layer, t: int) -> None:
        """Draw a background layer as it is seen in a frame."""
        floor = layer.depth == GROUND_DEPTH
        if self.angle.plan and not floor:
            return
        near = layer.depth < 1
        plane = FAR if floor and self.angle.shadow else (layer.depth, layer.share)
        offsets, scales = self._path(*plane)
        count = canvas.save()
        self._focus(canvas, 1 if near else 0, t)
        if self.roll:
            canvas.rotate(self.roll)
        canvas.translate(*offsets[t])
        if floor:
            self._swing(canvas, t)
        world, scale = self.framing.world, scales[t]
        projective = None if near else self.angle.lying if floor else self.angle.upright
        if projective:
            canvas.scale(scale, scale)
            canvas.concat(skia.Matrix(list(projective.rows())))
            canvas.scale(world, world)
        else:
            canvas.scale(scale * world, scale * world)
        canvas.translate(0, PIVOT / world - PIVOT)
        canvas.drawPicture(self._floor(layer.picture) if floor and projective else layer.picture)
        canvas.restoreToCount(count)

    @contextmanager
    def figure(self, canvas: skia.Canvas, t: int, x: float = 0.0) -> Iterator[None]:
        """Put the origin of the canvas where the figure stands, in figure heights, for a while.

        `x` is where its feet are, for its shadow where the camera sees the ground from above.
        """
        offsets, scales = self._figure_path
        count = canvas.save()
        self._focus(canvas, 1, t)
        if self.roll:
            canvas.rotate(self.roll)
        canvas.translate(*offsets[t])
        canvas.scale(scales[t], scales[t])
        if self.angle.figure:
            self._lean(canvas, self.angle.figure)
        canvas.translate(0, self.framing.feet)
        canvas.scale(self.framing.height, self.framing.height)
        if self.angle.shadow:
            wide, tall = self.angle.shadow
            shadow = skia.Paint(AntiAlias=True, Color4f=skia.Color4f(0.05, 0.04, 0.12, 0.4))
            canvas.drawOval(skia.Rect(x - wide, -tall, x + wide, tall), shadow)
        canvas.translate(*self._steady[t])
        yield
        canvas.restoreToCount(count)

    def truth(self) -> dict[str, list[float]]:
        """Return the path of the background in pixels relative to frame 0, and the figure's scale.

        A background point p of frame 0 is seen in frame t at
        centre + scale[t] · R(roll[t]) · (p − centre) + (dx, dy)[t]; roll is in radians, positive
        from the x axis to the y axis, which points down.
        """
        moved = self._background
        scale = np.hypot(moved[:, 0, 0], moved[:, 1, 0])
        subject = np.array(self._figure_path[1])
        return {
            "dx": np.round(moved[:, 0, 2] * self.height, 3).tolist(),
            "dy": np.round(moved[:, 1, 2] * self.height, 3).tolist(),
            "scale": np.round(scale, 4).tolist(),
            "subject_scale": np.round(subject / subject[0], 4).tolist(),
            "roll": np.round(np.arctan2(moved[:, 1, 0], moved[:, 0, 0]), 4).tolist(),
        }

    @contextmanager
    def background(self, canvas: skia.Canvas, t: int) -> Iterator[None]:
        """Move the canvas as the background has moved since the first frame, for a while."""
        canvas.save()
        canvas.concat(skia.Matrix(self._background[t].ravel().tolist()))
        yield
        canvas.restore()

    @cached_property
    def _background(self) -> Matrix:
        """What the camera does to the background [T, 3, 3], in frame heights, since frame 0."""
        sheet = self._sheet(*FAR)
        return sheet @ np.linalg.inv(sheet[0])

    def _path(self, depth: float, share: float) -> tuple[list[list[float]], list[float]]:
        """Return a layer's offset and scale per frame, worked out once."""
        if (depth, share) not in self._paths:
            offset, scale = self.camera.offset(depth, share), self.camera.depth_scale(depth)
            if depth < 1 and (self.camera.pedestal.any() or self.camera.advance.any()):
                scale = np.maximum(scale, NEAR_LEAST)
                offset[:, 1] = np.maximum(offset[:, 1], 0.5 - NEAR_FOOT * scale)
            self._paths[depth, share] = (offset.tolist(), scale.tolist())
        return self._paths[depth, share]

    def _sheet(self, depth: float, share: float) -> Matrix:
        """Return the similarity [T, 3, 3] that camera and roll make of a layer."""
        offsets, scales = self._path(depth, share)
        moved = _similarity(np.array(scales), self.spin, np.array(offsets))
        still = np.zeros(self.frames)
        return _similarity(still + 1, still + math.radians(self.roll), np.zeros((1, 2))) @ moved

    def _focus(self, canvas: skia.Canvas, plane: int, t: int) -> None:
        """Begin a layer that is out of focus where the camera's sharpness lies elsewhere."""
        sigma = float(self.camera.blur[t, plane])
        if sigma * self.height > BLUR_LEAST:
            lens = skia.ImageFilters.Blur(sigma, sigma, skia.TileMode.kDecal)
            canvas.saveLayer(None, skia.Paint(ImageFilter=lens))

    def _swing(self, canvas: skia.Canvas, t: int) -> None:
        """Turn the ground under an orbit: its far side one way, its near side the other."""
        if self.spin[t]:
            canvas.rotate(math.degrees(self.spin[t]))
        elif self.camera.orbit[t] and not self.angle.shadow:
            shear = -ORBIT_SHEAR * float(self.camera.orbit[t])
            canvas.translate(-shear * GROUND_TOP, 0)
            canvas.skew(shear, 0)

    def _lean(self, canvas: skia.Canvas, projective: Projective) -> None:
        """Put the visible part of the figure into perspective."""
        bottom = min(self.framing.feet, 0.5)
        tall = bottom - self.framing.top
        canvas.translate(0, bottom - tall / 2)
        canvas.scale(tall, tall)
        # What is seen of a detail spans less depth than a whole figure does.
        projective = projective.softened(1 - 0.5 * self.framing.steady)
        canvas.concat(skia.Matrix(list(projective.rows())))
        canvas.scale(1 / tall, 1 / tall)
        canvas.translate(0, tall / 2 - bottom)

    def _floor(self, picture: skia.Picture) -> skia.Picture:
        """Return a ground that goes on: its detailed strip repeats above (in plan) and below."""
        key = picture.uniqueID()
        if key not in self._floors:
            top, bottom = TILE
            recorder = skia.PictureRecorder()
            canvas = recorder.beginRecording(skia.Rect(-EXTENT, -EXTENT, EXTENT, EXTENT))
            strips = range(-3, 4) if self.angle.plan else range(3)
            for k in strips:
                first = k == 0 and not self.angle.plan
                canvas.save()
                canvas.translate(0.17 * k, k * (bottom - top))
                above = -EXTENT if first else top
                canvas.clipRect(skia.Rect(-2 * EXTENT, above, 2 * EXTENT, bottom + 0.002))
                canvas.drawPicture(picture)
                canvas.restore()
            _dapple(canvas, generator(self.seed, "floor"))
            self._floors[key] = recorder.finishRecordingAsPicture()
        return self._floors[key]

    def _fitted(self, camera: CameraPath) -> CameraPath:
        """Return a path made small enough for the painted background and for the figure."""
        path, factor = camera, 1.0
        while not self._fits(path):
            factor *= SHRINK
            path = camera.times(factor)
        return path

    def _fits(self, camera: CameraPath) -> bool:
        """Tell whether the frame stays on the painting, and the figure in the frame."""
        reach = np.abs(camera.figure_offset()).max(axis=0) - np.abs(camera.shake).max(axis=0)
        growth = np.abs(np.log(camera.depth_scale(1.0))).max()
        if (reach > (FIGURE_REACH[0] * self.aspect, FIGURE_REACH[1])).any():
            return False
        if growth > math.log(FIGURE_GROWTH):
            return False
        return all(
            self._covers(camera, *plane) for plane in ((FAR,) if self.angle.plan else PLANES[:4])
        )

    def _covers(self, camera: CameraPath, depth: float, share: float) -> bool:
        """Tell whether a layer's painting reaches to the frame's corners in every frame."""
        floor = depth == GROUND_DEPTH or self.angle.plan
        wide = self.aspect / 2
        corners = np.array([(x, y, 1.0) for x in (-wide, wide)
                            for y in ((0.5,) if floor else (-0.5, 0.5))])  # fmt: skip
        still = np.zeros(self.frames)
        sheet = _similarity(camera.depth_scale(depth), still, camera.offset(depth, share))
        roll = _similarity(still + 1, still + math.radians(self.roll), np.zeros((1, 2)))
        seen = np.linalg.inv(roll @ sheet) @ corners.T
        projective = self.angle.lying if floor else self.angle.upright
        if projective:
            seen = np.linalg.inv(np.reshape(list(projective.rows()), (3, 3))) @ seen
            seen = seen / seen[:, 2:]
        x, y = seen[:, 0] / self.framing.world, seen[:, 1] / self.framing.world
        sky = depth > FAR_DEPTH
        return bool(np.abs(x).max() <= EXTENT and (not sky or np.abs(y).max() <= EXTENT))


def _dapple(canvas: skia.Canvas, rng: np.random.Generator) -> None:
    """Strew light and shade over a ground that is seen from above, where it has few features."""
    for _ in range(DAPPLES):
        x, y = float(rng.uniform(-EXTENT, EXTENT)), float(rng.uniform(-0.6, 1.4))
        wide, tilt = float(rng.uniform(0.02, 0.06)), float(rng.uniform(0, 180))
        tone = (1.0, 0.97, 0.85) if rng.uniform() < 0.5 else (0.06, 0.05, 0.16)
        paint = skia.Paint(AntiAlias=True, Color4f=skia.Color4f(*tone, 0.26))
        canvas.save()
        canvas.translate(x, y)
        # The ground is drawn foreshortened.
        canvas.scale(1.0, 0.4)
        canvas.rotate(tilt)
        canvas.drawRoundRect(
            skia.Rect(-wide, -0.6 * wide, wide, 0.6 * wide), wide, 0.4 * wide, paint
        )
        canvas.restore()


def _similarity(scale: Matrix, angle: Matrix, offset: Matrix) -> Matrix:
    """Return matrices [T, 3, 3] of scales [T], angles [T] and offsets [T or 1, 2]."""
    matrix = np.zeros((len(scale), 3, 3))
    matrix[:, 0, 0] = matrix[:, 1, 1] = scale * np.cos(angle)
    matrix[:, 1, 0] = scale * np.sin(angle)
    matrix[:, 0, 1] = -matrix[:, 1, 0]
    matrix[:, :2, 2] = offset
    matrix[:, 2, 2] = 1
    return matrix
