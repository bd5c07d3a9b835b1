"""Grain: the surface that a style gives every shape, as a tile of light and dark marks.

A tile is a square of numbers in [-1, 1] (float32 [SIDE, SIDE], y down): light where positive, dark
where negative, 0 where the paint shows plain. It repeats without a seam.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import cv2
import numpy as np
import skia
from numpy.typing import NDArray

from animatrix_data.procedural.colour import Rgb
from animatrix_data.procedural.registry import Registry, generator

Tile = NDArray[np.float32]

SIDE = 256
"""Pixels along a tile's edge."""
TILE = 1.6
"""Frame heights along a tile's edge: a mark of 4 pixels is 3 pixels in a frame of 128."""

GRAINS: Registry[Callable[[np.random.Generator], Tile]] = Registry("grain")


def _noise(rng: np.random.Generator, coarse: float, fine: float, along: float = 1.0) -> Tile:
    """Return noise whose marks are between `fine` and `coarse` pixels; `along` lengthens them."""
    fy, fx = np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None]
    radius = np.hypot(fx * along, fy)
    band = np.exp(-((radius * 2 * fine) ** 2)) - np.exp(-((radius * 2 * coarse) ** 2))
    white = np.fft.rfft2(rng.standard_normal((SIDE, SIDE)))
    field = np.fft.irfft2(white * band, s=(SIDE, SIDE))
    return np.clip(field / (2.2 * field.std()), -1, 1).astype(np.float32)


def _relief(height: Tile) -> Tile:
    """Return how a bumpy surface looks, lit from the upper left."""
    slope = np.roll(height, 1, (0, 1)) - np.roll(height, -1, (0, 1))
    return np.clip(-slope / (2.2 * slope.std()), -1, 1).astype(np.float32)


def _stamp(size: int, value: float, shape: Callable[[NDArray[np.uint8]], None]) -> Tile:
    """Return a mark drawn at four times its size, so that its edge is smooth."""
    big = np.zeros((4 * size, 4 * size), np.uint8)
    shape(big)
    small = cv2.resize(big, (size, size), interpolation=cv2.INTER_AREA)
    return (small.astype(np.float32) / 255 * value).astype(np.float32)


@GRAINS.add("poster")
def _poster(rng: np.random.Generator) -> Tile:
    """Return the flat dabs of a poster-colour brush, as on a painted background."""
    dabs = _noise(rng, 30, 7, along=2.4)
    return (np.sign(dabs) * np.clip((np.abs(dabs) - 0.4) * 7, 0, 1)).astype(np.float32)


