"""`animatrix encode`: every clip of a corpus through a VAE, into a latent cache."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np

from animatrix_data.corpus.catalogue import read_catalogue
from animatrix_data.corpus.latents import LatentCache, LatentMeta
from animatrix_data.corpus.video import DecodeLimits, decode_video
from animatrix_data.progress import ticking
from animatrix_jax.runtime.model import load_model
from animatrix_jax.runtime.video import make_tiling


def run(
    corpus: str | Path,
    model: str | Path,
    out: str | Path,
    *,
    batch: int = 16,
    tile: int | None = None,
) -> LatentCache:
    """Encode a corpus into the latent cache `out`; an unfinished cache is gone on with.

    `batch` clips go through the VAE at once, with `tile` in tiles of so many pixels.

    Every clip gets its latents and the latents of its first frame followed by zeros (the I2V
    reference). Raises ValueError when `out` is a cache of another VAE or corpus, or when a clip's
    shape does not suit the VAE.
    """
    catalogue = read_catalogue(corpus)
    loaded = load_model(model)
    config = loaded.vae_config
    tiling = make_tiling(tile, config.space_stride)
    meta = LatentMeta(
        vae_digest=loaded.vae_digest,
        corpus_digest=catalogue.digest,
        ids=tuple(row.id for row in catalogue),
        buckets=tuple(
            config.latent_shape(row.frames, row.height, row.width)[:3] for row in catalogue
        ),
        channels=config.z_dim,
    )
    cache = LatentCache.create(out, meta)
    for frames, height, width in catalogue.buckets:
        bucket = config.latent_shape(frames, height, width)[:3]
        cache.write_blank(bucket, np.asarray(loaded.blank_reference(frames, height, width, tiling)))
    remaining = set(cache.remaining.tolist())
    with ticking("Encoding", len(remaining)) as ticker:
        for shape, members in catalogue.buckets.items():
            todo = [row for row in members if row in remaining]
            limits = DecodeLimits(max_frames=shape[0])
            for start in range(0, len(todo), batch):
                rows = todo[start : start + batch]
                clips = np.stack(
                    [decode_video(catalogue.clip_path(catalogue[r]), limits).frames for r in rows]
                )
                # A short last batch is padded, so that one shape is compiled a bucket.
                clips = np.concatenate([clips, clips[:1].repeat(batch - len(rows), axis=0)])
                latents = loaded.encode_video(jnp.asarray(clips), tiling)
                reference = loaded.encode_reference(jnp.asarray(clips), None, tiling)
                keep = slice(len(rows))
                cache.write(rows, np.asarray(latents)[keep], np.asarray(reference)[keep])
                ticker.advance(len(rows))
    return LatentCache.open(out)
