"""VFX, Action & Motion: what a movement leaves behind (ghosts, arcs, ribbons)."""

from __future__ import annotations

import numpy as np
import skia

from animatrix_data.procedural.character import Figure, Joints, joints
from animatrix_data.procedural.colour import WHITE, fill, rgb, stroke
from animatrix_data.procedural.effects.effect import Effect, Setting, effect
from animatrix_data.procedural.effects.shapes import (
    BODIES,
    clamp,
    crescent,
    frame_height,
    frame_heights,
)
from animatrix_data.procedural.expressions import Look
from animatrix_data.procedural.motion import Pose
from animatrix_data.procedural.paths import Point, polygon


@effect("Afterimage", "figure", BODIES[1:])
def afterimage(setting: Setting) -> Effect:
    """Tinted copies of earlier poses that stream away behind the figure and fade."""
    copies, lag = 3, setting.fps / 8
    tints = [rgb("35e0ff"), rgb("4a6bff"), rgb("b03cff")]
    filters = [skia.ColorFilters.Blend(skia.Color4f(*c, 0.72).toColor(), skia.BlendMode.kSrcATop)
               for c in tints]  # fmt: skip
    taken: list[Pose] = []

    def poses(drawn: list[Pose]) -> list[Pose]:
        taken[:] = drawn
        return drawn

    def figure(canvas: skia.Canvas, frame: int, body: Figure, j: Joints, pose: Pose) -> None:
        step = 0.15 * min(frame_height(canvas), 1.9) + 0.02
        slip = (setting.time(frame) / 3) % 1.0
        for k in reversed(range(copies)):
            age = k + slip
            earlier = taken[max(0, frame - round(lag * 1.5 * (age + 0.5)))]
            paint = skia.Paint(ColorFilter=filters[k], Alphaf=0.85 - 0.22 * age)
            canvas.saveLayer(None, paint)
            canvas.translate(-step * (age + 0.6), 0)
            body.draw(canvas, earlier, joints(earlier, body.build), Look(), None)
            canvas.restore()

    return Effect(figure=figure, poses=poses)


@effect("Curved Speed Lines", "figure", BODIES)
def curved_lines(setting: Setting) -> Effect:
    """Bundles of tapering arcs that sweep around the body, behind it and before it."""
    rng = setting.rng
    turn = float(rng.uniform(0, 360))
    light, dark, tint = fill(WHITE, 0.95), fill(rgb("232a44"), 0.9), fill(rgb("8fe3ff"), 0.95)
    arcs = []
    for k, radius in enumerate((0.25, 0.3, 0.345, 0.39, 0.44)):
        start, span = float(rng.uniform(-0.5, 0.5)), float(rng.uniform(1.5, 2.1))
        width = 0.028 + 0.05 * (k % 2)
        arcs.append((crescent(radius, width, start, span), (light, dark, tint)[k % 3]))

    def sweep(canvas: skia.Canvas, frame: int, j: Joints, half: float) -> None:
        """Draw one half of the bundle: half a turn behind the other."""
        middle = (0.5 * (j.neck[0] + j.hip[0]), 0.5 * (j.neck[1] + j.hip[1]))
        size = clamp(1.35 / frame_height(canvas), 0.65, 1.0)
        with frame_heights(canvas, middle) as ([(x, y)], facing):
            canvas.translate(clamp(x, -0.15, 0.15), clamp(y, -0.1, 0.12))
            canvas.scale(size * facing, 0.8 * size)
            canvas.rotate(turn + half + 34 * setting.time(frame))
            for path, paint in arcs:
                canvas.drawPath(path, paint)

    def figure(canvas: skia.Canvas, frame: int, body: Figure, j: Joints, pose: Pose) -> None:
        sweep(canvas, frame, j, 0)

    def over(canvas: skia.Canvas, frame: int, body: Figure, j: Joints, pose: Pose) -> None:
        sweep(canvas, frame, j, 180)

    return Effect(figure=figure, over=over)


def _ribbon(track: list[Point], tail: float, head: float, width: float) -> skia.Path | None:
    """Return the band of a track between two shares of its length, pointed at both ends."""
    first, last = int(tail * (len(track) - 1)), int(head * (len(track) - 1))
    if last - first < 3:
        return None
    points = np.array(track[first : last + 1])
    along = np.gradient(points, axis=0)
    normal = np.stack([-along[:, 1], along[:, 0]], 1)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True) + 1e-9
    swell = 0.5 * width * np.sin(np.pi * np.linspace(0, 1, len(points))) ** 0.6
    rim = np.concatenate([points + normal * swell[:, None],
                          (points - normal * swell[:, None])[::-1]])  # fmt: skip
    return polygon(*map(tuple, rim))


@effect("Zip Ribbons", "frame", BODIES)
def zip_ribbons(setting: Setting) -> Effect:
    """Flat bands in the figure's colours that shoot along a looping path and contract."""
    rng, period = setting.rng, 9.0
    start = float(rng.uniform(-1.0, 1.0))
    share = np.linspace(0, 1, 49)
    tracks: list[list[Point]] = []
    for k in range(3):
        bend, lift = rng.uniform(-0.4, 0.4), 0.1 * (k - 1)
        x = (share - 0.5) * (setting.aspect + 0.5) - 0.24 * np.sin(4 * np.pi * share)
        y = 0.27 * np.cos(4 * np.pi * share + bend) * np.sin(np.pi * share) + lift
        tracks.append(list(zip(x.tolist(), y.tolist(), strict=True)))
    ink = stroke(setting.style.ink, 0.03)
    accents = (fill(rgb("ff3d7f")), fill(rgb("ffd93b")))

    def band(canvas: skia.Canvas, frame: int, k: int, middle: Point, paint: skia.Paint) -> None:
        time = (setting.time(frame) - start - 0.7 * k) % period
        path = _ribbon(tracks[k], clamp((time - 4.5) / 3), clamp(time / 2.5), 0.095)
        if path is None:
            return
        with frame_heights(canvas, middle) as ([(x, y)], facing):
            canvas.translate(clamp(x, -0.15, 0.15), clamp(y, -0.08, 0.1))
            canvas.scale(facing, 1)
            canvas.drawPath(path, ink)
            canvas.drawPath(path, paint)

    def figure(canvas: skia.Canvas, frame: int, body: Figure, j: Joints, pose: Pose) -> None:
        for k in (0, 1):
            band(canvas, frame, k, j.neck, accents[k])

    def over(canvas: skia.Canvas, frame: int, body: Figure, j: Joints, pose: Pose) -> None:
        band(canvas, frame, 2, j.neck, body.cloth)

    return Effect(figure=figure, over=over)
