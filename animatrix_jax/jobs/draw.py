"""`animatrix draw`: a corpus drawn by the procedural studio, whose every tag is known."""

import itertools
import json
import os
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from animatrix_data.corpus.catalogue import (
    CATALOGUE_NAME,
    CLIPS_FOLDER,
    Catalogue,
    ClipRow,
    read_catalogue,
    write_catalogue,
)
from animatrix_data.corpus.video import encode_video
from animatrix_data.files import digest_file, whole_file
from animatrix_data.procedural import (
    STUDIO_VERSION,
    Size,
    check_drawable,
    draw_clip,
    find_sampler,
    sample_faults,
    sample_spec,
    sample_staging,
    style_index,
)
from animatrix_data.procedural.candidates import candidate_faults
from animatrix_data.procedural.content import Staging
from animatrix_data.procedural.faults import Fault, conflict
from animatrix_data.procedural.report import describe_plan
from animatrix_data.procedural.scores import true_amplitude
from animatrix_data.progress import ticking
from animatrix_data.taxonomy import ProductionSpec, parse_tags, print_directive, print_tags
from animatrix_jax.jobs import draw_report
from animatrix_jax.jobs.gallery import draw_gallery
from animatrix_jax.jobs.workers import spread

SETTINGS_NAME = "draw.json"
ROWS_FOLDER = ".rows"
CHUNK = 8
"""How many clips a process draws between two reports of progress."""

NAMED_SIZES = {
    "pocket": Size(height=64, width=64, frames=17, fps=8),
    "desk": Size(height=128, width=128, frames=33, fps=16),
    "studio": Size(height=720, width=1280, frames=81, fps=16),
}


@dataclass(frozen=True)
class DrawSettings:
    """What decides the bytes of a drawn clip besides its own seed.

    Of every seed as many `candidates` are drawn, alike but for their faults.
    """

    size: Size
    tags: str = ""
    faults: str = ""
    sampler: str = "balanced"
    crf: int = 16
    pixel_format: str = "yuv444p"
    studio: int = STUDIO_VERSION
    candidates: int = 1

    @property
    def record(self) -> str:
        """What a corpus keeps of them, JSON; a single candidate is not told."""
        told = asdict(self)
        if self.candidates == 1:
            del told["candidates"]
        return json.dumps(told, indent=2) + "\n"

    def names(self, seed: int) -> list[str]:
        """Return the ids of the clips of a seed, a candidate each."""
        name = f"drawn-{seed:08d}"
        if self.candidates == 1:
            return [name]
        return [f"{name}-{candidate}" for candidate in range(self.candidates)]


def run(
    out: str | os.PathLike[str] | None = None,
    clips: int = 64,
    size: str | Size = "pocket",
    seed: int = 0,
    processes: int = 2,
    tags: str | None = None,
    faults: str | None = None,
    sampler: str = "balanced",
    crf: int = 16,
    pixel_format: str = "yuv444p",
    report: bool = False,
    gallery: bool = False,
    candidates: int = 1,
) -> Catalogue | None:
    """Draw `clips` clips with the seeds `seed`, `seed` + 1, … into the corpus at `out`.

    `size` is a `Size`, a named size or HEIGHTxWIDTHxFRAMES@FPS. `tags` are in directive syntax
    and replace what the sampler draws in their fields. `faults` (limb:0.8,freeze:0.5) break every
    clip whose tags do not ask for what they would look like, in place of the sampler's own.
    The bytes do not depend on `processes` (0: one per core; more than one are spawned, so a script
    needs its `__main__` guard). Finished clips of an interrupted run with the same settings are
    kept. `report` prints how the corpus is distributed and writes report.json into it; a corpus
    that `out` already holds is reported as it is, and without `out` nothing is drawn and the specs
    alone are counted (None is returned). `gallery` draws the picture book of the taxonomy into
    `out` in place of a corpus: a looping clip for every tag, and pairs for every fault. With
    several `candidates` every seed gives as many clips of one prompt, the first sound and each of
    the others with a fault of its own (`procedural.candidates`), in place of the sampler's faults.
    Raises ValueError for unknown tags and faults, tags that the studio cannot draw, a size below
    the minimum, a folder that cannot be written or that holds another corpus.
    """
    if clips < 1:
        raise ValueError(f"clips must be 1 or more, not {clips}")
    if seed < 0:
        raise ValueError(f"seed must be 0 or more, not {seed}")
    if candidates < 1:
        raise ValueError(f"candidates must be 1 or more, not {candidates}")
    if candidates > 1 and faults:
        raise ValueError("candidates have faults of their own: leave out --faults")
    if processes < 0:
        raise ValueError(f"processes must be 0 (one per core) or more, not {processes}")
    find_sampler(sampler)
    fixed = DrawSettings(
        parse_size(size),
        _fixed_tags(tags),
        _fixed_faults(faults),
        sampler,
        crf,
        pixel_format,
        candidates=candidates,
    )
    seeds = range(seed, seed + clips)
    if out is None:
        if not report:
            raise ValueError("--out is missing: say which folder the corpus goes to")
        plans = [plan_clip(number, fixed, k) for number in seeds for k in range(candidates)]
        draw_report.report_specs([describe_plan(**vars(plan)) for plan in plans])
        return None
    folder = Path(out)
    if gallery:
        if tags or faults or report:
            raise ValueError("the gallery shows every tag and fault: give it --out and --size only")
        print(draw_gallery(folder, fixed.size, seed, processes))
        return None
    if not (report and (folder / CATALOGUE_NAME).is_file()):
        _draw(folder, seeds, fixed, processes)
    catalogue = read_catalogue(folder)
    if report:
        draw_report.report_corpus(catalogue)
    return catalogue


