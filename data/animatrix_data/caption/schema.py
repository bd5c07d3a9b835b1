"""The structured caption (paper A.2.1, A.2.2): six field groups as JSON, and its way to tags.

Keys are the paper's; Python names are ours, and both are accepted in construction. `MotionType`,
`MotionSpeed` and `Emotion` are additions of ours and optional, as every other field is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

import pydantic
from pydantic import Field

from animatrix_data.settings import near
from animatrix_data.taxonomy import Directive, ProductionSpec, Tag, parse_tags
from animatrix_data.taxonomy.syntax import print_fields

_REFERENCE = re.compile(r"<subject_(\d+)>")
_SINGLE = {
    "VideoStyle": "video_style",
    "MotionStyle": "motion_style",
    "MotionAmplitude": "motion_amplitude",
    "MotionSpeed": "motion_speed",
    "ShotScale": "shot_type",
    "ShotAngle": "shot_angle",
}


def _key(name: str, default: Any) -> Any:
    """A field whose JSON key is `name`."""
    return Field(default, validation_alias=name, serialization_alias=name)


class _Group(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class SubjectTypes(_Group):
    """Two-level type of a subject: Human/Woman, Vehicles/Ship."""

    type: str = ""
    sub_type: str = ""


class Subject(_Group):
    """An entity of the clip; `idx` is what `<subject_0>` refers to."""

    idx: int = Field(0, ge=0)
    types: SubjectTypes = _key("TYPES", SubjectTypes())
    appearance: str = ""
    position: str = ""


class MotionEvent(_Group):
    """One entry of the temporally ordered motion array; `action` may name `<subject_0>`."""

    idx: int = Field(0, ge=0)
    action: str = ""
    expression: str = ""
    amplitude: str = ""


class EffectTypes(_Group):
    """Three-level type of an effect: category, subcategory, tag (paper table 10)."""

    type: str = ""
    sub_type: str = ""
    sub_sub_type: str = ""


class Effect(_Group):
    """One visual effect of the clip."""

    idx: int = Field(0, ge=0)
    types: EffectTypes = _key("TYPES", EffectTypes())
    position: str = ""
    description: str = ""


class VisualEffects(_Group):
    """The AnimeVisualEffects group: a flag, free text, and an array of effects."""

    present: bool = _key("HasAnimeVisualEffects", False)
    description: str = _key("AnimeVisualEffectsDescription", "")
    structure: tuple[Effect, ...] = _key("AnimeVisualEffectsStructure", ())

    @pydantic.model_validator(mode="after")
    def _flag_agrees(self) -> VisualEffects:
        if self.structure and not self.present:
            raise ValueError("HasAnimeVisualEffects is false, yet effects are listed")
        return self


class StructuredCaption(_Group):
    """A clip's structured caption; empty text, empty list or None where nothing is said.

    `camera_motion` is the sequence in tag syntax, 'static -> pan left (slow)'.
    """

    subjects: tuple[Subject, ...] = ()
    motion: tuple[MotionEvent, ...] = ()
    visual_effects: VisualEffects = _key("AnimeVisualEffects", VisualEffects())
    video_style: str | None = _key("VideoStyle", None)
    motion_style: str | None = _key("MotionStyle", None)
    motion_type: tuple[str, ...] = _key("MotionType", ())
    emotion: tuple[str, ...] = _key("Emotion", ())
    motion_amplitude: str | None = _key("MotionAmplitude", None)
    motion_speed: str | None = _key("MotionSpeed", None)
    shot_type: str | None = None
    shot_angle: str | None = None
    camera_motion: str | None = None
    environment: str = ""
    lighting: str = ""

    @pydantic.field_validator("motion_type", "emotion", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else () if value is None else value

    def to_json(self, indent: int | None = None) -> str:
        """Return the caption as JSON with the paper's keys, absent fields left out."""
        return self.model_dump_json(by_alias=True, exclude_none=True, indent=indent)


def parse_caption(text: str) -> StructuredCaption:
    """Return the structured caption that a JSON text holds.

    Raises ValueError with one sentence: not JSON, an unknown key (with near ones), a wrong value.
    """
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"the structured caption is not JSON: {error}") from None
    if not isinstance(data, dict):
        raise ValueError("the structured caption must be a JSON object")
    try:
        return StructuredCaption.model_validate(data)
    except pydantic.ValidationError as error:
        raise ValueError(_one_sentence(error)) from None


