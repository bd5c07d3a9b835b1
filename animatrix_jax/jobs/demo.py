"""`animatrix demo`: the whole way in small, from an empty folder to a page of measured clips."""

import json
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from animatrix_data.corpus.catalogue import read_catalogue
from animatrix_data.corpus.images import upscale
from animatrix_data.corpus.ingest import small_settings
from animatrix_data.corpus.video import decode_video, write_frames
from animatrix_data.files import check_writable, whole_file
from animatrix_data.procedural import Size, check_drawable, draw_clip, find_sampler, sample_spec
from animatrix_data.progress import ticking
from animatrix_data.taxonomy import Directive, ProductionSpec, parse_directive, parse_tags
from animatrix_jax.checkpoint.folder import ClipShape
from animatrix_jax.evaluation import report as tables
from animatrix_jax.evaluation.bench import Bench, Measured, measure_clips
from animatrix_jax.evaluation.oracles import Oracles, load_oracles
from animatrix_jax.evaluation.sources import Shown, content_text, held_out_seed
from animatrix_jax.inference.pipeline import count_steps, generate_clips
from animatrix_jax.inference.references import fit_reference
from animatrix_jax.inference.request import Request, SamplerSettings, plan_sampling
from animatrix_jax.jobs import draw, encode, generate, ingest, train
from animatrix_jax.jobs.demo_page import Card, Page, Seen, write_page
from animatrix_jax.runtime.model import Model, load_model
from animatrix_jax.training.telemetry import read_metrics

MARKER = "demo.json"
PARTS = ("corpus", "latents", "train", "footage", "clips", "view")
CORPUS_SEED = 2_000_000
SAMPLER = "seaside"
"""How the corpus and the held-out specs are distributed: in a place new to the shipped model."""
CLIP_EDGE = 384
"""About how many pixels high a clip is shown."""

SHOTS = (
    (
        "Walking in the rain",
        "VideoStyle: Shinkai Style, MotionStyle: 2D Daily, MotionType: walk, "
        "MotionAmplitude: medium, MotionSpeed: medium, shot_type: medium shot, "
        "shot_angle: eye level, camera_motion: pan left, VFX: Rain",
    ),
    (
        "The dash",
        "VideoStyle: 2D Western Comics, MotionStyle: 2D Sakuga, MotionType: run, "
        "MotionAmplitude: high, MotionSpeed: high, shot_type: long shot, "
        "shot_angle: eye level, camera_motion: pan right, VFX: Linear Speed Lines",
    ),
    (
        "A greeting",
        "VideoStyle: Miyazaki Style, MotionStyle: 2D Limited, MotionType: wave, "
        "MotionAmplitude: medium, MotionSpeed: low, shot_type: medium shot, "
        "shot_angle: eye level, camera_motion: static, VFX: Falling Petals",
    ),
    (
        "For joy",
        "VideoStyle: 2D Flat Cartoon, MotionStyle: 2D Gag, MotionType: jump, "
        "MotionAmplitude: high, MotionSpeed: medium, shot_type: full shot, "
        "shot_angle: eye level, camera_motion: push in, VFX: Kira-Kira",
    ),
)
GUIDED = (
    "VideoStyle: 2D Chinese Style, MotionStyle: 2D Daily, MotionType: turn, "
    "MotionAmplitude: medium, MotionSpeed: medium, shot_type: medium shot, "
    "shot_angle: eye level, camera_motion: tilt up, VFX: Snow"
)
GUIDANCE = (0.0, 1.0, 2.0, 4.0)
GUIDED_SEEDS = 8
FOOTAGE_TAGS = "camera_motion: push in, VFX: Falling Petals"
FOOTAGE_TEXT = "Petals fall through the scene."


@dataclass(frozen=True)
class Shot:
    """A clip to generate for the page: its file's stem, its title and what is asked."""

    name: str
    title: str
    directive: Directive
    seed: int
    reference: np.ndarray | None = None
    note: str = ""

    @property
    def request(self) -> Request:
        """The shot as the sampler takes it."""
        first = None if self.reference is None else {0: self.reference}
        return Request.of(self.directive, self.seed, first)


@dataclass
class Phases:
    """Announces the demo's phases and keeps their times, in seconds."""

    count: int
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def __call__(self, title: str) -> Iterator[None]:
        """Time one phase."""
        print(f"[{len(self.seconds) + 1}/{self.count}] {title}", flush=True)
        began = time.monotonic()
        yield
        self.seconds[title] = time.monotonic() - began


