"""The pattern in which a clip moves: what all of its frames have in common, on one grid.

A movement of the camera moves every cell along one course in time, by an amount of its own. So the
flow of all pairs of frames is taken apart into the course that most of it shares (the leading
singular vector over time) and the pattern that moves along it; limbs that swing to and fro leave
little in it. Beside the pattern stands what a similarity of the whole frame leaves of it: there a
figure, the ground and near things stand out from the distance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from animatrix_data.procedural.oracles.flow import GRID

Floats = NDArray[np.float32]
Numbers = NDArray[np.floating[Any]]

FIT_ROUNDS = 6
OUTLIER = 0.3
"""The squared error, against the mean, at which a cell loses half of its weight in a fit."""
CLEAR = 0.8
"""The quantile of the cells' motion by which a pattern is measured."""
LEAST = (0.003, 0.006)
"""What is added to it (frame heights), over short and long spans: less motion is noise."""
COURSES = 13
TOTALS = 12
IMAGE = 30
ENDS = 4
"""Frames at the beginning and the end whose sharpness is compared."""


def _signs(count: int, turned: tuple[int, ...]) -> Floats:
    signs = np.ones(count, np.float32)
    signs[list(turned)] = -1
    return signs


MIRRORED = (
    _signs(IMAGE, (0, 2, 4, 6, 8, 10, 12, 14)),
    _signs(COURSES, (0, 3, 4, 7)),
    _signs(TOTALS, (4, 7, 8, 11)),
)
"""The signs that image (whose columns also change sides), course and totals take in a mirror."""
REVERSED = (
    _signs(IMAGE, (*range(16), 23)),
    _signs(COURSES, tuple(range(8))),
    _signs(TOTALS, tuple(range(4, TOTALS))),
)
"""The signs that they take where a clip is played backwards."""
REVERSED_IMAGE = (*range(8), 14, 15, 12, 13, 10, 11, 8, 9, *range(16, IMAGE))
"""Which channels of the image then stand where."""


@dataclass(frozen=True)
class Patterns:
    """The patterns of N clips of P pairs of frames.

    image: [N, 16, 16, 30], where what lies, how it moves and looks; course: [N, P, 13], how the
    whole frame moves and how sharp it is, pair by pair; totals: [N, 12], the pattern's size, its
    share of all motion, and the similarities that fit it. profile: [N, P], the course that the
    pattern follows, of unit length; size: [N], the pattern's, in frame heights.
    """

    image: Floats
    course: Floats
    totals: Floats
    profile: Floats
    size: Floats


def patterns(short: Numbers, long: Numbers, colours: NDArray[np.uint8]) -> Patterns:
    """Return the patterns of the `Parallax` of N clips: [N, P, …], [N, K, …], [N, T, …]."""
    near, far = (np.asarray(spans, np.float32) for spans in (short, long))
    quick, profile, share, quick_left = _leading(near)
    slow, _, slow_share, slow_left = _leading(far)
    weights = [spans[..., 2].mean(axis=1) for spans in (near, far)]
    sizes = [_size(p, least) for p, least in zip((quick, slow), LEAST, strict=True)]
    fits = [fit_similarity(p, w) for p, w in zip((quick, slow), weights, strict=True)]
    detail, tint = near[..., 4], np.asarray(colours, np.float32) / 255 - 0.5
    (quick_fit, quick_rest, quick_kept), (slow_fit, slow_rest, slow_kept) = fits
    quick_size, slow_size = (size[:, None, None, None] for size in sizes)
    moved = [slow / slow_size, quick / quick_size, 2 * slow_rest / slow_size,
             2 * quick_rest / quick_size]  # fmt: skip
    parts = far[:, np.linspace(0, far.shape[1] - 1, 4).round().astype(int), ..., :2]
    parts = parts.transpose(0, 2, 3, 1, 4).reshape(len(far), GRID, GRID, 8) / slow_size
    plain = np.stack(
        [
            2 * weights[0],
            2 * weights[1],
            slow_kept,
            quick_kept,
            np.arcsinh(quick_left / quick_size[..., 0]),
            np.arcsinh(slow_left / slow_size[..., 0]),
            detail.mean(axis=1) - 2,
            detail[:, -ENDS:].mean(axis=1) - detail[:, :ENDS].mean(axis=1),
            near[..., 3].mean(axis=1) - 0.5,
            near[..., 5].mean(axis=1) - 1,
        ],
        axis=-1,
    )
    course = _course(near, profile, sizes[0])
    totals = [np.log(sizes[1]) + 3, np.log(sizes[0]) + 3, share, slow_share]
    against = [np.arcsinh(3 * fit / size[:, None])
               for fit, size in zip((slow_fit, quick_fit), sizes[::-1], strict=True)]  # fmt: skip
    image = np.concatenate(
        [
            np.arcsinh(2 * np.concatenate(moved, axis=-1)) / 1.5,
            np.arcsinh(3 * parts) / 1.5,
            plain,
            tint.mean(axis=1),
            4 * np.sqrt(tint.var(axis=1).mean(axis=-1, keepdims=True)),
        ],
        axis=-1,
    )
    whole = np.concatenate([np.stack(totals, axis=-1), *against], axis=-1)
    return Patterns(*(np.asarray(x, np.float32)
                      for x in (image, course, whole, profile, sizes[1])))  # fmt: skip


