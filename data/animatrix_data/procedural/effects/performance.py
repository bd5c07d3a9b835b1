"""VFX, Character Performance: what happens to a face or a body as a gag or a threat."""

from __future__ import annotations

import math
from dataclasses import replace

import skia

from animatrix_data.procedural.character import Figure, Joints
from animatrix_data.procedural.colour import WHITE, rgb
from animatrix_data.procedural.effects.effect import ALL_SHOTS, Effect, Placed, Setting, effect
from animatrix_data.procedural.effects.looks import faced
from animatrix_data.procedural.effects.stickers import INK, Sticker, drop, inside, pop, put, star
from animatrix_data.procedural.expressions import FACE_SHOTS, Look
from animatrix_data.procedural.face import EYES, FACES, MOUTHS, Mark, Spot, fill, stroke
from animatrix_data.procedural.motion import Pose
from animatrix_data.procedural.timing import Build

CLOSE_SHOTS = ("Extreme Close-Up", "Close-Up")
"""Where a small part of the face is large."""


def _curtain(canvas: skia.Canvas, spot: Spot) -> None:
    """Lay the head from the hair down to the nose in a blue-black shade with falling lines."""
    shade = skia.Path().moveTo(-1.12, 0.25).cubicTo(-1.35, -1.6, 1.35, -1.6, 1.12, 0.25)
    shade.lineTo(0.9, 0.42).lineTo(-0.9, 0.42).close()
    canvas.drawPath(shade, fill(rgb("0c0d2c"), 0.88))
    for k in range(7):
        x = -0.78 + 0.26 * k
        low = 0.42 + (0.3 if k % 2 else 0.16)
        canvas.drawLine(x, 0.0, x, low, stroke(rgb("0c0d2c"), 0.07))
    glint = 0.5 + 0.5 * math.sin(1.4 * spot.expression.beat)
    for eye in filter(None, spot.eyes):
        canvas.drawCircle(eye[0], eye[1], 0.13, fill(rgb("ff2a3c"), 0.9))
        canvas.drawCircle(eye[0], eye[1], 0.05 + 0.03 * round(glint, 1), fill(WHITE))


FACES.add("curtain")(Mark(_curtain, "head"))


@effect("Dark Face", "head", FACE_SHOTS)
def dark_face(setting: Setting) -> Effect:
    """The upper half of the head falls into a blue-black shadow, from which red eyes shine."""
    return faced(setting, marks=("curtain",))


@EYES.add("dots")
def dots(canvas: skia.Canvas, spot: Spot) -> None:
    """Draw an eye that is a black dot."""
    canvas.drawOval(skia.Rect(-0.11, -0.15, 0.11, 0.15), fill(INK))


STUB = Build(
    head=0.36,
    neck=0.34,
    hip=0.19,
    thigh=0.095,
    shin=0.095,
    upper_arm=0.085,
    forearm=0.075,
    shoulders=0.085,
    hips=0.085,
    limb=0.1,
    hair_length=0.42,
)
"""Two heads tall with stub limbs: smaller still than the chibi of 2D Gag."""


@effect("Chibi Form", "figure")
def chibi_form(setting: Setting) -> Effect:
    """The figure is two heads tall, with dots for eyes, and bounces."""
    small = faced(setting, eyes="dots")
    ahead = float(setting.rng.uniform(0, 4))

    def poses(drawn: list[Pose]) -> list[Pose]:
        changed = []
        for t, pose in enumerate(drawn):
            bounce = math.sin(math.pi * (setting.time(t) + ahead) / 2)
            changed.append(
                replace(pose, stretch=0.07 * bounce, lift=max(0.0, pose.lift + 0.02 * bounce))
            )
        return changed

    return replace(small, poses=poses, build=lambda build: STUB)


