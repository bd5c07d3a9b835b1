"""A scene: what a production spec, a seed and a size put before the camera, and its frames."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import skia
from numpy.typing import NDArray

from animatrix_data.procedural.acting import Actor, Shooting, cast
from animatrix_data.procedural.camera import camera_path
from animatrix_data.procedural.character import FINE_LINE, Figure, joints, shows_detail
from animatrix_data.procedural.content import Content
from animatrix_data.procedural.effects import EFFECTS, Effect, Placed, Setting
from animatrix_data.procedural.faults import FAULTS, Breakage, Fault, Scope
from animatrix_data.procedural.framing import ANGLES, SHOTS
from animatrix_data.procedural.painter import Painter
from animatrix_data.procedural.places import INDOORS, PLACES, Stage
from animatrix_data.procedural.props import NO_PROP, PROPS, Brush, Prop
from animatrix_data.procedural.registry import first_name, generator
from animatrix_data.procedural.sky import paint_sky
from animatrix_data.procedural.styles import STYLES, Style
from animatrix_data.procedural.timing import KINETICS
from animatrix_data.procedural.veils import VEILS
from animatrix_data.procedural.view import PLANES, Layer, View
from animatrix_data.taxonomy.tags import ProductionSpec

NOWHERE = ((1e3, 1e3), (1e3, 1e3), (1e3, 1e3))
"""Where the arms of a figure are that is drawn without them."""
UNSEEN = 8.0
"""How many frame heights away a keypoint that is not seen is recorded at most."""


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


def _background(
    style: Style, content: Content, seed: int, detail: int
) -> tuple[list[Layer], Layer]:
    """Return the layers behind the figure, from far to near, and the one before it."""
    painters = [
        Painter(style, content.light, generator(seed, f"layer{k}"), detail) for k in range(5)
    ]
    sky, far, mid, ground, near = painters
    paint_sky(sky, content.place in INDOORS)
    PLACES[content.place](Stage(far=far, mid=mid, ground=ground, near=near))
    layers = [Layer(p.finish(), *plane) for p, plane in zip(painters, PLANES, strict=True)]
    return layers[:4], layers[4]


def _projected(matrix: skia.Matrix, at: tuple[float, float], limit: float) -> tuple[float, float]:
    """Return where a point is seen, in pixels, at most `limit` from the frame's corner.

    A point behind the camera, which the division would turn over, is as far down as can be.
    """
    depth = matrix.getPerspX() * at[0] + matrix.getPerspY() * at[1] + matrix.get(8)
    seen = matrix.mapPoints([skia.Point(*at)])[0]
    if depth <= 0:
        return 0.0, limit
    return min(max(seen.x(), -limit), limit), min(max(seen.y(), -limit), limit)


class Scene:
    """Everything of one clip, ready to be drawn frame by frame; with `armless` the first actor's
    arms, and what they hold, are left out."""

    def __init__(
        self,
        spec: ProductionSpec,
        content: Content,
        seed: int,
        size: Size,
        deformation: float = 0.0,
        faults: Sequence[Fault] = (),
        armless: bool = False,
    ) -> None:
        self.size = size
        self._armless = armless
        self.style = STYLES[first_name(spec, "VideoStyle", "2D Japanese Anime")]
        self.faults = [
            FAULTS[fault.kind].make(
                Scope(fault.severity, size.frames, size.fps, content,
                      generator(seed, f"fault {fault.kind}"))
            )
            for fault in faults
        ]  # fmt: skip
        self.effects = self._effects(spec, seed)
        kinetics = KINETICS[first_name(spec, "MotionStyle", "2D Daily")]
        for effect in self.effects:
            if effect.build:
                kinetics = replace(kinetics, build=effect.build(kinetics.build))
        head = kinetics.build.head * self.style.head_scale
        self.build = replace(kinetics.build, head=head)
        framing = SHOTS[first_name(spec, "ShotScale", "Full Shot")](self.build)
        camera = camera_path(spec.get("CameraMotion"), size.frames, size.fps, seed)
        angle = ANGLES[first_name(spec, "ShotAngle", "Eye Level")]
        self.view = View(camera, framing, angle, (size.frames, size.height, size.width), seed)
        shooting = Shooting(framing, size.frames, size.fps, seed, deformation, size.height)
        actors = cast(spec, content, kinetics, shooting)
        self.actors = [self.view.block(actor, self.build) for actor in actors]
        self.actors[0] = self._directed(self.actors[0])
        self.layers, self.near = _background(self.style, content, seed, size.height)
        self._fine = shows_detail(self.build.head * framing.height * size.height, size.height)
        width = self.style.outline * (FINE_LINE if self._fine else 1.0)
        self._outline = width * min(1.2, framing.height**0.5 + 0.1) / framing.height
        self._figures: dict[Content, Figure] = {}
        self._brush = Brush(self.style, self._outline)
        self._props: dict[str, Prop] = {}

    def _effects(self, spec: ProductionSpec, seed: int) -> list[Effect]:
        """Return the spec's effects, which draw from one random stream in turn."""
        size = self.size
        rng = generator(seed, "effects")
        setting = Setting(size.width / size.height, size.frames, size.fps, self.style, rng)
        return [EFFECTS[tag.name].make(setting) for tag in spec.get("VFX")]

    def _directed(self, actor: Actor) -> Actor:
        """Return the first actor as effects and faults will have it."""
        poses, looks = actor.poses, actor.looks
        for effect in self.effects:
            poses = effect.poses(poses) if effect.poses else poses
        for change in (*(e.look for e in self.effects), *(f.look for f in self.faults)):
            if change:
                looks = [change(look, t) for t, look in enumerate(looks)]
        return replace(actor, poses=poses, looks=looks)

    @property
    def deformation(self) -> float:
        """The intensity of squash, stretch, lean and smears that is asked of the first actor, in
        [0, 1): what each adds never saturates."""
        actor = self.actors[0]
        stretch = max(abs(pose.stretch) + abs(pose.shear) / 3 for pose in actor.poses)
        smear = max(look.smear for look in actor.looks)
        return round(1.0 - math.exp(-3.0 * stretch - 0.5 * smear), 3)

    def render(
        self, which: Sequence[int] | None = None
    ) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        """Return the frames uint8 [T, H, W, 3] and their truth (keypoints and camera path); of the
        clip's frames only those in `which`, where it is given."""
        height, width = self.size.height, self.size.width
        pixels = np.zeros((height, width, 4), np.uint8)
        surface = skia.Surface(pixels, skia.kRGBA_8888_ColorType)
        canvas = surface.getCanvas()
        keypoints: dict[str, list[list[float]]] = {}
        every = self._shown()
        shown = every if which is None else [every[t] for t in which]
        frames = np.empty((len(shown), height, width, 3), np.uint8)
        for t in range(len(shown)):
            canvas.save()
            canvas.translate(width / 2, height / 2)
            canvas.scale(height, height)
            points = self._draw_frame(canvas, shown[t])
            canvas.restore()
            frames[t] = pixels[:, :, :3]
            placed = self._placed(points)
            for change in (*(e.pixels for e in self.effects), *(f.pixels for f in self.faults)):
                if change:
                    change(frames[t], shown[t], placed)
            for name, (x, y) in points.items():
                keypoints.setdefault(name, []).append([round(x, 2), round(y, 2)])
        camera = {name: [path[t] for t in shown] for name, path in self.view.truth().items()}
        return frames, {"keypoints": keypoints, "camera": camera}

    def _shown(self) -> list[int]:
        """Return which moment of the scene each frame shows."""
        moments = list(range(self.size.frames))
        for fault in self.faults:
            moments = [fault.moment(t) for t in moments] if fault.moment else moments
        return moments

    def _draw_frame(self, canvas: skia.Canvas, t: int) -> dict[str, tuple[float, float]]:
        """Draw a frame and return the first actor's keypoints in pixels."""
        for layer in self.layers:
            self.view.draw_layer(canvas, layer, t)
        for effect in self.effects:
            if effect.behind:
                effect.behind(canvas, t)
            if effect.backdrop:
                with self.view.background(canvas, t):
                    effect.backdrop(canvas, t)
        points = {}
        for actor in reversed(self.actors):
            points = self._draw_actor(canvas, actor, t)
        placed = self._placed(points)
        self.view.draw_layer(canvas, self.near, t)
        for effect in self.effects:
            if effect.symbol:
                effect.symbol(canvas, t, placed)
        if self.style.veil:
            VEILS[self.style.veil](canvas, self.size.width / self.size.height)
        for effect in self.effects:
            if effect.air:
                with self.view.background(canvas, t):
                    effect.air(canvas, t)
            if effect.front:
                effect.front(canvas, t)
        return points

    def _draw_actor(
        self, canvas: skia.Canvas, actor: Actor, t: int
    ) -> dict[str, tuple[float, float]]:
        """Draw an actor and return its keypoints in pixels."""
        pose, look = actor.poses[t], actor.looks[t]
        first = actor is self.actors[0]
        now = joints(pose, self.build)
        effects, breakages = (self.effects, self.faults) if first else ([], [])
        for fault in breakages:
            now = fault.joints(now, t) if fault.joints else now
        if first and self._armless:
            now = replace(now, arm_l=NOWHERE, arm_r=NOWHERE)
        figure = self._figure(actor, t, breakages)
        with self.view.figure(canvas, t, actor.x + actor.facing * actor.scale * pose.x):
            canvas.translate(actor.x, 0)
            canvas.scale(actor.scale * actor.facing / (1 + pose.stretch),
                         actor.scale * (1 + pose.stretch))  # fmt: skip
            canvas.skew(pose.shear, 0)
            canvas.rotate(math.degrees(pose.spin), *now.hip)
            for effect in effects:
                if effect.figure:
                    effect.figure(canvas, t, figure, now, pose)
            prop = self._prop(actor, t)
            if prop.behind:
                prop.behind(canvas, now, pose)
            before = joints(actor.poses[t - 1], self.build) if look.smear and t else None
            figure.draw(canvas, pose, now, look, before)
            if prop.before:
                prop.before(canvas, now, pose)
            for over in (*(e.over for e in effects), *(b.over for b in breakages)):
                if over:
                    over(canvas, t, figure, now, pose)
            matrix = canvas.getTotalMatrix()
        limit = UNSEEN * self.size.height
        return {name: _projected(matrix, at, limit) for name, at in now.keypoints().items()}

    def _prop(self, actor: Actor, t: int) -> Prop:
        """Return what an actor uses at a frame, made once per thing."""
        name = actor.props[t]
        if name and name not in self._props:
            self._props[name] = PROPS[name](self._brush)
        return self._props[name] if name else NO_PROP

    def _figure(self, actor: Actor, t: int, breakages: Sequence[Breakage]) -> Figure:
        """Return what draws an actor at a frame, made once per identity."""
        content = actor.content
        for fault in breakages:
            content = (fault.identity(t) if fault.identity else None) or content
        if content not in self._figures:
            self._figures[content] = Figure(
                content, self.style, self.build, self._outline, self._fine
            )
        return self._figures[content]

    def _placed(self, points: dict[str, tuple[float, float]]) -> Placed:
        """Return where the figure of some keypoints (pixels) is, in frame heights."""
        height, width = self.size.height, self.size.width
        at = {n: ((x - width / 2) / height, (y - height / 2) / height)
              for n, (x, y) in points.items()}  # fmt: skip
        head, neck = np.array(at["head"]), np.array(at["neck"])
        foot = max(at["foot_l"], at["foot_r"], key=lambda p: p[1])
        # The head's centre lies 0.92 radii from the neck (character.joints).
        radius = float(np.hypot(*(head - neck))) / 0.92
        tall = radius / self.build.head
        return Placed(at["head"], radius, at["hip"], (at["hip"][0], foot[1]), tall)