def run(
    config: Any,
    out: str | Path = "runs/demo",
    footage: str | Path | None = None,
    *,
    clips: int = 192,
    pairs: int = 32,
    steps: int = 20,
) -> Path:
    """Draw, encode, train, generate, measure; write `out`/index.html and return its path.

    `config` is a flow experiment with an initial model, which also lends its oracles; its corpus
    and cache are put into `out`. `footage` is a folder of videos, whose first frame starts one more
    clip. `clips` are drawn, `pairs` held-out specs measured, `steps` solver steps taken a clip. An
    earlier demo in `out` is replaced. Raises ValueError (or OSError) in one sentence where
    something is amiss, before the work begins.
    """
    out = Path(out)
    experiment = config.to_dict() if hasattr(config, "to_dict") else dict(config)
    initial = experiment["settings"].get("initial")
    if initial is None:
        raise ValueError("the demo's config names no settings.initial: a model to start from")
    start, oracles = load_model(initial), load_oracles(initial)
    fps = plan_sampling(start, SamplerSettings()).fps
    _claim(out)
    phases = Phases(5)
    settings = SamplerSettings(steps=steps)
    shape = start.card.clip
    assert shape is not None
    with phases("Drawing a corpus"):
        picture = None if footage is None else _first_frame(footage, out / "footage", shape)
        size = Size(shape.height, shape.width, shape.frames, fps)
        draw.run(out / "corpus", clips, size, CORPUS_SEED, sampler=SAMPLER)
    with phases("Encoding it into latents"):
        encode.run(out / "corpus", initial, out / "latents")
    with phases("Training"):
        experiment["settings"] |= {
            "corpus": str(out / "corpus"),
            "cache": str(out / "latents"),
        }
        train.run(experiment, out / "train")
    model = load_model(out / "train")
    with phases("Generating"):
        shots = _shots(size, picture)
        cards = _cards(out, model, oracles, shots, settings)
        guided = _guided(out, model, oracles, steps)
    with phases("Measuring"):
        measured = Bench(model, oracles, steps, SAMPLER).pairs(pairs, seed=1)
    tables.show(tables.adherence_table(measured.adherence, f"{pairs} held-out pairs"))
    page = Page(
        shots=cards[: len(SHOTS)],
        guided=guided,
        references=cards[len(SHOTS) :],
        adherence=measured.adherence,
        records=read_metrics(out / "train"),
        phases=phases.seconds,
        facts={
            "clips": clips,
            "pairs": pairs,
            "steps": steps,
            "seeds": GUIDED_SEEDS,
            "training_steps": experiment["settings"]["steps"],
            "batch": experiment["settings"]["batch"],
            "shape": shape,
            "start": str(initial),
            "workdir": str(out / "train"),
        },
    )
    tables.write_report(out / "report.json", {"adherence": measured.adherence})
    index = write_page(out / "index.html", page)
    print(f"\n{index} ({sum(phases.seconds.values()) / 60:.1f} minutes)")
    return index


def _claim(out: Path) -> None:
    """Empty a folder of an earlier demo; ValueError where it holds anything else."""
    check_writable(out / MARKER)
    if out.is_dir() and any(out.iterdir()) and not (out / MARKER).is_file():
        raise ValueError(f"{out} holds something that is not a demo: name another folder")
    for part in PARTS:
        shutil.rmtree(out / part, ignore_errors=True)
    for name in ("index.html", "report.json"):
        (out / name).unlink(missing_ok=True)
    out.mkdir(parents=True, exist_ok=True)
    (out / MARKER).write_text(json.dumps({"demo": 1}) + "\n", encoding="utf-8")


def _first_frame(
    footage: str | Path, corpus: Path, shape: ClipShape
) -> tuple[np.ndarray, Directive]:
    """Return the first frame of the first clip of a folder of videos, and what is asked of it."""
    settings = small_settings(shape.height, shape.width, shape.frames, shape.fps)
    ingest.run(footage, corpus, settings=settings, quiet=True)
    catalogue = read_catalogue(corpus)
    row = catalogue[0]
    asked = Directive(parse_tags(FOOTAGE_TAGS), FOOTAGE_TEXT)
    if row.directive:
        own = parse_directive(row.directive)
        asked = own if own.spec.tags and own.text else asked
    return decode_video(catalogue.clip_path(row)).frames[0], asked


def _shots(size: Size, picture: tuple[np.ndarray, Directive] | None) -> list[Shot]:
    """Return the four shots, then the ones that start from a given frame."""
    first = held_out_seed(2)
    shots = []
    for number, (title, tags) in enumerate(SHOTS):
        spec, seed = parse_tags(tags), first + number
        check_drawable(spec)
        shots.append(Shot(f"shot-{number + 1}", title, _directive(spec, seed), seed))
    seed = first + 100
    spec = sample_spec(seed, SAMPLER)
    frame = draw_clip(spec, seed, size, find_sampler(SAMPLER).staging).frames[0]
    asked = _directive(spec, seed)
    note = "The first frame is drawn by the studio; the rest is the model's."
    shots.append(Shot("reference", "From a drawing", asked, seed, frame, note))
    if picture is not None:
        note = "The first frame is from your footage; the rest is the model's."
        shots.append(Shot("footage", "From your footage", picture[1], seed, picture[0], note))
    return shots