def _graded(saturation: float, gain: float, tint: tuple[float, float, float]) -> skia.ColorFilter:
    """Return a colour filter: less saturation, another gain, plus a tint."""
    luma = (0.3, 0.59, 0.11)
    matrix = []
    for row in range(3):
        for column in range(3):
            own = saturation if row == column else 0.0
            matrix.append(gain * (own + (1 - saturation) * luma[column]))
        matrix += [0.0, tint[row]]
    return skia.ColorFilters.Matrix([*matrix, 0.0, 0.0, 0.0, 1.0, 0.0])


@effect("Statue Pose", "figure")
def statue_pose(setting: Setting) -> Effect:
    """The figure turns to grey stone, cracked, and is still from then on."""
    first = round(setting.frames * float(setting.rng.uniform(0.1, 0.2)))
    stone = skia.Paint(ColorFilter=_graded(0.0, 0.5, (0.30, 0.31, 0.33)))
    blank = faced(setting, eyes="blank")
    crack = skia.Paint(stroke(INK, 0.018))
    # Cracks show where the figure is, which alone is on its layer.
    crack.setBlendMode(skia.BlendMode.kSrcATop)
    cracks = skia.Path()
    for x, y, way in ((-0.03, -0.98, 1), (0.07, -0.66, -1), (-0.07, -0.5, 1), (0.06, -0.3, -1),
                      (0.05, -0.8, 1)):  # fmt: skip
        cracks.moveTo(x, y)
        for k, step in enumerate(setting.rng.uniform(0.02, 0.05, 5).tolist()):
            x, y = x + way * step * (1 if k % 2 else -0.4), y + 0.032
            cracks.lineTo(x, y)

    def poses(drawn: list[Pose]) -> list[Pose]:
        return [drawn[min(t, first)] for t in range(len(drawn))]

    def figure(canvas: skia.Canvas, frame: int, body: Figure, joints: Joints, pose: Pose) -> None:
        if frame >= first:
            canvas.saveLayer(None, stone)

    def over(canvas: skia.Canvas, frame: int, body: Figure, joints: Joints, pose: Pose) -> None:
        if frame < first:
            return
        canvas.save()
        canvas.translate(joints.hip[0], 0)
        canvas.drawPath(cracks, crack)
        canvas.restore()
        canvas.restore()

    return replace(blank, poses=poses, figure=figure, over=over)


PAPER = skia.ColorFilters.Matrix([0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0])
"""Makes everything white."""
EDGE = 0.024
"""Width of a cut-out's edge in figure heights."""


@effect("Flat Character", "figure")
def flat_character(setting: Setting) -> Effect:
    """The figure becomes a paper cut-out with a white edge that turns and flutters."""
    start = float(setting.rng.uniform(0.5, 2.0))

    def figure(canvas: skia.Canvas, frame: int, body: Figure, joints: Joints, pose: Pose) -> None:
        time = setting.time(frame) - start
        if time <= 0:
            return
        flat, wide = min(time, 1.0), math.cos(0.55 * time)
        canvas.translate(joints.hip[0], 0)
        canvas.scale(1.0 + flat * (math.copysign(max(abs(wide), 0.16), wide) - 1.0), 1.0)
        canvas.skew(0.28 * flat * math.sin(0.8 * time), 0.12 * flat * math.sin(1.1 * time))
        canvas.translate(-joints.hip[0], 0)
        recorder = skia.PictureRecorder()
        bounds = skia.Rect(-9, -9, 9, 9)
        body.draw(recorder.beginRecording(bounds), pose, joints, Look(), None)
        drawing = recorder.finishRecordingAsPicture()
        canvas.saveLayer(None, skia.Paint(ColorFilter=PAPER))
        for k in range(6):
            x, y = EDGE * math.cos(math.pi * k / 3), EDGE * math.sin(math.pi * k / 3)
            canvas.translate(x, y)
            canvas.drawPicture(drawing)
            canvas.translate(-x, -y)
        canvas.restore()

    def poses(drawn: list[Pose]) -> list[Pose]:
        return [replace(pose, turn=0.0) if setting.time(t) > start else pose
                for t, pose in enumerate(drawn)]  # fmt: skip

    return Effect(figure=figure, poses=poses)


