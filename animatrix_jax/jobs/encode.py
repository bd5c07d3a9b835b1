"""`animatrix encode`: every clip of a corpus through a VAE, into a latent cache."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console

from animatrix_data.corpus.catalogue import Catalogue, read_catalogue
from animatrix_data.corpus.latent_meta import LatentMeta
from animatrix_data.corpus.latents import LatentCache
from animatrix_data.pipeline.buckets import assign_clips, make_buckets
from animatrix_data.pipeline.conditioning import Perturbation
from animatrix_data.pipeline.sources import ClipTexts
from animatrix_jax.jobs.encode_shards import (
    ClipReader,
    Devices,
    Shape,
    ShardEncoder,
    TextStates,
    Wordings,
)
from animatrix_jax.models.vae import VAEConfig
from animatrix_jax.runtime.model import Model, load_model
from animatrix_jax.runtime.video import make_tiling

STRIDE_IN_LATENTS = 2
"""Sides of a sub-stage's buckets in latent positions, where no transformer gives its patch."""


def run(
    corpus: str | Path,
    model: str | Path,
    out: str | Path,
    *,
    batch: int = 16,
    tile: int | None = None,
    edge: int | None = None,
    frames: int | None = None,
    wordings: int = 0,
    text_encoder: str | Path | None = None,
    text_length: int | None = None,
    seed: int = 0,
    dtype: str = "float16",
    process: int = 0,
    processes: int = 1,
    strict: bool = False,
    retry: bool = False,
    rates: Perturbation | None = None,
) -> LatentCache:
    """Encode a corpus into the latent cache `out`; an unfinished cache is gone on with.

    Every clip gets its latents and the latents of its first frame followed by zeros (the I2V
    reference). `batch` clips go through the VAE at once, shared by the devices of this host, with
    `tile` in tiles of so many pixels. With `edge` and `frames` clips are fitted to the buckets of
    that sub-stage (paper 5.1); else they keep their shapes. With `wordings` every clip gets the
    text states of so many texts (`cached_wordings` by `rates` and `seed`) of at most `text_length`
    tokens, from `text_encoder` (default: both the model's). `process` of `processes` encodes whole
    shards of its own; the cache is complete when all have.

    A clip that is missing, damaged, of no fitting shape or outside the vocabulary is skipped and
    named, or with `strict` an error; `retry` tries once more those that were skipped. Raises
    ValueError when `out` is a cache of anything else, or when no clip can be encoded.
    """
    _check(batch, wordings, edge, frames, process, processes)
    catalogue, devices = read_catalogue(corpus), Devices.local()
    loaded = replace(load_model(model), placement=devices.replicated)
    tiling = make_tiling(tile, loaded.vae_config.space_stride)
    words = Wordings(wordings, rates or Perturbation(), seed)
    states = _text_states(loaded, text_encoder, text_length, words, devices) if wordings else None
    shapes, left_out = fit_clips(catalogue, loaded, edge, frames)
    if strict and left_out:
        clip, reason = next(iter(left_out.items()))
        raise ValueError(f"clip {clip!r}: {reason}")
    config = loaded.vae_config
    meta = LatentMeta(
        vae_digest=loaded.vae_digest,
        corpus_digest=catalogue.digest,
        ids=tuple(row.id for row in catalogue),
        buckets=tuple(None if s is None else config.latent_shape(*s)[:3] for s in shapes),
        channels=config.z_dim,
        dtype=dtype,
        left_out=left_out,
        fitted="" if edge is None else f"edge {edge} and {frames} frames",
        text=states.meta if states else None,
        command=_command(
            [corpus, "--model", model, "--out", out],
            {"batch": batch, "tile": tile, "edge": edge, "frames": frames, "wordings": wordings}
            | {"text_encoder": text_encoder, "text_length": text_length, "seed": seed}
            | {"dtype": dtype},
        ),
    )
    cache = LatentCache.create(out, meta, f"{process}-of-{processes}")
    reader = ClipReader(catalogue, tuple(shapes), edge is not None, ClipTexts(catalogue), words)
    encoder = ShardEncoder(cache, reader, loaded, states, devices, batch, tiling)
    encoder.run(cache.shards[process::processes], strict, retry)
    cache = LatentCache.open(out)
    _report(cache, corpus)
    return cache


