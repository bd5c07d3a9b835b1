"""`animatrix encode`: every clip of a corpus through a VAE, into a latent cache."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import jax
from rich.console import Console

from animatrix_data.corpus.catalogue import catalogue_digest
from animatrix_data.corpus.clip_files import ClipFiles
from animatrix_data.corpus.latent_meta import META_NAME, LatentMeta, check_fits
from animatrix_data.corpus.latents import LatentCache
from animatrix_data.pipeline.buckets import assign_clips, make_buckets
from animatrix_data.pipeline.conditioning import Perturbation
from animatrix_data.pipeline.sources import ClipTexts
from animatrix_data.sampling.table import ClipTable, read_table
from animatrix_data.settings import naming
from animatrix_jax.jobs.encode_shards import (
    ClipReader,
    Devices,
    Shape,
    ShardEncoder,
    TextStates,
    Wordings,
)
from animatrix_jax.models.vae import VAEConfig
from animatrix_jax.parallel.processes import together
from animatrix_jax.runtime.model import Model, load_model
from animatrix_jax.runtime.video import make_tiling

STRIDE_IN_LATENTS = 2
"""Sides of a sub-stage's buckets in latent positions, where no transformer gives its patch."""
NAMED = 20
"""Skipped clips that are named one by one; the cache knows all."""