def _ghost() -> skia.Path:
    path = skia.Path().moveTo(-0.3, -0.15).cubicTo(-0.3, -0.6, 0.3, -0.6, 0.3, -0.15)
    path.cubicTo(0.3, 0.15, 0.2, 0.3, 0.02, 0.62).cubicTo(0.02, 0.4, -0.1, 0.3, -0.2, 0.25)
    return path.cubicTo(-0.28, 0.2, -0.3, 0.0, -0.3, -0.15).close()


@effect("Spiritless", "figure")
def spiritless(setting: Setting) -> Effect:
    """A white ghost drifts out of a slumped, pale body and sways above it."""
    side, start = int(setting.rng.choice((-1, 1))), float(setting.rng.uniform(0.5, 2.0))
    wisp = Sticker(_ghost(), rgb("f4f8ff"), key=0.08)
    pale = skia.Paint(ColorFilter=_graded(0.3, 0.6, (0.38, 0.39, 0.42)))
    blank = faced(setting, eyes="blank", mouth="slack")

    def poses(drawn: list[Pose]) -> list[Pose]:
        changed = []
        for t, pose in enumerate(drawn):
            slump = min(max(setting.time(t) - start, 0.0) / 3.0, 1.0)
            changed.append(replace(pose, lean=pose.lean + 0.12 * slump,
                                   head=pose.head + 0.3 * slump))  # fmt: skip
        return changed

    def figure(canvas: skia.Canvas, frame: int, body: Figure, joints: Joints, pose: Pose) -> None:
        canvas.saveLayer(None, pale)

    def over(canvas: skia.Canvas, frame: int, body: Figure, joints: Joints, pose: Pose) -> None:
        canvas.restore()

    def symbol(canvas: skia.Canvas, frame: int, placed: Placed) -> None:
        time = setting.time(frame) - start
        if time <= 0:
            return
        risen = min(time / 5.0, 1.0)
        size = (0.3 + 0.7 * risen) * min(max(2.0 * placed.radius, 0.26), 0.42)
        x, y = placed.head
        reach = max(placed.radius, 0.1)
        sway = 0.15 * math.sin(0.8 * time) * reach
        at = (x + side * (0.3 + 1.2 * risen) * reach + sway, y + (0.6 - 1.9 * risen) * reach)
        place = inside(setting, at, (0.4 * size, 0.62 * size))
        with put(canvas, place, size, 9 * math.sin(0.8 * time)):
            canvas.scale(side, 1)
            wisp.draw(canvas, 0.95)
            for eye in (-0.12, 0.1):
                canvas.drawOval(skia.Rect(eye - 0.045, -0.2, eye + 0.045, -0.06), fill(INK))
            canvas.drawOval(skia.Rect(-0.07, 0.0, 0.05, 0.12), fill(INK))

    return replace(blank, poses=poses, figure=figure, over=over, symbol=symbol)


@effect("Exclamation Burst", "figure", ALL_SHOTS[1:])
def exclamation_burst(setting: Setting) -> Effect:
    """A jagged yellow star explodes behind the head, shakes, collapses and explodes again."""
    ahead = float(setting.rng.uniform(0, 2))
    spikes = [star(13, 0.66, turn) for turn in (0.0, 0.12, 0.05)]

    def figure(canvas: skia.Canvas, frame: int, body: Figure, joints: Joints, pose: Pose) -> None:
        time = (setting.time(frame) + ahead) % 8
        scale = pop(time) * (1.0 if time < 6.5 else max(0.0, 1 - (time - 6.5) / 1.5))
        if scale <= 0:
            return
        jagged = spikes[int(time) % 3]
        with put(canvas, joints.head, 5.6 * body.build.head * scale, 6 * math.sin(2.1 * time)):
            canvas.drawPath(jagged, stroke(INK, 0.07))
            canvas.drawPath(jagged, fill(rgb("ffdf1f")))
            canvas.scale(0.74, 0.74)
            canvas.drawPath(jagged, fill(rgb("fffbe0")))

    return Effect(figure=figure)


