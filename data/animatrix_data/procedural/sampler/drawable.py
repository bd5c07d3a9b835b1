"""What the studio draws, by field, and what cannot be drawn together."""

from __future__ import annotations

from itertools import combinations

from animatrix_data.procedural.camera import MOVEMENTS
from animatrix_data.procedural.effects import ALL_SHOTS, EFFECTS
from animatrix_data.procedural.expressions import EMOTIONS, FACE_SHOTS
from animatrix_data.procedural.framing import ANGLES, SHOTS
from animatrix_data.procedural.motion import MOTIONS
from animatrix_data.procedural.styles import STYLES
from animatrix_data.procedural.timing import AMPLITUDES, CYCLES_PER_SECOND, KINETICS
from animatrix_data.settings import near
from animatrix_data.taxonomy.tags import ProductionSpec, Tag

DRAWABLE: dict[str, tuple[str, ...]] = {
    "VideoStyle": STYLES.names(),
    "MotionStyle": KINETICS.names(),
    "MotionType": MOTIONS.names(),
    "Emotion": EMOTIONS.names(),
    "MotionAmplitude": tuple(AMPLITUDES),
    "MotionSpeed": tuple(CYCLES_PER_SECOND),
    "ShotScale": SHOTS.names(),
    "ShotAngle": tuple(ANGLES),
    "CameraMotion": MOVEMENTS.names(),
    "VFX": EFFECTS.names(),
}
"""What the studio draws, by field."""

MOVES = tuple((name, d) for name in MOVEMENTS for d in MOVEMENTS[name].directions)
"""The camera's movements with their directions."""

EYES = (
    "Spiral Eyes",
    "Starry Eyes",
    "Heart Eyes",
    "Money-Sign Eyes",
    "White Triangle Eyes",
    "Dead-Fish Eyes",
    "Spiritless",
)
"""Effects that take the place of the eyes."""
FIGURES = ("Chibi Form", "Flat Character", "Statue Pose")
"""Effects that take the place of the whole figure's drawing."""
FACES = ("Dark Face", "Charred Face", "Melting Face")
"""Effects that take the place of the face's skin."""
STILL = ("Hold Pose", "Statue Pose")
"""Effects that stop the figure's motion."""
RIVALS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("the eyes", EYES),
    ("the figure", FIGURES),
    ("the face", FACES),
    ("the figure's stillness", STILL),
)
"""Groups of effects of which a clip can show one only, with what they all take the place of."""


def check_drawable(spec: ProductionSpec) -> None:
    """Raise ValueError, with what can be drawn instead, where the studio cannot draw a spec.

    It cannot draw tags that it lacks, nor some pairs: see `clash`.
    """
    for tag in spec.tags:
        names = DRAWABLE[tag.field]
        if tag.name not in names:
            raise ValueError(
                f"the studio cannot draw {tag.field}: {tag.name}{near(tag.name, names)}"
            )
    if sentence := clash(spec):
        raise ValueError(sentence)


def clash(spec: ProductionSpec) -> str | None:
    """Return in a sentence which two tags of a spec cannot be drawn together, None for none."""
    effects = [tag.name for tag in spec.get("VFX")]
    for place, names in RIVALS:
        for one, other in combinations([name for name in effects if name in names], 2):
            return f"VFX: {one} and VFX: {other} both take the place of {place}; leave one out"
    shots = [tag.name for tag in spec.get("ShotScale")]
    company = [tag.name for tag in spec.get("MotionType") if MOTIONS[tag.name].company]
    if company and shots == ["Extreme Close-Up"]:
        return (
            f"MotionType: {company[0]} needs two figures, and ShotScale: Extreme Close-Up has "
            "room for part of one; near it is Close-Up"
        )
    return None


def readable_shots(tag: Tag) -> tuple[str, ...]:
    """Return the shot scales in which what a tag asks for can be seen."""
    if tag.field == "MotionType":
        return MOTIONS[tag.name].shots
    if tag.field == "Emotion":
        return FACE_SHOTS
    return EFFECTS[tag.name].shots if tag.field == "VFX" else ALL_SHOTS
