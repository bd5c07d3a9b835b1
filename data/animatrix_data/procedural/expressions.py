"""Emotion on the face: what the parts of a face do, by emotion and at a frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from animatrix_data.procedural.registry import Registry

Offset = tuple[float, float]


@dataclass(frozen=True)
class Expression:
    """The state of a face; lengths are head radii; the default is the plain, brief face.

    Eyes. `eyes` is how they are drawn (a key of `face.EYES`; "plain" eyes are shaped by what
    follows): `lid`, how far the upper lid is up (0 closed, 1 plain, 1.4 wide); `slant`, the lid's
    tilt (1 its inner end low as in anger, −1 its outer end low as in sorrow); `cheek`, how far the
    lower lid is up (0 to 1); `pupil`, the size of the iris beside a plain one; `gaze`, where it
    looks (±1 across, the way the figure faces being +1, and ±1 down); `uneven`, how much larger
    the one eye and higher the one brow is (0 to 1).
    Brows, drawn where `brows` is true: `brow`, how high they are raised (±1); `frown`, their tilt,
    in the sense of `slant`; `arch`, their bend (1 round, 0 straight, −1 sagging).
    Mouth. `mouth` is its shape (a key of `face.MOUTHS`); how far it is open comes from the pose.
    Over the face. `marks` are drawn in turn (keys of `face.FACES`: tears, sweat, shade, …);
    `blush` in [0, 1] colours the cheeks beyond a plain face's.
    `pitch` moves the features over the face: 1 the chin high, −1 low.
    `beat` is the time in eighths of a second, for what runs, trembles or turns on a face.
    """

    eyes: str = "plain"
    lid: float = 1.0
    slant: float = 0.0
    cheek: float = 0.0
    pupil: float = 1.0
    gaze: Offset = (0.0, 0.0)
    uneven: float = 0.0
    brows: bool = False
    brow: float = 0.0
    frown: float = 0.0
    arch: float = 0.5
    mouth: str = "plain"
    marks: tuple[str, ...] = ()
    blush: float = 0.0
    pitch: float = 0.0
    beat: float = 0.0


@dataclass(frozen=True)
class Look:
    """How a figure is drawn at a frame beyond its pose.

    expression: of the face; outline: factor of the outline's width; parts: how far parts of the
    face are from their place (by name: eye_l, eye_r, mouth, brow_l, brow_r), in head radii;
    smear: strength of the trail that fast limbs leave, 0 to 1.
    """

    expression: Expression = Expression()
    outline: float = 1.0
    parts: tuple[tuple[str, Offset], ...] = ()
    smear: float = 0.0


NEUTRAL = Expression()
EMOTIONS: Registry[Expression] = Registry("Emotion")
COMPLEX = (
    "shyness",
    "pensiveness",
    "relief",
    "melancholy",
    "bittersweet",
    "tears-of-joy",
    "anxiety",
    "jealousy",
    "pride",
    "gloom",
)
"""The complex emotions; the others are basic."""
FACE_SHOTS = ("Extreme Close-Up", "Close-Up", "Medium Shot")
"""The shot scales in which an emotion can be read off the face."""


def expression_of(emotions: Sequence[str]) -> Expression:
    """Return the face of at most one basic and one complex emotion; of none, the plain face.

    Of two, the basic one keeps brows, mouth and its marks; the complex one takes the eyes and adds
    its own marks. Raises ValueError for an emotion not drawn here and for two of one kind.
    """
    complex_ = [name for name in emotions if name in COMPLEX]
    basic = [name for name in emotions if name not in COMPLEX]
    for kind, names in (("basic", basic), ("complex", complex_)):
        if len(names) > 1:
            raise ValueError(
                f"a face shows one {kind} emotion, not {len(names)}: {', '.join(names)}"
            )
    faces = [EMOTIONS[name] for name in (*basic, *complex_)]
    if not faces:
        return NEUTRAL
    first, last = faces[0], faces[-1]
    if len(faces) == 1:
        return first
    return replace(
        last,
        brows=True,
        brow=first.brow,
        frown=first.frown,
        arch=first.arch,
        uneven=max(first.uneven, last.uneven),
        mouth=first.mouth,
        marks=(*(m for m in first.marks if m not in last.marks), *last.marks),
        blush=max(first.blush, last.blush),
        pitch=first.pitch + last.pitch,
    )


EMOTIONS.add("happiness")(
    Expression(eyes="arcs", brows=True, brow=0.5, arch=1.0, mouth="laugh", blush=0.8)
)
EMOTIONS.add("excitement")(
    Expression(
        eyes="shining", lid=1.35, brows=True, brow=1.0, arch=1.0, mouth="grin", blush=0.5, pitch=0.2
    )
)
EMOTIONS.add("sadness")(
    Expression(
        lid=0.8, slant=-0.8, gaze=(0.1, 0.7), brows=True, brow=0.1, frown=-1.0, arch=0.0,
        mouth="frown", marks=("welling",), pitch=-0.4,
    )
)  # fmt: skip
EMOTIONS.add("crying")(
    Expression(
        eyes="clenched", brows=True, brow=0.1, frown=-1.0, arch=0.0, mouth="wail",
        marks=("streams",), blush=0.5,
    )
)  # fmt: skip
EMOTIONS.add("anger")(
    Expression(
        lid=0.85, slant=1.0, pupil=0.62, brows=True, brow=-0.7, frown=1.0, arch=0.0,
        mouth="teeth", marks=("flush",), pitch=-0.1,
    )
)  # fmt: skip
EMOTIONS.add("confusion")(
    Expression(
        pupil=0.7, gaze=(0.6, -0.7), uneven=1.0, brows=True, brow=0.2, frown=-0.2, arch=0.4,
        mouth="askew",
    )
)  # fmt: skip
EMOTIONS.add("disgust")(
    Expression(
        lid=0.55, slant=0.5, cheek=0.6, pupil=0.75, gaze=(-0.6, 0.1), brows=True, brow=-0.5,
        frown=0.7, arch=-0.6, mouth="tongue", marks=("sickly", "wrinkles"),
    )
)  # fmt: skip
EMOTIONS.add("surprise")(
    Expression(lid=1.5, pupil=0.55, brows=True, brow=1.3, arch=1.0, mouth="ring", pitch=0.1)
)
EMOTIONS.add("fear")(
    Expression(
        lid=1.4, pupil=0.28, brows=True, brow=0.5, frown=-0.9, arch=-0.3, mouth="chatter",
        marks=("pale",),
    )
)  # fmt: skip
EMOTIONS.add("contempt")(
    Expression(
        lid=0.45, pupil=0.8, gaze=(0.75, 0.35), uneven=0.7, brows=True, brow=-0.1, frown=0.4,
        arch=0.3, mouth="smirk", pitch=0.4,
    )
)  # fmt: skip
EMOTIONS.add("shyness")(
    Expression(
        lid=0.9, slant=-0.4, gaze=(-1.0, 0.7), brows=True, brow=0.2, frown=-0.7, arch=0.3,
        mouth="timid", marks=("hatched",), blush=1.0, pitch=-0.4,
    )
)  # fmt: skip
EMOTIONS.add("pensiveness")(
    Expression(
        lid=0.9, pupil=0.8, gaze=(1.1, -1.2), uneven=0.25, brows=True, brow=0.3, arch=0.5,
        mouth="line",
        pitch=0.1,
    )
)  # fmt: skip
EMOTIONS.add("relief")(
    Expression(
        eyes="closed", brows=True, brow=0.5, frown=-0.6, arch=0.5, mouth="sigh",
        marks=("breath", "drop"),
    )
)  # fmt: skip
EMOTIONS.add("melancholy")(
    Expression(
        lid=0.5, slant=-0.5, gaze=(-0.5, 0.9), brows=True, brow=0.1, frown=-0.5, arch=0.3,
        mouth="downturned", marks=("dusk",), pitch=-0.5,
    )
)  # fmt: skip
EMOTIONS.add("bittersweet")(
    Expression(
        lid=0.8, slant=-0.5, cheek=0.35, brows=True, brow=0.2, frown=-0.9, arch=0.2,
        mouth="smile", marks=("tear",), blush=0.3,
    )
)  # fmt: skip
EMOTIONS.add("tears-of-joy")(
    Expression(
        eyes="arcs", brows=True, brow=0.5, frown=-0.8, arch=0.6, mouth="beam",
        marks=("beads",), blush=0.9,
    )
)  # fmt: skip
EMOTIONS.add("anxiety")(
    Expression(
        lid=1.15, pupil=0.55, gaze=(-0.7, 0.1), brows=True, brow=0.4, frown=-0.9, arch=-0.2,
        mouth="zigzag", marks=("sweat",),
    )
)  # fmt: skip
EMOTIONS.add("jealousy")(
    Expression(
        lid=0.6, slant=0.7, pupil=0.85, gaze=(1.35, 0.0), brows=True, brow=-0.4, frown=0.6,
        arch=0.3, mouth="pout", marks=("puffed",), blush=0.4,
    )
)  # fmt: skip
EMOTIONS.add("pride")(
    Expression(
        eyes="closed", slant=0.4, brows=True, brow=0.8, frown=0.5, arch=0.6, mouth="smug",
        marks=("gleam",), pitch=1.0,
    )
)  # fmt: skip
EMOTIONS.add("gloom")(
    Expression(
        eyes="dull", lid=0.65, gaze=(0.0, 0.4), brows=True, brow=-0.1, frown=-0.5, arch=-0.2,
        mouth="slack", marks=("shade",), pitch=-0.4,
    )
)  # fmt: skip
