"""How fast the loader hands over latents: `python loader.py`.

First a small cache of pocket's latents, in memory as a run holds it: samples a second through the
whole pipeline, text to ids included, beside those that the pocket model's train step takes in the
same run. Then a cache at A14B's
latent size on disk (21×90×160×16): bytes a second through the pipeline, beside plain reads of as
many whole files of the same size, in the same run and in turns.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.table import Table

from animatrix_data.corpus.catalogue import ClipRow
from animatrix_data.corpus.latents import LatentCache, LatentMeta
from animatrix_data.pipeline.loader import Loader, LoaderSettings, make_loader
from animatrix_data.pipeline.sources import ClipTexts, Feed
from animatrix_data.pipeline.stages import feed_sources
from animatrix_data.sampling.selection import Phase, Ratio, Selection
from animatrix_jax.models.animatrix import AniMatrix
from animatrix_jax.parallel.mesh import MeshSettings, make_mesh
from animatrix_jax.runtime.attention import attend
from animatrix_jax.runtime.model import load_model
from animatrix_jax.runtime.tokenizer import make_tokenizer
from animatrix_jax.training.flow import expert_update, flow_gradients, flow_step
from animatrix_jax.training.guards import Guards
from animatrix_jax.training.optimizer import OptimizerSettings, make_optimizer
from animatrix_jax.training.state import new_state

POCKET, A14B = ((5, 16, 16), 24), ((21, 90, 160), 16)
TEXT = (
    "<tag> MotionType: walk, MotionAmplitude: low, MotionSpeed: low, shot_type: CU, "
    "camera_motion: pan left, VFX: Rain\n<summary> A girl walks in the rain.\n"
    "<description> A girl with a red umbrella walks past closed shops, and the camera follows."
)
LENGTH = 80
STEPS = 8
BATCH = 8
VIDEO: Ratio = (0.0, 0.5, 0.5)
TURNS = 3


def main() -> None:
    """Fill caches, read them, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=32, help="clips of A14B size (20 MB each)")
    args = parser.parse_args()
    table = Table(title="latents through the loader")
    for head in ("latents", "batch", "samples/s", "MB/s", "beside", "ratio", "target"):
        table.add_column(head, justify="left" if head in ("latents", "beside") else "right")
    with tempfile.TemporaryDirectory() as folder:
        cache = _fill(Path(folder) / "pocket", *POCKET, clips=512, memory=2**30)
        rate = _samples_a_second(cache, batch=32, batches=64, ratio=(0.2, 0.4, 0.4))
        step = _pocket_step(32)
        table.add_row("pocket, in memory", "32", f"{rate:.0f}", "", f"train step {step:.1f}/s",
                      f"{rate / step:.0f}", "≥ 20")  # fmt: skip
        cache = _fill(Path(folder) / "a14b", *A14B, clips=args.clips)
        for name, ratio in (("T2V", (0.0, 1.0, 0.0)), ("T2V and I2V", VIDEO)):
            ours, raw = _beside_raw_reads(cache, Path(folder), ratio)
            cells = ("", f"{ours:.0f}", f"raw files {raw:.0f}", f"{ours / raw:.2f}", "≥ 0.4")
            table.add_row(f"A14B on disk, {name}", str(BATCH), *cells)
    Console().print(table)


def _fill(
    path: Path, bucket: tuple[int, int, int], channels: int, clips: int, memory: int = 0
) -> LatentCache:
    ids = tuple(f"clip{n}" for n in range(clips))
    meta = LatentMeta("vae", "corpus", ids, (bucket,) * clips, channels)
    cache = LatentCache.create(path, meta)
    random = np.random.default_rng(0)
    for start in range(0, clips, 32):
        shape = (min(32, clips - start), *bucket, channels)
        latents = random.standard_normal(shape, np.float32).astype(np.float16)
        cache.write(range(start, start + len(latents)), latents, -latents)
    cache.write_blank(bucket, np.zeros((*bucket, channels)))
    return LatentCache.open(path, memory_limit=memory)


