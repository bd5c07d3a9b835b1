"""`animatrix generate`: a clip from a directive, or from tags, a sentence and a reference frame."""

import json
import platform
import re
from collections.abc import Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from animatrix_data.corpus.video import check_output, read_image, write_frames
from animatrix_data.files import check_writable, digest_file, whole_file
from animatrix_data.progress import ticking
from animatrix_data.taxonomy import (
    Directive,
    ProductionSpec,
    parse_directive,
    parse_tags,
    print_directive,
)
from animatrix_jax.diffusion.guidance import high_low
from animatrix_jax.inference.animator import load
from animatrix_jax.inference.pipeline import count_steps
from animatrix_jax.inference.request import (
    Plan,
    Request,
    SamplerSettings,
    check_request,
    plan_sampling,
)
from animatrix_jax.runtime.model import Model

LARGEST_SCALE = 64

Pair = float | Sequence[float] | str


def run(
    model: str | Path,
    out: str | Path = "clip.mp4",
    *,
    directive: str | Path | None = None,
    tags: str | None = None,
    text: str | None = None,
    unconditional: bool = False,
    reference: str | Path | None = None,
    negative: str | None = None,
    steps: int | None = None,
    guidance_text: Pair | None = None,
    guidance_tag: Pair | None = None,
    solver: str | None = None,
    grid: str | None = None,
    shift: float | None = None,
    seed: int = 0,
    frames: int | None = None,
    size: str | None = None,
    tile: int | None = None,
    scale: int = 1,
    mesh: str | None = None,
    offload: bool = False,
) -> np.ndarray:
    """Sample one clip, write it and the JSON that made it, and return it: uint8 [T, H, W, 3].

    `out` is an .mp4, a .gif or a folder of png; the JSON stands beside it under the same stem. The
    same arguments write the same bytes. `directive` is a file of three sections; `tags` and `text`
    stand in for it. `reference` is a picture for the first frame, or several as "FILE@FRAME,FILE",
    -1 being the last. Guidance is one number or (high, low), as numbers or a text; `size` is
    "HEIGHTxWIDTH" in pixels; None takes what the model's card says. `tile` lets the VAE work on
    tiles of so many pixels, `scale` enlarges what is written, by whole pixels. `mesh` and `offload`
    are those of `inference.animator.load`. Raises ValueError
    (or OSError) in one sentence for whatever cannot be done, before anything is sampled or written.
    """
    out = Path(out)
    asked = _directive(directive, tags, text, unconditional)
    height, width = _size(size)
    settings = SamplerSettings(
        steps=steps,
        solver=solver,
        grid=grid,
        shift=shift,
        guidance_text=_pair(guidance_text, "guidance_text"),
        guidance_tag=_pair(guidance_tag, "guidance_tag"),
        negative=negative,
        frames=frames,
        height=height,
        width=width,
        batch=1,
        tile=tile,
    )
    if not 1 <= scale <= LARGEST_SCALE:
        raise ValueError(f"scale goes from 1 to {LARGEST_SCALE}, not {scale}")
    pictures = _pictures(reference)
    animator = load(model, mesh, offload=offload)
    loaded = animator.model
    plan = plan_sampling(loaded, settings)
    references = {frame: read_image(path) for frame, path in pictures.items()}
    request = Request.of(asked, seed, references)
    check_request(loaded, request, plan.clip[0])
    _check_place(out)
    with ticking("Sampling", count_steps(loaded, [request], settings)) as ticker:
        clip = animator.generate(
            asked, seed=seed, references=references, on_step=ticker.advance, **asdict(settings)
        )
    record = describe(loaded, asked, seed, settings, plan) | {
        "reference": None if reference is None else str(reference),
        "reference_digests": {frame: digest_file(path) for frame, path in pictures.items()},
        "clip": out.name,
        "scale": scale,
    }
    write_clip(out, clip, plan.fps, record, scale)
    return clip


