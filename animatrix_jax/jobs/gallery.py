"""`animatrix draw --gallery`: the picture book of the taxonomy, a looping clip for every tag."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PIL import Image

from animatrix_data.corpus.video import encode_video
from animatrix_data.files import whole_file
from animatrix_data.procedural import DRAWABLE, Size, draw_clip
from animatrix_data.procedural.camera import MOVEMENTS
from animatrix_data.procedural.content import Staging
from animatrix_data.procedural.effects import EFFECTS
from animatrix_data.procedural.faults import FAULTS, Fault
from animatrix_data.procedural.motion import MOTIONS
from animatrix_data.procedural.sampler.base import effect_tag
from animatrix_data.progress import track
from animatrix_data.taxonomy import FIELDS, ProductionSpec, Tag, load_vocabulary, parse_tags
from animatrix_jax.evaluation.report import AXIS_NAMES
from animatrix_jax.jobs.demo_page import field_name, templates
from animatrix_jax.jobs.workers import spread

TEMPLATE = "gallery.html.jinja"
CLIPS = "clips"
STAGING = Staging(lights=("morning", "noon", "sunset"))
BASE = parse_tags(
    "VideoStyle: 2D Japanese Anime, MotionStyle: 2D Daily, MotionType: stand, MotionAmplitude: "
    "medium, MotionSpeed: medium, shot_type: full shot, shot_angle: eye level, camera_motion: "
    "static"
)
SEQUENCES = (
    "static -> push in (medium, large)",
    "pan left -> tilt up",
    "truck right -> zoom in -> shake",
)
NEAREST = ("Close-Up", "Medium Shot", "Full Shot", "Long Shot", "Extreme Close-Up")
WIDEST = ("Full Shot", "Medium Shot", "Long Shot", "Close-Up", "Extreme Close-Up")
SEVERITY = 0.8
"""How grave the faults of the gallery are."""


@dataclass(frozen=True)
class Plate:
    """One picture of the book: a tag (or a fault) and the clip that shows it."""

    axis: str
    group: str
    title: str
    words: str
    spec: ProductionSpec
    seed: int
    fault: str = ""

    @property
    def stem(self) -> str:
        """The name of its files."""
        words = f"{self.group} {self.title} {'broken' if self.fault else ''}".lower()
        return "-".join("".join(c if c.isalnum() else " " for c in words).split())


def draw_gallery(
    out: str | os.PathLike[str], size: Size, seed: int = 0, processes: int = 1
) -> Path:
    """Draw the gallery into the folder `out`, over some processes, and return its page.

    Every tag that the studio draws has one clip, in the setting that shows it best; every fault a
    pair, without and with it. Raises ValueError when the folder cannot be written.
    """
    folder = Path(out)
    plates = [plate for plates in chapters(seed).values() for plate in plates]
    try:
        done = spread(partial(_draw, folder, size), plates, processes)
        for _ in track(done, total=len(plates), label="Drawing the gallery"):
            pass
        page = folder / "index.html"
        with whole_file(page) as temporary:
            temporary.write_text(_html(seed, size), encoding="utf-8")
    except OSError as error:
        raise ValueError(f"{folder} cannot be written: {error.strerror or error}") from error
    return page


def chapters(seed: int = 0) -> dict[str, list[Plate]]:
    """Return the plates by axis (S, M, C, V) and of the faults ('faults'), numbered by seed."""
    book: dict[str, list[Plate]] = {axis: [] for axis in (*AXIS_NAMES, "faults")}
    number = seed
    for field in FIELDS:
        for title, words, group, spec in _entries(field):
            axis = FIELDS[field]
            book[axis].append(Plate(axis, group, title, words, spec, number))
            number += 1
    for kind in FAULTS:
        spec = _fault_spec(kind)
        for fault in ("", kind):
            words = "with the fault" if fault else "as it should be"
            book["faults"].append(Plate("faults", "Faults", kind, words, spec, number, fault))
        number += 1
    return book


def _entries(field: str) -> Iterator[tuple[str, str, str, ProductionSpec]]:
    """Yield (title, words, group, spec) for everything drawn of a sub-field."""
    vocabulary = load_vocabulary()
    for name in DRAWABLE.get(field, ()):
        for tag in _all_tags(field, name):
            term = vocabulary.lookup(field, name, tag.category)
            title = f"{name} {tag.direction}" if tag.direction else name
            group = term.category if field == "VFX" and term.category else field_name(field)
            yield title, term.description, group, _shown(field, tag)
    if field == "CameraMotion":
        for text in SEQUENCES:
            spec = BASE.replace(field, parse_tags(f"camera_motion: {text}").tags)
            yield text, "A sequence of moves.", "camera in sequences", spec


def _all_tags(field: str, name: str) -> Sequence[Tag]:
    if field == "CameraMotion":
        return [Tag(field, name, direction=way) for way in MOVEMENTS[name].directions]
    return [effect_tag(name) if field == "VFX" else Tag(field, name)]


def _shown(field: str, tag: Tag) -> ProductionSpec:
    """Return the spec that shows a tag best."""
    spec = BASE.replace(field, [tag])
    shots: tuple[str, ...] = ()
    if field == "VFX":
        entry = EFFECTS[tag.name]
        order = NEAREST if entry.region == "head" else WIDEST
        shots = tuple(shot for shot in order if shot in entry.shots)
    elif field == "MotionType":
        shots = tuple(shot for shot in WIDEST if shot in MOTIONS[tag.name].shots)
    elif field == "Emotion":
        shots = ("Close-Up",)
    if field in ("MotionStyle", "MotionAmplitude", "MotionSpeed"):
        spec = spec.replace("MotionType", [Tag("MotionType", "walk")])
    return spec.replace("ShotScale", [Tag("ShotScale", shots[0])]) if shots else spec


def _fault_spec(kind: str) -> ProductionSpec:
    shot = "Close-Up" if kind == "face" else "Full Shot"
    spec = BASE.replace("MotionType", [Tag("MotionType", "walk")])
    spec = spec.replace("CameraMotion", parse_tags("camera_motion: pan left (slow)").tags)
    return spec.replace("ShotScale", [Tag("ShotScale", shot)])


def _draw(folder: Path, size: Size, plate: Plate) -> None:
    """Draw a plate's clip and its still, each whole or not at all."""
    faults = [Fault(plate.fault, SEVERITY)] if plate.fault else []
    frames = draw_clip(plate.spec, plate.seed, size, STAGING, faults).frames
    path = folder / CLIPS / f"{plate.stem}.mp4"
    encode_video(path, frames, size.fps, crf=20, pixel_format="yuv420p", scale=2)
    with whole_file(path.with_suffix(".jpg")) as temporary:
        Image.fromarray(frames[len(frames) // 2]).save(temporary, "JPEG", quality=88)


def _html(seed: int, size: Size) -> str:
    book = chapters(seed)
    titles = {**AXIS_NAMES, "faults": "Faults"}
    groups = {
        axis: {group: [p for p in plates if p.group == group] for group in
               dict.fromkeys(p.group for p in plates)}
        for axis, plates in book.items()
    }  # fmt: skip
    count = sum(len(plates) for axis, plates in book.items() if axis != "faults")
    template = templates().get_template(TEMPLATE)
    return template.render(groups=groups, titles=titles, count=count, clips=CLIPS, size=size)