def _fixed_tags(tags: str | None) -> str:
    """Return the tags that every clip carries in canonical form, checked."""
    fixed = parse_tags(tags) if tags else ProductionSpec()
    check_drawable(fixed)
    return print_tags(fixed) if fixed.tags else ""


def _fixed_faults(faults: str | None) -> str:
    """Return the faults of every clip as KIND:SEVERITY with commas between, checked."""
    found = parse_faults(faults or "")
    if len({fault.kind for fault in found}) < len(found):
        raise ValueError(f"faults {faults!r} name a kind twice")
    return ",".join(f"{fault.kind}:{fault.severity:g}" for fault in found)


def parse_faults(text: str) -> tuple[Fault, ...]:
    """Return the faults of a text such as 'limb:0.8,freeze:0.5'; none for an empty one.

    Raises ValueError, saying the form, for another text, an unknown kind or a severity that is
    not in (0, 1].
    """
    faults = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        found = re.fullmatch(r"([\w -]+):\s*(\d*\.?\d+)", part)
        if not found:
            raise ValueError(f"fault {part!r} is not KIND:SEVERITY such as limb:0.8")
        faults.append(Fault(found[1], float(found[2])))
    return tuple(faults)


def _draw(folder: Path, seeds: range, settings: DrawSettings, processes: int) -> None:
    """Draw what is missing of a corpus and write its catalogue."""
    _claim(folder, settings)
    rows = _finished(folder, seeds)
    names = {seed: settings.names(seed) for seed in seeds}
    missing = [seed for seed, own in names.items() if not rows.keys() >= set(own)]
    chunks = [missing[start : start + CHUNK] for start in range(0, len(missing), CHUNK)]
    with ticking("Drawing", len(seeds) * settings.candidates) as ticker:
        ticker.advance((len(seeds) - len(missing)) * settings.candidates)
        for drawn in spread(partial(draw_chunk, folder, settings=settings), chunks, processes):
            ticker.advance(len(drawn))
            rows |= {row.id: row for row in drawn}
    write_catalogue(folder, [rows[name] for own in names.values() for name in own])
    _forget_rows(folder)


def parse_size(size: str | Size) -> Size:
    """Return the clip size that a text such as 'pocket' or '64x64x17@8' names.

    Raises ValueError, saying the form, for any other text or for a size below the minimum.
    """
    if isinstance(size, Size):
        return size
    if size in NAMED_SIZES:
        return NAMED_SIZES[size]
    found = re.fullmatch(r"(\d+)x(\d+)x(\d+)@(\d+(?:\.\d+)?)", size.strip())
    if not found:
        raise ValueError(
            f"size {size!r} is neither {', '.join(NAMED_SIZES)} nor HEIGHTxWIDTHxFRAMES@FPS "
            "such as 64x64x17@8"
        )
    height, width, frames = (int(number) for number in found.groups()[:3])
    return Size(height, width, frames, float(found[4]))


