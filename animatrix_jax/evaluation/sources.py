"""Clips to measure, with what was asked of them: generated ones, a corpus, or drawn afresh."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from animatrix_data.corpus.catalogue import CATALOGUE_NAME, read_catalogue
from animatrix_data.corpus.video import decode_video
from animatrix_data.procedural import (
    Size,
    draw_clip,
    sample_faults,
    sample_spec,
    sample_staging,
)
from animatrix_data.procedural.captions import write_directive
from animatrix_data.procedural.content import sample_content
from animatrix_data.progress import track
from animatrix_data.taxonomy import ProductionSpec, parse_tags
from animatrix_jax.objectives.reconstruction import psnr
from animatrix_jax.runtime.model import Model

CHUNK = 16
HELD_OUT_SEED = 3_000_000_000
"""Seeds from here on are drawn for measuring only; corpora to train on take smaller ones."""


@dataclass(frozen=True)
class Shown:
    """A clip, frames uint8 [T, H, W, 3] at `fps`, and what was asked of it.

    Of a drawn clip also the kinds of faults that it shows, its deformation in [0, 1], and the
    background's path as its truth has it.
    """

    name: str
    frames: np.ndarray
    fps: float
    spec: ProductionSpec
    faults: frozenset[str] = frozenset()
    deformation: float = 0.0
    camera: Mapping[str, Sequence[float]] | None = None


def load_clips(folder: str | Path) -> list[Shown]:
    """Return the clips of a folder that `generate` or `draw` wrote, by name.

    A corpus says in its catalogue what each clip shows, a generated clip in the JSON beside it.
    Raises ValueError when there are none, or one cannot be read.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"there is no folder of clips {folder}")
    if (folder / CATALOGUE_NAME).is_file():
        catalogue = read_catalogue(folder)
        found = [(row.id, catalogue.clip_path(row), row.tags) for row in catalogue]
    else:
        found = [(path.stem, path, _tags_beside(path)) for path in sorted(folder.glob("*.mp4"))]
    asked = [(name, path, tags) for name, path, tags in found if tags]
    if not asked:
        what = f"{len(found)} clips, but none with tags" if found else "no clips (.mp4)"
        raise ValueError(f"{folder} holds {what}")
    shown = []
    for name, path, tags in track(asked, label="Decoding"):
        video = decode_video(path)
        shown.append(Shown(name, video.frames, video.fps, parse_tags(tags)))
    return shown


def _tags_beside(path: Path) -> str:
    """Return the tags in the JSON beside a clip; empty where there is none."""
    record = path.with_suffix(".json")
    if not record.is_file():
        return ""
    try:
        tags = json.loads(record.read_text(encoding="utf-8")).get("tags", "")
    except (json.JSONDecodeError, UnicodeDecodeError, AttributeError) as error:
        raise ValueError(f"{record} is not the record of a clip") from error
    if not isinstance(tags, str):
        raise ValueError(f"{record} has tags that are not a text")
    return tags


def draw_held_out(count: int, size: Size, seed: int, sampler: str) -> list[Shown]:
    """Return clips of a sampler that nothing was trained on; `seed` picks other ones."""
    first = held_out_seed(seed)
    numbers = track(range(first, first + count), label="Drawing")
    return [draw_shown(number, size, sampler) for number in numbers]


def draw_shown(number: int, size: Size, sampler: str) -> Shown:
    """Return the clip of a studio seed as a sampler asks for it, with the fault it draws."""
    spec = sample_spec(number, sampler)
    faults = sample_faults(number, sampler, spec)
    clip = draw_clip(spec, number, size, sample_staging(number, sampler, spec), faults)
    return Shown(
        f"drawn-{number}",
        clip.frames,
        float(size.fps),
        spec,
        frozenset(fault.kind for fault in faults),
        float(clip.truth["deformation"]),
        clip.truth["camera"],
    )


def held_out_seed(seed: int) -> int:
    """Return the first studio seed of a measurement; ValueError for a seed out of range."""
    if not 0 <= seed < 10_000:
        raise ValueError(f"the seed of a measurement goes from 0 to 9999, not {seed}")
    return HELD_OUT_SEED + 100_000 * seed


def content_text(spec: ProductionSpec, number: int, sampler: str, mention: bool = True) -> str:
    """Return the text channel's words for a studio seed; without `mention` they name no tag."""
    rates = {} if mention else {"mention": 0.0}
    content = sample_content(number, sample_staging(number, sampler, spec))
    return write_directive(spec, content, number, **rates).text


def reconstruct(model: Model, frames: np.ndarray) -> np.ndarray:
    """Return clips uint8 [N, T, H, W, 3] after a round trip through a model's VAE."""
    out = np.empty_like(frames)
    for start in track(range(0, len(frames), CHUNK), label="Reconstructing"):
        chunk = frames[start : start + CHUNK]
        padded = np.concatenate([chunk, chunk[:1].repeat(CHUNK - len(chunk), axis=0)])
        latents = model.encode_video(jnp.asarray(padded))
        out[start : start + CHUNK] = model.decode(latents)[: len(chunk)]
    return out


def mean_psnr(frames: np.ndarray, others: np.ndarray) -> float:
    """Return the mean over clips uint8 [N, ...] of the PSNR in dB against others."""
    errors = [
        np.mean(np.square(a / 127.5 - b / 127.5)) for a, b in zip(frames, others, strict=True)
    ]
    return float(jnp.mean(psnr(jnp.asarray(errors))))