def _soot(canvas: skia.Canvas, spot: Spot) -> None:
    """Blacken the face."""
    canvas.drawRect(skia.Rect(-1.4, -1.4, 1.4, 1.3), fill(rgb("3a3636"), 0.95))
    for x, y, size in ((-0.5, 0.55, 0.16), (0.45, 0.62, 0.14), (0.0, 0.1, 0.1)):
        canvas.drawCircle(x, y, size, fill(rgb("56504f")))


def _frizz(canvas: skia.Canvas, spot: Spot) -> None:
    """Draw singed frizzy hair over the fringe."""
    canvas.save()
    canvas.translate(0, -0.78)
    canvas.scale(2.9, 1.8)
    canvas.drawPath(FRIZZ, stroke(rgb("6b6464"), 0.05))
    canvas.drawPath(FRIZZ, fill(rgb("1c191b")))
    canvas.restore()


FRIZZ = star(15, 0.7, 0.1)
FACES.add("soot")(Mark(_soot, "skin"))
FACES.add("frizz")(Mark(_frizz, "head"))


@EYES.add("blinking")
def blinking(canvas: skia.Canvas, spot: Spot) -> None:
    """Draw a round white eye with a dot, which blinks."""
    if spot.expression.beat % 5 < 1:
        canvas.drawLine(-0.24, 0, 0.24, 0, stroke(WHITE, 0.1))
        return
    canvas.drawCircle(0, 0, 0.28, fill(WHITE))
    canvas.drawCircle(0, 0, 0.08, fill(INK))


@effect("Charred Face", "head", FACE_SHOTS)
def charred_face(setting: Setting) -> Effect:
    """A sooty face with white blinking eyes under frizzed hair, from which smoke rises."""
    burnt = faced(setting, eyes="blinking", marks=("soot", "frizz"))

    def symbol(canvas: skia.Canvas, frame: int, placed: Placed) -> None:
        x, y = placed.head
        for k in range(6):
            risen = (setting.time(frame) / 9 + k / 6) % 1.0
            across = (-0.9 + 0.36 * k + 0.25 * math.sin(5 * risen + k)) * placed.radius
            size = (0.2 + 0.34 * risen) * placed.radius
            at = x + across, y - (0.9 + 1.1 * risen) * placed.radius
            canvas.drawCircle(*at, 1.25 * size, fill(rgb("2d2a2e"), round(0.55 * (1 - risen), 2)))
            canvas.drawCircle(*at, size, fill(rgb("a7a2a6"), round(0.9 * (1 - risen), 2)))

    return replace(burnt, symbol=symbol)


@MOUTHS.add("twitching")
def twitching(canvas: skia.Canvas, spot: Spot) -> None:
    """Draw a strained smile of which one corner jerks up and bares clenched teeth."""
    jerk = (0.0, 0.2, 0.06, 0.24, 0.0, 0.02, 0.22, 0.1)[int(spot.expression.beat) % 8]
    path = skia.Path().moveTo(-0.5, -0.04).quadTo(-0.1, 0.12, 0.12, 0.0)
    path.lineTo(0.58, -0.22 - jerk).lineTo(0.5, 0.2).quadTo(0.1, 0.24, -0.5, -0.04).close()
    canvas.drawPath(path, stroke(INK, 0.12))
    canvas.drawPath(path, fill(WHITE))
    for x in (0.18, 0.34, 0.48):
        canvas.drawLine(x, -0.3 * x - jerk * x, x, 0.2, stroke(INK, 0.04))


