"""Text set against a tag: which values contradict one another, and how prose is made to (4.2).

A controlled conflict changes the text alone. The tag stays what it is and stands for what is seen,
so it must be one that the model is given: the caller says which tags those are.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

import numpy as np

from animatrix_data.pipeline.wording import mentions, phrases, replace_mentions
from animatrix_data.taxonomy import ProductionSpec, Tag, load_vocabulary

ALIKE: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "VideoStyle": (
        ("2D Japanese Anime", "Miyazaki Style"),
        ("2D Japanese Anime", "Shinkai Style"),
        ("3D Cartoon", "3D Pixar/Disney"),
        ("3D Realistic CG", "Live Action"),
    ),
    "MotionStyle": (
        ("2D Daily", "2D Limited", "2D Gag"),
        ("2D Daily", "2D Sakuga"),
        ("2D Combat", "2D Sakuga"),
        ("3D Daily", "3D Mocap"),
        ("3D Combat", "3D Mocap"),
    ),
    "MotionType": (
        ("turn", "stand", "walk", "run"),
        ("run", "jump"),
        ("jump", "fall"),
        ("walk", "climb"),
        ("talk", "laugh", "nod", "shout"),
        ("talk", "gaze", "nod"),
        ("sob", "shout"),
        ("sob", "gaze"),
        ("hold", "eat", "drink", "write"),
        ("close-quarters combat", "strike", "kick", "block", "dodge", "lunge"),
        ("close-quarters combat", "weapon swing", "block", "dodge"),
        ("combat dash", "lunge"),
        ("gait", "secondary motion"),
        ("flight", "secondary motion"),
        ("drive", "secondary motion"),
        ("crowd", "group formation"),
        ("chase", "duel"),
    ),
    "Emotion": (
        ("happiness", "excitement", "surprise"),
        ("sadness", "crying", "fear"),
        ("anger", "disgust", "contempt"),
        ("surprise", "fear", "confusion"),
        ("relief", "tears-of-joy", "pride"),
        ("bittersweet", "tears-of-joy"),
        ("bittersweet", "melancholy", "pensiveness", "gloom"),
        ("anxiety", "shyness"),
        ("anxiety", "gloom", "jealousy"),
    ),
    "ShotScale": (
        ("Extreme Close-Up", "Close-Up"),
        ("Close-Up", "Medium Shot"),
        ("Medium Shot", "Full Shot"),
        ("Full Shot", "Long Shot"),
    ),
    "ShotAngle": (
        ("High Angle", "Overhead"),
        ("Dutch Angle", "High Angle"),
        ("Dutch Angle", "Low Angle"),
        ("Dutch Angle", "Overhead"),
    ),
    "VFX": (
        ("Sweat Drop", "Splashing Sweat"),
        ("Shark Teeth", "Cat Fangs"),
        ("Waterfall Tears", "Corner-Eye Glistening"),
        ("Single Teardrop", "Corner-Eye Glistening"),
        ("Blush Lines", "Blush Circles"),
        ("Anticipation", "Squash & Stretch"),
        ("Follow-Through", "Overshoot", "Squash & Stretch"),
        ("Hold Pose", "Impact Pose"),
        ("Smear Frame", "Kinetic Motion", "Snap"),
        (
            "Linear Speed Lines",
            "Curved Speed Lines",
            "Radial Speed Lines",
            "Focus Lines",
            "Motion Lines",
            "Exaggeration Lines",
            "Zip Ribbons",
            "Impact Burst Lines",
        ),
        ("Afterimage", "Motion Blur", "Motion Lines", "Motion Smear", "Zip Ribbons"),
        ("Impact Burst Lines", "Impact Flash", "Impact Frame"),
        ("Light Beam", "Light Wave"),
        ("Aura", "Highlight Glow", "Energy Sphere"),
        ("Electric Shock", "Lightning Strike", "Electric Flash"),
        ("Flame Trail", "Fire Breath"),
        ("Rain", "Heavy Rain", "Thunder Rain"),
        ("Snow", "Blizzard"),
        ("Starry Night", "Meteor Shower"),
        ("God Rays", "Gradient Light Pillar", "Particles", "Kira-Kira"),
        ("Dream Bubbles", "Bubble Background"),
        ("Emotional Background", "Falling Petals", "Bubble Background"),
        ("Explosion", "Smoke Cloud", "Dust Cloud", "Shatter", "Debris Scatter"),
        ("Dust Cloud", "Building Collapse", "Debris Scatter"),
        ("Ground Crack", "Ground Collapse", "Building Collapse"),
    ),
}
"""Values that hold of one clip together or are hard to tell apart: not rivals of one another."""

_SAME_WAY = (
    ("Pan", "Truck", "Follow"),
    ("Tilt", "Pedestal", "Follow"),
    ("Push", "Zoom", "Follow"),
)
"""Movements that move the picture alike where they have the same direction."""
_ANY_WAY = (("Orbit", "Pan", "Truck", "Follow"), ("Dolly Zoom", "Push", "Zoom", "Follow"))
"""The first is made of the others, in directions of its own."""
_BY_CATEGORY = ("Emotion", "MotionType", "VFX")
_UNSAID = ("Other",)
_ADDED_TO = ("VFX",)
"""Sets of which text can name one more and deny none: contradicted only where the text names it."""
_TRIED = 6

_SENTENCES = {
    "VideoStyle": "Drawn as {}.",
    "MotionStyle": "Animated as {}.",
    "MotionType": "Action: {}.",
    "Emotion": "Emotion: {}.",
    "CameraMotion": "Camera: {}.",
}


def shuffled[Item](items: Sequence[Item], number: float) -> tuple[Item, ...]:
    """Return `items` in an order that the uniform `number` in [0, 1) says, each alike likely."""
    rest, key, order = list(items), int(number * 2**53), []
    while rest:
        key, place = divmod(key, len(rest))
        order.append(rest.pop(place))
    return tuple(order)


def contradict(
    text: str, spec: ProductionSpec, allowed: np.ndarray, numbers: np.ndarray
) -> tuple[str, int] | None:
    """Return `text` set against one tag of `spec`, and that tag's place; None where none can be.

    `allowed` bool [tags] says which tags may be contradicted (those that the model is given); three
    uniform `numbers` [3] choose tag, rival and wording. A tag that the text names is preferred, and
    its mentions then name a rival; otherwise a sentence that names the rival is put first. What the
    result says of every other tag of `spec`, given or not, is what `text` said.
    """
    if not text:
        return None
    named = [mentions(text, tag) for tag in spec.tags]
    places = [p for p, tag in enumerate(spec.tags) if allowed[p] and _deniable(tag, spec)]
    spoken = [p for p in places if named[p]]
    unspoken = [p for p in places if not named[p] and spec.tags[p].field not in _ADDED_TO]
    for place in (*shuffled(spoken, numbers[0]), *shuffled(unspoken, numbers[0])):
        tag = spec.tags[place]
        others = [t for p, t in enumerate(spec.tags) if named[p] and p != place]
        beside = spec.get(tag.field)
        free = [rival for rival in rivals(tag) if not any(alike(rival, t) for t in beside)]
        for rival in shuffled(free, numbers[1])[:_TRIED]:
            changed = _deny(text, tag, rival, numbers[2], named[place])
            heard = (rival, *others)
            if not mentions(changed, tag) and all(mentions(changed, other) for other in heard):
                return changed, place
    return None


def _deny(text: str, tag: Tag, rival: Tag, number: float, named: bool) -> str:
    choices = shuffled(phrases(rival), number)
    if named:
        return replace_mentions(text, tag, choices)
    sentence = _SENTENCES.get(tag.field, "{}.").format(choices[0])
    return f"{sentence[:1].upper()}{sentence[1:]} {text}"


def _deniable(tag: Tag, spec: ProductionSpec) -> bool:
    """Whether text can deny this tag and no other: a movement that recurs is denied as a whole."""
    return tag.name not in _UNSAID and sum(_same(tag, other) for other in spec.tags) == 1


@functools.lru_cache(maxsize=8192)
def rivals(tag: Tag) -> tuple[Tag, ...]:
    """Return the tags that contradict `tag`: values of its sub-field that cannot hold beside it.

    Emotions are contradicted by those of their level, actions by those of their category, effects
    by those of their subcategory (of their category where that has none), movements by other
    directions and other movements. A shaking camera may move in any way besides, and a shift of
    focus goes with any movement.
    """
    found: list[Tag] = []
    for term in load_vocabulary().of_field(tag.field):
        elsewhere = tag.field in _BY_CATEGORY and term.category != tag.term.category
        if term.name in _UNSAID or elsewhere:
            continue
        found += [
            Tag(tag.field, term.name, term.key[1], direction)
            for direction in term.directions or (None,)
        ]
    apart = [other for other in found if not alike(tag, other) and not _beside(tag, other)]
    closest = [other for other in apart if other.term.subcategory == tag.term.subcategory]
    return tuple(closest or apart)


def alike(one: Tag, other: Tag) -> bool:
    """Whether naming `one` says what `other` says, or what may be seen along with it."""
    if one.field != other.field:
        return False
    names = {one.name, other.name}
    if one.name == other.name:
        return _same(one, other)
    groups = [group for group in ALIKE.get(one.field, ()) if names <= {*group}]
    if one.field == "CameraMotion":
        groups += [group for group in _ANY_WAY if names <= {*group} and group[0] in names]
        if one.direction == other.direction:
            groups += [group for group in _SAME_WAY if names <= {*group}]
    return bool(groups)


def _same(one: Tag, other: Tag) -> bool:
    """Whether two tags are the same value, whatever their amplitude and speed."""
    names = ("field", "name", "category", "direction")
    return all(getattr(one, name) == getattr(other, name) for name in names)


def _beside(one: Tag, other: Tag) -> bool:
    """Whether a movement leaves the other open: a shake, and a shift of focus, do."""
    names = {one.name, other.name}
    if "Rack Focus" in names:
        return len(names) > 1
    return "Shake" in names and "Static" not in names
