"""Faults: failures that no tag asks for, each with a severity, and what they do to a scene.

A fault never coincides with what a tag asks for: `conflict` says which pairs are refused, so that
deformation and effects (art) stay apart from failure in every clip's truth.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import cv2
import numpy as np
import skia
from numpy.typing import NDArray

from animatrix_data.procedural.character import Figure, Joints
from animatrix_data.procedural.content import HAIR_COLOURS, OUTFIT_COLOURS, Content
from animatrix_data.procedural.effects.effect import FigureFrame, Placed
from animatrix_data.procedural.expressions import FACE_SHOTS, Look, Offset
from animatrix_data.procedural.limbs import Limb
from animatrix_data.procedural.motion import Pose
from animatrix_data.procedural.paths import Point
from animatrix_data.procedural.registry import Registry
from animatrix_data.procedural.styles import STYLES
from animatrix_data.settings import near
from animatrix_data.taxonomy.tags import ProductionSpec

RATINGS = ("r_face", "r_limb", "r_line", "r_motion")
"""What a clip's structure is rated by, from 1 (broken) to 5 (sound)."""
BODY_SHOTS = ("Medium Shot", "Full Shot", "Long Shot")
NEAR_SHOTS = (*FACE_SHOTS, "Full Shot")
GRAVE = 0.6
"""The severity above which both arms are lost or doubled."""


@dataclass(frozen=True)
class Fault:
    """A fault to be drawn: its kind (a name of `FAULTS`) and its severity in (0, 1]."""

    kind: str
    severity: float

    def __post_init__(self) -> None:
        """Refuse an unknown kind or a severity out of range with one sentence."""
        if self.kind not in FAULTS:
            raise ValueError(f"there is no fault {self.kind!r}{near(self.kind, FAULTS)}")
        if not 0 < self.severity <= 1:
            raise ValueError(
                f"the severity of fault {self.kind} must be above 0 and at most 1, "
                f"not {self.severity}"
            )


@dataclass(frozen=True)
class Breakage:
    """What a fault does to the first actor and to the frames; all hooks are optional.

    start: the first frame that shows it; variant: which form it takes, in a word. joints: moves
    the joints of a frame. over: draws on the figure's plane, before the figure. look: changes the
    face and the outline. identity: who the figure is at a frame (None: who it should be). pixels:
    changes the finished frame uint8 [H, W, 3] in place, told where the figure is. moment: which
    frame of the sound clip is shown in place of a frame.
    """

    start: int
    variant: str
    joints: Callable[[Joints, int], Joints] | None = None
    over: FigureFrame | None = None
    look: Callable[[Look, int], Look] | None = None
    identity: Callable[[int], Content | None] | None = None
    pixels: Callable[[NDArray[np.uint8], int, Placed], None] | None = None
    moment: Callable[[int], int] | None = None


@dataclass(frozen=True)
class Scope:
    """What a fault may know: its severity in (0, 1], the clip's shape, who the figure is, and its
    random stream."""

    severity: float
    frames: int
    fps: float
    content: Content
    rng: np.random.Generator

    def begin(self, latest: float) -> int:
        """Return a first frame, drawn from the clip's first part up to the share `latest`."""
        return int(self.frames * self.rng.uniform(0.08, latest))

    def grown(self, start: int, frame: int) -> float:
        """Return how far a fault has come at a frame: 0 before its start, 1 after half a second."""
        return float(np.clip((frame - start + 1) / max(1.0, 0.5 * self.fps), 0, 1))

    def pick(self, *options: str) -> str:
        """Return one of some words."""
        return options[int(self.rng.integers(len(options)))]


@dataclass(frozen=True)
class Kind:
    """A kind of fault: what makes it, the shot scales that show it, what it costs.

    costs: how much of a rating's range (1 to 5) a severity of 1 takes, by rating; denied: the
    tags that it may not meet, by field, since they ask for what would look the same.
    """

    make: Callable[[Scope], Breakage]
    shots: tuple[str, ...]
    costs: Mapping[str, float]
    denied: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


FAULTS: Registry[Kind] = Registry("fault")
UNLINED = tuple(name for name in STYLES if not STYLES[name].outline)


def conflict(fault: Fault, spec: ProductionSpec) -> str | None:
    """Return why a fault may not be drawn with a spec, in a sentence; None where it may."""
    kind = FAULTS[fault.kind]
    for name, values in kind.denied.items():
        for tag in spec.get(name):
            if tag.name in values:
                return (
                    f"fault {fault.kind} cannot be drawn with {name}: {tag.name}, which asks for "
                    "what the fault would look like, or hides it"
                )
    for tag in spec.get("ShotScale"):
        if tag.name not in kind.shots:
            return (
                f"fault {fault.kind} is not seen in ShotScale: {tag.name}; it is in "
                f"{', '.join(kind.shots)}"
            )
    return None