def _claim(folder: Path, settings: DrawSettings) -> None:
    """Make the folder and write the settings into it, or check those that are there."""
    record = settings.record
    path = folder / SETTINGS_NAME
    try:
        if path.is_file():
            if path.read_text() != record:
                raise ValueError(
                    f"{folder} holds a corpus drawn with other settings ({SETTINGS_NAME} says "
                    "which); give another folder"
                )
            return
        if folder.is_dir() and any(folder.iterdir()):
            raise ValueError(f"{folder} holds other files; give an empty or a new folder")
        with whole_file(path) as temporary:
            temporary.write_text(record)
    except OSError as error:
        raise ValueError(f"{folder} cannot be written: {error.strerror or error}") from error


def _finished(folder: Path, seeds: range) -> dict[str, ClipRow]:
    """Return the rows of the clips that are drawn already and whole, by id."""
    candidates: list[ClipRow] = []
    if (folder / CATALOGUE_NAME).is_file():
        candidates += read_catalogue(folder)
    for path in sorted((folder / ROWS_FOLDER).glob("*.json")):
        candidates.append(ClipRow(**json.loads(path.read_text())))
    rows = {}
    for row in candidates:
        clip = folder / row.path
        if clip.is_file() and digest_file(clip) == row.digest:
            rows[row.id] = row
    if others := sorted({_seed_of(row) for row in rows.values()} - set(seeds)):
        raise ValueError(
            f"{folder} holds clips of other seeds ({others[0]} … {others[-1]}); give another "
            "folder, or ask for these seeds too"
        )
    return rows


def _seed_of(row: ClipRow) -> int:
    assert row.seed is not None
    return row.seed


def draw_chunk(folder: Path, seeds: Sequence[int], settings: DrawSettings) -> list[ClipRow]:
    """Draw the clips of some seeds into a corpus folder and return their rows."""
    rows = []
    for seed, candidate in itertools.product(seeds, range(settings.candidates)):
        row = _draw_one(folder, seed, settings, candidate)
        with whole_file(folder / ROWS_FOLDER / f"{row.id}.json") as temporary:
            temporary.write_text(json.dumps(asdict(row)))
        rows.append(row)
    return rows


def _draw_one(folder: Path, seed: int, settings: DrawSettings, candidate: int) -> ClipRow:
    """Draw and encode one clip; its file appears whole or not at all."""
    plan, size = plan_clip(seed, settings, candidate), settings.size
    clip = draw_clip(plan.spec, seed, size, plan.staging, plan.faults)
    name = settings.names(seed)[candidate]
    path = f"{CLIPS_FOLDER}/{name}.mp4"
    encode_video(
        folder / path, clip.frames, size.fps, crf=settings.crf, pixel_format=settings.pixel_format
    )
    return ClipRow(
        id=name,
        path=path,
        frames=size.frames,
        fps=float(size.fps),
        height=size.height,
        width=size.width,
        digest=digest_file(folder / path),
        caption=clip.caption.to_json(),
        directive=print_directive(clip.directive),
        tags=print_tags(plan.spec),
        content=clip.content,
        tier="A",
        style_cluster=style_index(plan.spec),
        motion_amplitude=true_amplitude(clip.truth, float(size.fps)),
        deformation=float(clip.truth["deformation"]),
        truth=json.dumps(clip.truth),
        seed=seed,
        source="procedural studio",
    )


@dataclass(frozen=True)
class ClipPlan:
    """What the clip of a seed shows before it is drawn."""

    seed: int
    spec: ProductionSpec
    staging: Staging
    faults: tuple[Fault, ...]


def plan_clip(seed: int, settings: DrawSettings, candidate: int = 0) -> ClipPlan:
    """Return the plan of a seed: the sampler's, with the fixed tags in place of its own.

    `candidate` is which of its clips, where there are several. A fixed fault is left out where the
    clip's tags ask for what it would look like or hide it.
    """
    fixed = parse_tags(settings.tags) if settings.tags else None
    spec = sample_spec(seed, settings.sampler, fixed)
    if settings.candidates > 1:
        faults = candidate_faults(seed, candidate, spec)
    elif settings.faults:
        faults = tuple(f for f in parse_faults(settings.faults) if conflict(f, spec) is None)
    else:
        faults = sample_faults(seed, settings.sampler, spec)
    return ClipPlan(seed, spec, sample_staging(seed, settings.sampler, spec), faults)


def _forget_rows(folder: Path) -> None:
    """Remove the per-clip rows, which the catalogue now holds."""
    rows = folder / ROWS_FOLDER
    if rows.is_dir():
        for path in rows.iterdir():
            path.unlink()
        rows.rmdir()