def _stress(canvas: skia.Canvas, spot: Spot) -> None:
    """Draw red lines of stress beside the corner of the mouth."""
    shake = 0.06 * (int(spot.expression.beat) % 2)
    for k in range(3):
        x, y = spot.mouth[0] + 0.66 + shake, spot.mouth[1] - 0.3 + 0.22 * k
        path = skia.Path().moveTo(x, y).lineTo(x + 0.12, y - 0.14).lineTo(x + 0.2, y + 0.04)
        path.lineTo(x + 0.36, y - 0.12)
        canvas.drawPath(path, stroke(WHITE, 0.15))
        canvas.drawPath(path, stroke(rgb("e01230"), 0.08))


FACES.add("stress")(Mark(_stress, "head"))


@effect("Twitching Mouth", "head", CLOSE_SHOTS)
def twitching_mouth(setting: Setting) -> Effect:
    """One corner of a strained mouth jerks in an irregular rhythm."""
    return faced(setting, mouth="twitching", marks=("stress",))


def _flames(canvas: skia.Canvas, spot: Spot) -> None:
    """Draw a tongue of flame that trails from the outer corner of each eye."""
    beat = int(spot.expression.beat)
    for side, eye in zip((-1, 1), spot.eyes, strict=True):
        if eye is None:
            continue
        canvas.save()
        canvas.translate(eye[0] + 0.1 * side, eye[1])
        canvas.scale(side, 1)
        for share, colour in ((1.0, "1d1830"), (0.88, "ff2a1f"), (0.6, "ff9a1f"), (0.32, "fff6c0")):
            lick, reach = 0.12 * (-1) ** beat, 1.15 + 0.15 * (beat % 3)
            tongue = skia.Path().moveTo(-0.25, 0.02)
            tongue.cubicTo(0.1, 0.3 * share, 0.5, 0.15 * share + lick, reach * share, -0.75 * share)
            tongue.cubicTo(0.5, -0.3 * share + lick, 0.3, -0.42 * share, 0.1, -0.3 * share).close()
            canvas.drawPath(tongue, stroke(rgb(colour), 0.06))
            canvas.drawPath(tongue, fill(rgb(colour)))
        canvas.restore()


FACES.add("eye flames")(Mark(_flames, "head"))


@effect("Eye-Tail Flame", "head", FACE_SHOTS)
def eye_tail_flame(setting: Setting) -> Effect:
    """Tongues of red flame trail from the outer corners of the eyes."""
    return faced(setting, marks=("eye flames",))


@effect("Saliva Spray", "head", FACE_SHOTS)
def saliva_spray(setting: Setting) -> Effect:
    """Drops of spit fly from a shouting mouth, syllable after syllable."""
    return faced(setting, mouth="shouting", marks=("spray",))


@MOUTHS.add("shouting")
def shouting(canvas: skia.Canvas, spot: Spot) -> None:
    """Draw a mouth wide open, which shouts with the beat."""
    deep = 0.26 + 0.14 * abs(math.sin(1.57 * spot.expression.beat))
    gap = skia.Rect(-0.38, -0.3, 0.38, deep)
    canvas.drawOval(gap, stroke(INK, 0.14))
    canvas.drawOval(gap, fill(rgb("8c1526")))
    canvas.drawOval(skia.Rect(-0.2, deep - 0.24, 0.2, deep - 0.02), fill(rgb("ff7a86")))


def _spray(canvas: skia.Canvas, spot: Spot) -> None:
    """Draw drops that fly out of the mouth in a cone."""
    for k in range(9):
        flown = (spot.expression.beat / 4 + 0.37 * k) % 1.0
        angle = -0.75 + 0.24 * k
        reach = 0.4 + 1.0 * flown
        x = spot.mouth[0] + reach * math.cos(angle)
        y = spot.mouth[1] + reach * math.sin(angle) * 0.9 + 0.25 * flown * flown
        canvas.save()
        canvas.translate(x, y)
        canvas.rotate(math.degrees(angle) + 90)
        canvas.scale(0.22, 0.3)
        canvas.drawPath(BEAD, stroke(rgb("3a6ea8"), 0.36))
        canvas.drawPath(BEAD, fill(WHITE))
        canvas.restore()


BEAD = drop()
FACES.add("spray")(Mark(_spray, "head"))
