"""A scene: what a production spec, a seed and a size put before the camera, and its frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import skia
from numpy.typing import NDArray

from animatrix_data.procedural.camera import FAR_DEPTH, CameraPath, camera_path
from animatrix_data.procedural.character import Figure, Joints, joints
from animatrix_data.procedural.colour import fill
from animatrix_data.procedural.content import Content
from animatrix_data.procedural.effects import EFFECTS, Effect, Setting
from animatrix_data.procedural.framing import ANGLES, SHOTS, Framing
from animatrix_data.procedural.motion import JOINTS, Pose, tracks
from animatrix_data.procedural.painter import Painter
from animatrix_data.procedural.places import INDOORS, PLACES, Stage
from animatrix_data.procedural.registry import generator
from animatrix_data.procedural.sky import paint_sky
from animatrix_data.procedural.styles import STYLES, Style
from animatrix_data.procedural.timing import (
    AMPLITUDES,
    CYCLES_PER_SECOND,
    KINETICS,
    Kinetics,
    drawing_times,
)
from animatrix_data.taxonomy.tags import ProductionSpec

PIVOT = 0.12
"""The height in the frame about which a shot scale enlarges the background (the horizon)."""
REACH = 0.27
"""How far a figure may travel, leap or lean, in frame heights, before its path is scaled down."""
FIGURE_SHARE = 0.6
"""The figure's share of a pan or tilt: the camera keeps it in the frame."""


@dataclass(frozen=True)
class Size:
    """The shape of a clip: pixels, frames and frames per second."""

    height: int
    width: int
    frames: int
    fps: float

    def __post_init__(self) -> None:
        """Refuse a size too small to draw; ValueError says which number and its minimum."""
        for name, least in (("height", 32), ("width", 32), ("frames", 1), ("fps", 1)):
            if not getattr(self, name) >= least:
                raise ValueError(
                    f"a clip's {name} is {getattr(self, name)}, below the minimum of {least}"
                )
        object.__setattr__(self, "fps", float(self.fps))


@dataclass(frozen=True)
class Layer:
    """A background layer: a picture in frame heights, its depth and its share of a pan."""

    picture: skia.Picture
    depth: float
    share: float


def _value(spec: ProductionSpec, field: str, default: str) -> str:
    tags = spec.get(field)
    return tags[0].name if tags else default


def _background(style: Style, content: Content, seed: int) -> tuple[list[Layer], Layer]:
    """Return the layers behind the figure, from far to near, and the one before it."""
    painters = [Painter(style, content.light, generator(seed, f"layer{k}")) for k in range(5)]
    sky, far, mid, ground, near = painters
    paint_sky(sky, content.place in INDOORS)
    PLACES[content.place](Stage(far=far, mid=mid, ground=ground, near=near))
    depths = ((1e6, 0.9), (FAR_DEPTH, 1.0), (2.8, 1.05), (1.8, 1.1), (0.8, 1.5))
    layers = [Layer(p.finish(), *d) for p, d in zip(painters, depths, strict=True)]
    return layers[:4], layers[4]


