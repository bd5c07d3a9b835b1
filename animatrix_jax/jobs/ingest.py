"""`animatrix ingest`: a folder of videos with optional sidecars into a corpus."""

import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from animatrix_data.corpus.catalogue import ClipRow, write_catalogue
from animatrix_data.corpus.ingest import IngestSettings, ingest_video, small_settings
from animatrix_data.corpus.sidecar import find_sidecar, is_sidecar, read_sidecar
from animatrix_data.files import whole_folder
from animatrix_data.progress import ticking

if TYPE_CHECKING:
    from animatrix_data.procedural import Size

REPORT_NAME = "ingest_report.json"
MOST_WORKERS = 8
"""Videos read at once unless asked otherwise: each holds up to two clips in memory."""


@dataclass(frozen=True)
class IngestReport:
    """What became of a folder: clips by video, and a sentence for each refused file."""

    corpus: Path
    clips: int
    videos: dict[str, int]
    refused: dict[str, str]


@dataclass(frozen=True)
class _Outcome:
    name: str
    rows: tuple[ClipRow, ...] = ()
    refusal: str = ""


def run(
    folder: str | os.PathLike[str],
    out: str | os.PathLike[str],
    size: "str | Size | None" = None,
    settings: IngestSettings | None = None,
    workers: int = 0,
    quiet: bool = False,
) -> IngestReport:
    """Ingest every video under `folder` into a new corpus at `out` and return what happened.

    A file that cannot be used is refused in one sentence and the others still go in;
    `out`/ingest_report.json keeps the sentences. The corpus appears whole or not at all.
    `size` ("pocket", "desk", "studio" or HEIGHTxWIDTHxFRAMES@FPS) makes every clip of that size
    and lowers the entry floor to it; without it the paper's buckets and floor hold, and
    `settings` says everything itself. `workers` is the number of videos read at once (0: one per
    core, eight at most). Raises ValueError when `folder` holds nothing usable or `out` is not free.
    """
    folder, out = Path(folder), Path(out)
    settings = _settings(size, settings)
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder.")
    files = _files(folder, out)
    if not files:
        raise ValueError(f"{folder} holds no files to ingest.")
    with whole_folder(out) as corpus:
        outcomes = _ingest_all(folder, files, corpus, settings, workers)
        rows = [row for outcome in outcomes for row in outcome.rows]
        refused = {o.name: o.refusal for o in outcomes if o.refusal}
        if not rows:
            name, sentence = next(iter(refused.items()))
            raise ValueError(
                f"{folder} holds no usable video: {len(refused)} "
                f"file{'s' if len(refused) > 1 else ''} refused, the first ({name}) because "
                f"{sentence}"
            )
        write_catalogue(corpus, rows)
        report = IngestReport(
            out, len(rows), {o.name: len(o.rows) for o in outcomes if o.rows}, refused
        )
        record = asdict(report) | {"settings": asdict(settings)}
        # Where the corpus lies is not a fact about it: the folder may move.
        del record["corpus"]
        (corpus / REPORT_NAME).write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n")
    if not quiet:
        _print(report)
    return report


def _settings(size: "str | Size | None", settings: IngestSettings | None) -> IngestSettings:
    if size is None:
        return settings or IngestSettings()
    if settings is not None:
        raise ValueError("ingest takes a size or settings, not both.")
    # Only here is the drawing studio needed, and it is slow to load.
    from animatrix_jax.jobs.draw import parse_size

    clip = parse_size(size)
    return small_settings(clip.height, clip.width, clip.frames, clip.fps)


def _files(folder: Path, out: Path) -> list[Path]:
    """Every file under `folder` in a fixed order, but hidden ones, sidecars and `out` itself."""
    found = []
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in relative.parts)
        if not path.is_file() or hidden or path.is_relative_to(out) or is_sidecar(path):
            continue
        found.append(path)
    return found


def _ingest_all(
    folder: Path, files: list[Path], corpus: Path, settings: IngestSettings, workers: int
) -> list[_Outcome]:
    with (
        ticking("Ingesting", len(files)) as ticker,
        ThreadPoolExecutor(workers or min(MOST_WORKERS, os.cpu_count() or 1)) as pool,
    ):

        def one(path: Path) -> _Outcome:
            name = path.relative_to(folder).as_posix()
            outcome = _ingest_one(path, name, corpus, settings, lambda: ticker.advance(0, name))
            ticker.advance(1, name)
            return outcome

        return list(pool.map(one, files))


def _ingest_one(
    path: Path, name: str, corpus: Path, settings: IngestSettings, on_clip: Callable[[], None]
) -> _Outcome:
    try:
        sidecar = read_sidecar(find_sidecar(path))
        return _Outcome(name, tuple(ingest_video(path, name, corpus, settings, sidecar, on_clip)))
    except ValueError as error:
        return _Outcome(name, refusal=str(error))


def _print(report: IngestReport) -> None:
    console = Console(highlight=False, soft_wrap=True, markup=False)
    videos = len(report.videos)
    console.print(
        f"{report.corpus}: {report.clips} clips from {videos} video{'s' if videos > 1 else ''}, "
        f"{len(report.refused)} files refused."
    )
    for sentence in report.refused.values():
        console.print(f"  refused: {sentence}")