def _one_sentence(error: pydantic.ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or "it"
    if first["type"] == "extra_forbidden":
        key = str(first["loc"][-1])
        return f"the structured caption has an unknown key {where!r}{near(key, _known_keys())}"
    message = first["msg"].removeprefix("Value error, ")
    return f"the structured caption is wrong at {where!r}: {message}"


def _known_keys() -> Iterator[str]:
    groups = (StructuredCaption, VisualEffects, Effect, EffectTypes, Subject, MotionEvent)
    for group in groups:
        for name, field in group.model_fields.items():
            yield field.serialization_alias or name


def to_spec(caption: StructuredCaption) -> ProductionSpec:
    """Return the tags of a caption, canonical.

    An effect without a third-level type gives no tag. Raises ValueError for values outside the
    vocabulary or contradictory ones.
    """
    tags = [
        Tag(field, value)
        for field, attribute in _SINGLE.items()
        if (value := getattr(caption, attribute))
    ]
    tags += [Tag("MotionType", value) for value in caption.motion_type]
    tags += [Tag("Emotion", value) for value in caption.emotion]
    if caption.camera_motion:
        tags += parse_tags(f"camera_motion: {caption.camera_motion}").get("CameraMotion")
    for effect in caption.visual_effects.structure:
        if effect.types.sub_sub_type:
            tags.append(Tag("VFX", effect.types.sub_sub_type, effect.types.type or None))
    return ProductionSpec(tuple(tags))


def to_directive(caption: StructuredCaption) -> Directive:
    """Return the directive of a caption: its tags, and prose made from its fields.

    The prose is put together by rule in the order of A.2.3 (subjects, camera, motion, effects,
    scene); ValueError as in `to_spec`.
    """
    summary, description = _prose(caption)
    return Directive(to_spec(caption), summary, description)


def from_spec(
    spec: ProductionSpec,
    subjects: Sequence[Subject] = (),
    motion: Sequence[MotionEvent] = (),
    environment: str = "",
    lighting: str = "",
) -> StructuredCaption:
    """Return a caption whose tag fields say exactly `spec`; `to_spec` gives `spec` back."""
    fields: dict[str, Any] = {
        attribute: str(tag) for field, attribute in _SINGLE.items() for tag in spec.get(field)
    }
    if camera := spec.get("CameraMotion"):
        fields["camera_motion"] = print_fields({"CameraMotion": camera}).partition(": ")[2]
    effects = tuple(_effect(idx, tag) for idx, tag in enumerate(spec.get("VFX")))
    return StructuredCaption(
        subjects=tuple(subjects),
        motion=tuple(motion),
        visual_effects=VisualEffects(present=bool(effects), structure=effects),
        motion_type=tuple(tag.name for tag in spec.get("MotionType")),
        emotion=tuple(tag.name for tag in spec.get("Emotion")),
        environment=environment,
        lighting=lighting,
        **fields,
    )


def _effect(idx: int, tag: Tag) -> Effect:
    term = tag.term
    types = EffectTypes(
        type=term.category or "", sub_type=term.subcategory or "", sub_sub_type=term.name
    )
    return Effect(idx=idx, types=types, description=term.description)


def _prose(caption: StructuredCaption) -> tuple[str, str]:
    """Return (summary, description) of a caption.

    The description keeps the order of A.2.3: subject appearance and identity, camera, motion and
    expression, visual effects, scene. `<subject_0>` becomes the subject's own words.
    """
    names = {subject.idx: _name(subject) for subject in caption.subjects}

    def resolve(text: str) -> str:
        return _REFERENCE.sub(lambda m: names.get(int(m[1]), "the subject"), text)

    sentences = [_subject_sentence(subject) for subject in caption.subjects]
    sentences += _camera_sentences(caption)
    sentences += [_motion_sentence(e.action, e.expression) for e in caption.motion]
    sentences += [caption.visual_effects.description]
    sentences += [_effect_sentence(effect) for effect in caption.visual_effects.structure]
    scene = ", ".join(filter(None, (caption.environment, caption.lighting)))
    sentences.append(f"The scene is {scene}" if scene else "")
    description = " ".join(_sentence(resolve(text)) for text in sentences if text.strip())

    actions = [event.action for event in caption.motion if event.action.strip()]
    lead = actions[0] if actions else ", ".join(names.values()) or "a shot"
    summary = _sentence(resolve(": ".join(filter(None, (lead.strip().rstrip("."), scene)))))
    return summary, description


def _name(subject: Subject) -> str:
    kind = subject.types.sub_type or subject.types.type
    return f"the {kind.lower()}" if kind else f"subject {subject.idx}"


def _subject_sentence(subject: Subject) -> str:
    parts = [part.strip().rstrip(".") for part in (subject.appearance, subject.position)]
    said = "; ".join(filter(None, parts))
    return f"{_name(subject)}: {said}" if said else ""


def _camera_sentences(caption: StructuredCaption) -> Iterator[str]:
    framing = ", ".join(filter(None, (caption.shot_type, caption.shot_angle)))
    if framing:
        yield f"The framing is {framing}"
    if caption.camera_motion:
        moves = re.sub(r"\s*(->|→)\s*", ", then ", caption.camera_motion)
        yield f"The camera: {moves}"


def _motion_sentence(action: str, expression: str) -> str:
    parts = [part.strip().rstrip(".") for part in (action, expression)]
    return "; expression: ".join(filter(None, parts))


def _effect_sentence(effect: Effect) -> str:
    name = effect.types.sub_sub_type or effect.types.sub_type
    where = f" ({effect.position.strip()})" if effect.position.strip() else ""
    said = effect.description.strip().rstrip(".")
    return f"{name}{where}: {said}" if said and name else said or name


def _sentence(text: str) -> str:
    text = text.strip()
    ended = text if text.endswith((".", "!", "?", "…")) else f"{text}."
    return ended[:1].upper() + ended[1:]