@GRAINS.add("screentone")
def _screentone(rng: np.random.Generator) -> Tile:
    """Return a printer's dots at 45 degrees, broken by strokes of a marker."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    pitch = 16.0
    wave = np.cos(2 * np.pi * (x + y) / pitch) + np.cos(2 * np.pi * (x - y) / pitch)
    dots = np.clip((wave - 0.9) * 2.5, 0, 1)
    patch = _noise(rng, 60, 24) > -0.15
    return (-dots * patch).astype(np.float32)


@GRAINS.add("paper")
def _paper(rng: np.random.Generator) -> Tile:
    """Return blots and dry strokes of ink on fibrous paper."""
    blots = np.clip((-_noise(rng, 26, 8) - 0.25) * 1.4, 0, 1)
    fibres = np.clip(_noise(rng, 6, 2, along=3.0) - 0.35, 0, 1)
    return (fibres * 1.2 - blots * 0.9).clip(-1, 1).astype(np.float32)


@GRAINS.add("confetti")
def _confetti(rng: np.random.Generator) -> Tile:
    """Return small plain figures strewn far apart: triangles, rings, crosses and bars."""

    def triangle(big: NDArray[np.uint8]) -> None:
        cv2.fillPoly(big, [np.array([(26, 2), (50, 48), (2, 48)])], 255)

    def ring(big: NDArray[np.uint8]) -> None:
        cv2.circle(big, (26, 26), 19, 255, 9)

    def cross(big: NDArray[np.uint8]) -> None:
        cv2.line(big, (26, 5), (26, 47), 255, 10)
        cv2.line(big, (5, 26), (47, 26), 255, 10)

    def bar(big: NDArray[np.uint8]) -> None:
        cv2.line(big, (8, 40), (44, 12), 255, 12)

    shapes = (triangle, ring, cross, bar)
    stamps = [_stamp(13, v, s) for s, v in zip(shapes, (0.9, 0.9, -0.8, 0.9), strict=True)]
    tile = np.zeros((SIDE, SIDE), np.float32)
    pitch = SIDE // 8
    for row in range(8):
        for column in range(8):
            stamp = np.rot90(stamps[(row * 3 + column) % 4], int(rng.integers(4)))
            y, x = (int(n) for n in rng.integers(2, pitch - 14, 2))
            tile[row * pitch + y :, column * pitch + x :][:13, :13] = stamp
    return tile


@GRAINS.add("watercolour")
def _watercolour(rng: np.random.Generator) -> Tile:
    """Return pools of water colour with dark rims where they dried."""
    pools = _noise(rng, 40, 9)
    rims = np.exp(-((pools / 0.09) ** 2))
    body = np.clip(pools * 0.9, -0.5, 0.8)
    return (body - rims * 0.85).clip(-1, 1).astype(np.float32)


@GRAINS.add("dapple")
def _dapple(rng: np.random.Generator) -> Tile:
    """Return patches of sunlight through leaves over crisp dark detail."""
    sun = np.clip((_noise(rng, 44, 12) - 0.12) * 2.2, 0, 1)
    detail = np.clip((np.abs(_noise(rng, 16, 4, along=1.6)) - 0.35) * 2, 0, 1)
    return (0.8 * sun - 0.8 * detail * (sun < 0.3)).clip(-1, 1).astype(np.float32)


@GRAINS.add("dimples")
def _dimples(rng: np.random.Generator) -> Tile:
    """Return moulded studs, as of building blocks, lit from the upper left."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    pitch = 32.0
    shift = np.where((y // pitch) % 2 == 0, 0.0, pitch / 2)
    radius = np.hypot((x + shift) % pitch - pitch / 2, y % pitch - pitch / 2)
    height = np.clip((9.5 - radius) / 3.0, 0, 1)
    return (_relief(height.astype(np.float32)) * 0.9).astype(np.float32)


@GRAINS.add("felt")
def _felt(rng: np.random.Generator) -> Tile:
    """Return a soft woven nap, lit from the upper left."""
    return _relief(_noise(rng, 22, 7))


@GRAINS.add("photo")
def _photo(rng: np.random.Generator) -> Tile:
    """Return the roughness of real surfaces at every scale: stains, cracks and grit."""
    rough = 0.5 * _noise(rng, 50, 14) + 0.5 * _relief(_noise(rng, 14, 3)) + 0.3 * _noise(rng, 4, 1)
    return rough.clip(-1, 1).astype(np.float32)


@lru_cache(maxsize=32)
def grain_shader(name: str, light: Rgb, dark: Rgb, strength: float) -> skia.Shader:
    """Return a named grain as a shader in frame heights: its marks `light` and `dark`."""
    tile = GRAINS[name](generator(0, f"grain {name}"))
    alpha = np.abs(tile) * strength
    colour = np.where(tile[..., None] > 0, np.array(light), np.array(dark))
    pixels = np.concatenate([colour * alpha[..., None], alpha[..., None]], axis=-1)
    image = skia.Image.fromarray(
        np.ascontiguousarray((pixels * 255).round().astype(np.uint8)),
        skia.kRGBA_8888_ColorType,
        skia.kPremul_AlphaType,
    )
    scale = skia.Matrix.Scale(TILE / SIDE, TILE / SIDE)
    sampling = skia.SamplingOptions(skia.FilterMode.kLinear)
    return image.makeShader(skia.TileMode.kRepeat, skia.TileMode.kRepeat, sampling, scale)