class Scene:
    """Everything of one clip, ready to be drawn frame by frame."""

    def __init__(self, spec: ProductionSpec, content: Content, seed: int, size: Size) -> None:
        self.size = size
        self.style = STYLES[_value(spec, "VideoStyle", "2D Japanese Anime")]
        self.kinetics = KINETICS[_value(spec, "MotionStyle", "2D Daily")]
        self.framing: Framing = SHOTS[_value(spec, "ShotScale", "Full Shot")](self.kinetics.build)
        angle = _value(spec, "ShotAngle", ANGLES[0])
        if angle not in ANGLES:
            raise ValueError(
                f"the procedural studio cannot draw ShotAngle: {angle}; "
                f"it can draw {', '.join(ANGLES)}"
            )
        if spec.get("Emotion"):
            raise ValueError("the procedural studio draws no Emotion tags yet; leave them out")
        self.facing = content.facing
        self.camera: CameraPath = camera_path(spec.get("CameraMotion"), size.frames, size.fps, seed)
        self.poses = _poses(spec, self.kinetics, self.framing, seed, size)
        self.layers, self.near = _background(self.style, content, seed)
        outline = self.style.outline * min(1.2, self.framing.height**0.5 + 0.1)
        outline /= self.framing.height
        self.figure = Figure(content, self.style, self.kinetics.build, outline)
        setting = Setting(
            size.width / size.height,
            size.frames,
            size.fps,
            self.style,
            generator(seed, "effects"),
        )
        self.effects: list[Effect] = [EFFECTS[tag.name](setting) for tag in spec.get("VFX")]

    @property
    def deformation(self) -> float:
        """The intensity of squash, stretch and smears that the spec asks for, in [0, 1]."""
        stretch = max(abs(pose.stretch) + abs(pose.shear) / 3 for pose in self.poses)
        return round(min(1.0, 3.0 * stretch + 0.5 * self.kinetics.smear), 3)

    def render(self) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        """Return the frames uint8 [T, H, W, 3] and their truth (keypoints and camera path)."""
        height, width = self.size.height, self.size.width
        pixels = np.zeros((height, width, 4), np.uint8)
        surface = skia.Surface(pixels, skia.kRGBA_8888_ColorType)
        canvas = surface.getCanvas()
        frames = np.empty((self.size.frames, height, width, 3), np.uint8)
        skeleton = [joints(pose, self.kinetics.build) for pose in self.poses]
        keypoints: dict[str, list[list[float]]] = {name: [] for name in skeleton[0].keypoints()}
        scales = [self.camera.depth_scale(layer.depth).tolist() for layer in self.layers]
        near, figure = (self.camera.depth_scale(d).tolist() for d in (self.near.depth, 1.0))
        for t in range(self.size.frames):
            canvas.save()
            canvas.translate(width / 2, height / 2)
            canvas.scale(height, height)
            for layer, scale in zip(self.layers, scales, strict=True):
                self._draw_layer(canvas, layer, scale[t], t)
            for effect in self.effects:
                if effect.behind:
                    effect.behind(canvas, t)
            points = self._draw_figure(canvas, skeleton, figure[t], t)
            for name, (x, y) in points.items():
                keypoints[name].append([round(x, 2), round(y, 2)])
            self._draw_layer(canvas, self.near, near[t], t)
            if self.style.veil:
                _shafts(canvas)
            for effect in self.effects:
                if effect.front:
                    effect.front(canvas, t)
            canvas.restore()
            frames[t] = pixels[:, :, :3]
        return frames, {"keypoints": keypoints, "camera": self._camera_truth(figure)}

    def _offset(self, share: float, t: int) -> tuple[float, float]:
        """Return where the camera puts a layer's centre in a frame (frame heights)."""
        shake = self.camera.shake[t]
        return (
            float(self.camera.x[t] * share + shake[0]),
            float(self.camera.y[t] * share + shake[1]),
        )

    def _draw_layer(self, canvas: skia.Canvas, layer: Layer, scale: float, t: int) -> None:
        canvas.save()
        canvas.translate(*self._offset(layer.share, t))
        world = self.framing.world
        canvas.scale(scale * world, scale * world)
        canvas.translate(0, PIVOT / world - PIVOT)
        canvas.drawPicture(layer.picture)
        canvas.restore()

    def _draw_figure(
        self, canvas: skia.Canvas, skeleton: list[Joints], scale: float, t: int
    ) -> dict[str, tuple[float, float]]:
        """Draw the figure and return its keypoints in pixels."""
        pose, now = self.poses[t], skeleton[t]
        canvas.save()
        canvas.translate(*self._offset(FIGURE_SHARE, t))
        canvas.scale(scale, scale)
        canvas.translate(0, self.framing.feet)
        wide = self.framing.height / (1 + pose.stretch)
        canvas.scale(self.facing * wide, self.framing.height * (1 + pose.stretch))
        canvas.skew(pose.shear, 0)
        for effect in self.effects:
            if effect.figure:
                effect.figure(canvas, t, self.figure, now, pose)
        smear = skeleton[t - 1] if self.kinetics.smear and t else None
        self.figure.draw(canvas, pose, now, smear)
        matrix = canvas.getTotalMatrix()
        canvas.restore()
        named = now.keypoints()
        moved = matrix.mapPoints([skia.Point(*p) for p in named.values()])
        return {name: (p.x(), p.y()) for name, p in zip(named, moved, strict=True)}

    def _camera_truth(self, figure: list[float]) -> dict[str, list[float]]:
        """Return the path of the far layer in pixels relative to frame 0, and its scale.

        A point p of frame 0 is seen in frame t at centre + scale[t] · (p − centre) + (dx, dy)[t].
        """
        scale = self.camera.depth_scale(FAR_DEPTH)
        scale = scale / scale[0]
        x = (self.camera.x + self.camera.shake[:, 0]) * self.size.height
        y = (self.camera.y + self.camera.shake[:, 1]) * self.size.height
        subject = np.asarray(figure) / figure[0]
        return {
            "dx": np.round(x - scale * x[0], 3).tolist(),
            "dy": np.round(y - scale * y[0], 3).tolist(),
            "scale": np.round(scale, 4).tolist(),
            "subject_scale": np.round(subject, 4).tolist(),
            "roll": [0.0] * self.size.frames,
        }