def ratings(faults: Sequence[Fault]) -> dict[str, float]:
    """Return the ratings, from 1 (broken) to 5 (sound), that a clip with some faults deserves."""
    sound = dict.fromkeys(RATINGS, 5.0)
    for fault in faults:
        for name, share in FAULTS[fault.kind].costs.items():
            sound[name] = max(1.0, sound[name] - 4.0 * share * fault.severity)
    return {name: round(value, 3) for name, value in sound.items()}


def _turned(limb: Limb, angle: float) -> Limb:
    """Return a limb turned about its root."""
    (x, y), sin, cos = limb[0], math.sin(angle), math.cos(angle)

    def turn(point: Point) -> Point:
        dx, dy = point[0] - x, point[1] - y
        return x + cos * dx - sin * dy, y + sin * dx + cos * dy

    return limb[0], turn(limb[1]), turn(limb[2])


def _limb(scope: Scope) -> Breakage:
    """An arm leaves its joint, or grows again beside itself; in grave cases both arms do."""
    start = scope.begin(0.35)
    variant = scope.pick("detached", "doubled")
    arms = ["arm_l", "arm_r"] if scope.pick("arm_l", "arm_r") == "arm_l" else ["arm_r", "arm_l"]
    arms = arms[: 1 + (scope.severity > GRAVE)]
    turn = (0.8 + 0.7 * scope.severity) * (-1 if scope.rng.uniform() < 0.5 else 1)
    far, up = 0.1 + 0.2 * scope.severity, -0.05 - 0.13 * scope.severity

    def detached(now: Joints, frame: int) -> Joints:
        share = scope.grown(start, frame)
        moved: dict[str, Any] = {}
        for name in arms:
            away = share * _side(name) * far
            moved[name] = tuple((x + away, y + share * up) for x, y in getattr(now, name))
        return replace(now, **moved)

    def doubled(canvas: skia.Canvas, frame: int, figure: Figure, now: Joints, pose: Pose) -> None:
        if frame >= start:
            for name in arms:
                for again in (turn, -0.8 * turn):
                    figure.draw_arm(canvas, _turned(getattr(now, name), _side(name) * again))

    if variant == "detached":
        return Breakage(start, variant, joints=detached)
    return Breakage(start, variant, over=doubled)


def _side(arm: str) -> float:
    return 1.0 if arm.endswith("r") else -1.0


def _face(scope: Scope) -> Breakage:
    """Parts of the face drift apart, or stand in one another's place."""
    start = scope.begin(0.35)
    variant = scope.pick("drifted", "swapped")
    reach = 0.25 + 0.45 * scope.severity
    angles = scope.rng.uniform(0, 2 * np.pi, 3)
    drifts: dict[str, Offset] = {
        part: (reach * math.cos(a), reach * math.sin(a))
        for part, a in zip(("eye_l", "eye_r", "mouth"), angles.tolist(), strict=True)
    }
    eye = scope.pick("eye_l", "eye_r")
    across = -0.4 if eye == "eye_l" else 0.4
    swaps = {eye: (-across, 0.45), "mouth": (across, -0.45)}
    moved = drifts if variant == "drifted" else swaps

    def look(current: Look, frame: int) -> Look:
        share = scope.grown(start, frame)
        if variant == "swapped":
            share = float(frame >= start) * min(1.0, 0.5 + 0.7 * scope.severity)
        parts = tuple((part, (share * x, share * y)) for part, (x, y) in moved.items())
        return replace(current, parts=parts) if share else current

    return Breakage(start, variant, look=look)


