"""The arrays of a latent cache: TensorStore zarr3, sharded, uncompressed."""

import functools
from pathlib import Path
from typing import Any

import numpy as np
import tensorstore as ts

from animatrix_data.corpus.latent_meta import Bucket, TextMeta

CLIPS_IN_SHARD = 32
TOKENS_IN_CHUNK = 32
LATENTS, REFERENCE, TEXT = "latents", "reference", "text"

CONTEXT = {
    "cache_pool": {"total_bytes_limit": 2**20},
    "file_io_mode": {"mode": "memmap"},
}
"""Measured by data/benchmarks/latents.py: maps spare one copy of what is read; the small cache
holds the shards' indices, not their values, which the page cache holds already."""


def bucket_name(bucket: Bucket) -> str:
    """Return the folder of a bucket, 't×h×w' with letters x."""
    return "x".join(str(side) for side in bucket)


def numpy_dtype(dtype: str) -> np.dtype[Any]:
    """Return the NumPy type of latents kept as `dtype`."""
    return np.dtype(ts.dtype(dtype).numpy_dtype)


def open_latents(
    path: Path, rows: int, shape: tuple[int, ...], dtype: str, *, create: bool = False
) -> Any:
    """Open the array [rows, *shape] with a chunk a clip, or make it; returns a TensorStore.

    Raises ValueError where there is none to read.
    """
    return _open(path, (rows, *shape), (1, *shape), (CLIPS_IN_SHARD, *shape), dtype, create)


def open_text(path: Path, rows: int, text: TextMeta, dtype: str, *, create: bool = False) -> Any:
    """Open, or make, the array [rows, wordings, length, width] of text states.

    A chunk is `TOKENS_IN_CHUNK` tokens of one text; those that hold no token are not stored.
    Raises ValueError as `open_latents` does.
    """
    whole = -(-text.length // TOKENS_IN_CHUNK) * TOKENS_IN_CHUNK
    return _open(
        path,
        (rows, text.wordings, text.length, text.width),
        (1, 1, TOKENS_IN_CHUNK, text.width),
        (CLIPS_IN_SHARD, text.wordings, whole, text.width),
        dtype,
        create,
    )


def _open(
    path: Path,
    shape: tuple[int, ...],
    chunk: tuple[int, ...],
    shard: tuple[int, ...],
    dtype: str,
    create: bool,
) -> Any:
    raw = {"name": "bytes", "configuration": {"endian": "little"}}
    sharding = {
        "name": "sharding_indexed",
        "configuration": {"chunk_shape": chunk, "codecs": [raw]},
    }
    spec = {
        "driver": "zarr3",
        "kvstore": {"driver": "file", "path": str(path)},
        "metadata": {
            "shape": shape,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": shard}},
            "data_type": dtype,
            "fill_value": 0,
            "codecs": [sharding],
        },
        # What was lost is an error when it is read, never zeros; so zeros are stored as well.
        "fill_missing_data_reads": False,
        "store_data_equal_to_fill_value": True,
    }
    return ts.open(spec, open=True, create=create, context=_context()).result()


@functools.cache
def _context() -> ts.Context:
    return ts.Context(CONTEXT)