def _directive(spec: ProductionSpec, seed: int) -> Directive:
    """Return a spec with the words for a studio seed."""
    return Directive(spec, content_text(spec, seed, SAMPLER))


def _cards(
    out: Path, model: Model, oracles: Oracles, shots: Sequence[Shot], settings: SamplerSettings
) -> list[Card]:
    """Generate, write and read the shots."""
    frames = _generate(model, [shot.request for shot in shots], settings)
    plan = plan_sampling(model, settings)
    cards = []
    shown = [
        Shown(shot.name, clip, plan.fps, shot.directive.spec)
        for shot, clip in zip(shots, frames, strict=True)
    ]
    measured = measure_clips(oracles, shown)
    for shot, clip in zip(shots, frames, strict=True):
        record = generate.describe(model, shot.directive, shot.seed, settings, plan)
        generate.write_clip(out / "clips" / f"{shot.name}.mp4", clip, plan.fps, record)
        video, poster = _view(out, shot.name, clip, plan.fps)
        cards.append(
            Card(
                title=shot.title,
                video=video,
                poster=poster,
                record=f"clips/{shot.name}.json",
                text=shot.directive.text,
                tags=str(shot.directive.spec),
                seen=_seen(measured, shot.name, oracles),
                still=_still(out, shot, plan.clip[1:]),
                note=shot.note,
            )
        )
    return cards


def _guided(out: Path, model: Model, oracles: Oracles, steps: int) -> list[tuple[float, Card]]:
    """Generate one shot under rising tag guidance: one seed to show, several to measure."""
    first = held_out_seed(2) + 200
    spec = parse_tags(GUIDED)
    asked = _directive(spec, first)
    bench = Bench(model, oracles, steps, SAMPLER)
    cards = []
    for scale in GUIDANCE:
        trials = [(spec, asked.text, first + number) for number in range(GUIDED_SEEDS)]
        shown = bench.generate(trials, scale)
        measured = measure_clips(oracles, shown)
        name, clip, fps = f"guidance-{scale:g}", shown[0].frames, shown[0].fps
        rows = [_seen(measured, one.name, oracles) for one in shown]
        hits = [seen.hit for row in rows for seen in row if seen.hit is not None]
        video, poster = _view(out, name, clip, fps)
        cards.append(
            (
                scale,
                Card(
                    title=f"{scale:g}",
                    video=video,
                    poster=poster,
                    text=asked.text,
                    tags=str(spec),
                    seen=rows[0],
                    share=float(np.mean(hits)) if hits else None,
                ),
            )
        )
    return cards


def _generate(model: Model, requests: Sequence[Request], settings: SamplerSettings) -> np.ndarray:
    with ticking("Generating", count_steps(model, requests, settings)) as ticker:
        return generate_clips(model, requests, settings, on_step=ticker.advance)


def _seen(measured: Measured, name: str, oracles: Oracles) -> list[Seen]:
    """Return what was asked and read of one clip, in the sub-fields where something was asked."""
    rows = []
    for field_name, reading in measured.read[name].items():
        asked, read = reading["asked"], str(reading["read"])
        assert isinstance(asked, tuple)
        if asked:
            hit = None if field_name in oracles.weak else read in asked
            rows.append(Seen(field_name, ", ".join(asked), read, hit))
    return rows


def _view(out: Path, name: str, clip: np.ndarray, fps: float) -> tuple[str, str]:
    """Write a clip and its middle frame, enlarged; return their paths as the page names them."""
    video, poster = f"view/{name}.mp4", f"view/{name}.png"
    write_frames(out / video, clip, fps, _enlargement(clip.shape[1]))
    _write_picture(out / poster, clip[len(clip) // 2])
    return video, poster


def _still(out: Path, shot: Shot, edges: tuple[int, int]) -> str | None:
    """Write a shot's reference frame, if it has one, as the model was given it."""
    if shot.reference is None:
        return None
    path = f"view/{shot.name}-given.png"
    _write_picture(out / path, fit_reference(shot.reference, *edges))
    return path


def _write_picture(path: Path, frame: np.ndarray) -> None:
    enlarged = upscale(frame[None], _enlargement(frame.shape[0]))[0]
    with whole_file(path) as temporary:
        Image.fromarray(enlarged).save(temporary)


def _enlargement(edge: int) -> int:
    # Even, so that every browser's 4:2:0 decoder takes the enlarged clip.
    return max(2, 2 * round(CLIP_EDGE / edge / 2))