def _leading(spans: Floats) -> tuple[Numbers, Numbers, Numbers, Numbers]:
    """Return of spans [N, T, 16, 16, 3 or more] (u, v, weight, …) the pattern [N, 16, 16, 2], the
    course [N, T] that it follows, its share of all motion [N], and what is left [N, 16, 16]."""
    flow, count = spans[..., :2], spans.shape[1]
    trust = np.sqrt(spans[..., 2].mean(axis=1))[:, None, ..., None]
    rows = (flow * trust).reshape(len(flow), count, -1)
    energies, vectors = np.linalg.eigh(
        rows @ rows.transpose(0, 2, 1) + np.float32(1e-9) * np.eye(count)
    )
    profile = vectors[:, :, -1]
    # Forwards is where more of the clip goes.
    profile = profile * np.where(profile.sum(axis=1, keepdims=True) < 0, -1, 1)
    pattern = np.einsum("nt,nt...->n...", profile, flow)
    rest = np.square(flow).sum(axis=(1, 4)) - np.square(pattern).sum(axis=-1)
    share = energies[:, -1] / (energies.sum(axis=1) + 1e-9)
    return pattern, profile, share, np.sqrt(np.maximum(rest, 0))


def _size(pattern: Numbers, least: float) -> Floats:
    length = np.sqrt(np.square(pattern).sum(axis=-1)).reshape(len(pattern), -1)
    return np.asarray(np.quantile(length, CLEAR, axis=1) + least, np.float32)


def _course(near: Floats, profile: Numbers, size: Floats) -> Numbers:
    """Return how the whole frame moves and how sharp it is, pair by pair [N, P, 13]."""
    fit, rest, _ = fit_similarity(near[..., :2], near[..., 2])
    error = np.sqrt(np.square(rest).sum(axis=-1).mean(axis=(2, 3)))
    detail, edge = near[..., 4], GRID * 5 // 16
    inner = detail[:, :, edge : GRID - edge, edge : GRID - edge]
    said = (2 * profile, error / 0.01, detail.mean(axis=(2, 3)) - 2, inner.mean(axis=(2, 3)) - 2,
            near[..., 2].mean(axis=(2, 3)))  # fmt: skip
    moved = (np.arcsinh(fit / 0.004), np.arcsinh(3 * fit / size[:, None, None]))
    return np.concatenate([*moved, np.stack(said, axis=-1)], axis=-1)


def fit_similarity(flow: Numbers, weight: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """Return the similarities that explain flow [..., 16, 16, 2] by weight [..., 16, 16].

    (x, y, growth, turn) [..., 4], the flow's own unit at the middle and a frame height beside it;
    what they leave of the flow; and in [0, 1] how much each cell agrees. Least squares, iteratively
    reweighted by a Cauchy loss.
    """
    basis, products = _basis()
    plane, sure = flow.reshape(-1, GRID * GRID, 2), weight.reshape(-1, GRID * GRID)
    along = np.einsum("nij,bni->bnj", basis, plane)
    kept = sure
    for _ in range(FIT_ROUNDS):
        normal = (kept @ products).reshape(-1, 4, 4) + 1e-4 * np.eye(4)
        fit = np.linalg.solve(normal, np.einsum("bn,bnj->bj", kept, along)[..., None])[..., 0]
        rest = plane - np.einsum("nij,bj->bni", basis, fit)
        error = np.square(rest).sum(axis=-1)
        mean = (error * sure).sum(axis=-1, keepdims=True) / (
            sure.sum(axis=-1, keepdims=True) + 1e-6
        )
        kept = sure / (1 + error / (OUTLIER * mean + 1e-7))
    agreed = (kept / (sure + 1e-6)).reshape(flow.shape[:-1])
    return fit.reshape(*flow.shape[:-3], 4), rest.reshape(flow.shape), agreed


def _basis() -> tuple[Numbers, Numbers]:
    """Return what each unit of a similarity moves each cell by [256, 2, 4], and its products."""
    at = (np.arange(GRID) + 0.5) / GRID - 0.5
    x, y = np.meshgrid(at, at)
    one, none = np.ones_like(x), np.zeros_like(x)
    rows = [np.stack([one, none, x, -y], axis=-1), np.stack([none, one, y, x], axis=-1)]
    basis = np.stack(rows, axis=-2).reshape(GRID * GRID, 2, 4)
    return basis, np.einsum("nij,nik->njk", basis, basis).reshape(GRID * GRID, 16)
