"""Words for a drawn clip: its structured caption and a short directive in varied wording.

The text describes the content (who, colours, place, light); production tags are the `<tag>`
section's business and are named in the text only now and then, in the vocabulary's synonyms.
"""

from __future__ import annotations

import numpy as np

from animatrix_data.caption.schema import (
    Effect,
    MotionEvent,
    StructuredCaption,
    Subject,
    SubjectTypes,
    from_spec,
)
from animatrix_data.procedural.content import Content
from animatrix_data.procedural.effects import EFFECTS
from animatrix_data.procedural.interactions import COMPANIES, Company
from animatrix_data.procedural.motion import MOTIONS
from animatrix_data.procedural.registry import generator
from animatrix_data.procedural.sampler import shipped
from animatrix_data.procedural.timing import Build
from animatrix_data.procedural.wording import (
    ACTIONS,
    BESIDE,
    CALM_FACES,
    FACES,
    FIRST,
    FULL,
    OUTFITS,
    PAIR_TEMPLATES,
    REGIONS,
    STANDPOINTS,
    Phrasebook,
)
from animatrix_data.taxonomy.directive import Directive
from animatrix_data.taxonomy.tags import ProductionSpec, Tag
from animatrix_data.taxonomy.vocabulary import load_vocabulary

MENTION = 0.15
"""The probability that the text names a production tag of a field."""
SUMMARY_LIMIT, TEXT_LIMIT = 75, 150
ORDER = ("ShotScale", "ShotAngle", "CameraMotion", "MotionType", "Emotion", "MotionAmplitude",
         "MotionSpeed", "MotionStyle", "VFX", "VideoStyle")  # fmt: skip
"""The order in which a description names tags (paper A.2.3): camera, motion, effects, style."""
TOGETHER = ("Emotion", "VFX")
"""The fields whose tags hold all at once; those of others follow one another."""
DEGREES = {
    "amplitude": {"low": "slight", "medium": "moderate", "high": "wide"},
    "speed": {"low": "slow", "medium": "steady", "high": "fast"},
}


def _choose[Item](rng: np.random.Generator, options: tuple[Item, ...]) -> Item:
    return options[int(rng.integers(len(options)))]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def phrasebook(spec: ProductionSpec, content: Content) -> Phrasebook:
    """Return the wordings for a clip: the shipped model's own where it knows all that is shown."""
    return FIRST if shipped.knows(spec) and content.place in FIRST.places else FULL


def partner(spec: ProductionSpec, content: Content, seed: int) -> Content | None:
    """Return who else is in the clip, the first of others, or None where the figure is alone."""
    actions = [MOTIONS[tag.name] for tag in spec.get("MotionType")]
    names = [action.company for action in actions if action.company]
    if not names:
        return None
    company = Company(content, Build(), actions, generator(seed, "partner"))
    return next(member.content for member in COMPANIES[names[0]](company) if member.content)


def _looks(content: Content, book: Phrasebook, rng: np.random.Generator) -> dict[str, str]:
    """Return words for who is seen."""
    hair = _choose(rng, book.hair[content.hair]).format(content.hair_colour)
    outfit = f"{content.outfit_colour} {_choose(rng, OUTFITS[content.person])}"
    return {"person": content.person, "hair": hair, "outfit": outfit}


def _words(
    content: Content, other: Content | None, book: Phrasebook, rng: np.random.Generator
) -> dict[str, str]:
    words = _looks(content, book, rng) | {
        "place": _choose(rng, book.places[content.place]),
        "light": _choose(rng, book.lights[content.light]),
        "pronoun": "she" if content.person == "girl" else "he",
        "object": "her" if content.person == "girl" else "him",
    }
    if other:
        words["other"] = f"{'second ' * (other.person == content.person)}{other.person}"
        words |= {f"other_{key}": text for key, text in _looks(other, book, rng).items()}
    return words | {_capital(key): _capital(text) for key, text in words.items()}


def _named(tag: Tag, book: Phrasebook, rng: np.random.Generator) -> str:
    """Return a tag in one of the vocabulary's wordings that imply nothing but the tag."""
    term = load_vocabulary().lookup(tag.field, tag.name, tag.category)
    implying = {alias for alias, _, _ in term.implied}
    wording = _choose(rng, tuple(w for w in term.wordings if w not in implying))
    words = [DEGREES[kind][level] for kind in DEGREES if (level := getattr(tag, kind))]
    said = " ".join((*words, wording, *((tag.direction,) if tag.direction else ())))
    places = REGIONS[EFFECTS[tag.name].region] if book.placed and tag.field == "VFX" else ()
    return f"{said} {_choose(rng, places)}" if places else said