def describe(
    model: Model, directive: Directive, seed: int, settings: SamplerSettings, plan: Plan
) -> dict[str, Any]:
    """Return everything that decides a clip's bytes, as JSON can hold it."""
    return {
        "directive": print_directive(directive),
        "tags": str(directive.spec),
        "text": directive.text,
        "seed": seed,
        "frames": plan.clip[0],
        "height": plan.clip[1],
        "width": plan.clip[2],
        "fps": plan.fps,
        "steps": len(plan.sigmas) - 1,
        "solver": plan.solver,
        "grid": plan.grid,
        "integer_timestep": plan.integer_timestep,
        "guidance": {name: asdict(s) for name, s in zip(("high", "low"), plan.scales, strict=True)},
        "negative": plan.negative,
        "tile": settings.tile,
        "schedule": asdict(plan.schedule),
        "model": str(model.folder),
        "model_digest": model.digest,
        "versions": {
            "python": platform.python_version(),
            "machine": platform.machine(),
            **{n: metadata.version(n) for n in ("animatrix-jax", "jax", "jaxlib", "numpy", "av")},
        },
    }


def write_clip(
    out: Path, clip: np.ndarray, fps: float, record: dict[str, Any], scale: int = 1
) -> None:
    """Write a clip and its record beside it; both or, where one fails, neither."""
    with whole_file(record_path(out)) as temporary:
        temporary.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", "utf-8")
        write_frames(out, clip, fps, scale)


def record_path(out: Path) -> Path:
    """Return where the JSON of the clip at `out` stands: clip.json beside clip.mp4."""
    return out.with_suffix(".json")


def _directive(
    file: str | Path | None, tags: str | None, text: str | None, unconditional: bool
) -> Directive:
    """Return what is asked for; ValueError where it is asked for twice, or not at all."""
    given = [name for name, value in (("tags", tags), ("text", text)) if value is not None]
    if file is not None:
        given.insert(0, "directive")
    if unconditional:
        if given:
            raise ValueError(f"--unconditional asks for nothing, and --{given[0]} for something")
        return Directive(ProductionSpec())
    if file is not None:
        if len(given) > 1:
            raise ValueError(f"--directive holds tags and text already: leave out --{given[1]}")
        return read_directive(file)
    asked = Directive(parse_tags(tags or ""), text or "")
    if not asked.spec.tags and not asked.text:
        raise ValueError("say what to draw by --directive, --tags or --text (or --unconditional)")
    return asked


def _pictures(reference: str | Path | None) -> dict[int, Path]:
    """Return picture files by frame from "FILE[@FRAME],…"; ValueError where two share a frame."""
    pictures: dict[int, Path] = {}
    for part in [] if reference is None else str(reference).split(","):
        name, mark, frame = part.rpartition("@")
        if not re.fullmatch(r"-?\d+", frame) or not mark:
            name, frame = part, "0"
        if int(frame) in pictures:
            raise ValueError(f"--reference gives frame {frame} twice: write FILE@FRAME,FILE@FRAME")
        pictures[int(frame)] = Path(name)
    return pictures


def read_directive(path: str | Path) -> Directive:
    """Return the directive in a file; ValueError, naming the file, where there is none."""
    try:
        return parse_directive(Path(path).read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not a text file") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _pair(value: Pair | None, name: str) -> tuple[float, float] | None:
    return None if value is None else high_low(value, name)


def _size(size: str | None) -> tuple[int | None, int | None]:
    """Return (height, width) of a "HEIGHTxWIDTH" text."""
    if size is None:
        return None, None
    sides = size.lower().split("x")
    if len(sides) != 2 or not all(side.isdecimal() for side in sides):
        raise ValueError(f"size is HEIGHTxWIDTH in pixels, as in 64x64, not {size!r}")
    return int(sides[0]), int(sides[1])


def _check_place(out: Path) -> None:
    """Raise ValueError or OSError unless the clip and its record can be written."""
    check_output(out)
    if out.suffix and out.is_dir():
        raise ValueError(f"{out} is a folder: name a file in it")
    for path in (out, record_path(out)):
        check_writable(path)
    if record_path(out).is_dir():
        raise ValueError(f"{record_path(out)}, where the clip's JSON goes, is a folder")
