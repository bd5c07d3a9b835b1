"""`animatrix draw`: a corpus drawn by the procedural studio, whose every tag is known."""

import json
import multiprocessing
import os
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import asdict, dataclass
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
    amplitude_score,
    check_drawable,
    draw_clip,
    find_sampler,
    sample_spec,
    style_index,
)
from animatrix_data.progress import Ticker, ticking
from animatrix_data.taxonomy import ProductionSpec, parse_tags, print_directive, print_tags

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
    """What decides the bytes of a drawn clip besides its own seed."""

    size: Size
    tags: str = ""
    sampler: str = "balanced"
    crf: int = 16
    pixel_format: str = "yuv444p"
    studio: int = STUDIO_VERSION


def run(
    out: str | os.PathLike[str],
    clips: int = 64,
    size: str | Size = "pocket",
    seed: int = 0,
    processes: int = 2,
    tags: str | None = None,
    sampler: str = "balanced",
    crf: int = 16,
    pixel_format: str = "yuv444p",
) -> Catalogue:
    """Draw `clips` clips with the seeds `seed`, `seed` + 1, … into the corpus at `out`.

    `size` is a `Size`, a named size or HEIGHTxWIDTHxFRAMES@FPS. `tags` are in directive syntax
    and replace what the sampler draws in their fields. The bytes do not depend on `processes`
    (0: one per core; more than one are spawned, so a script needs its `__main__` guard).
    Finished clips of an interrupted run with the same settings are kept.
    Raises ValueError for unknown tags, tags that the studio cannot draw, a size below the
    minimum, a folder that cannot be written or that holds another corpus.
    """
    if clips < 1:
        raise ValueError(f"clips must be 1 or more, not {clips}")
    if seed < 0:
        raise ValueError(f"seed must be 0 or more, not {seed}")
    if processes < 0:
        raise ValueError(f"processes must be 0 (one per core) or more, not {processes}")
    fixed = parse_tags(tags) if tags else ProductionSpec()
    check_drawable(fixed)
    sample_spec(seed, sampler)
    settings = DrawSettings(
        parse_size(size), print_tags(fixed) if fixed.tags else "", sampler, crf, pixel_format
    )
    folder = Path(out)
    seeds = range(seed, seed + clips)
    _claim(folder, settings)
    rows = _finished(folder, seeds)
    missing = [s for s in seeds if s not in rows]
    with ticking("Drawing", len(seeds)) as ticker:
        ticker.advance(len(rows))
        for row in _draw_all(folder, missing, settings, processes, ticker):
            rows[_seed_of(row)] = row
    catalogue = write_catalogue(folder, [rows[s] for s in sorted(rows)])
    _forget_rows(folder)
    return catalogue


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
    record = json.dumps(asdict(settings), indent=2) + "\n"
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


def _finished(folder: Path, seeds: range) -> dict[int, ClipRow]:
    """Return the rows of the clips that are drawn already and whole, by seed."""
    candidates: list[ClipRow] = []
    if (folder / CATALOGUE_NAME).is_file():
        candidates += read_catalogue(folder)
    for path in sorted((folder / ROWS_FOLDER).glob("*.json")):
        candidates.append(ClipRow(**json.loads(path.read_text())))
    rows = {}
    for row in candidates:
        clip = folder / row.path
        if clip.is_file() and digest_file(clip) == row.digest:
            rows[_seed_of(row)] = row
    if others := sorted(set(rows) - set(seeds)):
        raise ValueError(
            f"{folder} holds clips of other seeds ({others[0]} … {others[-1]}); give another "
            "folder, or ask for these seeds too"
        )
    return rows


def _seed_of(row: ClipRow) -> int:
    assert row.seed is not None
    return row.seed


def _draw_all(
    folder: Path, seeds: Sequence[int], settings: DrawSettings, processes: int, ticker: Ticker
) -> Iterator[ClipRow]:
    """Yield the rows of newly drawn clips, in the order in which they are finished."""
    chunks = [seeds[start : start + CHUNK] for start in range(0, len(seeds), CHUNK)]
    workers = min(processes or os.cpu_count() or 1, len(chunks))
    if workers <= 1:
        for seed in seeds:
            yield from draw_chunk(folder, [seed], settings)
            ticker.advance()
        return
    with _pool(workers) as pool:
        pending = {pool.submit(draw_chunk, folder, chunk, settings) for chunk in chunks}
        while pending:
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            for future in done:
                rows = future.result()
                ticker.advance(len(rows))
                yield from rows


@contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Yield a pool of spawned processes that gives up its queue when the caller fails."""
    pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def draw_chunk(folder: Path, seeds: Sequence[int], settings: DrawSettings) -> list[ClipRow]:
    """Draw the clips of some seeds into a corpus folder and return their rows."""
    rows = []
    for seed in seeds:
        row = _draw_one(folder, seed, settings)
        with whole_file(folder / ROWS_FOLDER / f"{row.id}.json") as temporary:
            temporary.write_text(json.dumps(asdict(row)))
        rows.append(row)
    return rows


def _draw_one(folder: Path, seed: int, settings: DrawSettings) -> ClipRow:
    """Draw and encode one clip; its file appears whole or not at all."""
    spec, size = drawn_spec(seed, settings), settings.size
    clip = draw_clip(spec, seed, size, find_sampler(settings.sampler).staging)
    name = f"drawn-{seed:08d}"
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
        tags=print_tags(spec),
        content=clip.content,
        tier="A",
        style_cluster=style_index(spec),
        motion_amplitude=amplitude_score(spec),
        deformation=float(clip.truth["deformation"]),
        truth=json.dumps(clip.truth),
        seed=seed,
        source="procedural studio",
    )


def drawn_spec(seed: int, settings: DrawSettings) -> ProductionSpec:
    """Return the spec of a seed: the sampler's, with the fixed tags in place of its own."""
    spec = sample_spec(seed, settings.sampler)
    fixed = parse_tags(settings.tags) if settings.tags else ProductionSpec()
    for field in fixed.fields():
        spec = spec.replace(field, fixed.get(field))
    return spec


def _forget_rows(folder: Path) -> None:
    """Remove the per-clip rows, which the catalogue now holds."""
    rows = folder / ROWS_FOLDER
    if rows.is_dir():
        for path in rows.iterdir():
            path.unlink()
        rows.rmdir()