def _sequence(tags: tuple[Tag, ...], book: Phrasebook, rng: np.random.Generator) -> str:
    """Return what the tags of one field say together."""
    first, *rest = (_named(tag, book, rng) for tag in tags)
    forms = (" and {}",) if tags[0].field in TOGETHER else book.sequences
    return first + "".join(_choose(rng, forms).format(text) for text in rest)


def _mentions(
    spec: ProductionSpec, book: Phrasebook, rng: np.random.Generator, rate: float
) -> list[str]:
    """Return the sentences that name production tags, in the order of a description."""
    sentences = []
    for field in (field for field in ORDER if field in book.mentions):
        tags, named = spec.get(field), rng.uniform() < rate
        if tags and named:
            wording = _sequence(tags, book, rng)
            sentences.append(_capital(_choose(rng, book.mentions[field]).format(wording)))
    return sentences


def write_directive(
    spec: ProductionSpec, content: Content, seed: int, mention: float = MENTION
) -> Directive:
    """Return the clip's directive: tags, a summary of at most 75 characters, a description.

    Both together stay within 150 bytes; mentions that would not fit are left out.
    """
    rng, book = generator(seed, "directive"), phrasebook(spec, content)
    other = partner(spec, content, seed)
    words = _words(content, other, book, rng)
    template = _choose(rng, PAIR_TEMPLATES if other else book.templates)
    summary, subject, scene = (part.format(**words) for part in template)
    named = _mentions(spec, book, rng, mention)

    def described() -> str:
        return " ".join(part for part in (subject, *named, scene) if part)

    while named and len(f"{summary} {described()}".encode()) > TEXT_LIMIT:
        named.pop(int(rng.integers(len(named))))
    return Directive(spec, summary, described())


def structured_caption(spec: ProductionSpec, content: Content, seed: int) -> StructuredCaption:
    """Return the clip's structured caption (paper A.2.2), worded as the seed has it."""
    rng = generator(seed, "caption")
    other = partner(spec, content, seed)
    shot = spec.get("ShotScale")
    standpoint = STANDPOINTS[shot[0].name if shot else "Full Shot"]
    subjects = [_subject(0, content, _choose(rng, standpoint), rng)]
    if other:
        subjects.append(_subject(1, other, _choose(rng, BESIDE), rng))
    caption = from_spec(
        spec,
        subjects,
        _events(spec, rng),
        _capital(_choose(rng, FULL.places[content.place])),
        _capital(_choose(rng, FULL.lights[content.light])),
    )
    effects = caption.visual_effects
    placed = tuple(_placed(effect, rng) for effect in effects.structure)
    seen = "; ".join(f"{e.types.sub_sub_type} {e.position}" for e in placed)
    described = effects.model_copy(update={"structure": placed, "description": seen})
    return caption.model_copy(update={"visual_effects": described})


def _subject(idx: int, content: Content, position: str, rng: np.random.Generator) -> Subject:
    looks = _looks(content, FULL, rng)
    kind = "Woman" if content.person == "girl" else "Man"
    return Subject(
        idx=idx,
        types=SubjectTypes(type="Human", sub_type=kind),
        appearance=f"{looks['hair']}, a {looks['outfit']}",
        position=position,
    )


def _events(spec: ProductionSpec, rng: np.random.Generator) -> list[MotionEvent]:
    """Return what the first subject does, one event a motion, and the face it makes."""
    amplitude = spec.get("MotionAmplitude")
    feelings = [_choose(rng, FACES[tag.name]) for tag in spec.get("Emotion")]
    face = ", ".join(feelings) or _choose(rng, CALM_FACES)
    return [
        MotionEvent(
            idx=index,
            action="<subject_0> " + _choose(rng, ACTIONS[tag.name]).format(other="<subject_1>"),
            expression=face,
            amplitude=amplitude[0].name if amplitude else "",
        )
        for index, tag in enumerate(spec.get("MotionType"))
    ]


def _placed(effect: Effect, rng: np.random.Generator) -> Effect:
    """Return an effect of a caption with where it is."""
    region = EFFECTS[effect.types.sub_sub_type].region
    return effect.model_copy(update={"position": _choose(rng, REGIONS[region])})