def run(
    corpus: str | Path,
    model: str | Path,
    out: str | Path,
    *,
    batch: int = 16,
    tile: int | None = None,
    edge: int | None = None,
    frames: Sequence[int] | None = None,
    stride: int | None = None,
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
    that sub-stage (paper 5.1), whose sides are multiples of `stride` pixels (default: the model's
    own, of VAE and patch); else they keep their shapes. With `wordings` every clip gets the text
    states of so many texts (`cached_wordings` by `rates` and `seed`) of at most `text_length`
    tokens, from `text_encoder` (default: both the model's). `process` of `processes` encodes whole
    shards of its own; the cache is complete when all have.

    A clip that is missing, damaged, of no fitting shape or outside the vocabulary is skipped and
    named, or with `strict` an error; `retry` tries once more those that were skipped. Raises
    ValueError when `out` is a cache of anything else, or when no clip can be encoded.
    """
    _check(batch, wordings, edge, frames, process, processes)
    files, devices = ClipFiles.read(corpus), Devices.local()
    loaded = replace(load_model(model), placement=devices.replicated)
    tiling = make_tiling(tile, loaded.vae_config.space_stride)
    words = Wordings(wordings, rates or Perturbation(), seed)
    states = _text_states(loaded, text_encoder, text_length, words, devices) if wordings else None
    stride = stride_of(loaded) if stride is None else stride
    if stride < 1 or stride % loaded.vae_config.space_stride:
        raise ValueError(
            f"stride must be a multiple of the VAE's {loaded.vae_config.space_stride} px, "
            f"not {stride}"
        )
    with naming(corpus):
        shapes, left_out = fit_clips(read_table(corpus), loaded.vae_config, edge, frames, stride)
    if strict and left_out:
        clip, reason = next(iter(left_out.items()))
        raise ValueError(f"clip {clip!r}: {reason}")
    config = loaded.vae_config
    meta = LatentMeta(
        vae_digest=loaded.vae_digest,
        corpus_digest=catalogue_digest(corpus),
        ids=files.ids,
        buckets=tuple(None if s is None else config.latent_shape(*s)[:3] for s in shapes),
        channels=config.z_dim,
        dtype=dtype,
        left_out=left_out,
        fitted=fitted(edge, frames, stride),
        text=states.meta if states else None,
        command=_command(
            [corpus, "--model", model, "--out", out],
            {"batch": batch, "tile": tile, "edge": edge, "wordings": wordings}
            | {"frames": frames and ",".join(map(str, frames))}
            | {"stride": stride if edge is not None else None}
            | {"text_encoder": text_encoder, "text_length": text_length, "seed": seed}
            | {"dtype": dtype},
        ),
    )
    cache = LatentCache.create(out, meta, f"{process}-of-{processes}")
    reader = ClipReader(files, tuple(shapes), edge is not None, ClipTexts.read(corpus), words)
    encoder = ShardEncoder(cache, reader, loaded, states, devices, batch, tiling)
    encoder.run(cache.shards[process::processes], strict, retry)
    cache = LatentCache.open(out)
    _report(cache, corpus)
    return cache


def _check(
    batch: int,
    wordings: int,
    edge: int | None,
    frames: Sequence[int] | None,
    process: int,
    processes: int,
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


@dataclass(frozen=True)
class Wanted:
    """What a run needs of a latent cache: its networks, its sub-stage, the texts of every clip.

    Clips are fitted to buckets of `edge` and `frames` with sides of whole `stride`s in pixels, or
    keep their shapes where those are None. `wordings` texts a clip of at most `text_length` tokens,
    perturbed by `rates`, are needed; 0 for none.
    """

    vae: Model
    text: Model
    edge: int | None
    frames: Sequence[int] | None
    stride: int
    wordings: int
    text_length: int
    rates: Perturbation

    @property
    def said(self) -> str | None:
        """What a cache must say of its texts' rates; None where none are needed."""
        return Wordings(self.wordings, self.rates, 0).said if self.wordings else None


def check_kept(
    folder: str | Path, digest: str, wanted: Wanted, memory_limit: int = 0
) -> LatentCache | None:
    """Return the cache in `folder` of the corpus of `digest`, finished or not; None without one.

    A cache that holds more than is wanted serves as well: texts where none are needed, more
    wordings, another dtype or seed. Raises ValueError for one made from another model, corpus or
    sub-stage, by other rates than its texts must have, or without the texts that are needed.
    """
    folder = Path(folder)
    if not (folder / META_NAME).exists():
        return None
    text_digest = wanted.text.text_digest if wanted.wordings else None
    cache = LatentCache.open(folder, wanted.vae.vae_digest, digest, memory_limit, text_digest)
    buckets = fitted(wanted.edge, wanted.frames, wanted.stride)
    check_fits(folder, cache.meta, buckets, wanted.text_length, wanted.said)
    return cache


def kept(
    corpus: str | Path, folder: str | Path, digest: str, wanted: Wanted, memory_limit: int = 0
) -> LatentCache:
    """Return the complete cache in `folder`; one that is not there, or unfinished, is encoded.

    The processes of a run share the work. Raises ValueError as `check_kept` does.
    """
    cache = check_kept(folder, digest, wanted, memory_limit)
    # All have looked before one begins to change what there is to see.
    together("cache seen")
    if cache is None or not cache.complete:
        _encode_wanted(corpus, folder, wanted, cache)
    together("cache made")
    cache = LatentCache.open(folder, memory_limit=memory_limit)
    cache.check_complete()
    return cache


def _encode_wanted(
    corpus: str | Path, folder: str | Path, wanted: Wanted, cache: LatentCache | None
) -> None:
    """Encode what a cache lacks, this process's part of it."""
    text = cache.meta.text if cache else None
    count = text.wordings if text else wanted.wordings
    run(
        corpus,
        wanted.vae.folder,
        folder,
        edge=wanted.edge,
        frames=wanted.frames,
        stride=wanted.stride,
        wordings=count,
        text_encoder=wanted.text.folder if count else None,
        text_length=text.length if text else wanted.text_length,
        seed=text.seed if text else 0,
        dtype=cache.meta.dtype if cache else LatentMeta.dtype,
        rates=wanted.rates,
        process=jax.process_index(),
        processes=jax.process_count(),
    )


def fitted(edge: int | None, frames: Sequence[int] | None, stride: int) -> str:
    """Return what a cache says of the buckets that its clips are fitted to."""
    if edge is None or frames is None:
        return ""
    counts = " or ".join(map(str, sorted(frames)))
    return f"edge {edge}, {counts} frames and sides of {stride} px"


def fit_clips(
    table: ClipTable,
    config: VAEConfig,
    edge: int | None,
    frames: Sequence[int] | None,
    stride: int,
) -> tuple[list[Shape | None], dict[str, str]]:
    """Return what every clip is encoded as (None: nothing), and why some are left out, by id.

    That is its own shape, or with `edge` and `frames` the bucket of a sub-stage whose sides are
    multiples of `stride` pixels. Raises ValueError where nothing is left.
    """
    if not len(table):
        raise ValueError("it holds no clips to encode")
    shapes: list[Shape | None]
    if edge is None or frames is None:
        sizes, places = table.shape_sizes, table.shapes.tolist()
        refused = [_refusal(config, size) for size in sizes]
        shapes = [None if refused[place] else sizes[place] for place in places]
        reasons = {row: refused[place] for row, place in enumerate(places) if refused[place]}
    else:
        buckets = make_buckets(edge, frames, stride=stride)
        assigned = assign_clips(table.shapes, table.shape_sizes, buckets)
        shapes = [None if place < 0 else buckets[place] for place in assigned.places.tolist()]
        reasons = {
            int(row): f"it fits no bucket: {reason}"
            for reason, rows in assigned.left_out.items()
            for row in rows
        }
    if len(reasons) == len(table):
        raise ValueError(f"no clip can be encoded: {reasons[0]}")
    return shapes, {table.id(row): reasons[row] for row in sorted(reasons)}


def _refusal(config: VAEConfig, shape: Shape) -> str:
    try:
        config.latent_shape(*shape)
    except ValueError as error:
        return str(error)
    return ""


def stride_of(model: Model) -> int:
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
    for clip, reason in islice(skipped.items(), NAMED):
        console.print(f"  skipped {clip}: {reason}")
    if len(skipped) > NAMED:
        console.print(f"  … and {len(skipped) - NAMED} more")
    if left:
        console.print(f"{cache.path}: {left} clips are left to the other processes.")
