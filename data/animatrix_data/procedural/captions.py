"""Words for a drawn clip: its structured caption and a short directive in varied wording.

The text describes the content (who, colours, place, light); production tags are the `<tag>`
section's business and are named in the text only now and then, in the vocabulary's synonyms.
"""

from __future__ import annotations

import numpy as np

from animatrix_data.caption.schema import (
    MotionEvent,
    StructuredCaption,
    Subject,
    SubjectTypes,
    from_spec,
)
from animatrix_data.procedural.content import Content
from animatrix_data.procedural.registry import generator
from animatrix_data.taxonomy.directive import Directive
from animatrix_data.taxonomy.tags import ProductionSpec, Tag
from animatrix_data.taxonomy.vocabulary import load_vocabulary

MENTION = 0.15
"""The probability that the text names a production tag of a field."""
SUMMARY_LIMIT, TEXT_LIMIT = 75, 150

PLACE_WORDS = {
    "seaside": ("by the sea", "at the seaside", "on the beach"),
    "city": ("in the city", "on a city street", "downtown"),
    "forest": ("in a forest", "among the trees", "in the woods"),
    "meadow": ("in a meadow", "in a field of flowers", "on green hills"),
    "mountains": ("in the mountains", "below snowy peaks", "high in the mountains"),
    "room": ("in a room", "indoors", "at home"),
    "vista": ("on a hill above a lake", "before a wide view", "high over a lakeside town"),
    "market": ("at a night market", "among market stalls", "under paper lanterns"),
    "shrine": ("at a shrine", "by the red gates of a shrine", "on a shrine path"),
    "classroom": ("in a classroom", "at school", "before the blackboard"),
    "rooftop": ("on a rooftop", "on the school roof", "above the city"),
    "kitchen": ("in a kitchen", "by the kitchen counter", "beside the stove"),
    "train": ("on a train", "in a train carriage", "on the way by train"),
    "ruins": ("on a battlefield", "among ruins", "between broken columns"),
}
LIGHT_WORDS = {
    "morning": ("morning", "early light"),
    "noon": ("noon", "daylight"),
    "sunset": ("sunset", "dusk"),
    "night": ("night", "moonlight"),
}
HAIR_WORDS = {
    "long": "long {} hair",
    "short": "short {} hair",
    "twin-tailed": "{} twin tails",
    "spiky": "spiky {} hair",
}
OUTFITS = {"girl": ("dress", "outfit"), "boy": ("shirt", "top")}

TEMPLATES = (
    ("A {person} with {hair} {place}.", "{Pronoun} wears a {outfit}.", "{Light}."),
    ("A {person} in a {outfit} {place}.", "{Pronoun} has {hair}.", "{Light}."),
    ("{Light}: a {person} with {hair}.", "{Pronoun} wears a {outfit}.", "{Place}."),
    ("{Hair}, a {outfit}: a {person}.", "", "{Light} {place}."),
    ("A {person} {place}, {light}.", "{Hair} and a {outfit}.", ""),
    ("{Hair} and a {outfit}, {place}.", "It is a {person}.", "{Light}."),
)
"""Summary, then the subject and the scene of the description, between which tags are named."""
MENTIONS = {
    "VideoStyle": ("Drawn as {}.", "{} look."),
    "MotionStyle": ("{} animation.", "Animated as {}."),
    "MotionType": ("Action: {}.", "The action is {}."),
    "MotionAmplitude": ("Amplitude: {}.",),
    "MotionSpeed": ("Speed: {}.",),
    "ShotScale": ("A {}.", "Framed as a {}."),
    "ShotAngle": ("{}.",),
    "CameraMotion": ("Camera: {}.", "The camera: {}."),
    "VFX": ("With {}.", "{} effect."),
}
"""Sentence forms in the order of a description: camera, motion, effects, scene (paper A.2.3)."""
ORDER = ("ShotScale", "ShotAngle", "CameraMotion", "MotionType", "MotionAmplitude", "MotionSpeed",
         "MotionStyle", "VFX", "VideoStyle")  # fmt: skip


def _choose(rng: np.random.Generator, options: tuple[str, ...]) -> str:
    return options[int(rng.integers(len(options)))]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _words(content: Content, rng: np.random.Generator) -> dict[str, str]:
    words = {
        "person": content.person,
        "hair": HAIR_WORDS[content.hair].format(content.hair_colour),
        "outfit": f"{content.outfit_colour} {_choose(rng, OUTFITS[content.person])}",
        "place": _choose(rng, PLACE_WORDS[content.place]),
        "light": _choose(rng, LIGHT_WORDS[content.light]),
        "pronoun": "she" if content.person == "girl" else "he",
    }
    return words | {_capital(key): _capital(value) for key, value in words.items()}


def _named(tag: Tag, rng: np.random.Generator) -> str:
    """Return a tag in one of the vocabulary's wordings that imply nothing but the tag."""
    term = load_vocabulary().lookup(tag.field, tag.name, tag.category)
    implying = {alias for alias, _, _ in term.implied}
    wording = _choose(rng, tuple(w for w in term.wordings if w not in implying))
    return f"{wording} {tag.direction}" if tag.direction else wording


def _mentions(spec: ProductionSpec, rng: np.random.Generator, rate: float) -> list[str]:
    """Return the sentences that name production tags, in the order of a description."""
    sentences = []
    for field in ORDER:
        tags, named = spec.get(field), rng.uniform() < rate
        if tags and named:
            wording = ", then ".join(_named(tag, rng) for tag in tags)
            sentences.append(_capital(_choose(rng, MENTIONS[field]).format(wording)))
    return sentences


def write_directive(
    spec: ProductionSpec, content: Content, seed: int, mention: float = MENTION
) -> Directive:
    """Return the clip's directive: tags, a summary of at most 75 characters, a description.

    Both together stay within 150 bytes; mentions that would not fit are left out.
    """
    rng = generator(seed, "directive")
    words = _words(content, rng)
    template = TEMPLATES[int(rng.integers(len(TEMPLATES)))]
    summary, subject, scene = (part.format(**words) for part in template)
    named = _mentions(spec, rng, mention)

    def described() -> str:
        return " ".join(part for part in (subject, *named, scene) if part)

    while named and len(f"{summary} {described()}".encode()) > TEXT_LIMIT:
        named.pop(int(rng.integers(len(named))))
    return Directive(spec, summary, described())


def structured_caption(spec: ProductionSpec, content: Content) -> StructuredCaption:
    """Return the clip's structured caption (paper A.2.2)."""
    hair = HAIR_WORDS[content.hair].format(content.hair_colour)
    subject = Subject(
        idx=0,
        types=SubjectTypes(type="Human", sub_type="Woman" if content.person == "girl" else "Man"),
        appearance=f"{hair}, a {content.outfit_colour} {OUTFITS[content.person][0]}",
        position="Centrally positioned in the frame.",
    )
    amplitude = spec.get("MotionAmplitude")
    motion = [
        MotionEvent(
            idx=index,
            action=f"<subject_0>: {tag.name}",
            expression="neutral",
            amplitude=amplitude[0].name if amplitude else "",
        )
        for index, tag in enumerate(spec.get("MotionType"))
    ]
    place = PLACE_WORDS[content.place][0]
    return from_spec(spec, [subject], motion, _capital(place), content.light)
