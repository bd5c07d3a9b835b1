"""Clips through the VAE in bounded memory: chunk by chunk in time, tile by tile in space.

A stream holds the VAE's causal memory (the last frames of each layer's input) and one chunk,
whatever the clip's length. Tiles bound what a large frame needs on the device: each goes through
as a clip of its own, and where tiles overlap they are blended linearly on the host.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from animatrix_jax.models.conv import MEMORY
from animatrix_jax.models.vae import VAE

Frames = Float[Array, "B T H W 3"] | UInt8[Array, "B T H W 3"]
Latents = Float[Array, "B t h w z"]


@dataclass(frozen=True)
class Tiling:
    """Square tiles of a large frame: their edge and the least overlap of neighbours, in pixels.

    Both are multiples of the VAE's space_stride. A frame no larger than a tile is one tile. A tile
    sees nothing of its neighbours: near its edges, and through attention everywhere, the result
    differs a little from that of the whole frame.
    """

    size: int
    overlap: int

    def __post_init__(self) -> None:
        """Check that neighbours can move on."""
        if not 0 <= self.overlap < self.size:
            raise ValueError(f"tiles of {self.size} pixels cannot overlap by {self.overlap}")

    def along(self, length: int, unit: int) -> tuple[list[int], Float[np.ndarray, "tiles length"]]:
        """Cut an edge of `length` positions of `unit` pixels each.

        Returns the tiles' first positions and, for every tile, its share in each position: linear
        where tiles overlap, 0 outside the tile, together 1. Tiles are equally long; the last ends
        with the edge.
        """
        size, overlap = min(self.size // unit, length), self.overlap // unit
        starts = [*range(0, length - size, self.size // unit - overlap), length - size]
        inward = np.minimum(np.arange(1, size + 1), np.arange(size, 0, -1))
        shares = np.zeros((len(starts), length))
        for share, start in zip(shares, starts, strict=True):
            share[start : start + size] = np.minimum(inward, overlap + 1)
        return starts, (shares / shares.sum(axis=0)).astype(np.float32)


def make_tiling(edge: int | None, stride: int) -> Tiling | None:
    """Return tiles of `edge` pixels, a quarter shared with each neighbour; None for whole frames.

    Raises ValueError where the edge is no multiple of the VAE's space stride.
    """
    if edge is None:
        return None
    if edge < stride or edge % stride:
        raise ValueError(f"a tile's edge is a multiple of {stride} pixels, not {edge}")
    return Tiling(edge, edge // (4 * stride) * stride)


def to_unit(frames: Frames) -> Float[Array, "B T H W 3"]:
    """Return frames in [−1, 1]: bytes scaled, floats as they are."""
    return frames.astype(jnp.float32) / 127.5 - 1.0 if frames.dtype == jnp.uint8 else frames


def encode_stream(
    vae: VAE,
    params: Any,
    frames: Frames | Iterable[Frames],
    placement: jax.sharding.Sharding | None = None,
) -> Iterator[Float[Array, "B 1 h w z"]]:
    """Return an iterator over a clip's normalised latents, one latent frame at a time.

    `frames` is a clip in [−1, 1] or uint8, or consecutive pieces of one, of any lengths.
    `placement` says which devices take which clips (None: the default device). Raises ValueError
    where the clip's length is not time_stride·n + 1 or its edges do not divide.
    """
    if isinstance(frames, np.ndarray | jax.Array):
        vae.config.latent_shape(*frames.shape[1:4])
    chunks = (jax.device_put(chunk, placement) for chunk in _clip_chunks(vae, frames))
    return _through(vae, params, "encode", chunks)


def decode_stream(
    vae: VAE, params: Any, latents: Latents | Iterable[Latents]
) -> Iterator[Float[Array, "B T H W 3"]]:
    """Return an iterator over the frames, about [−1, 1], of normalised latents.

    The first latent frame gives one frame, each later one time_stride frames. `latents` is an
    array or consecutive pieces of one.
    """
    return _through(vae, params, "decode", _chunks(latents, 1))


def encode_clip(
    vae: VAE, params: Any, frames: Frames, tiling: Tiling | None = None
) -> Float[np.ndarray, "B t h w z"]:
    """Return a clip's normalised latents; frames in [−1, 1] or uint8.

    Clips that lie on several devices are encoded by them. Raises ValueError for a clip or a tiling
    that the VAE's strides do not divide.
    """
    latents = np.zeros((len(frames), *vae.config.latent_shape(*frames.shape[1:4])), np.float32)
    host, placement = np.asarray(frames), None
    if isinstance(frames, jax.Array) and len(frames.sharding.device_set) > 1:
        placement = frames.sharding
    for rows, columns, share in _tiles(vae, latents.shape[2:4], 1, tiling):
        tile = host[:, :, *_pixels(vae, rows, columns)]
        for index, chunk in enumerate(encode_stream(vae, params, tile, placement)):
            latents[:, index : index + 1, rows, columns] += share * np.asarray(chunk)
    return latents


def decode_clip(
    vae: VAE, params: Any, latents: Latents, tiling: Tiling | None = None
) -> Float[np.ndarray, "B T H W 3"]:
    """Return the frames, about [−1, 1], of normalised latents.

    Raises ValueError for a tiling that the VAE's strides do not divide.
    """
    batch, count, height, width, _ = latents.shape
    stride, time = vae.config.space_stride, vae.config.time_stride
    extent = (time * (count - 1) + 1, height * stride, width * stride)
    frames = np.zeros((batch, *extent, 3), np.float32)
    host = np.asarray(latents)
    for rows, columns, share in _tiles(vae, (height, width), stride, tiling):
        start, place = 0, _pixels(vae, rows, columns)
        for chunk in decode_stream(vae, params, host[:, :, rows, columns]):
            stop = start + chunk.shape[1]
            frames[:, start:stop, *place] += share * np.asarray(chunk)
            start = stop
    return frames


def _tiles(
    vae: VAE, extent: tuple[int, ...], scale: int, tiling: Tiling | None
) -> Iterator[tuple[slice, slice, np.ndarray]]:
    """Yield each tile's rows and columns of latents, and its share in `scale` times as many."""
    stride = vae.config.space_stride
    if tiling is None:
        tiling = Tiling(max(extent) * stride, 0)
    if tiling.size % stride or tiling.overlap % stride:
        raise ValueError(
            f"tiles of {tiling.size} pixels that overlap by {tiling.overlap} do not fit this VAE: "
            f"both must be multiples of {stride}"
        )
    cuts = []
    for length in extent:
        starts, shares = tiling.along(length * scale, stride // scale)
        size = min(tiling.size // stride, length)
        places = [slice(start // scale, start // scale + size) for start in starts]
        within = [
            share[start : start + size * scale] for start, share in zip(starts, shares, strict=True)
        ]
        cuts.append(list(zip(places, within, strict=True)))
    for rows, down in cuts[0]:
        for columns, across in cuts[1]:
            yield rows, columns, (down[:, None] * across)[..., None]


def _pixels(vae: VAE, rows: slice, columns: slice) -> tuple[slice, slice]:
    stride = vae.config.space_stride
    return (
        slice(rows.start * stride, rows.stop * stride),
        slice(columns.start * stride, columns.stop * stride),
    )


def _clip_chunks(vae: VAE, frames: Frames | Iterable[Frames]) -> Iterator[np.ndarray]:
    count = 0
    for chunk in _chunks(frames, vae.config.time_stride):
        count += chunk.shape[1]
        vae.config.latent_shape(count, *chunk.shape[2:4])
        yield chunk
    if not count:
        raise ValueError("a clip of no frames cannot be encoded")


def _chunks(pieces: Any, later: int) -> Iterator[np.ndarray]:
    """Regroup a clip's frames, or its pieces', into one and then `later` at a time."""
    waiting, size = None, 1
    for piece in [pieces] if isinstance(pieces, np.ndarray | jax.Array) else pieces:
        piece = np.asarray(piece)
        waiting = piece if waiting is None else np.concatenate([waiting, piece], axis=1)
        while waiting.shape[1] >= size:
            yield waiting[:, :size]
            waiting, size = waiting[:, size:], later
    if waiting is not None and waiting.shape[1]:
        yield waiting


def _through(
    vae: VAE, params: Any, method: str, chunks: Iterable[np.ndarray | jax.Array]
) -> Iterator[jax.Array]:
    memory: Any = {}
    for index, chunk in enumerate(chunks):
        out, memory = _step(vae, method, index == 0, params, memory, chunk)
        yield out


@partial(jax.jit, static_argnums=(0, 1, 2), donate_argnums=4)
def _step(
    vae: VAE, method: str, first: bool, params: Any, memory: Any, chunk: jax.Array
) -> tuple[jax.Array, Any]:
    if method == "encode":
        chunk = to_unit(chunk)
    result: Any = vae.apply({**params, **memory}, chunk, first, method=method, mutable=[MEMORY])
    return result
