"""What reading a corpus through TensorFlow Datasets costs: `python tfds_reading.py`.

Draws pocket clips (or takes `--corpus`), prepares them as `animatrix_clips`, reads every clip as
bytes and as frames from the data source and as frames from the mp4 files, and prints one table.
Seconds are of processor time, the best of three passes; the ratio is over decoding the files.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import tensorflow_datasets as tfds
from rich.console import Console
from rich.table import Table

from animatrix_data.corpus.catalogue import ClipRow, read_catalogue, write_catalogue
from animatrix_data.corpus.video import decode_video, encode_video
from animatrix_data.files import digest_file
from animatrix_data.procedural import Size, draw_clip, sample_spec
from animatrix_data.taxonomy import print_tags
from animatrix_data.tfds import decode_clip

POCKET = Size(64, 64, 17, 8)
PASSES = 3


def main() -> None:
    """Draw, prepare, read, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=64, help="clips to draw")
    parser.add_argument("--corpus", type=Path, help="a corpus there already")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = args.corpus or draw(Path(place) / "corpus", args.clips)
        catalogue = read_catalogue(folder)
        start = time.process_time()
        with contextlib.redirect_stdout(io.StringIO()):
            source = tfds.data_source(
                "animatrix_clips",
                split="train",
                data_dir=place,
                builder_kwargs={"corpus": folder, "held_out": 0},
            )
        prepared = time.process_time() - start
        paths = [catalogue.clip_path(row) for row in catalogue]
        files = best(lambda: [decode_video(path).frames for path in paths])
        frames = best(lambda: [decode_clip(source[place])["video"] for place in range(len(source))])
        read = best(lambda: [source[place]["video"] for place in range(len(source))])
    table = Table(title=f"{len(catalogue)} clips of {folder.name}")
    for head in ("what", "seconds of processor", "clips a second", "ratio"):
        table.add_column(head, justify="left" if head == "what" else "right")
    for what, seconds in (
        ("prepare the data set", prepared),
        ("its examples, mp4 bytes", read),
        ("its examples, frames", frames),
        ("frames of the mp4 files", files),
    ):
        rate = len(catalogue) / seconds
        table.add_row(what, f"{seconds:.3f}", f"{rate:.0f}", f"{seconds / files:.2f}")
    Console().print(table)


def draw(folder: Path, count: int) -> Path:
    """Draw a corpus of pocket clips; return its folder."""
    rows = []
    for seed in range(count):
        spec = sample_spec(seed, "balanced")
        name = f"clips/{seed}.mp4"
        encode_video(folder / name, draw_clip(spec, seed, POCKET).frames, POCKET.fps)
        rows.append(
            ClipRow(
                id=str(seed),
                path=name,
                frames=POCKET.frames,
                fps=POCKET.fps,
                height=POCKET.height,
                width=POCKET.width,
                digest=digest_file(folder / name),
                tags=print_tags(spec),
            )
        )
    return write_catalogue(folder, rows).folder


def best(work: Callable[[], object]) -> float:
    """Return the processor seconds of the fastest of some passes."""
    seconds = []
    for _ in range(PASSES):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return min(seconds)


if __name__ == "__main__":
    main()