def _check(
    batch: int, wordings: int, edge: int | None, frames: int | None, process: int, processes: int
) -> None:
    if batch < 1:
        raise ValueError(f"batch is how many clips are encoded at once, 1 at least, not {batch}")
    if wordings < 0:
        raise ValueError(f"wordings is how many texts a clip has, 0 for none, not {wordings}")
    if (edge is None) != (frames is None):
        given, lacking = ("edge", "frames") if frames is None else ("frames", "edge")
        raise ValueError(f"a sub-stage has an edge and frames: {given} is given without {lacking}")
    if processes < 1 or not 0 <= process < processes:
        raise ValueError(
            f"process goes from 0 to processes − 1: there is no process {process} of {processes}"
        )


def _command(start: Sequence[str | Path], flags: Mapping[str, object]) -> str:
    """Return the command line that goes on with a cache: `start`, and what is not as always."""
    usual = run.__kwdefaults__ or {}
    words = ["animatrix", "encode", *map(str, start)]
    for name, value in flags.items():
        words += [] if value == usual[name] else [f"--{name}", str(value)]
    return shlex.join(words)


def _text_states(
    model: Model, folder: str | Path | None, length: int | None, words: Wordings, devices: Devices
) -> TextStates:
    encoder = model if folder is None else replace(load_model(folder), placement=devices.replicated)
    if length is None:
        networks = [m.card.transformer for m in (encoder, model) if m.card.transformer is not None]
        if not networks:
            raise ValueError(
                f"{encoder.folder} has no transformer to say how many tokens a text has: give "
                "text_length"
            )
        length = networks[0].dit.text_length
    return TextStates(encoder, length, words, devices)


def fit_clips(
    catalogue: Catalogue, model: Model, edge: int | None, frames: int | None
) -> tuple[list[Shape | None], dict[str, str]]:
    """Return what every clip is encoded as (None: nothing), and why some are left out, by id.

    That is its own shape, or with `edge` and `frames` the bucket of a sub-stage. Raises ValueError
    where nothing is left.
    """
    own = [(row.frames, row.height, row.width) for row in catalogue]
    if not own:
        raise ValueError(f"the corpus {catalogue.folder} holds no clips to encode")
    config, reasons = model.vae_config, dict[int, str]()
    if edge is None or frames is None:
        refused = {shape: _refusal(config, shape) for shape in set(own)}
        shapes = [None if refused[shape] else shape for shape in own]
        reasons = {row: refused[shape] for row, shape in enumerate(own) if refused[shape]}
    else:
        buckets = make_buckets(edge, frames, stride=_stride(model))
        sizes = tuple(dict.fromkeys(own))
        places = np.array([sizes.index(shape) for shape in own])
        assigned = assign_clips(places, sizes, buckets)
        shapes = [None if place < 0 else buckets[place] for place in assigned.places]
        for reason, rows in assigned.left_out.items():
            reasons |= {int(row): f"it fits no bucket: {reason}" for row in rows}
    if len(reasons) == len(own):
        raise ValueError(f"no clip of {catalogue.folder} can be encoded: {reasons[0]}")
    return shapes, {catalogue[row].id: reasons[row] for row in sorted(reasons)}


def _refusal(config: VAEConfig, shape: Shape) -> str:
    try:
        config.latent_shape(*shape)
    except ValueError as error:
        return str(error)
    return ""


def _stride(model: Model) -> int:
    """Return what the sides of a bucket are multiples of: the VAE's stride times the patch's."""
    network = model.card.transformer
    patch: Sequence[int] = network.dit.patch[1:] if network else (STRIDE_IN_LATENTS,)
    return model.vae_config.space_stride * max(patch)


def _report(cache: LatentCache, corpus: str | Path) -> None:
    """Print what was skipped, a line a clip, and what other processes have still to do."""
    skipped, left = cache.skipped, len(cache.remaining)
    if len(skipped) == len(cache):
        clip, reason = next(iter(skipped.items()))
        raise ValueError(
            f"no clip of {corpus} could be encoded: all {len(cache)} were skipped, the first "
            f"({clip}) because {reason}"
        )
    console = Console(highlight=False, soft_wrap=True, markup=False)
    if skipped:
        console.print(f"{cache.path}: {len(skipped)} of {len(cache)} clips were skipped.")
    for clip, reason in skipped.items():
        console.print(f"  skipped {clip}: {reason}")
    if left:
        console.print(f"{cache.path}: {left} clips are left to the other processes.")