def _outline(scope: Scope) -> Breakage:
    """The outline's width jumps from drawing to drawing."""
    start = scope.begin(0.3)
    size = scope.rng.uniform(0.5, 1.0, scope.frames) * (0.35 + 0.9 * scope.severity)
    signs = np.where(np.arange(scope.frames) % 2, 1.0, -1.0)
    factors = np.maximum(0.0, 1.0 + signs * size)
    hold = max(1, round(scope.fps / 16))

    def look(current: Look, frame: int) -> Look:
        if frame < start:
            return current
        return replace(current, outline=current.outline * float(factors[frame // hold]))

    return Breakage(start, "flicker", look=look)


def _tear(scope: Scope) -> Breakage:
    """Bands of rows slide sideways."""
    start = scope.begin(0.35)
    count = 2 + round(3 * scope.severity)
    tops = scope.rng.uniform(0.05, 0.85, (scope.frames, count))
    heights = scope.rng.uniform(0.05, 0.16, (scope.frames, count))
    slides = scope.rng.uniform(0.04, 0.08 + 0.2 * scope.severity, (scope.frames, count))
    slides *= np.where(scope.rng.uniform(size=slides.shape) < 0.5, -1, 1)

    def pixels(frame: NDArray[np.uint8], t: int, placed: Placed) -> None:
        if t < start:
            return
        height, width = frame.shape[:2]
        # A tear stands for an eighth of a second, or it would be noise.
        beat = t * 8 // max(8, round(scope.fps))
        for top, tall, slide in zip(tops[beat], heights[beat], slides[beat], strict=True):
            rows = slice(int(top * height), int((top + tall) * height) + 1)
            frame[rows] = np.roll(frame[rows], round(float(slide) * width), axis=1)

    return Breakage(start, "rows", pixels=pixels)


def _colour(scope: Scope) -> Breakage:
    """The colours of hair and clothes become another's in the middle of the clip."""
    start = scope.begin(0.5)
    hairs = [name for name in HAIR_COLOURS if name != scope.content.hair_colour]
    outfits = [name for name in OUTFIT_COLOURS if name != scope.content.outfit_colour]
    other = replace(
        scope.content, hair_colour=scope.pick(*hairs), outfit_colour=scope.pick(*outfits)
    )
    back = scope.frames if scope.severity > 0.5 else start + max(4, int(0.5 * scope.frames))
    return Breakage(start, "swapped", identity=lambda t: other if start <= t < back else None)


def _melt(scope: Scope) -> Breakage:
    """The figure runs down in drips."""
    start = scope.begin(0.3)
    phase = scope.rng.uniform(0, 2 * np.pi, 2)

    def pixels(frame: NDArray[np.uint8], t: int, placed: Placed) -> None:
        share = min(1.0, (t - start + 1) / max(1.0, 0.4 * scope.frames))
        if share <= 0:
            return
        height, width = frame.shape[:2]
        ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
        x, y = (xs - width / 2) / height, ys / height - 0.5
        half = max(0.2 * placed.height, 1.6 * placed.radius)
        near = np.clip(1.5 - np.abs(x - placed.hip[0]) / half, 0, 1)
        top = placed.head[1] - 1.3 * placed.radius
        near *= np.clip((y - top) / (0.2 * placed.height), 0, 1)
        drips = 0.55 + 0.3 * np.sin(x * 40 + phase[0]) + 0.15 * np.sin(x * 90 + phase[1])
        run = share * (0.06 + 0.2 * scope.severity) * min(1.0, placed.height) * near * drips
        sway = 0.35 * run * np.sin(y * 18 + phase[0] + 0.2 * t)
        frame[:] = cv2.remap(
            frame,
            xs + (sway * height).astype(np.float32),
            ys - (run * height).astype(np.float32),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )

    return Breakage(start, "drips", pixels=pixels)


def _freeze(scope: Scope) -> Breakage:
    """The whole picture stands still for a good part of the clip."""
    start = scope.begin(0.25)
    end = start + round(scope.frames * (0.35 + 0.35 * scope.severity))
    return Breakage(start, "held", moment=lambda t: start if start <= t < end else t)


_MOVING_LIMBS = ("Afterimage", "Motion Smear", "Smear Frame", "Chibi Form", "Flat Character")
_CHANGED_FACES = (
    "Dark Face", "Charred Face", "Melting Face", "Flat Character", "Spiral Eyes", "Starry Eyes",
    "Heart Eyes", "Money-Sign Eyes", "White Triangle Eyes", "Dead-Fish Eyes", "Shark Teeth",
    "Waterfall Tears", "Spiritless", "Impact Frame",
)  # fmt: skip
_CHANGED_COLOURS = (
    "Impact Frame", "Impact Flash", "Statue Pose", "Spiritless", "Charred Face", "Dark Face",
    "Electric Shock", "Lightning Strike", "Silhouette Backdrop",
)  # fmt: skip

FAULTS.add("limb")(Kind(_limb, BODY_SHOTS, {"r_limb": 1.0}, {"VFX": _MOVING_LIMBS}))
FAULTS.add("face")(
    Kind(_face, FACE_SHOTS, {"r_face": 1.0},
         {"VFX": _CHANGED_FACES, "ShotAngle": ("Overhead",), "MotionType": ("turn", "sob")})
)  # fmt: skip
FAULTS.add("outline")(
    Kind(_outline, NEAR_SHOTS, {"r_line": 1.0}, {"VideoStyle": UNLINED, "VFX": ("Impact Frame",)})
)
FAULTS.add("tear")(
    Kind(_tear, (*NEAR_SHOTS, "Long Shot"), {"r_line": 0.6, "r_motion": 0.5}, {"VFX": ("Shatter",)})
)
FAULTS.add("colour")(
    Kind(_colour, NEAR_SHOTS, {"r_line": 0.5, "r_face": 0.3}, {"VFX": _CHANGED_COLOURS})
)
FAULTS.add("melt")(
    Kind(_melt, NEAR_SHOTS, {"r_limb": 0.8, "r_face": 0.8, "r_line": 0.4},
         {"VFX": ("Melting Face", "Squash & Stretch", "Smear Frame", "Splash")})
)  # fmt: skip
FAULTS.add("freeze")(
    Kind(_freeze, (*NEAR_SHOTS, "Long Shot"), {"r_motion": 1.0},
         {"VFX": ("Hold Pose", "Statue Pose")})
)  # fmt: skip