def _loader(cache: LatentCache, batch: int, ratio: Ratio, ahead: int) -> Loader:
    rows = [ClipRow(clip, f"{clip}.mp4", 17, 8.0, 64, 64, "0", directive=TEXT)
            for clip in cache.meta.ids]  # fmt: skip
    feed = Feed("corpus", ClipTexts.of(rows), cache)
    sources = feed_sources([feed], [np.ones(len(cache))], [None])
    selection = Selection([Phase(None, ratio, sources)], 0)
    settings = LoaderSettings(batch, threads=ahead, prefetch=2 * ahead)
    return make_loader(selection, [feed], settings, make_tokenizer("byte", LENGTH))


def _samples_a_second(cache: LatentCache, batch: int, batches: int, ratio: Ratio) -> float:
    loader = _loader(cache, batch, ratio, ahead=1)
    next(loader)
    start = time.perf_counter()
    for _ in range(batches):
        next(loader)
    rate = batch * batches / (time.perf_counter() - start)
    loader.close()
    return rate


def _beside_raw_reads(cache: LatentCache, folder: Path, ratio: Ratio) -> tuple[float, float]:
    """Return MB/s of latents read for a batch, and of plain files of the same size, in turns."""
    files = []
    for row in range(min(len(cache), 16)):
        files.append(folder / f"raw{row}.bin")
        files[-1].write_bytes(cache.read_latents(row).tobytes())
    # Nothing is read ahead, or the other's turns would be used for it.
    loader, order = _loader(cache, BATCH, ratio, ahead=0), np.random.default_rng(1)
    next(loader)

    def read_files() -> int:
        # A batch is held as a whole: a file read and let go at once would reuse hot memory.
        kept = [files[place].read_bytes() for place in order.permutation(len(files))[:BATCH]]
        return sum(map(len, kept))

    best = {"ours": 0.0, "raw": 0.0}
    for _ in range(TURNS):
        best["ours"] = max(best["ours"], _rate(lambda: _bytes_read(next(loader)), 4))
        best["raw"] = max(best["raw"], _rate(read_files, 4))
    loader.close()
    for file in files:
        os.unlink(file)
    return best["ours"], best["raw"]


def _bytes_read(batch: dict[str, np.ndarray]) -> int:
    """Return the bytes that had to be read: all latents, and the references that are given."""
    given = int(batch["reference_mask"].any(axis=(-1, -2)).sum())
    one = batch["latents"][0, 0].nbytes
    return batch["latents"].nbytes + given * one


def _rate(read: Callable[[], int], times: int) -> float:
    start = time.perf_counter()
    total = sum(read() for _ in range(times))
    return total / (time.perf_counter() - start) / 1e6


def _pocket_step(batch: int) -> float:
    """Return the samples a second that the pocket model's train step takes here, on videos."""
    model = load_model("pocket")
    config, schedule = model.transformer_config, model.card.schedule
    assert schedule is not None
    transform, _ = make_optimizer(OptimizerSettings(), 100)
    params = model.stacked_experts()
    state = new_state(params, jax.vmap(transform.init)(params), len(model.card.experts))
    alone = make_mesh(MeshSettings())
    gradients = flow_gradients(AniMatrix(config, attend), schedule, 0.3, 0, alone)
    update = expert_update(transform, 0.999, model.card.experts, alone, Guards())
    step = jax.jit(flow_step(gradients, update), donate_argnums=0)
    layout, (bucket, channels) = (2, batch // 2), POCKET
    zeros = {
        "latents": (*bucket, channels), "reference": (*bucket, channels),
        "reference_mask": (bucket[0], 4), "text": (config.dit.text_length, config.dit.text_dim),
    }  # fmt: skip
    tags = {"values": (24, 5), "order": (24,), "mask": (24,)}
    whole = {"mode": (), "task": (), "sample_index": (2,)}
    made: dict[str, Any] = {name: jnp.zeros((*layout, *shape)) for name, shape in zeros.items()}
    made |= {name: jnp.zeros((*layout, *shape), jnp.int32) for name, shape in whole.items()}
    made["tags"] = {n: jnp.zeros((*layout, *shape), jnp.int32) for n, shape in tags.items()}
    made["tags"]["mask"] = made["tags"]["mask"].astype(bool)
    made["sample_index"] = made["sample_index"].astype(jnp.uint32)
    state, _ = step(state, made)
    jax.block_until_ready(state)
    start = time.perf_counter()
    for _ in range(STEPS):
        state, _ = step(state, made)
    jax.block_until_ready(state)
    return batch * STEPS / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