def _shafts(canvas: skia.Canvas) -> None:
    """Draw shafts of light from the upper left, and their flare."""
    for angle, share in ((20, 0.16), (41, 0.22), (62, 0.14)):
        canvas.save()
        canvas.translate(-0.6, -0.62)
        canvas.rotate(angle)
        beam = skia.Path().moveTo(0, 0).lineTo(2, -0.13).lineTo(2, 0.13).close()
        canvas.drawPath(beam, fill((1.0, 0.9, 0.7), share, skia.BlendMode.kScreen))
        canvas.restore()
    canvas.drawCircle(0.34, 0.34, 0.07, fill((0.7, 1.0, 0.85), 0.35, skia.BlendMode.kScreen))


def _poses(
    spec: ProductionSpec, kinetics: Kinetics, framing: Framing, seed: int, size: Size
) -> list[Pose]:
    """Return the drawing shown at each frame; motions of a spec follow one another in time."""
    amplitude = AMPLITUDES[_value(spec, "MotionAmplitude", "medium")]
    rate = CYCLES_PER_SECOND[_value(spec, "MotionSpeed", "medium")] * kinetics.rate
    start = generator(seed, "phase").uniform(0, 2 * np.pi)
    time = drawing_times(kinetics, size.frames, size.fps)
    phase = start + 2 * np.pi * rate * time
    names = [tag.name for tag in spec.get("MotionType")] or ["stand"]
    parts = [tracks(name, phase, amplitude * kinetics.gain) for name in names]
    which = np.arange(size.frames) * len(names) // size.frames
    joined = {j: np.choose(which, [part[j] for part in parts]) for j in JOINTS}
    strength = 0.5 + 0.5 * amplitude
    joined["stretch"] = joined["stretch"] + kinetics.bounce * strength * np.sin(phase + 0.5)
    joined["shear"] = joined["shear"] + kinetics.shear * strength * np.sin(phase)
    for name in ("x", "lift", "shear"):
        reach = framing.height * float(np.abs(joined[name]).max())
        joined[name] = joined[name] * (REACH / max(reach, REACH))
    columns = [joined[name].tolist() for name in JOINTS]
    return [Pose(*values) for values in zip(*columns, strict=True)]
